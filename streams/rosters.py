"""What people say about models: a control record on every partition of ``events``, and what became of it there."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
import orjson
from kafka import TopicPartition

from features.instants import render
from models.outputs import ModelRef, Score, identify
from models.roster import NEW, Roster
from models.scorer import Scorer
from streams import audit, kafka
from streams.audit import Entry
from streams.control import everywhere
from streams.reading import read_all
from streams.settings import Settings
from streams.topics import AUDIT, CHANGELOG, ROSTER_KEY, SCORES
from streams.writing import write_all

_POLL_MS: Final = 200


class UnknownModelError(ValueError):
    """No model of this name is loaded, or several are; the message is one sentence for a person."""


def named(name: str, scorers: Iterable[Scorer]) -> Scorer:
    """The model or rule that a person means by ``NAME`` or ``NAME@VERSION``.

    Raises:
        UnknownModelError: there is none, or there are several versions.
    """
    bare, _, version = name.partition("@")
    found = [one for one in scorers if one.model.name == bare and version in ("", one.model.version)]
    if not found:
        raise UnknownModelError(f"No model {name} is loaded here: `vagt models roster` has the names.")
    if len(found) > 1:
        versions = ", ".join(f"{bare}@{one.model.version}" for one in found)
        raise UnknownModelError(f"There are several: {versions}. Say which.")
    return found[0]


def kind_of(name: str, scorers: Iterable[Scorer]) -> str:
    """The kind that a person means by the name of a model, of a rule or of the kind itself.

    Raises:
        UnknownModelError: there is none.
    """
    kinds = {one.kind for one in scorers if name in (one.kind, one.model.name, f"{one.model.name}@{one.model.version}")}
    if not kinds:
        raise UnknownModelError(f"No model {name} is loaded here: `vagt models roster` has the names.")
    return min(kinds)


def of_model(action: str, scorer: Scorer, by: str, why: str) -> dict[str, Any]:
    """The control record that changes a model's state."""
    model = scorer.model
    about = {"model": {"name": model.name, "version": model.version, "sha256": model.sha256}}
    return _item(action, about, by, why)


def of_stop(
    action: str, kind: str | None, ward: str | None, by: str, why: str, at: str | None = None
) -> dict[str, Any]:
    """The control record that stops a kind, a ward, a kind in a ward or everything, or ends such a stop."""
    return _item(action, {"kind": kind, "ward": ward}, by, why, at)


def say(settings: Settings, item: Mapping[str, Any], patience_s: float) -> Iterator[tuple[int, str | None]]:
    """Write a control record to every partition; each partition as it made it durable, and why it refused if it did.

    Those that have not after so many seconds are left out: they act on it when a worker comes to it. To say the same
    again does no harm.

    Raises:
        KafkaError, SecurityError: the cluster does not answer, or does not let this client in.
        TopicError: VAGT_PARTITIONS is not what the cluster has: it would not be said everywhere.
    """
    records = list(everywhere(settings, [item]))
    parts = [TopicPartition(settings.topic(AUDIT), number) for number in range(settings.partitions)]
    reader = kafka.reader(settings, isolation_level="read_committed")
    try:
        reader.assign(parts)
        for part, end in reader.end_offsets(parts).items():
            reader.seek(part, end)
        waits = dict(enumerate(write_all(settings, records)))
        deadline = time.monotonic() + patience_s
        while waits and time.monotonic() < deadline:
            for part, found in reader.poll(timeout_ms=_POLL_MS).items():
                for entry in audit.unpack(one.value for one in found):
                    if isinstance(entry, Entry) and entry.fields["offset"] == waits.get(part.partition):
                        del waits[part.partition]
                        yield part.partition, _refusal(entry)
    finally:
        reader.close()


def stored(settings: Settings, partitions: int) -> list[Roster]:
    """The roster of each of the first so many partitions, as the changelog has it: all of it is read.

    Raises:
        KafkaError, SecurityError: as ``say``.
    """
    found = [NEW] * partitions
    for one in read_all(settings, CHANGELOG):
        if one.key == ROSTER_KEY and one.partition < partitions:
            found[one.partition] = Roster.stored(one.value)
    return found


def scores(settings: Settings) -> Iterator[tuple[Score, ...]]:
    """What is on ``risk.scores``, each partition in its order.

    Raises:
        KafkaError, SecurityError: as ``say``.
    """
    decode = msgspec.json.Decoder(tuple[Score, ...]).decode
    return (decode(one.value) for one in read_all(settings, SCORES))


def told(roster: Roster, scorers: tuple[Scorer, ...]) -> Iterator[str]:
    """A roster in lines for a person."""
    for one in scorers:
        off = "" if one.switched_on else ", switched off in its manifest"
        yield f"{one.kind}: {one.model.name}@{one.model.version} is {roster.state(one, scorers)}{off}"
    for model in missing(roster, scorers):
        yield f"{model.name}@{model.version} (sha256 {model.sha256}) is in use and not loaded here"
    yield from stops(roster)


def stops(roster: Roster) -> Iterator[str]:
    """What a roster stops, in lines for a person."""
    for one in roster.stops:
        what = " ".join([one.kind or "everything", *([] if one.ward is None else [f"in {one.ward}"])])
        yield f"Stopped: {what}, since {render(one.at)}, by {one.by}: {one.why}"


def missing(roster: Roster, scorers: Iterable[Scorer]) -> list[ModelRef]:
    """The models that a roster needs and that are not loaded."""
    loaded = {one.model for one in scorers}
    return [one for one in roster.needed() if one not in loaded]


def _item(action: str, about: Mapping[str, Any], by: str, why: str, at: str | None = None) -> dict[str, Any]:
    at = at or render(time.time_ns() // 1_000_000)
    identity = identify("control", action, orjson.dumps(about, option=orjson.OPT_SORT_KEYS).decode(), at)
    said = {"by": by, "why": why, "at": at, "origin": "vagt"}
    return {"type": "control", "id": identity, "action": action, **about, **said}


def _refusal(entry: Entry) -> str | None:
    return next((reason for _, reason in entry.fields["refused"]), None)

"""What must come out: the pure step over the log as it lies on ``events``, and nothing else."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Final

import orjson

from features.catalogue import Refused
from features.record import Record, encode
from models import outputs
from models.registry import foreseen
from models.step import Decider, Place, step
from streams import intake
from streams.bundle import Bundles
from streams.deadletter import Source
from streams.now import News, Now, now
from streams.partitioner import partition_of
from streams.settings import Settings

#: The header of a record that the service moved to its key's partition.
MOVED: Final = "vagt-rekeyed"

#: An alert's change: patient, id, sequence. A score: partition and offset of its event, id. A dead letter: partition
#: and offset of its event, index of the object.
Change = tuple[str, str, int]
Scored = tuple[int, int, str]
Letter = tuple[int, int, int]


@dataclass(slots=True)
class Expected:
    """What follows from a log.

    ``states`` has for each patient the digests of the record after each of its events, ``written`` what must lie on
    ``events`` because of others: handovers (patient, id) and records moved to their key's partition (key, digest);
    ``shown`` what ``patients.now`` has of each patient in the end; ``told`` digests of what the record system is told.
    """

    alerts: dict[Change, Any] = field(default_factory=dict)
    scores: dict[Scored, Any] = field(default_factory=dict)
    letters: dict[Letter, str] = field(default_factory=dict)
    states: dict[str, list[bytes]] = field(default_factory=dict)
    written: set[tuple[str, str]] = field(default_factory=set)
    shown: dict[str, Now | None] = field(default_factory=dict)
    told: dict[Change, bytes] = field(default_factory=dict)


def expect(decider: Decider, settings: Settings, log: Iterable[Source]) -> Expected:
    """Replay ``events`` (in the order of partition and offset) through the pure step."""
    expected = Expected()
    records: dict[str, Record] = {}
    bundles = Bundles(foreseen(decider.scorers), settings.patient_system)
    for source in log:
        patient = (source.key or b"").decode()
        if partition_of(source.key or b"", settings.partitions) != source.partition:
            if any(name == MOVED for name, _ in source.headers):
                expected.letters[source.partition, source.offset, 0] = "wrong-partition"
            else:
                expected.written.add((patient, digest(source.value or b"").hex()))
            continue
        try:
            taken = intake.read(source.value, patient, settings.max_event_bytes)
        except Refused as refused:
            expected.letters[source.partition, source.offset, 0] = refused.reason
            continue
        place = Place(source.topic, source.partition, source.offset)
        decision = step(decider, records.get(patient, Record()), patient, [event for _, event in taken.events], place)
        records[patient] = decision.record
        news = News()
        news.hear(decision.record, decision.scores, decision.alerts)
        expected.shown[patient] = now(
            expected.shown.get(patient), patient, decision.record, news, decider.catalogue.analytes
        )
        expected.states.setdefault(patient, []).append(state(decision.record))
        late = [(taken.events[position][0], why) for position, why in decision.refusals]
        for item, why in [*taken.refusals, *late]:
            expected.letters[source.partition, source.offset, item] = why.reason
        for score in decision.scores:
            expected.scores[source.partition, source.offset, score.id] = said(score)
        for alert in decision.alerts:
            expected.alerts[patient, alert.id, alert.sequence] = said(alert)
            expected.told[patient, alert.id, alert.sequence] = digest(bundles.of(alert))
        expected.written |= {(send.patient, str(send.item["id"])) for send in decision.sends}
    return expected


def said(output: Any) -> Any:
    """An output as JSON has it, without ``emitted``: its own and that of the score in an alert."""
    return silent(orjson.loads(outputs.encode(output)))


def silent(output: Any) -> Any:
    """A JSON document without ``emitted``."""
    if isinstance(output, dict):
        return {name: silent(value) for name, value in output.items() if name != "emitted"}
    return [silent(one) for one in output] if isinstance(output, list) else output


def state(record: Record) -> bytes:
    """A short name of a record, without the random name that the audit gave the patient."""
    return digest(encode(replace(record, subject=None)))


def digest(value: bytes) -> bytes:
    """A short name of bytes."""
    return blake2b(value, digest_size=12).digest()

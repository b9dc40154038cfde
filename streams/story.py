"""The story of one alert, told from the audit, and from the topics as long as they remember."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import orjson

from features.instants import render
from models.outputs import ModelRef
from models.roster import NEW, Roster
from streams import audit
from streams.audit import Entry, Flaw, changed
from streams.reading import newest
from streams.records import alerts, audited
from streams.settings import Settings
from streams.topics import AUDIT_IDENTITY, EVENTS
from streams.watch import line


class _Loaded(NamedTuple):
    kind: str
    model: ModelRef


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the alert: what the audit has of it, and the message, ``None`` where that is forgotten.

    ``roster`` is that under which it was decided, ``None`` where the audit forgot it.
    """

    entry: Entry
    sequence: int
    state: str
    kind: str
    severity: str
    held: bool
    message: Mapping[str, Any] | None
    roster: Roster | None


def changes(settings: Settings, alert: str) -> list[Change]:
    """All changes of an alert in their order; none where the audit does not know it.

    Raises:
        KafkaError, SecurityError: the cluster does not answer, or does not let this client in.
        ArchiveError: there is an archive, and it cannot be used.
    """
    messages: dict[int, Mapping[str, Any]] = {}
    for partition in range(settings.partitions):
        for text in alerts(settings, partition):
            if alert.encode() in text:
                value = orjson.loads(text)
                if value.get("id") == alert:
                    messages[value["sequence"]] = value
    found: dict[int, Change] = {}
    rosters = {"": NEW}
    for entry in _entries(settings):
        rosters |= changed(entry)
        for identity, sequence, state, kind, severity, held in entry.fields["alerts"]:
            if identity == alert:
                message, roster = messages.get(sequence), rosters.get(entry.fields.get("roster", ""))
                found[sequence] = Change(entry, sequence, state, kind, severity, held, message, roster)
    return [found[sequence] for sequence in sorted(found)]


def told(settings: Settings, alert: str, story: list[Change], tongue: str) -> Iterator[str]:
    """The story in lines for a person."""
    zone = ZoneInfo(settings.timezone)
    subjects = {change.entry.fields["subject"] for change in story}
    patients = newest(settings, AUDIT_IDENTITY)
    whose = {patients.get(one.encode(), b"an erased patient").decode() for one in subjects if one is not None}
    yield f"Alert {alert}: {story[0].kind}, of {', '.join(sorted(whose)) or 'nobody'}"
    for change in story:
        fields = change.entry.fields
        yield ""
        if change.message is not None:
            yield f"{change.sequence}. {line(change.message, tongue, zone)}"
        else:
            held = ", held back" if change.held else ""
            yield f"{change.sequence}. {render(fields['now'])}  {change.severity}  {change.state}{held}"
        place = f"{settings.topic(EVENTS)}/{change.entry.partition}/{fields['offset']}"
        items = "; ".join(f"{kind} {identity} version {version}" for kind, identity, version in fields["items"])
        yield f"   It came of {place}: {items or 'nothing that could be used'}"
        for reason in _evidence(change):
            yield f"   It rests on {reason}"
        score = next((one for one in fields["scores"] if one[1] == change.kind), None)
        if score is not None:
            yield f"   The score was {score[2]:.4g}, band {score[3]}{', and it abstained' if score[4] else ''}"
        yield f"   Decided by {_decider(change)}; entry {change.entry.number} of the partition's audit"


def _evidence(change: Change) -> Iterator[str]:
    for one in (change.message or {}).get("evidence", ()):
        unit = f" {one['unit']}" if one["unit"] else ""
        yield f"{one['code']} {one['value']}{unit} of {one['effective']} ({one['id']} version {one['version']})"


def _decider(change: Change) -> str:
    release = orjson.loads(change.entry.release)
    loaded = [_Loaded(one["kind"], msgspec.convert(one, ModelRef)) for one in release["models"]]
    model = None if change.roster is None else change.roster.live(change.kind, loaded)
    by = "a model of a roster that is forgotten"
    if model is not None:
        by = f"{model.name} {model.version} (sha256 {model.sha256[:12]})"
    return f"{by}, vagt {release['vagt']} (code {release['code'][:12]})"


def _entries(settings: Settings) -> Iterator[Entry]:
    for partition in range(settings.partitions):
        yield from (one for one in audit.unpack(audited(settings, partition)) if not isinstance(one, Flaw))

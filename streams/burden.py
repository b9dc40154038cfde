"""How many alerts a ward was given for its patient-days, against the budget that the deployment set.

Counted are alerts, by id, that were ever of severity warning or critical while they were not held back.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from features.catalogue import Refused
from features.encounter import StayEvent
from features.events import Encounter
from features.instants import DAY
from features.instants import parse as parse_instant
from models.outputs import LOUD
from streams import intake
from streams.desk import HEARTBEAT_KEY
from streams.kafka import MAX_REQUEST
from streams.reading import read_all
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Burden:
    """A ward's alerts and patient-days."""

    alerts: int
    days: float

    @property
    def per_100_days(self) -> float:
        """Alerts per 100 patient-days; infinite for alerts without a day."""
        if self.days:
            return 100 * self.alerts / self.days
        return float("inf") if self.alerts else 0.0


def burdens(
    encounters: Mapping[str, Iterable[StayEvent]], alerts: Iterable[Mapping[str, Any]], until: int
) -> dict[str, Burden]:
    """The burden of each ward up to an instant (ms); an alert counts for the ward where it was first told."""
    days: dict[str, float] = defaultdict(float)
    for events in encounters.values():
        for ward, start, end in _periods(sorted(events, key=StayEvent.order), until):
            days[ward] += max(0, end - start) / DAY
    wards: dict[str, str] = {}
    for alert in alerts:
        if alert["severity"] in LOUD and alert["suppressed"] is None:
            wards.setdefault(alert["id"], alert["ward"] or "")
    counts: dict[str, int] = defaultdict(int)
    for ward in wards.values():
        counts[ward] += 1
    return {ward: Burden(counts.get(ward, 0), days.get(ward, 0.0)) for ward in sorted({*days, *counts})}


def _periods(events: Iterable[StayEvent], until: int) -> Iterable[tuple[str, int, int]]:
    """Where a patient was, from when to when."""
    ward, since = None, 0
    for event in events:
        if event.action in {"cancel", "merge", "unmerge"}:
            continue
        if ward is not None and (event.ward not in (None, ward) or event.action == "discharge"):
            yield ward, since, event.at
            ward = None
        if ward is None and event.action != "discharge":
            ward, since = event.ward or "", event.at
    if ward is not None:
        yield ward, since, until


def read(settings: Settings) -> tuple[dict[str, Burden], int]:
    """The burden of each ward as the topics have it, up to the newest of their alerts and encounters (ms)."""
    encounters: dict[str, list[StayEvent]] = defaultdict(list)
    for record in read_all(settings, "events"):
        for event in _encounters(record):
            encounters[event.patient].append(StayEvent.of(event))
    alerts = [orjson.loads(record.value) for record in read_all(settings, "alerts") if record.key != HEARTBEAT_KEY]
    newest = [event.at for events in encounters.values() for event in events]
    until = max([*newest, *(parse_instant(alert["at"]) for alert in alerts)], default=0)
    return burdens(encounters, alerts, until), until


def _encounters(record: Any) -> Iterator[Encounter]:
    try:
        events = intake.read(record.value, (record.key or b"").decode(), MAX_REQUEST).events
    except (Refused, UnicodeDecodeError):
        return  # a dead letter
    yield from (event for _, event in events if isinstance(event, Encounter))

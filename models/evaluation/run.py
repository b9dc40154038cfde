"""One walk of a stay through the very step of the stream, and what a report needs of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from math import nan
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from features.catalogue import Refused, catalogue
from features.events import parse
from features.instants import HOUR
from features.instants import parse as instant
from features.record import Record
from features.series import Series
from models.datasets import Stay
from models.evaluation.critical import Critical, Delivery
from models.outputs import Alert, Severity, State
from models.quiet import quietness
from models.registry import scorers
from models.step import Decider, Decision, Place, step

#: The analytes whose results are kept for judging what comes.
FOLLOWED: Final = ("creatinine", "potassium", "haemoglobin", "platelets", "lactate")

#: Hours without a record after which nobody watches any more, in a set without hours of its own.
_SILENCE: Final = 24


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an alert; ``at`` in ms, ``held`` why it was held back (``None``: it was told).

    ``passed_on`` says that it only went to another role, since nobody answered.
    """

    at: int
    kind: str
    id: str
    state: State
    severity: Severity
    held: str | None
    title: str
    passed_on: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """A stay as it is judged.

    ``hours`` count from ``start`` (ms), one score of each kind for each of them (NaN before the first); ``labels`` are
    as long, or empty in a set that has none. ``abstained`` counts the hours at which a kind's score abstained,
    ``results`` holds (effective in ms, canonical value) of the followed analytes.
    """

    patient: str
    start: int
    hours: tuple[int, ...]
    labels: tuple[int, ...]
    scores: Mapping[str, tuple[float, ...]]
    abstained: Mapping[str, int]
    changes: tuple[Change, ...]
    results: Mapping[str, tuple[tuple[int, float], ...]]
    critical: Critical
    sex: str | None
    age: int | None
    ward: str | None

    @property
    def days(self) -> float:
        """The patient-days that were watched."""
        return len(self.hours) / 24

    def score(self, kind: str) -> tuple[float, ...]:
        """The hourly scores of a kind; NaN at every hour for one that never spoke."""
        return self.scores.get(kind, (nan,) * len(self.hours))


@cache
def _decider(candidate: Path | None = None) -> Decider:
    return Decider(catalogue(), scorers(candidate))


def decisions(stay: Stay, decider: Decider | None = None) -> Iterator[Decision]:
    """The decisions of a stay's records, one after the other."""
    decider, record = decider or _decider(), Record()
    for offset, (_, value) in enumerate(stay.records):
        events = []
        for item in value if isinstance(value, list) else [value]:
            try:
                events.append(parse(item, stay.patient))
            except Refused:
                continue
        decision = step(decider, record, stay.patient, events, Place("events", 0, offset))
        record = decision.record
        yield decision


def outcome(stay: Stay, decider: Decider | None = None) -> Outcome:
    """What the step makes of a stay."""
    decider = decider or _decider()
    scores: dict[str, list[tuple[int, float]]] = {}
    silent: dict[str, list[tuple[int, float]]] = {}
    changes: list[Change] = []
    results = _Results()
    delivery = Delivery(decider.scorers)
    record = Record()
    for decision in decisions(stay, decider):
        record = decision.record
        for score in decision.scores:
            scores.setdefault(score.kind, []).append((record.now, score.score))
            silent.setdefault(score.kind, []).append((record.now, float(score.abstained)))
        changes += map(_change, decision.alerts)
        results.see(record)
        delivery.see(decision)
    hours = stay.hours or _watched(stay)
    return Outcome(
        patient=stay.patient,
        start=stay.start,
        hours=tuple(hours),
        labels=tuple(stay.labels),
        scores={kind: at_hours(stay.start, hours, found) for kind, found in scores.items()},
        abstained={kind: sum(one == 1 for one in at_hours(stay.start, hours, found)) for kind, found in silent.items()},
        changes=tuple(changes),
        results=results.found(),
        critical=delivery.critical,
        sex=record.stay.sex,
        age=record.stay.age_years(stay.start),
        ward=record.stay.ward,
    )


def batch(stays: Iterable[Stay], jobs: int = 2, candidate: Path | None = None) -> Iterator[Outcome]:
    """``outcome`` of many stays, in their order, by so many processes; with a ``candidate`` in place of its kind."""
    judged = partial(_outcome, candidate)
    if jobs == 1:
        yield from map(judged, stays)
        return
    with get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(judged, stays, chunksize=10)


def _outcome(candidate: Path | None, stay: Stay) -> Outcome:
    return outcome(stay, _decider(candidate))


def at_hours(start: int, hours: Sequence[int], scores: Sequence[tuple[int, float]]) -> tuple[float, ...]:
    """For each hour the last of the (instant, score) pairs, that is not later; NaN before the first."""
    found: list[float] = []
    place, newest = 0, nan
    for hour in hours:
        end = start + hour * HOUR
        while place < len(scores) and scores[place][0] <= end:
            newest = scores[place][1]
            place += 1
        found.append(newest)
    return tuple(found)


def from_topic(stay: Stay, records: Sequence[Mapping[str, object]], kind: str = "infection-risk") -> tuple[float, ...]:
    """``at_hours`` of the scores that a topic holds of a patient, in their order."""
    found = [(instant(str(one["at"])), float(str(one["score"]))) for one in records if one["kind"] == kind]
    return at_hours(stay.start, stay.hours, found)


def changes_from_topic(records: Sequence[Mapping[str, Any]]) -> tuple[Change, ...]:
    """The changes that a topic holds of a patient's alerts, in their order."""
    return tuple(
        Change(
            at=instant(one["at"]),
            kind=one["kind"],
            id=one["id"],
            state=one["state"],
            severity=one["severity"],
            held=None if one["suppressed"] is None else one["suppressed"]["reason"],
            title=one["title"]["en"],
            passed_on=quietness().passed_on(one["state"], one.get("role")),
        )
        for one in records
    )


def _change(alert: Alert) -> Change:
    held = None if alert.suppressed is None else alert.suppressed.reason
    return Change(
        at=instant(alert.at),
        kind=alert.kind,
        id=alert.id,
        state=alert.state,
        severity=alert.severity,
        held=held,
        title=alert.title.en,
        passed_on=quietness().passed_on(alert.state, alert.role),
    )


def _watched(stay: Stay) -> list[int]:
    """Of a stay without hours of its own each whole hour, up to its last record, that has one in the 24 h before it."""
    known = [max(1, -((stay.start - one.at_ms) // HOUR)) for one in stay.records]
    last = max(1, (stay.records[-1].at_ms - stay.start) // HOUR)
    return sorted({hour for first in known for hour in range(first, min(first + _SILENCE, last + 1))})


class _Results:
    """All numeric results of the followed analytes, also those that the record no longer keeps."""

    def __init__(self) -> None:
        self._seen: dict[str, Series] = {}
        self._found: dict[str, dict[str, tuple[int, float]]] = {name: {} for name in FOLLOWED}

    def see(self, record: Record) -> None:
        for name in FOLLOWED:
            series = record.series.get(name)
            if series is None or series is self._seen.get(name):
                continue
            self._seen[name] = series
            self._found[name] |= {one.id: (one.effective, one.value) for one in series.entries if one.value is not None}

    def found(self) -> dict[str, tuple[tuple[int, float], ...]]:
        return {name: tuple(sorted(found.values())) for name, found in self._found.items()}

"""Judge a model on the stays that it did not see, with the very step that runs in the stream."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context

import numpy as np
import orjson

from features.catalogue import Refused, catalogue
from features.events import parse
from features.instants import HOUR
from features.instants import parse as instant
from features.record import Record
from models import utility
from models.datasets import Stay
from models.registry import shipped
from models.step import Decider, Decision, Place, step
from models.utility import Interval


@dataclass(frozen=True, slots=True)
class Hourly:
    """One stay as it is judged: label and score of each hour (NaN before the first), and its alerts' changes."""

    patient: str
    labels: tuple[int, ...]
    scores: tuple[float, ...]
    alerts: int


@dataclass(frozen=True, slots=True)
class Figures:
    """How a model did on a set of stays, at one threshold."""

    stays: int
    septic: int
    hours: int
    threshold: float
    utility: Interval
    auroc: Interval
    auprc: float
    hours_above: float
    stays_above: float


@cache
def _decider() -> Decider:
    return Decider(catalogue(), shipped())


def decisions(stay: Stay) -> Iterator[Decision]:
    """The decisions of a stay's records, one after the other."""
    decider, record = _decider(), Record()
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


def hourly(stay: Stay, kind: str = "infection-risk") -> Hourly:
    """The stay's labels and, for each hour, the last score of a kind that is not from later than the hour."""
    scores: list[tuple[int, float]] = []
    alerts = 0
    for decision in decisions(stay):
        scores += [(instant(one.at), one.score) for one in decision.scores if one.kind == kind]
        alerts += sum(1 for one in decision.alerts if one.kind == kind)
    return Hourly(stay.patient, tuple(stay.labels), at_hours(stay, scores), alerts)


def at_hours(stay: Stay, scores: Sequence[tuple[int, float]]) -> tuple[float, ...]:
    """For each labelled hour the last of the (instant, score) pairs, that is not later; NaN before the first."""
    found: list[float] = []
    place, newest = 0, float("nan")
    for hour in stay.hours:
        end = stay.start + hour * HOUR
        while place < len(scores) and scores[place][0] <= end:
            newest = scores[place][1]
            place += 1
        found.append(newest)
    return tuple(found)


def batch(stays: Iterable[Stay], jobs: int = 2) -> Iterator[Hourly]:
    """``hourly`` of many stays, in their order, by so many processes."""
    with get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(hourly, stays, chunksize=10)


def figures(stays: Sequence[Hourly], threshold: float) -> Figures:
    """The figures of stays; an hour before the first score counts as probability 0."""
    truth = utility.stays([one.labels for one in stays])
    scores = [np.nan_to_num(np.array(one.scores)) for one in stays]
    flat = np.concatenate(scores)
    return Figures(
        stays=len(stays),
        septic=sum(1 for one in stays if any(one.labels)),
        hours=len(flat),
        threshold=threshold,
        utility=utility.utility_interval(truth, [one >= threshold for one in scores]),
        auroc=utility.auroc_interval(truth, scores),
        auprc=utility.auprc(np.concatenate([one.labels for one in stays]), flat),
        hours_above=float(np.mean(flat >= threshold)),
        stays_above=float(np.mean([(one >= threshold).any() for one in scores])),
    )


def from_topic(stay: Stay, records: Sequence[Mapping[str, object]], kind: str = "infection-risk") -> tuple[float, ...]:
    """``at_hours`` of the scores that a topic holds of a patient, in their order."""
    found = [(instant(str(one["at"])), float(str(one["score"]))) for one in records if one["kind"] == kind]
    return at_hours(stay, found)


def as_json(result: Figures) -> bytes:
    """The figures as indented JSON."""
    return orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

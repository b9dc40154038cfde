"""The hours at which the DESERT models are trained and judged: the stream's own features, and what became of each."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from multiprocessing import get_context
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.instants import HOUR
from features.record import Record
from features.vector import vector
from models.datasets import Stay
from models.desert.outcomes import OUTCOMES, Outcome
from models.matrix import walk

#: What became of an hour: an event (1), another result within the horizon (0), or
UNMEASURED: Final = -1
PRESENT: Final = -2
#: Neighbouring hours are nearly alike: every second one says as much at half the cost.
STEP: Final = 2

Labels = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Hours:
    """One row for each second hour: features (float32), the number of its stay, and by kind of outcome its label.

    ``before`` says, by kind, whether a result earlier in the stay met the condition.
    """

    x: NDArray[np.float32]
    stay: NDArray[np.int32]
    labels: Mapping[str, Labels]
    before: Mapping[str, NDArray[np.bool_]]
    patients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """A stay at its hours: its patient, features, and by kind labels and whether the condition was met before."""

    patient: str
    x: NDArray[np.float32]
    labels: dict[str, list[int]]
    before: dict[str, list[bool]]


def course(stay: Stay) -> Course:
    """The stay's hours: those of the set, or each from the start until the last record is known."""
    last = -((stay.start - stay.records[-1].at_ms) // HOUR)
    instants = [stay.start + hour * HOUR for hour in (stay.hours or range(1, last + 1))]
    found: dict[str, dict[int, float]] = {outcome.analyte: {} for outcome in OUTCOMES.values()}
    x = []
    for number, record in enumerate(_records(stay, instants)):
        for analyte, results in found.items():
            series = record.series.get(analyte)
            if series:
                results.update(zip(series.times, series.values, strict=True))
        if number % STEP == 0:
            x.append(vector(record))
    kept = instants[::STEP]
    labels, before = {}, {}
    for kind, outcome in OUTCOMES.items():
        times = sorted(found[outcome.analyte])
        values = [found[outcome.analyte][time] for time in times]
        labels[kind], before[kind] = follow(outcome, times, values, kept)
    return Course(stay.patient, np.array(x, np.float32), labels, before)


def follow(
    outcome: Outcome, times: Sequence[int], values: Sequence[float], instants: Sequence[int]
) -> tuple[list[int], list[bool]]:
    """For each instant its label, and whether an earlier result met the condition. Results in order of time."""
    met = [outcome.met(times[: end + 1], values[: end + 1]) for end in range(len(times))]
    labels, before = [], []
    for instant in instants:
        known = bisect_right(times, instant)
        ahead = met[known : bisect_right(times, instant + outcome.horizon)]
        before.append(any(met[:known]))
        if known and met[known - 1]:
            labels.append(PRESENT)
        else:
            labels.append(int(any(ahead)) if ahead else UNMEASURED)
    return labels, before


def build(stays: Iterable[Stay], jobs: int = 1) -> Hours:
    """The hours of all stays, computed by so many processes; the order is that of the stays."""
    with get_context("spawn").Pool(jobs) as pool:
        courses = [one for one in pool.imap(course, stays, chunksize=20) if len(one.x)]
    return Hours(
        x=np.concatenate([one.x for one in courses]),
        stay=np.repeat(np.arange(len(courses), dtype=np.int32), [len(one.x) for one in courses]),
        labels={
            kind: np.fromiter(chain.from_iterable(one.labels[kind] for one in courses), np.int8) for kind in OUTCOMES
        },
        before={
            kind: np.fromiter(chain.from_iterable(one.before[kind] for one in courses), np.bool_) for kind in OUTCOMES
        },
        patients=tuple(one.patient for one in courses),
    )


def _records(stay: Stay, instants: Sequence[int]) -> Iterable[Record]:
    """The record as it stands at each instant, its now moved there as a tick does."""
    records = walk(stay)
    at, newest = next(records)
    ahead: tuple[int, Record] | None = (at, newest)
    for instant in instants:
        while ahead is not None and ahead[0] <= instant:
            newest = ahead[1]
            ahead = next(records, None)
        yield replace(newest, now=instant)

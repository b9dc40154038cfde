"""How a run went over time: what was waiting, and how long it took until no more waited than before."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from load_tests.generator import Sent
from load_tests.plan import SECOND, Planned, Target
from load_tests.receiver import Received

#: What was answered in the best stretch of so many seconds is what was carried at least.
STRETCH: Final = 2.0


class Way(NamedTuple):
    """A record's intended instant and its first answer's; s after the turn's beginning, ``None`` without answer."""

    due: float
    at: float | None


class Second(NamedTuple):
    """A second of a turn: records due, answered in it, waiting at its end, and the latency in ms of those due in it."""

    second: int
    due: int
    answered: int
    waiting: int
    median_ms: float | None
    p99_ms: float | None


def ways(
    planned: Sequence[Planned], sent: Sent, received: Iterable[Received], target: Target, begins: int
) -> list[Way]:
    """The ways of all records to a target; its turn ``begins`` so many ns after the start."""
    first: dict[int, int] = {}
    for one in received:
        first.setdefault(one.number, one.at)
    return [
        Way((one.due - begins) / SECOND, None if at is None else (at - sent.start - begins) / SECOND)
        for number, one in enumerate(planned)
        if one.target is target
        for at in (first.get(number),)
    ]


def seconds(found: Sequence[Way]) -> list[Second]:
    """Second by second from the first record to the last answer."""
    answers = sorted(one.at for one in found if one.at is not None)
    last = max(found[-1].due, answers[-1] if answers else 0.0)
    waits: dict[int, list[float]] = {}
    for one in found:
        if one.at is not None:
            waits.setdefault(int(one.due), []).append((one.at - one.due) * 1000)
    dues = [one.due for one in found]
    course = []
    for number in range(int(last) + 1):
        due = bisect_left(dues, number + 1) - bisect_left(dues, number)
        answered, gone = bisect_left(answers, number + 1), bisect_left(answers, number)
        wait = waits.get(number)
        median, tail = (round(float(one), 3) for one in np.percentile(wait, [50, 99])) if wait else (None, None)
        waiting = bisect_left(dues, number + 1) - answered
        course.append(Second(number, due, answered - gone, waiting, median, tail))
    return course


def most_waiting(found: Sequence[Way], begin: float, end: float) -> int:
    """The most records that waited at any instant from ``begin`` to ``end`` (s)."""
    before, most = 0, 0
    for instant, waiting in _levels(found):
        if instant > end:
            break
        if instant < begin:
            before = waiting
        else:
            most = max(most, waiting)
    return max(before, most)


def caught_up(found: Sequence[Way], end: float, calm: int) -> float | None:
    """Seconds after ``end`` until no more than ``calm`` records wait; ``None`` if that never came."""
    at_end = 0
    for instant, waiting in _levels(found):
        if instant <= end:
            at_end = waiting
        elif at_end <= calm:
            break
        elif waiting <= calm:
            return instant - end
    return 0.0 if at_end <= calm else None


def most_carried(found: Sequence[Way]) -> float:
    """Records a second in the stretch in which most were answered."""
    answers = sorted(one.at for one in found if one.at is not None)
    counts = (bisect_left(answers, begin + STRETCH) - number for number, begin in enumerate(answers))
    return max(counts, default=0) / STRETCH


def alone(found: Sequence[Way], carries: float) -> list[Way]:
    """What arithmetic says: the same records, one after the other, each taking its part of a second."""
    free = 0.0
    ideal = []
    for one in found:
        free = max(free, one.due) + 1 / carries
        ideal.append(Way(one.due, free))
    return ideal


def _levels(found: Sequence[Way]) -> Iterator[tuple[float, int]]:
    """Every instant at which a record comes or is answered, and how many wait from then on."""
    changes = [(one.due, 1) for one in found] + [(one.at, -1) for one in found if one.at is not None]
    level = 0
    for instant, change in sorted(changes):
        level += change
        yield instant, level

"""How values lie, held against how they lay in the first days."""

from collections.abc import Collection, Sequence
from math import log
from typing import NamedTuple

import msgspec

from models.monitor.limits import Limits
from models.monitor.statistics import effective, evidence, histogram, middle, psi, quantile

_TENTHS = tuple(number / 10 for number in range(1, 10))
_RANGE = (0.005, 0.995)


class Usual(msgspec.Struct, frozen=True):
    """What was learnt: bins by tenths and what lay in them, to how many patients that amounts; where 99 of 100 lay."""

    edges: tuple[float, ...]
    counts: tuple[float, ...]
    patients: float
    median: float
    low: float
    high: float
    #: The patients' own change in a day, as the trimmed mean of logarithms, and the deviation of its error.
    change: float
    spread: float

    def outside(self, value: float) -> bool:
        """Whether fewer than one in a hundred had a value like this."""
        return not self.low <= value <= self.high


class Drift(NamedTuple):
    """How far a distribution is from the usual one, and the same in units of chance."""

    psi: float
    evidence: float

    def share(self, limits: Limits) -> float:
        """How far it is on the way to what is told: from 1 on it is both large and no chance."""
        return min(self.psi / limits.drift.index, self.evidence / limits.drift.evidence)


class Distribution(msgspec.Struct):
    """One value of each patient, learnt day by day, then frozen."""

    hours: int = 0
    values: list[float] = []
    #: On how many days each patient was there.
    days: dict[str, int] = {}
    changes: list[float] = []
    usual: Usual | None = None

    def lesson(self) -> bool:
        """Another hour has passed; whether a day is full, of which there is to learn."""
        self.hours += 1
        return self.hours % 24 == 0

    def learn(self, values: Sequence[tuple[str, float]], changes: Collection[float], limits: Limits) -> None:
        """A day has passed, and these are the patients' values and changes at its end."""
        self.values += [value for _, value in values]
        for patient, _ in values:
            self.days[patient] = self.days.get(patient, 0) + 1
        self.changes += changes
        learning = limits.learning
        if self.hours >= 24 * learning.days and len(self.days) >= learning.patients:
            self._freeze()

    def _freeze(self) -> None:
        ordered = sorted(self.values)
        edges = tuple(sorted({quantile(ordered, share) for share in _TENTHS} - {ordered[-1]}))
        patients = effective(self.days.values())  # who is there on many days teaches less than as many patients
        weight = patients / len(ordered)
        low, high = (quantile(ordered, share) for share in _RANGE)
        change, spread = middle(self.changes) if self.changes else (0.0, 0.0)
        counts = tuple(count * weight for count in histogram(edges, ordered))
        self.usual = Usual(edges, counts, patients, quantile(ordered, 0.5), low, high, change, spread)
        self.values, self.days, self.changes = [], {}, []


def drift(usual: Usual, values: Sequence[float]) -> Drift:
    """How far these patients' values are from the usual."""
    index = psi(usual.counts, histogram(usual.edges, values))
    return Drift(index, evidence(index, usual.patients, len(values)))


def change(before: float, after: float) -> float | None:
    """A patient's own change, as a logarithm; ``None`` of what is not above 0."""
    return log(after / before) if before > 0 and after > 0 else None

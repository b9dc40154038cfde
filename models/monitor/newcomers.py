"""Who comes in: the first value of each new patient, one after the other, against those of the first days.

Patients are independent of each other where their later values are not, so a change of who is admitted shows here
before it shows in all who are there.
"""

from bisect import bisect_left, bisect_right
from math import sqrt
from statistics import NormalDist
from typing import Final

import msgspec

from features.instants import DAY
from models.monitor.limits import Limits
from models.monitor.statistics import both_ways, quantile

_HUNDREDTHS: Final = tuple(number / 100 for number in range(1, 100))
_NORMAL: Final = NormalDist()


class Newcomers(msgspec.Struct):
    """First values of one analyte and source: learnt, then watched by a CUSUM of normal scores each way."""

    first: int
    values: list[float] = []
    usual: tuple[float, ...] | None = None
    #: The standard error of the usual middle, in standard deviations.
    error: float = 0.0
    up: float = 0.0
    down: float = 0.0
    since: int = 0

    def hear(self, at: int, value: float, limits: Limits) -> None:
        """Another patient came.

        The sums are of log-likelihood ratios for normal scores that are higher, or lower, by ``shift``, each from where
        those who taught leave it open that the usual middle lies. Source of these scores: Van der Waerden, 1952.
        """
        if self.usual is None:
            self.values.append(value)
            learning = limits.learning
            if at - self.first >= learning.days * DAY and len(self.values) >= limits.newcomers.patients:
                ordered = sorted(self.values)
                self.usual, self.values = tuple(quantile(ordered, share) for share in _HUNDREDTHS), []
                self.error = 1 / sqrt(len(ordered))
            return
        rank = (bisect_left(self.usual, value) + bisect_right(self.usual, value) + 1) / 2
        score, shift = _NORMAL.inv_cdf(rank / (len(self.usual) + 1)), limits.newcomers.shift
        least = shift / 2 + limits.newcomers.errors * self.error
        higher, lower = shift * (score - least), -(shift * (score + least))
        self.up, self.down, self.since = both_ways(
            (self.up, self.down, self.since), higher, lower, at, 2 * limits.newcomers.sum
        )

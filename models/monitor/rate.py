"""How often something happens, held against how often it happened in the first days."""

from collections.abc import Sequence
from math import sqrt

import msgspec

from features.instants import DAY, HOUR
from models.monitor.limits import Limits
from models.monitor.statistics import both_ways, shifted, tilt

#: What lies within one block of hours counts as one when it is learnt how much a rate varies by itself.
_BLOCK_H = 6
_DAY = 24 // _BLOCK_H


class Rate(msgspec.Struct):
    """A share of occasions, learnt and then watched by two CUSUMs, for higher and for lower odds."""

    first: int | None = None
    blocks: list[tuple[float, float]] = []
    share: float | None = None
    #: The variance over that of independent occasions, at least 1.
    dispersion: float = 1.0
    #: The standard error of the share's log-odds.
    error: float = 0.0
    up: float = 0.0
    down: float = 0.0
    #: When the sums last left 0 (ms).
    since: int = 0

    def hear(self, events: float, occasions: float, at: int, limits: Limits) -> None:
        """In the hour that began ``at``, there were so many events in so many occasions."""
        if self.share is None:
            self._learn(events, occasions, at, limits)
            return
        unsure = limits.rate.errors * self.error
        shares = shifted(self.share, unsure), shifted(self.share, -unsure)
        self.up, self.down, self.since = summed(
            (self.up, self.down, self.since), (events, occasions), shares, at, limits, self.dispersion
        )

    def _learn(self, events: float, occasions: float, at: int, limits: Limits) -> None:
        if self.first is None:
            self.first = at
        while len(self.blocks) * _BLOCK_H * HOUR <= at - self.first:
            self.blocks.append((0.0, 0.0))
        before, of = self.blocks[-1]
        self.blocks[-1] = before + events, of + occasions
        total = sum(of for _, of in self.blocks)
        if at + HOUR - self.first < limits.learning.days * DAY or total < limits.learning.occasions:
            return
        self.share = (sum(one for one, _ in self.blocks) + 0.5) / (total + 1)
        days = [self.blocks[start : start + _DAY] for start in range(0, len(self.blocks), _DAY)]
        whole = [(sum(one for one, _ in day), sum(of for _, of in day)) for day in days]
        self.dispersion = max(1.0, _dispersion(self.blocks, self.share), _dispersion(whole, self.share))
        self.error = sqrt(self.dispersion / (total * self.share * (1 - self.share)))
        self.blocks = []


def _dispersion(blocks: Sequence[tuple[float, float]], share: float) -> float:
    """The variance between blocks over that of independent occasions: patients who stay say the same again."""
    heard = [(one, of * share) for one, of in blocks if of]
    return sum((one - mean) ** 2 / (mean * (1 - share)) for one, mean in heard) / max(1, len(heard) - 1)


def summed(
    sums: tuple[float, float, int],
    heard: tuple[float, float],
    shares: tuple[float, float],
    at: int,
    limits: Limits,
    dispersion: float = 1.0,
) -> tuple[float, float, int]:
    """The two CUSUMs after more occasions, and since when one of them is above 0.

    ``shares`` are the highest and the lowest that may be usual: the first is exceeded, the second fallen short of.
    """
    odds = limits.rate.odds
    higher, lower = (tilt(*heard, share, one) / dispersion for share, one in zip(shares, (odds, 1 / odds), strict=True))
    return both_ways(sums, higher, lower, at, 2 * limits.rate.sum)

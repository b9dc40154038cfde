"""Bootstrap intervals by patient: whole stays are drawn, since the hours of one patient go together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.utility import Interval

Floats = NDArray[np.float64]

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Draws:
    """How often each stay is in each sample: one row a sample, one column a stay."""

    weights: Floats

    def of(self, stays: NDArray[np.bool_]) -> "Draws":
        """The same samples of some of the stays."""
        return Draws(self.weights[:, stays])


def draw(stays: int, samples: int = 1000, seed: int = 0) -> Draws:
    """Samples of as many stays as there are, drawn with replacement."""
    rng = np.random.default_rng(seed)
    return Draws(rng.multinomial(stays, np.full(stays, 1 / stays), size=samples).astype(np.float64))


def interval(estimate: float, drawn: ArrayLike) -> Interval:
    """The percentile interval; samples in which the figure is undefined (NaN) are left out."""
    values = np.asarray(drawn, dtype=np.float64)
    known = values[~np.isnan(values)]
    if not len(known):
        return Interval(estimate, np.nan, np.nan)
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(estimate, float(low), float(high))


def ratio(numerator: ArrayLike, denominator: ArrayLike, draws: Draws) -> Interval:
    """The ratio of two sums over stays; NaN where nothing is below the line."""
    above, below = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    return interval(float(_divided(above.sum(), below.sum())), _divided(draws.weights @ above, draws.weights @ below))


def median(values: ArrayLike, draws: Draws) -> Interval:
    """The median of one value for each stay, those of NaN left out."""
    found = np.asarray(values, np.float64)
    known = ~np.isnan(found)
    if not known.any():
        return Interval(np.nan, np.nan, np.nan)
    order = np.argsort(found[known], kind="stable")
    running = np.cumsum(draws.weights[:, known][:, order], axis=1)
    places = (running < running[:, -1:] / 2).sum(axis=1).clip(max=len(order) - 1)
    drawn = np.where(running[:, -1] > 0, found[known][order][places], np.nan)
    return interval(float(np.median(found[known])), drawn)


def _divided(above: ArrayLike, below: ArrayLike) -> Floats:
    one, other = np.asarray(above, np.float64), np.asarray(below, np.float64)
    return np.asarray(np.divide(one, other, out=np.full(one.shape, np.nan), where=other > 0), np.float64)

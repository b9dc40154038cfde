"""How good a DESERT model is: figures on hours, with bootstrap intervals for which stays are drawn, not hours."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.artefact import Estimate

Floats = NDArray[np.float64]
#: A figure of hours that count as often as their weight says.
Figure = Callable[[Floats], float]

_RESAMPLES: Final = 200
_SEED: Final = 2012


def intervals(stay: NDArray[np.int32], *figures: Figure) -> list[Estimate]:
    """Each figure with its 95 % percentile interval."""
    drawn = draws(stay, *figures)
    return [estimate(column) for column in drawn.T]


def draws(stay: NDArray[np.int32], *figures: Figure) -> Floats:
    """A column for each figure: its value on all hours, then on each draw of stays, the same for all figures."""
    names, place = np.unique(stay, return_inverse=True)
    rng = np.random.default_rng(_SEED)
    found = [[figure(np.ones(len(stay))) for figure in figures]]
    for _ in range(_RESAMPLES):
        drawn = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
        weights = drawn[place].astype(np.float64)
        found.append([figure(weights) for figure in figures])
    return np.array(found)


def estimate(column: Floats) -> Estimate:
    """The first value, with the bounds that hold 95 % of the others."""
    low, high = np.nanquantile(column[1:], [0.025, 0.975])
    return Estimate(estimate=float(column[0]), low=float(low), high=float(high))


def auroc(labels: NDArray[np.int8], scores: Floats) -> Figure:
    """Area under the ROC curve, a tie counting half; NaN where a draw has one class only."""
    order = np.argsort(-scores, kind="stable")
    ordered, outcome = scores[order], labels[order] == 1
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))

    def area(weights: Floats) -> float:
        moved = weights[order]
        positive = np.add.reduceat(np.where(outcome, moved, 0.0), first)
        negative = np.add.reduceat(np.where(outcome, 0.0, moved), first)
        total = positive.sum() * negative.sum()
        return float(((np.cumsum(positive) - positive / 2) * negative).sum() / total) if total else float("nan")

    return area


def brier_skill(labels: NDArray[np.int8], probabilities: Floats) -> Figure:
    """One less the Brier score over that of always saying the rate of events."""
    outcome = labels.astype(np.float64)
    squares = (probabilities - outcome) ** 2

    def skill(weights: Floats) -> float:
        rate = float(weights @ outcome / weights.sum())
        return 1.0 - float(weights @ squares / weights.sum()) / (rate * (1.0 - rate)) if 0 < rate < 1 else float("nan")

    return skill


def share(true: NDArray[np.bool_], among: NDArray[np.bool_] | None = None) -> Figure:
    """The share of hours for which something is true, among all or some of them."""
    chosen = np.ones(len(true), np.bool_) if among is None else among

    def part(weights: Floats) -> float:
        total = float(weights[chosen].sum())
        return float(weights[chosen & true].sum()) / total if total else float("nan")

    return part

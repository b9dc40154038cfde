"""The utility score of the PhysioNet/Computing in Cardiology Challenge 2019, and the usual figures beside it.

Source: Reyna MA et al., "Early prediction of sepsis from clinical data", Crit Care Med 2020;48(2):210-217,
and the challenge's published scorer. A stay is a row of hours. Its labels turn 1 six hours before the onset
of sepsis, so the onset is the first labelled hour plus six; a stay without a label has none.

A prediction of an hour earns, with t in hours from the onset:

    septic stay, predicted       max(-0.05, (t + 12) / 6) up to t = -6, then falling from 1 to 0 at t = +3
    septic stay, not predicted   0 up to t = -6, then falling from 0 to -2 at t = +3
    other stay, predicted        -0.05
    other stay, not predicted    0
    septic stay, after t = +3    0 either way

Utility is a sum over hours, so all that matters is what each hour gains by being predicted: the difference of
the two lines. The normalised score is the sum of the gains of the predicted hours over the sum that the best
possible predictions would gain; 0 is a predictor that never alerts, 1 the best there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

DT_EARLY = -12.0
DT_OPTIMAL = -6.0
DT_LATE = 3.0
MAX_U_TP = 1.0
MIN_U_FN = -2.0
U_FP = -0.05
U_TN = 0.0


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the bounds of its bootstrap interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Stays:
    """What a set of stays is worth, hour by hour. Hours of all stays lie one after another.

    `offsets` has one entry more than there are stays; stay i holds the hours offsets[i] up to offsets[i + 1].
    `labels` is True in the labelled hours, `gain` what an hour gains by being predicted, and `attainable`
    what the best predictions of each stay gain over none.
    """

    offsets: NDArray[np.int64]
    labels: NDArray[np.bool_]
    gain: Floats
    attainable: Floats

    def __len__(self) -> int:
        return len(self.attainable)

    def flat(self, hourly: Sequence[ArrayLike]) -> Floats:
        """Hourly values of each stay as one array, in the order of the stays.

        Raises ValueError when a stay's number of hours differs from that of its labels.
        """
        arrays = [np.asarray(values, dtype=np.float64) for values in hourly]
        if [len(array) for array in arrays] != np.diff(self.offsets).tolist():
            raise ValueError("each stay needs exactly one value for each of its labelled hours")
        return np.concatenate(arrays)


def stays(labels: Sequence[ArrayLike]) -> Stays:
    """The stays with these hourly labels (0 or 1, one array for each stay).

    Raises ValueError for a stay without hours, and for an empty set.
    """
    arrays = [np.asarray(values).astype(np.bool_) for values in labels]
    if not arrays or any(len(array) == 0 for array in arrays):
        raise ValueError("a set of stays needs at least one stay, and a stay at least one hour")
    lengths = np.array([len(array) for array in arrays], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    flat = np.concatenate(arrays)
    onset = np.array([_onset(array) for array in arrays])
    hour = np.arange(len(flat)) - np.repeat(offsets[:-1], lengths)
    relative = hour - np.repeat(onset, lengths)
    gain = _predicted(relative) - _not_predicted(relative)
    best = np.where((relative >= DT_EARLY) & (relative <= DT_LATE), gain, 0.0)
    return Stays(offsets, flat, gain, np.add.reduceat(best, offsets[:-1]))


def utility(truth: Stays, predictions: Sequence[ArrayLike]) -> float:
    """The normalised utility of hourly predictions (0 or 1). Raises ValueError when no stay is septic."""
    gained, attainable = _by_stay(truth, truth.flat(predictions) != 0)
    return _ratio(gained, attainable)


def utility_curve(truth: Stays, scores: Sequence[ArrayLike], thresholds: ArrayLike) -> Floats:
    """The normalised utility at each threshold; an hour is predicted when its score reaches the threshold."""
    flat = truth.flat(scores)
    order = np.argsort(-flat, kind="stable")
    running = np.concatenate([[0.0], np.cumsum(truth.gain[order])])
    predicted = np.searchsorted(-flat[order], -np.asarray(thresholds, dtype=np.float64), side="right")
    return np.asarray(running[predicted] / _attainable(truth), dtype=np.float64)


def best_threshold(truth: Stays, scores: Sequence[ArrayLike], thresholds: ArrayLike) -> tuple[float, float]:
    """The threshold with the highest utility (the highest such threshold, when several tie), and that
    utility.
    """
    grid = np.sort(np.asarray(thresholds, dtype=np.float64))[::-1]
    curve = utility_curve(truth, scores, grid)
    best = int(np.argmax(curve))
    return float(grid[best]), float(curve[best])


def utility_interval(
    truth: Stays,
    predictions: Sequence[ArrayLike],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """The utility with a percentile bootstrap interval. Stays are drawn, not hours: hours of one patient go
    together.
    """
    gained, attainable = _by_stay(truth, truth.flat(predictions) != 0)
    drawn = [_ratio(gained[pick], attainable[pick]) for pick in _draws(attainable, resamples, seed)]
    return _interval(_ratio(gained, attainable), drawn, level)


def utility_difference(
    truth: Stays,
    predictions: Sequence[ArrayLike],
    others: Sequence[ArrayLike],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Utility of `predictions` less that of `others` on the same stays, both judged on the same draws."""
    one, attainable = _by_stay(truth, truth.flat(predictions) != 0)
    other, _ = _by_stay(truth, truth.flat(others) != 0)
    drawn = [_ratio((one - other)[pick], attainable[pick]) for pick in _draws(attainable, resamples, seed)]
    return _interval(_ratio(one - other, attainable), drawn, level)


def auroc(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, a tie counting half.

    Raises ValueError unless both classes have weight.
    """
    positive, negative = _steps(labels, scores, weights)
    total = positive.sum() * negative.sum()
    if not total > 0:
        raise ValueError("the area under the ROC curve needs positive and negative hours")
    above = np.cumsum(positive) - positive
    return float(((above + positive / 2) * negative).sum() / total)


def auroc_interval(
    truth: Stays, scores: Sequence[ArrayLike], *, resamples: int = 200, seed: int = 0, level: float = 0.95
) -> Interval:
    """The area under the ROC curve over all hours, with a percentile bootstrap interval by stay."""
    flat = truth.flat(scores)
    order = np.argsort(-flat, kind="stable")
    labels, ordered = truth.labels[order], flat[order]
    stay = np.repeat(np.arange(len(truth)), np.diff(truth.offsets))[order]
    drawn = [
        auroc(labels, ordered, np.bincount(pick, minlength=len(truth))[stay])
        for pick in _draws(truth.attainable, resamples, seed)
    ]
    return _interval(auroc(labels, ordered), drawn, level)


def auprc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Average precision: precision at each distinct score, weighted by the recall it adds.

    Raises ValueError when there is no positive.
    """
    positive, negative = _steps(labels, scores, None)
    if not positive.sum() > 0:
        raise ValueError("average precision needs a positive hour")
    found = np.cumsum(positive)
    precision = found / (found + np.cumsum(negative))
    return float((precision * positive).sum() / found[-1])


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean squared difference of probability and outcome."""
    difference = np.asarray(probabilities, dtype=np.float64) - np.asarray(labels, dtype=np.float64)
    return float(np.mean(difference**2))


def observed_expected(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Observed events over the sum of the probabilities; 1 is calibrated in the large.

    Raises ValueError when nothing is expected.
    """
    expected = float(np.sum(np.asarray(probabilities, dtype=np.float64)))
    if not expected > 0:
        raise ValueError("no event is expected: the ratio is undefined")
    return float(np.sum(np.asarray(labels, dtype=np.float64))) / expected


def calibration_line(labels: ArrayLike, probabilities: ArrayLike) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of the outcome on the log-odds (Cox 1958); ideal is (1,
    0).

    Raises ValueError when the fit has no finite solution (one class only, or classes that the log-odds
    separate).
    """
    outcome = np.asarray(labels, dtype=np.float64)
    clipped = np.clip(np.asarray(probabilities, dtype=np.float64), 1e-12, 1 - 1e-12)
    design = np.column_stack([np.log(clipped / (1 - clipped)), np.ones(len(outcome))])
    line = np.array([1.0, 0.0])
    for _ in range(100):
        fitted = 1 / (1 + np.exp(-np.clip(design @ line, -40.0, 40.0)))
        curvature = design.T @ (design * (fitted * (1 - fitted))[:, None])
        try:
            step = np.linalg.solve(curvature, design.T @ (outcome - fitted))
        except np.linalg.LinAlgError:
            break
        line = line + step
        if not np.all(np.isfinite(line)) or np.abs(line).max() > 1e3:
            break
        if np.abs(step).max() < 1e-10:
            return float(line[0]), float(line[1])
    raise ValueError("the calibration line has no finite solution")


def _onset(labels: NDArray[np.bool_]) -> float:
    return float(np.argmax(labels)) - DT_OPTIMAL if labels.any() else np.inf


def _predicted(relative: Floats) -> Floats:
    rising = np.maximum(MAX_U_TP * (relative - DT_EARLY) / (DT_OPTIMAL - DT_EARLY), U_FP)
    falling = MAX_U_TP * (DT_LATE - relative) / (DT_LATE - DT_OPTIMAL)
    return np.where(relative > DT_LATE, 0.0, np.where(relative <= DT_OPTIMAL, rising, falling))


def _not_predicted(relative: Floats) -> Floats:
    falling = MIN_U_FN * (relative - DT_OPTIMAL) / (DT_LATE - DT_OPTIMAL)
    return np.where((relative > DT_LATE) | (relative <= DT_OPTIMAL), U_TN, falling)


def _by_stay(truth: Stays, predicted: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    gained = np.add.reduceat(np.where(predicted, truth.gain, 0.0), truth.offsets[:-1])
    return gained, truth.attainable


def _attainable(truth: Stays) -> float:
    total = float(truth.attainable.sum())
    if not total > 0:
        raise ValueError("no stay is septic: the normalised utility is undefined")
    return total


def _ratio(gained: Floats, attainable: Floats) -> float:
    total = attainable.sum()
    if not total > 0:
        raise ValueError("no stay is septic: the normalised utility is undefined")
    return float(gained.sum() / total)


def _draws(attainable: Floats, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Stays drawn with replacement; a draw without a septic stay is drawn again, since it has no utility."""
    if not attainable.sum() > 0:
        raise ValueError("no stay is septic: the normalised utility is undefined")
    rng = np.random.default_rng(seed)
    left = resamples
    while left:
        pick = rng.integers(0, len(attainable), len(attainable))
        if attainable[pick].sum() > 0:
            left -= 1
            yield pick


def _interval(estimate: float, drawn: list[float], level: float) -> Interval:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, float(low), float(high))


def _steps(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats]:
    """The weight of positives and of negatives at each distinct score, from the highest score down."""
    positive = np.asarray(labels).astype(np.float64)
    score = np.asarray(scores, dtype=np.float64)
    weight = np.ones(len(score)) if weights is None else np.asarray(weights, dtype=np.float64)
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    return (
        np.add.reduceat((positive * weight)[order], first),
        np.add.reduceat(((1 - positive) * weight)[order], first),
    )

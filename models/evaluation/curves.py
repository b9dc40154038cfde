"""Discrimination, calibration and net benefit over judged hours, each with its interval by patient."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models import utility
from models.evaluation.draws import Draws, Floats, interval, ratio
from models.utility import Interval

#: Samples for what takes a pass over all hours each.
_SAMPLES: Final = 200
_GRID: Final = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True)
class Hours:
    """Judged hours, all of one length: the number of the stay (below ``stays``), whether the event came, the score."""

    stays: int
    stay: NDArray[np.int64]
    event: NDArray[np.bool_]
    score: Floats

    def of(self, stays: NDArray[np.bool_]) -> "Hours":
        """The hours of some of the stays, numbered anew."""
        chosen, number = stays[self.stay], np.cumsum(stays) - 1
        return Hours(int(stays.sum()), number[self.stay[chosen]], self.event[chosen], self.score[chosen])

    def by_stay(self, values: ArrayLike) -> Floats:
        """The sum over each stay's hours."""
        return np.bincount(self.stay, np.asarray(values, np.float64), self.stays).astype(np.float64)

    @property
    def both(self) -> bool:
        """Whether there are hours with the event and hours without."""
        return bool(self.event.any() and not self.event.all())


@dataclass(frozen=True, slots=True)
class Curve:
    """A line and its band, arrays of one length."""

    x: Floats
    y: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Discrimination:
    """How well scores tell hours with the event from hours without; ``drawn`` are the samples of ``auroc``."""

    roc: Curve
    precision_recall: Curve
    auroc: Interval
    auprc: Interval
    drawn: Floats


@dataclass(frozen=True, slots=True)
class Calibration:
    """Probabilities beside what came: tenths of the hours by risk, and the figures over all of them."""

    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats
    slope: Interval
    in_the_large: Interval
    top_tenth: Interval
    brier_skill: Interval


def discrimination(hours: Hours, draws: Draws) -> Discrimination:
    """ROC and precision-recall. Raises ValueError unless there are hours with and without the event."""
    if not hours.both:
        raise ValueError("discrimination needs hours with the event and hours without")
    passes = [_Pass(*counted) for counted in _counted(hours, draws)]
    whole, samples = passes[0], [one for one in passes[1:] if one.both]
    drawn = np.array([one.auroc for one in samples])
    return Discrimination(
        roc=_banded(whole.roc(), [one.roc() for one in samples]),
        precision_recall=_banded(whole.precision(), [one.precision() for one in samples]),
        auroc=interval(whole.auroc, drawn),
        auprc=interval(whole.average_precision, [one.average_precision for one in samples]),
        drawn=drawn,
    )


def calibration(hours: Hours, draws: Draws) -> Calibration:
    """Calibration of probabilities; hours are cut into tenths by their risk, ties staying together."""
    outcome, score = hours.event.astype(np.float64), hours.score
    edges = np.unique(np.quantile(score, np.linspace(0, 1, 11)[1:-1]))
    place = np.searchsorted(edges, score, side="right")
    numbers = [np.flatnonzero(place == one) for one in range(len(edges) + 1)]
    tenths = [one for one in numbers if len(one)]
    rates = [ratio(_within(hours, outcome, one), _within(hours, np.ones_like(score), one), draws) for one in tenths]
    top = score >= np.quantile(score, 0.9)
    rate = outcome.mean()
    return Calibration(
        predicted=np.array([score[one].mean() for one in tenths]),
        observed=np.array([one.estimate for one in rates]),
        low=np.array([one.low for one in rates]),
        high=np.array([one.high for one in rates]),
        slope=_slope(hours, draws),
        in_the_large=ratio(hours.by_stay(outcome), hours.by_stay(score), draws),
        top_tenth=ratio(hours.by_stay(outcome * top), hours.by_stay(score * top), draws),
        brier_skill=ratio(
            hours.by_stay((rate - outcome) ** 2 - (score - outcome) ** 2),
            hours.by_stay((rate - outcome) ** 2),
            draws,
        ),
    )


def net_benefit(hours: Hours, thresholds: ArrayLike, draws: Draws) -> Curve:
    """Vickers' net benefit of acting on every hour whose probability reaches the threshold, per judged hour."""
    grid = np.asarray(thresholds, np.float64)
    found = [benefit(hours, hours.score >= one, float(one), draws) for one in grid]
    return Curve(
        grid,
        np.array([one.estimate for one in found]),
        np.array([one.low for one in found]),
        np.array([one.high for one in found]),
    )


def benefit(hours: Hours, acted: NDArray[np.bool_], threshold: float, draws: Draws) -> Interval:
    """The net benefit of acting at those hours, a false alarm counting threshold / (1 - threshold)."""
    gained = np.where(hours.event, 1.0, -threshold / (1 - threshold)) * acted
    return ratio(hours.by_stay(gained), hours.by_stay(np.ones(len(gained))), draws)


def _within(hours: Hours, values: Floats, rows: NDArray[np.int64]) -> Floats:
    return np.bincount(hours.stay[rows], values[rows], hours.stays).astype(np.float64)


def _slope(hours: Hours, draws: Draws) -> Interval:
    """The slope of the logistic regression on the log-odds (Cox 1958)."""
    try:
        start = utility.calibration_line(hours.event, hours.score)
    except ValueError:
        return Interval(np.nan, np.nan, np.nan)
    clipped = np.clip(hours.score, 1e-12, 1 - 1e-12)
    log_odds = np.log(clipped / (1 - clipped))
    drawn = [_newton(log_odds, hours.event, one[hours.stay], start) for one in draws.weights[:_SAMPLES]]
    return interval(start[0], drawn)


def _newton(log_odds: Floats, event: NDArray[np.bool_], weight: Floats, start: tuple[float, float]) -> float:
    """The slope of a weighted fit, from the unweighted one; NaN where it does not settle."""
    slope, intercept = start
    for _ in range(20):
        fitted = 1 / (1 + np.exp(-np.clip(slope * log_odds + intercept, -40.0, 40.0)))
        missing, bend = weight * (event - fitted), weight * fitted * (1 - fitted)
        aa, ab, bb = float((bend * log_odds**2).sum()), float((bend * log_odds).sum()), float(bend.sum())
        a, b = float((missing * log_odds).sum()), float(missing.sum())
        determinant = aa * bb - ab * ab
        if not determinant > 0:
            return np.nan
        step = ((bb * a - ab * b) / determinant, (aa * b - ab * a) / determinant)
        slope, intercept = slope + step[0], intercept + step[1]
        if max(map(abs, step)) < 1e-6:
            return slope
    return np.nan


@dataclass(frozen=True, slots=True)
class _Pass:
    """The weights of true and false positives at each distinct score from the highest down, after (0, 0)."""

    true: Floats
    false: Floats

    @property
    def both(self) -> bool:
        return bool(self.true[-1] > 0 and self.false[-1] > 0)

    @property
    def auroc(self) -> float:
        steps = np.diff(self.false) * (self.true[1:] + self.true[:-1]) / 2
        return float(steps.sum() / (self.true[-1] * self.false[-1]))

    @property
    def average_precision(self) -> float:
        return float((np.diff(self.true) * self._precision()[1:]).sum() / self.true[-1])

    def roc(self) -> Floats:
        """Sensitivity at each share of false positives of the grid."""
        return np.asarray(np.interp(_GRID, self.false / self.false[-1], self.true / self.true[-1]), np.float64)

    def precision(self) -> Floats:
        """Precision where each share of the events of the grid is first found."""
        places = np.searchsorted(self.true, _GRID * self.true[-1] * (1 - 1e-12)).clip(1, len(self.true) - 1)
        return np.asarray(self._precision()[places], np.float64)

    def _precision(self) -> Floats:
        all_ = self.true + self.false
        return np.asarray(np.divide(self.true, all_, out=np.zeros(len(all_)), where=all_ > 0), np.float64)


def _counted(hours: Hours, draws: Draws) -> Iterator[tuple[Floats, Floats]]:
    """Running counts of hours with and without the event by falling score: all hours, then each sample's."""
    order = np.argsort(-hours.score, kind="stable")
    score, event, stay = hours.score[order], hours.event[order], hours.stay[order]
    ends = np.flatnonzero(np.concatenate([score[1:] != score[:-1], [True]]))
    for weights in (np.ones(hours.stays), *draws.weights[:_SAMPLES]):
        weight = weights[stay]
        true = np.cumsum(np.where(event, weight, 0.0))[ends]
        false = np.cumsum(np.where(event, 0.0, weight))[ends]
        yield np.concatenate([[0.0], true]), np.concatenate([[0.0], false])


def _banded(line: Floats, samples: list[Floats]) -> Curve:
    low, high = np.quantile(samples, [0.025, 0.975], axis=0) if samples else (line, line)
    return Curve(_GRID, line, low, high)

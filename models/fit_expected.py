"""Fit what is expected of each analyte's next result, from panels of many stays.

Errors that judge anything (the conformal reach, the correlations) are out of fold: of stays that the line did not see.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, log

import numpy as np
from numpy.typing import NDArray

from models.expected import Levels, Line, Usual
from models.likelihood import Spread, Tables, constant_of, normal
from models.panel import ANALYTES, Panel

Floats = NDArray[np.float64]

#: What the intervals state.
COVERAGE = 0.95
FOLDS = 5
_FREEDOMS = np.array([2.2, 2.6, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, 12.0, 20.0])
_ROUNDS = 4
_RIDGE = {"location": 20.0, "scale": 5.0}
#: Keeps the logarithm of an error of 0 finite, in ``Usual.spread``.
_LEAST_ERROR = 0.02
#: A set counts for the reach only with so many results; fewer and all are taken together.
_ENOUGH = 200
#: A correlation rests on panels of at least so many results, and is shrunk as if so many pairs more had shown none.
_PANEL, _SHRINK = 3, 150
_LEAST_EIGENVALUE = 0.03


@dataclass(frozen=True, slots=True)
class Sample:
    """A panel, the number of its data set, its patient and ward, and its hour since the stay's start.

    ``group`` is its fold among the stays that fit, -1 for a test stay.
    """

    source: int
    patient: str
    ward: str
    hour: float
    group: int
    panel: Panel


@dataclass(frozen=True, slots=True)
class Fitted:
    """The tables; and for each source and analyte the coverage on test stays and the number of its results."""

    tables: Tables
    coverage: dict[tuple[int, str], tuple[float, int]]


@dataclass(slots=True)
class _Results:
    """Every result of one analyte that has an earlier one, or none."""

    location: "array[float]" = field(default_factory=lambda: array("d"))
    scale: "array[float]" = field(default_factory=lambda: array("d"))
    change: "array[float]" = field(default_factory=lambda: array("d"))
    sample: "array[int]" = field(default_factory=lambda: array("l"))

    def matrices(self) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
        number = len(self.sample)
        return (
            np.array(self.location).reshape(number, -1),
            np.array(self.scale).reshape(number, -1),
            np.array(self.change),
            np.array(self.sample, np.int64),
        )


def fit(samples: Sequence[Sample]) -> Fitted:
    """The tables of all samples that are no test, and how they do on the test."""
    usual = _usual(samples)
    gathered = _gather(samples, usual)
    group = np.array([one.group for one in samples])
    source = np.array([one.source for one in samples])
    deviates = np.full((len(samples), len(ANALYTES)), np.nan)
    again, first, reach = {}, {}, {}
    coverage: dict[tuple[int, str], tuple[float, int]] = {}
    for place, name in enumerate(ANALYTES):
        location, scale, change, sample = gathered[name, True].matrices()
        again[name], errors = _out_of_fold(location, scale, change, group[sample])
        fitting, testing = group[sample] >= 0, group[sample] < 0
        reach[name] = _reach(np.abs(errors[fitting]), source[sample[fitting]])
        deviates[sample, place] = normal(errors, again[name].freedom)
        for one in np.unique(source[sample[testing]]).tolist():
            chosen = np.abs(errors[testing & (source[sample] == one)])
            coverage[one, name] = (float(np.mean(chosen <= reach[name])), len(chosen))
        location, scale, change, sample = gathered[name, False].matrices()
        inside = group[sample] >= 0
        first[name] = line(location[inside], scale[inside], change[inside])
    own_panels = np.array([len(one.panel.values) >= _PANEL and one.group >= 0 for one in samples])
    among_all, among_deviates = _among_all(
        [one for one, taken in zip(samples, own_panels, strict=True) if taken], usual
    )
    tables = Tables(
        usual=usual,
        again=again,
        first=first,
        reach=reach,
        among_all=among_all,
        own_correlation=_correlation(deviates[own_panels]),
        usual_correlation=_correlation(among_deviates),
    )
    return Fitted(tables, coverage)


def _usual(samples: Sequence[Sample]) -> dict[str, Usual]:
    """Median and interquartile spread of each patient's first results."""
    seen: set[tuple[str, str]] = set()
    values: dict[str, list[float]] = {name: [] for name in ANALYTES}
    for one in samples:
        for name, value in one.panel.values.items():
            if one.group >= 0 and (one.patient, name) not in seen:
                seen.add((one.patient, name))
                values[name].append(value)
    found = {}
    for name, every in values.items():
        low, middle, high = np.percentile(every, [25, 50, 75])
        found[name] = Usual(centre=float(middle), spread=float(high - low) / 1.349)
    return found


def _gather(samples: Sequence[Sample], usual: dict[str, Usual]) -> dict[tuple[str, bool], _Results]:
    found = {(name, earlier): _Results() for name in ANALYTES for earlier in (True, False)}
    for number, one in enumerate(samples):
        levels = Levels(one.panel.before, usual)
        for name, value in one.panel.values.items():
            before = one.panel.before.get(name)
            results = found[name, before is not None]
            base = usual[name].centre if before is None else before.last
            results.location.extend(levels.location_row(name))
            results.scale.extend(levels.scale_row(name))
            results.change.append((value - base) / usual[name].spread)
            results.sample.append(number)
    return found


def _out_of_fold(location: Floats, scale: Floats, change: Floats, group: NDArray[np.int64]) -> tuple[Line, Floats]:
    """The line of all fitting results, and each result's error by a line that did not see its patient."""
    errors = np.empty(len(change))
    for held in range(FOLDS):
        seen, unseen = (group >= 0) & (group != held), group == held
        errors[unseen] = _errors(line(location[seen], scale[seen], change[seen]), location, scale, change, unseen)
    whole = line(location[group >= 0], scale[group >= 0], change[group >= 0])
    errors[group < 0] = _errors(whole, location, scale, change, group < 0)
    return whole, errors


def _errors(one: Line, location: Floats, scale: Floats, change: Floats, rows: NDArray[np.bool_]) -> Floats:
    missed = change[rows] - location[rows] @ np.array(one.location)
    return np.asarray(missed / np.exp(scale[rows] @ np.array(one.scale)))


def line(location: Floats, scale: Floats, change: Floats) -> Line:
    """Centre and scale by regression with t errors: each round weighs a result down by how wild it is."""
    weights = np.ones(len(change))
    for _ in range(_ROUNDS):
        centre = _ridge(location, change, weights, _RIDGE["location"])
        missed = change - location @ centre
        spread = _ridge(scale, np.log(np.abs(missed) + _LEAST_ERROR), np.ones(len(change)), _RIDGE["scale"])
        errors = missed / np.exp(scale @ spread)
        freedom, unit = _student(errors)
        spread[0] += log(unit)
        scales = np.exp(scale @ spread)
        weights = (freedom + 1) / (freedom + (errors / unit) ** 2) / scales**2
        weights /= weights.mean()
    return Line(location=tuple(centre.tolist()), scale=tuple(spread.tolist()), freedom=freedom)


def _ridge(rows: Floats, target: Floats, weights: Floats, penalty: float) -> Floats:
    """Least squares with a penalty on all coefficients but the first."""
    weighed = rows * weights[:, None]
    penalties = np.full(rows.shape[1], penalty)
    penalties[0] = 1e-6
    return np.asarray(np.linalg.solve(weighed.T @ rows + np.diag(penalties), weighed.T @ target))


def _student(errors: Floats) -> tuple[float, float]:
    """Degrees of freedom and scale of the Student t that fits best, of a grid."""
    some = errors[:: len(errors) // 20_000 + 1]
    middle = log(float(np.median(np.abs(errors))) + 1e-9)
    constants = np.array([constant_of(one) for one in _FREEDOMS])
    best = (-np.inf, 0.0, 0.0)
    for scale in np.exp(np.linspace(middle - 1, middle + 1.2, 45)).tolist():
        tails = np.log1p((some / scale)[:, None] ** 2 / _FREEDOMS)
        fits = len(some) * (constants - log(scale)) - (_FREEDOMS + 1) / 2 * tails.sum(0)
        place = int(fits.argmax())
        best = max(best, (float(fits[place]), float(_FREEDOMS[place]), scale))
    return best[1], best[2]


def _reach(errors: Floats, source: NDArray[np.int64]) -> float:
    """The split-conformal quantile of the absolute errors, every data set with the same weight where it has enough."""
    counts = {one: int((source == one).sum()) for one in np.unique(source).tolist()}
    enough = [one for one, count in counts.items() if count >= _ENOUGH]
    taken = np.isin(source, enough) if enough else np.ones(len(errors), bool)
    found, origin = errors[taken], source[taken]
    weight = np.array([1.0 / counts[one] for one in origin.tolist()])
    order = np.argsort(found, kind="stable")
    share = np.cumsum(weight[order]) / weight.sum()
    # The (n + 1)-th of n results is the unseen one's place.
    wanted = min(1.0, ceil(COVERAGE * (len(found) + 1)) / len(found))
    return float(found[order][min(int(np.searchsorted(share, wanted - 1e-12)), len(found) - 1)])


def _among_all(samples: Sequence[Sample], usual: dict[str, Usual]) -> tuple[dict[str, Spread], Floats]:
    """How each analyte's results lie among all patients, and those panels as normal deviates."""
    values = np.full((len(samples), len(ANALYTES)), np.nan)
    for number, one in enumerate(samples):
        for place, name in enumerate(ANALYTES):
            if name in one.panel.values:
                values[number, place] = (one.panel.values[name] - usual[name].centre) / usual[name].spread
    found = {}
    for place, name in enumerate(ANALYTES):
        column = values[:, place]
        known = column[~np.isnan(column)]
        centre = float(np.median(known))
        freedom, scale = _student(known - centre)
        found[name] = Spread(centre=centre, scale=scale, freedom=freedom)
        values[:, place] = normal((column - centre) / scale, freedom)
    return found, values


def _correlation(deviates: Floats) -> tuple[tuple[float, ...], ...]:
    """The correlation of what is known together, shrunk towards none where little is, positive definite."""
    known = (~np.isnan(deviates)).astype(np.float64)
    filled = np.nan_to_num(deviates)
    pairs = known.T @ known
    squares = (filled**2).T @ known
    found = filled.T @ filled / np.sqrt(np.maximum(squares * squares.T, 1e-12)) * pairs / (pairs + _SHRINK)
    np.fill_diagonal(found, 1.0)
    values, vectors = np.linalg.eigh(found)
    found = vectors @ np.diag(np.maximum(values, _LEAST_EIGENVALUE)) @ vectors.T
    size = np.sqrt(np.diag(found))
    return tuple(tuple(row) for row in np.round(found / np.outer(size, size), 6).tolist())

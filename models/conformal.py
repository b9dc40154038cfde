"""Split-conformal intervals and class-conditional sets, from predictions by models that did not see the patient.

An interval speaks of a group of patients, since an hour has the event or has it not: the stays are dealt
into groups, and the order statistics of the groups' observed rates bound the rate of the next group (Vovk et al. 2005;
exchangeable are the groups). A set speaks of one hour: the outcomes whose p-value among their own class is above one
less the coverage.
"""

from math import ceil, floor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.artefact import Bin, Conformal, Intervals

Floats = NDArray[np.float64]

#: The bins' upper ends as quantiles of the scores: narrow where the alerts are.
_ENDS: Final = (0.25, 0.5, 0.7, 0.8, 0.87, 0.92, 0.95, 0.97, 0.985, 1.0)
#: A share such as 0.9 is no binary fraction: what is a whole number but for that counts as one.
_ROUNDING: Final = 1e-9


def intervals(
    labels: NDArray[np.int8],
    probabilities: Floats,
    stay: NDArray[np.int32],
    coverage: float = 0.9,
    group_stays: int = 250,
) -> Intervals:
    """Bounds of the observed rate by score, for groups of so many stays.

    ``stay`` numbers the stay of each hour. A bound that so few groups cannot give is 0 or 1.
    """
    ends = np.unique(np.quantile(probabilities, _ENDS))
    rates = _rates(ends, labels, probabilities, stay, group_stays)
    skipped = floor((len(rates) + 1) * (1 - coverage) / 2 + _ROUNDING)
    found = []
    for end, column in zip(ends.tolist(), rates.T, strict=True):
        known = np.sort(column[~np.isnan(column)])
        enough = 1 <= skipped <= len(known)
        low, high = (known[skipped - 1], known[-skipped]) if enough else (0.0, 1.0)
        found.append(Bin(to=end, low=float(low), high=float(high)))
    return Intervals(coverage=coverage, group_stays=group_stays, bins=tuple(found))


def interval_coverage(
    stated: Intervals, labels: NDArray[np.int8], probabilities: Floats, stay: NDArray[np.int32]
) -> float:
    """The share of the groups' observed rates, over all bins, that lie within their intervals."""
    ends = np.array([one.to for one in stated.bins])
    rates = _rates(ends, labels, probabilities, stay, stated.group_stays)
    low, high = np.array([one.low for one in stated.bins]), np.array([one.high for one in stated.bins])
    known = ~np.isnan(rates)
    return float(np.mean(((rates >= low) & (rates <= high))[known]))


def _rates(
    ends: Floats, labels: NDArray[np.int8], probabilities: Floats, stay: NDArray[np.int32], group_stays: int
) -> Floats:
    """Observed rates, a row for each group and a column for each bin; NaN where a group has no such hour."""
    number = np.unique(stay, return_inverse=True)[1]
    groups = max(1, (int(number.max()) + 1) // group_stays)
    place = np.searchsorted(ends[:-1], probabilities) + len(ends) * (number % groups)
    hours = np.bincount(place, minlength=groups * len(ends))
    events = np.bincount(place, weights=labels, minlength=groups * len(ends))
    with np.errstate(invalid="ignore"):
        return np.asarray(events / np.where(hours, hours, np.nan), np.float64).reshape(groups, len(ends))


def conformal(labels: NDArray[np.int8], probabilities: Floats, coverage: float = 0.9) -> Conformal:
    """The limits of the set in scores, each class by itself."""
    events, others = np.sort(probabilities[labels > 0]), np.sort(probabilities[labels == 0])
    least = floor((1 - coverage) * (len(events) + 1) + _ROUNDING)
    most = ceil(coverage * (len(others) + 1) - _ROUNDING)
    return Conformal(
        coverage=coverage,
        event_from=float(events[least - 1]) if least else 0.0,
        absence_to=float(others[most - 1]) if most <= len(others) else 1.0,
    )


def set_figures(stated: Conformal, labels: NDArray[np.int8], probabilities: Floats) -> dict[str, float]:
    """How often the set holds the true outcome, by class, and how often it holds both outcomes or none."""
    event, absence = probabilities >= stated.event_from, probabilities <= stated.absence_to
    return {
        "set_coverage_event": float(np.mean(event[labels > 0])),
        "set_coverage_absence": float(np.mean(absence[labels == 0])),
        "set_holds_both": float(np.mean(event & absence)),
        "set_empty": float(np.mean(~event & ~absence)),
    }

"""What a threshold means to a ward: how many stays alert, how many septic ones are found, and how long before onset."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: The onset of sepsis, in hours after the first labelled hour.
_ONSET: Final = 6
#: An alert counts from this many hours before the onset up to it.
_AHEAD: Final = 48
#: Onsets in the first day leave no time to be ahead of.
_LATE: Final = 24


@dataclass(frozen=True, slots=True)
class Alarms:
    """Shares of stays: alerting ones; septic ones with a change of the alert 0-48 h before onset, among all and
    among those not labelled from their first hour; septic ones among the alerting, and those found in time. The median
    lead (h) is that of the first alert of the 48 h, for onsets later than 24 h; NaN when there is none.
    """

    stays: float
    sensitivity: float
    sensitivity_unlabelled_at_first: float
    predictive_value: float
    predictive_value_in_time: float
    lead_h: float


def alarms(
    labels: NDArray[np.int8],
    scores: Floats,
    stay: NDArray[np.int32],
    raise_at: float,
    clear_below: float,
    escalations: tuple[float, ...] = (),
) -> Alarms:
    """The figures of an alert that is raised at one score and is over below another, hour by hour.

    It is escalated, and updated again, at so many times both scores. Rows are hours, those of a stay together and in
    order.
    """
    row = np.arange(len(scores))
    starts = np.flatnonzero(np.diff(stay, prepend=stay[0] - 1))
    first = np.repeat(starts, np.diff(starts, append=len(scores)))
    begins = row == first
    raised = _entered(_open(scores, begins, raise_at, clear_below), begins)
    changed = raised.copy()
    for factor in escalations:
        level = _open(scores, begins, factor * raise_at, factor * clear_below)
        changed |= _entered(level, begins) | _entered(~level, begins) & ~begins
    septic = np.add.reduceat(labels, starts, dtype=np.int64) > 0
    labelled = np.minimum.reduceat(np.where(labels > 0, row, len(row)), starts)
    hours_to_onset = np.repeat(labelled, np.diff(starts, append=len(scores))) + _ONSET - row
    counted = changed & (hours_to_onset >= 0) & (hours_to_onset <= _AHEAD)
    alerting, found = np.logical_or.reduceat(raised, starts), septic & np.logical_or.reduceat(counted, starts)
    lead = np.maximum.reduceat(np.where(counted, hours_to_onset, -1), starts)
    late = found & (labelled + _ONSET - starts > _LATE)
    at_first = septic & (labelled == starts)
    return Alarms(
        stays=float(alerting.mean()),
        sensitivity=_share(found, septic),
        sensitivity_unlabelled_at_first=_share(found, septic & ~at_first),
        predictive_value=_share(septic, alerting),
        predictive_value_in_time=_share(found, alerting),
        lead_h=float(np.median(lead[late])) if late.any() else float("nan"),
    )


def threshold_for(
    share: float, labels: NDArray[np.int8], scores: Floats, stay: NDArray[np.int32], clear_ratio: float
) -> float:
    """The lowest threshold at which no more than this share of the stays alerts, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        if alarms(labels, scores, stay, middle, middle * clear_ratio).stays <= share:
            high = middle
        else:
            low = middle
    return high


def _open(scores: Floats, begins: NDArray[np.bool_], raise_at: float, clear_below: float) -> NDArray[np.bool_]:
    """The hours on which an alert is open: from ``raise_at`` until below ``clear_below``."""
    says = (scores >= raise_at) | (scores < clear_below) | begins
    newest = np.maximum.accumulate(np.where(says, np.arange(len(scores)), 0))
    return np.asarray(scores[newest] >= raise_at, np.bool_)


def _entered(state: NDArray[np.bool_], begins: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The hours on which a state begins, or a stay in it."""
    return state & ~(np.concatenate([[False], state[:-1]]) & ~begins)


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    return float(np.mean(part[whole])) if whole.any() else float("nan")

"""The hours that a model is made from and judged on, of several data sets: those at which its condition is absent."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features import vector
from features.instants import HOUR
from models.desert.hours import PRESENT, UNMEASURED, Hours
from models.desert.outcomes import RECENT, Outcome
from models.split import TEST_FOLDS, fold

#: Patients outside the test are divided again, for predictions by a model that did not see them.
PARTS: Final = 5

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rows:
    """One row for each hour. ``nearness`` is the last-value baseline: the newest result, higher nearer to the event.

    ``label`` is 1, 0 or ``UNMEASURED``; ``recent`` says that the analyte was measured within 24 h, ``before`` that the
    condition was met earlier in the stay; ``source`` is the number of the data set, ``part`` that of the division
    of the patients outside the test.
    """

    x: NDArray[np.float32]
    label: NDArray[np.int8]
    nearness: NDArray[np.float64]
    recent: Flags
    before: Flags
    test: Flags
    part: NDArray[np.int8]
    source: NDArray[np.int8]
    stay: NDArray[np.int32]

    @property
    def again(self) -> Flags:
        """Measured within 24 h before and again within the horizon."""
        return np.asarray(self.recent & (self.label != UNMEASURED))

    def where(self, chosen: Flags | NDArray[np.int64]) -> "Rows":
        """Some of the rows."""
        return replace(self, **{one.name: getattr(self, one.name)[chosen] for one in fields(self)})


def rows(outcome: Outcome, columns: Sequence[int], sets: Sequence[Hours]) -> Rows:
    """The rows of an outcome with these columns of the vector; sets without the analyte give none."""
    found = [one for number, hours in enumerate(sets) if len((one := _rows(outcome, columns, hours, number)).label)]
    stays = np.cumsum([0, *(int(one.stay.max()) + 1 for one in found)])
    shifted = [replace(one, stay=one.stay + np.int32(first)) for one, first in zip(found, stays[:-1], strict=True)]
    return Rows(**{one.name: np.concatenate([getattr(part, one.name) for part in shifted]) for one in fields(Rows)})


def _rows(outcome: Outcome, columns: Sequence[int], hours: Hours, number: int) -> Rows:
    last = hours.x[:, vector.NAMES.index(f"{outcome.analyte}_last")].astype(np.float64)
    age = hours.x[:, vector.NAMES.index(f"{outcome.analyte}_age_h")]
    labels = hours.labels[outcome.kind]
    measured = bool(np.isfinite(last).any())
    chosen = np.flatnonzero(labels != PRESENT) if measured else np.empty(0, np.int64)
    folds = np.array([fold(patient) for patient in hours.patients])
    parts = np.array([fold(f"{patient}/fit") % PARTS for patient in hours.patients])
    stay = hours.stay[chosen]
    nearness = last[chosen] if outcome.rising else -last[chosen]
    return Rows(
        x=hours.x[np.ix_(chosen, np.asarray(columns))],
        label=labels[chosen],
        nearness=np.nan_to_num(nearness, nan=-np.finfo(np.float64).max),
        recent=age[chosen] <= RECENT / HOUR,
        before=hours.before[outcome.kind][chosen],
        test=np.isin(folds, list(TEST_FOLDS))[stay],
        part=parts[stay].astype(np.int8),
        source=np.full(len(chosen), number, np.int8),
        stay=stay,
    )

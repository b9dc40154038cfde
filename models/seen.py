"""What all models of one decision read of a record: worked out once."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.record import Record
from features.vector import vector


@dataclass(slots=True)
class Seen:
    """The features of a record in the order of the vector, and the analytes of which it has values."""

    numbers: list[float]
    row: NDArray[np.float64]
    known: frozenset[str]


class _Shared:
    """What was last seen: all models of one decision read the same record."""

    def __init__(self) -> None:
        self._of: tuple[object, ...] = ()
        self._seen = Seen([], np.empty(0), frozenset())

    def see(self, record: Record) -> Seen:
        """The features of a record; an alert that changed in it changes none."""
        of = (record.series, record.stay, record.events, record.now)
        if len(self._of) != len(of) or any(one is not other for one, other in zip(self._of, of, strict=True)):
            numbers = vector(record)
            known = frozenset(name for name, series in record.series.items() if series.has_numbers)
            self._of, self._seen = of, Seen(numbers, np.array(numbers), known)
        return self._seen


see: Final = _Shared().see

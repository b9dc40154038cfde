"""A panel: the results of one specimen time, and what was known of each analyte before it.

Everything is on the analyte's working scale, on which a difference means the same at any level: the natural logarithm
of the canonical value for what is skewed, the value itself for pH and base excess.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import exp, fsum, log
from typing import Final

from features.instants import HOUR
from features.record import Record
from features.series import KEPT, Entry, Series


@dataclass(frozen=True, slots=True)
class Working:
    """An analyte's working scale and the way back; ``offset`` is what a logarithm takes more of the canonical unit."""

    forward: Callable[[float], float]
    back: Callable[[float], float]
    offset: float = 0.0


_LINEAR: Final = Working(lambda value: value, lambda worked: worked)


def _logarithmic(offset: float = 0.0) -> Working:
    """The logarithm; the offset, in the canonical unit, keeps a result of 0 finite."""
    return Working(lambda value: log(value + offset), lambda worked: exp(worked) - offset, offset)


#: A saturation lies close to its ceiling: what is missing from it is what is skewed.
_SATURATION: Final = Working(lambda value: -log(101.0 - value), lambda worked: 101.0 - exp(-worked))

_LOG: Final = _logarithmic()

#: The common analytes, in the order of the model's tables.
ANALYTES: Final[Mapping[str, Working]] = {
    "haemoglobin": _LOG,
    "haematocrit": _LOG,
    "leukocytes": _logarithmic(0.1),
    "platelets": _logarithmic(1.0),
    "sodium": _LOG,
    "potassium": _LOG,
    "chloride": _LOG,
    "bicarbonate": _LOG,
    "calcium": _LOG,
    "magnesium": _LOG,
    "phosphate": _LOG,
    "creatinine": _LOG,
    "urea": _LOG,
    "glucose": _LOG,
    "lactate": _LOG,
    "ph": _LINEAR,
    "paco2": _LOG,
    "pao2": _LOG,
    "sao2": _SATURATION,
    "base_excess": _LINEAR,
    "alat": _LOG,
    "asat": _LOG,
    "alkaline_phosphatase": _LOG,
    "bilirubin": _LOG,
    "bilirubin_conjugated": _LOG,
    "albumin": _LOG,
    "troponin_i": _logarithmic(10.0),
    "troponin_t": _logarithmic(10.0),
    "aptt": _LOG,
    "fibrinogen": _LOG,
}


@dataclass(frozen=True, slots=True)
class Before:
    """An analyte's results of the 72 h before the panel, on its working scale; ``age`` (h) is the newest one's."""

    last: float
    previous: float
    mean: float
    low: float
    high: float
    number: int
    age: float


@dataclass(frozen=True, slots=True)
class Panel:
    """The newest specimen time (ms), its results by analyte in the order of ``ANALYTES``, and what lay before it.

    ``values`` and ``before`` are on the working scale; ``before`` has every analyte that has an earlier value, measured
    again or not.
    """

    effective: int
    entries: Mapping[str, Entry]
    values: Mapping[str, float]
    before: Mapping[str, Before]

    @property
    def compared(self) -> int:
        """How many of the results have an earlier value."""
        return sum(1 for name in self.values if name in self.before)


def newest(record: Record) -> Panel | None:
    """The panel of the newest specimen time that a record knows, ``None`` when it has no result of these analytes."""
    known = {name: entry for name in ANALYTES if (one := record.series.get(name)) and (entry := one.last())}
    if not known:
        return None
    effective = max(entry.effective for entry in known.values())
    entries = {name: entry for name, entry in known.items() if entry.effective == effective}
    values = {name: ANALYTES[name].forward(one.value) for name, one in entries.items() if one.value is not None}
    before = {name: found for name in known if (found := _before(name, record.series[name], effective))}
    return Panel(effective, entries, values, before)


def upcoming(record: Record) -> Panel:
    """What is known before a specimen that would be taken just after the record's now; it has no results."""
    effective = record.now + 1
    before = {
        name: found
        for name in ANALYTES
        if (one := record.series.get(name)) and (found := _before(name, one, effective))
    }
    return Panel(effective, {}, {}, before)


def _before(name: str, series: Series, effective: int) -> Before | None:
    """What lay before the panel; strictly, so that a second result of the same specimen is no earlier value."""
    times, values, first, stop = series.numbers
    end = bisect_left(times, effective, first, stop)
    start = bisect_right(times, effective - KEPT, first, end)
    if start == end:
        return None
    worked = [ANALYTES[name].forward(value) for value in values[start:end]]
    return Before(
        last=worked[-1],
        previous=worked[-2] if len(worked) > 1 else worked[-1],
        mean=fsum(worked) / len(worked),
        low=min(worked),
        high=max(worked),
        number=len(worked),
        age=(effective - times[end - 1]) / HOUR,
    )

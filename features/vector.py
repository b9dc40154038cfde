"""The feature vector: what the models see of a record at its now, by name and version.

The same function serves training, evaluation and the stream. Every sum is an exact one (``math.fsum``, and
``features.sums`` to the same bits), so a value does not depend on the order in which the observations came. Missing is
NaN.

What was worked out of a series is kept with it, up to the instant at which a value enters or leaves one of its windows:
until then only the ages change. So a kept number is the recomputed one, bit for bit.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum, nan
from operator import mul
from typing import Final

import numpy as np

from features.composites import COMPOSITES
from features.instants import DAY, HOUR
from features.record import Record
from features.series import KEPT, Series, Summary
from features.sums import exact_sum

#: Changes whenever a feature is added, removed, reordered or computed otherwise.
VERSION: Final = "2"

VITALS: Final = (
    "heart_rate",
    "spo2",
    "temperature",
    "systolic_pressure",
    "mean_pressure",
    "diastolic_pressure",
    "respiratory_rate",
    "etco2",
)
LABS: Final = (
    "base_excess",
    "bicarbonate",
    "fio2",
    "ph",
    "paco2",
    "sao2",
    "asat",
    "urea",
    "alkaline_phosphatase",
    "calcium",
    "chloride",
    "creatinine",
    "bilirubin_conjugated",
    "glucose",
    "lactate",
    "magnesium",
    "phosphate",
    "potassium",
    "bilirubin",
    "troponin_i",
    "haematocrit",
    "haemoglobin",
    "aptt",
    "leukocytes",
    "fibrinogen",
    "platelets",
)
#: Analytes of which a few numbers are enough.
BRIEF: Final = ("gcs", "sodium", "albumin", "alat", "pao2")


@dataclass(frozen=True, slots=True)
class Feature:
    """One number of the vector. ``unit`` is ``None`` for the analyte's own canonical unit."""

    name: str
    analyte: str | None
    unit: str | None
    meaning: str


_VITAL_STATISTICS: Final = (
    ("last", None, "newest value"),
    ("age_h", "h", "hours since the newest value"),
    ("count_6h", "1", "values in 6 h"),
    ("count_24h", "1", "values in 24 h"),
    ("min_6h", None, "least value in 6 h"),
    ("max_6h", None, "greatest value in 6 h"),
    ("mean_6h", None, "mean of 6 h"),
    ("min_24h", None, "least value in 24 h"),
    ("max_24h", None, "greatest value in 24 h"),
    ("mean_24h", None, "mean of 24 h"),
    ("mean_72h", None, "mean of 72 h"),
    ("slope_6h", "/h", "least-squares slope over 6 h, per hour"),
    ("slope_24h", "/h", "least-squares slope over 24 h, per hour"),
    ("change_1h", None, "newest value less the one known an hour ago"),
    ("change_6h", None, "newest value less the one known 6 h ago"),
    ("change_24h", None, "newest value less the one known 24 h ago"),
)
_LAB_STATISTICS: Final = (
    ("last", None, "newest value"),
    ("age_h", "h", "hours since the newest value"),
    ("count_24h", "1", "values in 24 h"),
    ("count_72h", "1", "values in 72 h"),
    ("min_24h", None, "least value in 24 h"),
    ("max_24h", None, "greatest value in 24 h"),
    ("min_72h", None, "least value in 72 h"),
    ("max_72h", None, "greatest value in 72 h"),
    ("mean_72h", None, "mean of 72 h"),
    ("slope_72h", "/h", "least-squares slope over 72 h, per hour"),
    ("change_previous", None, "newest value less the one before it"),
    ("change_24h", None, "newest value less the one known 24 h ago"),
    ("change_72h", None, "newest value less the oldest one of 72 h"),
    ("above_min_72h", None, "newest value less the least one in 72 h"),
    ("below_max_72h", None, "greatest value in 72 h less the newest one"),
)
_BRIEF_STATISTICS: Final = (
    ("last", None, "newest value"),
    ("age_h", "h", "hours since the newest value"),
    ("min_24h", None, "least value in 24 h"),
    ("max_24h", None, "greatest value in 24 h"),
)


#: The place of ``age_h`` in all three.
_AGE: Final = 1
_NEVER: Final = 2**62
#: From so many values in a window on, arrays are quicker than lists.
_MANY: Final = 200


def _vital(series: Series, now: int) -> Summary:
    times, values, first, stop = series.numbers
    end = bisect_right(times, now, first, stop)
    start = bisect_right(times, now - KEPT, first, end)
    if start == end:
        return _nothing(_NO_VITAL, times, end, stop, now)
    day = bisect_right(times, now - 24 * HOUR, start, end)
    six = bisect_right(times, now - 6 * HOUR, day, end)
    hour = bisect_right(times, now - HOUR, six, end)
    last = values[end - 1]
    low_6, high_6, mean_6, slope_6 = _window(times[six:end], values[six:end])
    low_24, high_24, mean_24, slope_24 = _window(times[day:end], values[day:end])
    numbers = [
        last,
        nan,
        end - six,
        end - day,
        low_6,
        high_6,
        mean_6,
        low_24,
        high_24,
        mean_24,
        _mean(values[start:end]),
        slope_6,
        slope_24,
        last - values[hour - 1] if hour > start else nan,
        last - values[six - 1] if six > start else nan,
        last - values[day - 1] if day > start else nan,
    ]
    windows = ((start, KEPT), (day, DAY), (six, 6 * HOUR), (hour, HOUR))
    return Summary(now, _until(times, end, stop, windows), times[end - 1], array("d", numbers))


def _lab(series: Series, now: int) -> Summary:
    times, values, first, stop = series.numbers
    end = bisect_right(times, now, first, stop)
    start = bisect_right(times, now - KEPT, first, end)
    if start == end:
        return _nothing(_NO_LAB, times, end, stop, now)
    day = bisect_right(times, now - 24 * HOUR, start, end)
    last = values[end - 1]
    low_24, high_24 = _extremes(values[day:end])
    low, high, mean, slope = _window(times[start:end], values[start:end])
    numbers = [
        last,
        nan,
        end - day,
        end - start,
        low_24,
        high_24,
        low,
        high,
        mean,
        slope,
        last - values[end - 2] if end - start > 1 else nan,
        last - values[day - 1] if day > start else nan,
        last - values[start],
        last - low,
        high - last,
    ]
    return Summary(now, _until(times, end, stop, ((start, KEPT), (day, DAY))), times[end - 1], array("d", numbers))


def _brief(series: Series, now: int) -> Summary:
    times, values, first, stop = series.numbers
    end = bisect_right(times, now, first, stop)
    start = bisect_right(times, now - KEPT, first, end)
    if start == end:
        return _nothing(_NO_BRIEF, times, end, stop, now)
    day = bisect_right(times, now - DAY, start, end)
    numbers = [values[end - 1], nan, *_extremes(values[day:end])]
    return Summary(now, _until(times, end, stop, ((start, KEPT), (day, DAY))), times[end - 1], array("d", numbers))


def _nothing(numbers: Sequence[float], times: Sequence[int], end: int, stop: int, now: int) -> Summary:
    """Of a series with no value in 72 h."""
    return Summary(now, times[end] if end < stop else _NEVER, None, array("d", numbers))


def _until(times: Sequence[int], end: int, stop: int, windows: tuple[tuple[int, int], ...]) -> int:
    """When a value comes to count, or leaves a window; each window by its first place and its length."""
    leave = [times[first] + length for first, length in windows if first < end]
    return min(leave if end == stop else [times[end], *leave])


def _extremes(values: "array[float]") -> tuple[float, float]:
    """Least and greatest value, of equal ones (0.0 and -0.0) the first; NaN where there is none."""
    if len(values) < _MANY:
        return min(values, default=nan), max(values, default=nan)
    found = np.frombuffer(values)
    return values[int(found.argmin())], values[int(found.argmax())]


def _mean(values: "array[float]") -> float:
    """The mean of at least one value."""
    return (fsum(values) if len(values) < _MANY else exact_sum(np.frombuffer(values))) / len(values)


def _window(times: "array[int]", values: "array[float]") -> tuple[float, float, float, float]:
    """Least and greatest value, mean, and least-squares slope per hour; NaN where values are too few."""
    number = len(values)
    if number >= _MANY:
        return _long_window(times, values)
    if not number:
        return nan, nan, nan, nan
    low, high, mean = min(values), max(values), fsum(values) / number
    first = times[0]
    if first == times[-1]:
        return low, high, mean, nan
    hours = [(time - first) / HOUR for time in times]
    mean_hour = fsum(hours) / number
    across = [hour - mean_hour for hour in hours]
    slope = fsum(map(mul, across, [value - mean for value in values])) / fsum(map(mul, across, across))
    return low, high, mean, slope


def _long_window(times: "array[int]", values: "array[float]") -> tuple[float, float, float, float]:
    """The same of many: the same operations, each rounded alike."""
    low, high = _extremes(values)
    mean, first = _mean(values), times[0]
    if first == times[-1]:
        return low, high, mean, nan
    hours = (np.frombuffer(times, np.int64) - first) / HOUR
    across = hours - exact_sum(hours) / len(hours)
    slope = exact_sum(across * (np.frombuffer(values) - mean)) / exact_sum(across * across)
    return low, high, mean, slope


_NO_VITAL: Final = [nan, nan, 0.0, 0.0] + [nan] * (len(_VITAL_STATISTICS) - 4)
_NO_LAB: Final = [nan, nan, 0.0, 0.0] + [nan] * (len(_LAB_STATISTICS) - 4)
_NO_BRIEF: Final = [nan] * len(_BRIEF_STATISTICS)


def _hours_since(instant: int | None, now: int) -> float:
    return nan if instant is None else (now - instant) / HOUR


def _age(record: Record) -> float:
    age = record.stay.age_years(record.now)
    return nan if age is None else float(age)


def _window_of(record: Record, analyte: str, length: int) -> tuple["array[int]", "array[float]"]:
    """Instants and values of an analyte that are younger than ``length``."""
    one = record.series.get(analyte)
    if one is None:
        return array("q"), array("d")
    times, values, first, stop = one.numbers
    end = bisect_right(times, record.now, first, stop)
    start = bisect_right(times, record.now - length, first, end)
    return times[start:end], values[start:end]


def _creatinine_baseline_ratio(record: Record) -> float:
    _, values = _window_of(record, "creatinine", 7 * DAY)
    low = min(values, default=nan)
    return values[-1] / low if low > 0 else nan


def _slope(record: Record, analyte: str, length: int) -> float:
    return _window(*_window_of(record, analyte, length))[3]


_OTHERS: Final[tuple[tuple[Feature, Callable[[Record], float]], ...]] = (
    (Feature("age_years", None, "a", "age in whole years"), _age),
    (
        Feature("sex_male", None, "1", "1 male, 0 female"),
        lambda record: {"male": 1.0, "female": 0.0}.get(record.stay.sex or "", nan),
    ),
    (
        Feature("admitted_h", None, "h", "hours since admission"),
        lambda record: _hours_since(record.stay.admitted, record.now),
    ),
    (
        Feature("unit_h", None, "h", "hours in the present type of unit"),
        lambda record: _hours_since(record.stay.unit_since, record.now),
    ),
    (
        Feature("surgical_unit", None, "1", "1 surgical, 0 medical intensive care, by the ward's usual name"),
        lambda record: {"SICU": 1.0, "MICU": 0.0}.get(record.stay.ward or "", nan),
    ),
    (
        Feature("creatinine_baseline_ratio", "creatinine", "1", "newest creatinine over the least one in 7 d"),
        _creatinine_baseline_ratio,
    ),
    (
        Feature("potassium_slope_24h", "potassium", "/h", "least-squares slope over 24 h, per hour"),
        lambda record: _slope(record, "potassium", DAY),
    ),
)


_LABORATORY_AGES: Final = tuple(
    len(VITALS) * len(_VITAL_STATISTICS) + number * len(_LAB_STATISTICS) + _AGE for number in range(len(LABS))
)
_LABORATORY: Final = (
    Feature("laboratory_age_h", None, "h", "hours since the newest blood test"),
    Feature("laboratory_newest", None, "1", "blood tests of that instant"),
    Feature("laboratory_known", None, "1", "blood tests known from 72 h"),
)


def _laboratory(found: Sequence[float]) -> list[float]:
    ages = [age for age in map(found.__getitem__, _LABORATORY_AGES) if age == age]
    newest = min(ages, default=nan)
    return [newest, ages.count(newest), len(ages)]


_BY_ANALYTE: Final = (
    (VITALS, _VITAL_STATISTICS, _vital, _NO_VITAL),
    (LABS, _LAB_STATISTICS, _lab, _NO_LAB),
    (BRIEF, _BRIEF_STATISTICS, _brief, _NO_BRIEF),
)


def _features() -> tuple[Feature, ...]:
    found = []
    for analytes, statistics, _, _ in _BY_ANALYTE:
        for analyte in analytes:
            found += [Feature(f"{analyte}_{name}", analyte, unit, text) for name, unit, text in statistics]
    found += [feature for feature, _ in _OTHERS]
    found += [Feature(one.name, one.analyte, one.unit, one.meaning) for one in COMPOSITES]
    return (*found, *_LABORATORY)


#: Every feature, in the order of the vector.
FEATURES: Final = _features()
NAMES: Final = tuple(feature.name for feature in FEATURES)


PLACES: Final = {name: number for number, name in enumerate(NAMES)}


class _Numbers:
    """The numbers found so far, by name."""

    def __init__(self, found: list[float]) -> None:
        self._found = found

    def __getitem__(self, name: str) -> float:
        return self._found[PLACES[name]]


def vector(record: Record) -> list[float]:
    """The features of a record at its now, in the order of ``FEATURES``."""
    series, now = record.series, record.now
    found: list[float] = []
    for analytes, _, statistics, nothing in _BY_ANALYTE:
        for analyte in analytes:
            one = series.get(analyte)
            if one is None:
                found += nothing
                continue
            summary = one.summary
            if summary is None or not summary.since <= now < summary.until:
                summary = one.summary = statistics(one, now)
            place = len(found) + _AGE
            found += summary.numbers
            if summary.newest is not None:
                found[place] = (now - summary.newest) / HOUR
    found += [compute(record) for _, compute in _OTHERS]
    numbers = _Numbers(found)
    for composite in COMPOSITES:
        found.append(composite.compute(numbers))
    return found + _laboratory(found)

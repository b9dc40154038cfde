"""The feature vector: what the models see of a record at its now, by name and version.

The same function serves training, evaluation and the stream. Every sum is an exact one (``math.fsum``), so a
value does not depend on the order in which the observations came. Missing is NaN.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import fsum, nan
from operator import mul
from typing import Final

from features.instants import HOUR
from features.record import Record
from features.series import KEPT, Series

#: Changes whenever a feature is added, removed, reordered or computed otherwise.
VERSION: Final = "1"

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
)


def _vital(series: Series, now: int) -> list[float]:
    times, values = series.times, series.values
    end = bisect_right(times, now)
    start = bisect_right(times, now - KEPT, 0, end)
    if start == end:
        return _NO_VITAL
    day = bisect_right(times, now - 24 * HOUR, start, end)
    six = bisect_right(times, now - 6 * HOUR, day, end)
    hour = bisect_right(times, now - HOUR, six, end)
    last, in_all = values[end - 1], values[start:end]
    low_6, high_6, mean_6, slope_6 = _window(times[six:end], values[six:end])
    low_24, high_24, mean_24, slope_24 = _window(times[day:end], values[day:end])
    return [
        last,
        (now - times[end - 1]) / HOUR,
        end - six,
        end - day,
        low_6,
        high_6,
        mean_6,
        low_24,
        high_24,
        mean_24,
        fsum(in_all) / len(in_all),
        slope_6,
        slope_24,
        last - values[hour - 1] if hour > start else nan,
        last - values[six - 1] if six > start else nan,
        last - values[day - 1] if day > start else nan,
    ]


def _lab(series: Series, now: int) -> list[float]:
    times, values = series.times, series.values
    end = bisect_right(times, now)
    start = bisect_right(times, now - KEPT, 0, end)
    if start == end:
        return _NO_LAB
    day = bisect_right(times, now - 24 * HOUR, start, end)
    last, in_day = values[end - 1], values[day:end]
    return [
        last,
        (now - times[end - 1]) / HOUR,
        end - day,
        end - start,
        min(in_day, default=nan),
        max(in_day, default=nan),
        *_window(times[start:end], values[start:end]),
        last - values[end - 2] if end - start > 1 else nan,
        last - values[day - 1] if day > start else nan,
    ]


def _window(times: list[int], values: list[float]) -> tuple[float, float, float, float]:
    """Least and greatest value, mean, and least-squares slope per hour; NaN where values are too few."""
    number = len(values)
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


_NO_VITAL: Final = [nan, nan, 0.0, 0.0] + [nan] * (len(_VITAL_STATISTICS) - 4)
_NO_LAB: Final = [nan, nan, 0.0, 0.0] + [nan] * (len(_LAB_STATISTICS) - 4)


def _last(series: Mapping[str, Series], analyte: str, now: int) -> float:
    one = series.get(analyte)
    if one is None:
        return nan
    place = bisect_right(one.times, now)
    return one.values[place - 1] if place and one.times[place - 1] > now - KEPT else nan


def _ratio(over: str, under: str) -> Callable[[Record], float]:
    def ratio(record: Record) -> float:
        divisor = _last(record.series, under, record.now)
        return _last(record.series, over, record.now) / divisor if divisor else nan

    return ratio


def _hours_since(instant: int | None, now: int) -> float:
    return nan if instant is None else (now - instant) / HOUR


def _age(record: Record) -> float:
    age = record.stay.age_years(record.now)
    return nan if age is None else float(age)


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
        Feature("shock_index", "heart_rate", "1", "heart rate over systolic pressure"),
        _ratio("heart_rate", "systolic_pressure"),
    ),
    (
        Feature("saturation_ratio", "spo2", "1", "SpO2 (%) over FiO2 (fraction)"),
        _ratio("spo2", "fio2"),
    ),
    (
        Feature("urea_creatinine", "urea", "1", "urea (mmol/L) over creatinine (umol/L)"),
        _ratio("urea", "creatinine"),
    ),
)


def _features() -> tuple[Feature, ...]:
    found = []
    for analytes, statistics in ((VITALS, _VITAL_STATISTICS), (LABS, _LAB_STATISTICS)):
        for analyte in analytes:
            found += [Feature(f"{analyte}_{name}", analyte, unit, text) for name, unit, text in statistics]
    return (*found, *(feature for feature, _ in _OTHERS))


#: Every feature, in the order of the vector.
FEATURES: Final = _features()
NAMES: Final = tuple(feature.name for feature in FEATURES)


def vector(record: Record) -> list[float]:
    """The features of a record at its now, in the order of ``FEATURES``."""
    series, now = record.series, record.now
    found: list[float] = []
    for analytes, statistics, nothing in ((VITALS, _vital, _NO_VITAL), (LABS, _lab, _NO_LAB)):
        for analyte in analytes:
            one = series.get(analyte)
            found += nothing if one is None else statistics(one, now)
    found += [compute(record) for _, compute in _OTHERS]
    return found

"""Numbers that join several analytes: ratios, points of organ failure and of SIRS, and what a laboratory visit held.

Each is computed from the vector's own numbers by name. Points are lower bounds: what is not known gives none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan, nan
from typing import Final, Protocol


class Numbers(Protocol):
    """The numbers of a vector, by name."""

    def __getitem__(self, name: str, /) -> float: ...


@dataclass(frozen=True, slots=True)
class Composite:
    """One joined number. ``analyte`` is the one that it is told under, ``None`` when it stands for itself."""

    name: str
    analyte: str | None
    unit: str
    meaning: str
    compute: Callable[[Numbers], float]


def _ratio(over: str, under: str) -> Callable[[Numbers], float]:
    def ratio(numbers: Numbers) -> float:
        divisor = numbers[under]
        return numbers[over] / divisor if divisor else nan

    return ratio


def _rox(numbers: Numbers) -> float:
    divisor = numbers["fio2_last"] * numbers["respiratory_rate_last"]
    return numbers["spo2_last"] / divisor if divisor else nan


# Lower edges from which a value has so many points, the mildest first: Vincent 1996, as in Singer 2016, in SI units.
_CREATININE: Final = (110, 171, 300, 441)
_BILIRUBIN: Final = (20, 33, 102, 205)
# Upper edges below which it has.
_PLATELETS: Final = (150, 100, 50, 20)
_GCS: Final = (15, 13, 10, 6)
_MEAN_PRESSURE: Final = (70,)
# SpO2 over FiO2 for 2 and 3 points: PaO2 over FiO2 of 300 and 200 mmHg (Rice, Chest 2007;132:410).
_SATURATION_RATIO: Final = (315, 235)


def _from(edges: tuple[int, ...], value: float) -> int:
    return sum(value >= edge for edge in edges)


def _below(edges: tuple[int, ...], value: float) -> int:
    return sum(value < edge for edge in edges)


def _sofa(numbers: Numbers) -> float:
    """Points of the newest values."""
    breathing = _below(_SATURATION_RATIO, numbers["saturation_ratio"])
    return (
        _from(_CREATININE, numbers["creatinine_last"])
        + _from(_BILIRUBIN, numbers["bilirubin_last"])
        + _below(_PLATELETS, numbers["platelets_last"])
        + _below(_GCS, numbers["gcs_last"])
        + _below(_MEAN_PRESSURE, numbers["mean_pressure_last"])
        + (breathing + 1 if breathing else 0)
    )


def _sofa_24h(numbers: Numbers) -> float:
    """Points of the worst values in 24 h, the newest ones also when they are older."""
    breathing = _below(_SATURATION_RATIO, _least(numbers["saturation_ratio"], numbers["saturation_ratio_24h"]))
    return (
        _from(_CREATININE, _greatest(numbers["creatinine_last"], numbers["creatinine_max_24h"]))
        + _from(_BILIRUBIN, _greatest(numbers["bilirubin_last"], numbers["bilirubin_max_24h"]))
        + _below(_PLATELETS, _least(numbers["platelets_last"], numbers["platelets_min_24h"]))
        + _below(_GCS, _least(numbers["gcs_last"], numbers["gcs_min_24h"]))
        + _below(_MEAN_PRESSURE, _least(numbers["mean_pressure_last"], numbers["mean_pressure_min_24h"]))
        + (breathing + 1 if breathing else 0)
    )


def _least(one: float, other: float) -> float:
    """The less of two numbers, or the one that is known."""
    return one if isnan(other) or one < other else other


def _greatest(one: float, other: float) -> float:
    """The greater of two numbers, or the one that is known."""
    return one if isnan(other) or one > other else other


def _sirs(numbers: Numbers) -> float:
    """Criteria that the newest values meet (0 to 4)."""
    temperature, leukocytes = numbers["temperature_last"], numbers["leukocytes_last"]
    return (
        (temperature > 38 or temperature < 36)
        + (numbers["heart_rate_last"] > 90)
        + (numbers["respiratory_rate_last"] > 20 or numbers["paco2_last"] < 4.3)
        + (leukocytes > 12 or leukocytes < 4)
    )


def _sirs_24h(numbers: Numbers) -> float:
    """Criteria that any value in 24 h met (0 to 4)."""
    return (
        (numbers["temperature_max_24h"] > 38 or numbers["temperature_min_24h"] < 36)
        + (numbers["heart_rate_max_24h"] > 90)
        + (numbers["respiratory_rate_max_24h"] > 20 or numbers["paco2_min_24h"] < 4.3)
        + (numbers["leukocytes_max_24h"] > 12 or numbers["leukocytes_min_24h"] < 4)
    )


#: In the order of computing: a later one may use an earlier one.
COMPOSITES: Final = (
    Composite(
        "shock_index",
        "heart_rate",
        "1",
        "heart rate over systolic pressure",
        _ratio("heart_rate_last", "systolic_pressure_last"),
    ),
    Composite(
        "shock_index_mean",
        "heart_rate",
        "1",
        "heart rate over mean pressure",
        _ratio("heart_rate_last", "mean_pressure_last"),
    ),
    Composite(
        "pulse_pressure",
        "systolic_pressure",
        "mm[Hg]",
        "systolic less diastolic pressure",
        lambda numbers: numbers["systolic_pressure_last"] - numbers["diastolic_pressure_last"],
    ),
    Composite(
        "saturation_ratio",
        "spo2",
        "1",
        "SpO2 (%) over FiO2 (fraction)",
        _ratio("spo2_last", "fio2_last"),
    ),
    Composite(
        "saturation_ratio_24h",
        "spo2",
        "1",
        "least SpO2 (%) over greatest FiO2 (fraction) in 24 h",
        _ratio("spo2_min_24h", "fio2_max_24h"),
    ),
    Composite(
        "rox_index",
        "respiratory_rate",
        "1",
        "SpO2 (%) over FiO2 (fraction) over respiratory rate (Roca 2019)",
        _rox,
    ),
    Composite("oxygenation_ratio", "pao2", "kPa", "PaO2 (kPa) over FiO2 (fraction)", _ratio("pao2_last", "fio2_last")),
    Composite(
        "urea_creatinine",
        "urea",
        "1",
        "urea (mmol/L) over creatinine (umol/L)",
        _ratio("urea_last", "creatinine_last"),
    ),
    Composite(
        "anion_gap",
        "chloride",
        "mmol/L",
        "sodium less chloride and bicarbonate",
        lambda numbers: numbers["sodium_last"] - numbers["chloride_last"] - numbers["bicarbonate_last"],
    ),
    Composite(
        "platelets_share_72h",
        "platelets",
        "1",
        "newest platelets over the greatest value in 72 h",
        _ratio("platelets_last", "platelets_max_72h"),
    ),
    Composite("sofa_points", None, "{score}", "SOFA points that the newest values give at least", _sofa),
    Composite("sofa_points_24h", None, "{score}", "SOFA points that the worst values in 24 h give at least", _sofa_24h),
    Composite("sirs_points", None, "{score}", "SIRS criteria that the newest values meet", _sirs),
    Composite("sirs_points_24h", None, "{score}", "SIRS criteria that any value in 24 h met", _sirs_24h),
    Composite(
        "waited_h",
        None,
        "h",
        "hours from admission to the present type of unit",
        lambda numbers: numbers["admitted_h"] - numbers["unit_h"],
    ),
)

"""A DESERT model judged on the patients that took no part in it, beside the last value alone."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models import utility
from models.artefact import Conformal, Estimate
from models.desert import figures
from models.desert.rows import Rows

Floats = NDArray[np.float64]
Metrics = dict[str, float | Estimate]

#: What the issue asks of a model before it speaks.
BETTER_BY: Final = 0.10
SLOPE: Final = (0.85, 1.15)
TOP_TENTH: Final = (0.8, 1.25)
COVERAGE_WITHIN: Final = 0.02


def judge(test: Rows, probabilities: Floats, names: Sequence[str], high: float, sets: Conformal) -> Metrics:
    """The figures of the test rows; ``names`` are those of the data sets. Primary are the hours measured again."""
    again = test.again
    found: Metrics = {}
    for prefix, chosen in (
        ("", again),
        *((f"{name}_", again & (test.source == number)) for number, name in enumerate(names)),
        ("first_in_stay_", again & ~test.before),
        ("unmeasured_negative_", test.recent),
        ("any_age_unmeasured_negative_", np.ones(len(again), np.bool_)),
    ):
        if (test.label[chosen] == 1).any():
            found |= _discrimination(prefix, test.where(chosen), probabilities[chosen])
    primary, chance = test.where(again), probabilities[again]
    found |= _calibration("", primary.label, chance)
    for number, name in enumerate(names):
        own = primary.source == number
        if (primary.label[own] == 1).any():
            found |= _calibration(f"{name}_", primary.label[own], chance[own])
    return found | _decisions(primary, chance, high, sets)


def sound(metrics: Metrics) -> list[str]:
    """What keeps a model from speaking; nothing when it may."""
    model, last = _estimate(metrics, "auroc"), _estimate(metrics, "last_value_auroc")
    faults = []
    if model.estimate - last.estimate < BETTER_BY or model.low <= last.high:
        faults.append(
            f"AUROC {model.estimate:.3f} is not better than that of the last value, {last.estimate:.3f}, by 0.10 "
            "with intervals apart"
        )
    if not SLOPE[0] <= _number(metrics, "calibration_slope") <= SLOPE[1]:
        faults.append(f"calibration slope {_number(metrics, 'calibration_slope'):.2f} is outside 0.85-1.15")
    if not TOP_TENTH[0] <= _number(metrics, "observed_expected_top_tenth") <= TOP_TENTH[1]:
        faults.append("observed over expected events in the top tenth of risk are outside 0.8-1.25")
    if _estimate(metrics, "brier_skill").low <= 0:
        faults.append("Brier skill is not above 0 with its interval")
    if abs(_estimate(metrics, "set_coverage").estimate - _number(metrics, "set_coverage_stated")) > COVERAGE_WITHIN:
        faults.append("the conformal sets' coverage is more than 2 points from what is stated")
    return faults


def _discrimination(prefix: str, rows: Rows, probabilities: Floats) -> Metrics:
    outcome = (rows.label == 1).astype(np.int8)
    model, last = figures.draws(
        rows.stay, figures.auroc(outcome, probabilities), figures.auroc(outcome, rows.nearness)
    ).T
    return {
        f"{prefix}hours": len(outcome),
        f"{prefix}stays": len(np.unique(rows.stay)),
        f"{prefix}events": int(outcome.sum()),
        f"{prefix}auroc": figures.estimate(model),
        f"{prefix}last_value_auroc": figures.estimate(last),
        f"{prefix}auroc_gain": figures.estimate(model - last),
    }


def _calibration(prefix: str, labels: NDArray[np.int8], probabilities: Floats) -> Metrics:
    slope, intercept = utility.calibration_line(labels, probabilities)
    top = probabilities >= np.quantile(probabilities, 0.9)
    return {
        f"{prefix}calibration_slope": slope,
        f"{prefix}calibration_intercept": intercept,
        f"{prefix}observed_expected": utility.observed_expected(labels, probabilities),
        f"{prefix}observed_expected_top_tenth": utility.observed_expected(labels[top], probabilities[top]),
    }


def _decisions(rows: Rows, probabilities: Floats, high: float, sets: Conformal) -> Metrics:
    event = rows.label == 1
    inside = np.where(event, probabilities >= sets.event_from, probabilities <= sets.absence_to)
    loud = probabilities >= high
    skill, covered, events, none, precision, found, spoken = figures.intervals(
        rows.stay,
        figures.brier_skill(rows.label, probabilities),
        figures.share(inside),
        figures.share(inside, event),
        figures.share(inside, ~event),
        figures.share(event, loud),
        figures.share(loud, event),
        figures.share(loud),
    )
    both = (probabilities >= sets.event_from) & (probabilities <= sets.absence_to)
    return {
        "brier": utility.brier(rows.label, probabilities),
        "brier_skill": skill,
        "auprc": utility.auprc(rows.label, probabilities),
        "set_coverage_stated": sets.coverage,
        "set_coverage": covered,
        "set_coverage_event": events,
        "set_coverage_absence": none,
        "set_holds_both": float(np.mean(both)),
        "high_positive_predictive_value": precision,
        "high_sensitivity": found,
        "high_hours": spoken,
    }


def _estimate(metrics: Metrics, name: str) -> Estimate:
    value = metrics[name]
    if not isinstance(value, Estimate):
        raise TypeError(f"{name} has no interval")
    return value


def _number(metrics: Metrics, name: str) -> float:
    value = metrics[name]
    return value.estimate if isinstance(value, Estimate) else value

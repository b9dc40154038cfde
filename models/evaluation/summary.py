"""A report's main figures as JSON, for programs and for comparing two runs, and in a line for a terminal."""

from dataclasses import asdict
from math import isnan

import orjson

from models.evaluation.analysis import Analysis
from models.utility import Interval


def summary(found: Analysis) -> bytes:
    """Indented JSON; every interval is {estimate, low, high}, with null for what is not known."""
    told, line = found.told, found.calibration
    figures: dict[str, object] = {
        "model": asdict(found.model),
        "kind": found.question.kind,
        "data": found.data,
        "stays": found.stays,
        "stays_with_event": found.struck,
        "stays_with_event_from_first_row": found.at_start,
        "hours": found.hours,
        "auroc": found.own.auroc,
        "auprc": found.own.auprc,
        "auroc_beside": {name: one.auroc for name, one in found.rivals.items()},
        "auroc_less_beside": dict(found.margin),
        "auroc_second": dict(found.second.auroc) if found.second else None,
        "calibration_slope": line.slope,
        "observed_expected": line.in_the_large,
        "observed_expected_top_tenth": line.top_tenth,
        "brier_skill": line.brier_skill,
        "utility": found.utility,
        "told": asdict(told),
        "beside": [asdict(one) for one in (*found.beside, *found.usual)],
        "fewer_at_same_sensitivity": asdict(found.fewer) if found.fewer else None,
        "loud_alerts_per_100_patient_days": found.burden.loud,
        "loud_by_kind": {one.kind: one.loud for one in found.burden.kinds},
        "critical_findings": asdict(found.burden.critical),
    }
    return orjson.dumps(_plain(figures), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def line(found: Analysis) -> str:
    """The main figures in a line."""
    told = found.told
    utility = "" if found.utility is None else f", utility {found.utility.estimate:.3f}"
    alerted, sensitivity, value = (
        100 * one.estimate for one in (told.alerted, told.sensitivity, told.predictive_value)
    )
    return (
        f"{found.model.name} {found.model.version} on {found.stays:,} stays: "
        f"AUROC {found.own.auroc.estimate:.3f}{utility}; "
        f"calibration slope {found.calibration.slope.estimate:.2f}; alerts in {alerted:.1f} % of stays "
        f"({told.alerts.estimate:.1f} per 100 patient-days), {sensitivity:.1f} % of onsets found, predictive value "
        f"{value:.1f} %; warnings of all kinds {found.burden.loud.estimate:.1f} per 100 patient-days, "
        f"{found.burden.critical.missed} critical results missed"
    )


def _plain(value: object) -> object:
    if isinstance(value, Interval):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and isnan(value) else value

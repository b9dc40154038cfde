"""Train a DESERT model: hours of several sets -> LightGBM -> calibration and conformal sets.

What is chosen is chosen from predictions for patients that the predicting model did not see; the test patients are
judged once, and take no part in any choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features import vector
from features.instants import HOUR
from models import utility
from models.artefact import Abstention, Bands, Calibration, DataSource, Manifest, Population, Range
from models.conformal import conformal, intervals
from models.desert.fit import PARAMETERS, ROUNDS, UNMEASURED_WEIGHT, columns, fit, margin, unseen
from models.desert.hours import STEP, Hours
from models.desert.judge import judge, sound
from models.desert.outcomes import Outcome
from models.desert.rows import PARTS, Rows, rows
from models.split import part

#: The share of events, and of hours without, whose conformal set holds the truth.
COVERAGE: Final = 0.90
#: Alerts are for the hours of highest risk; so few, because a risk of a blood test asks for a look and no more.
_RAISED_SHARE, _HIGH_SHARE = 0.10, 0.02


@dataclass(frozen=True, slots=True)
class Trained:
    """What training gives: the model's text, its manifest, and what keeps it switched off (nothing when it is on)."""

    model: str
    manifest: Manifest
    faults: tuple[str, ...]


def train(outcome: Outcome, sets: Sequence[tuple[DataSource, Hours]]) -> Trained:
    """Fit, calibrate and judge the model of an outcome on the hours of data sets; ``DataSource.stays`` is filled in."""
    places = columns(outcome)
    found = rows(outcome, places, [hours for _, hours in sets])
    fitting = found.where(found.recent & ~found.test)
    margins = unseen(outcome, fitting, places)
    again, labels = fitting.again, fitting.label[fitting.again]
    slope, intercept = utility.calibration_line(labels, _probability(margins[again]))
    probabilities = _probability(slope * margins[again] + intercept)
    raised, high = np.quantile(probabilities, [1 - _RAISED_SHARE, 1 - _HIGH_SHARE])
    outcomes = (labels == 1).astype(np.int8)
    sets_of_outcomes = conformal(outcomes, probabilities, COVERAGE)

    booster = fit(outcome, fitting, places)
    model = booster.model_to_string()
    test = found.where(found.test)
    judged = _probability(slope * margin(booster, test.x) + intercept)
    metrics = judge(test, judged, [_short(source) for source, _ in sets], float(high), sets_of_outcomes)
    faults = sound(metrics)
    counted = [
        source.model_copy(update={"stays": _stays(hours)})
        for number, (source, hours) in enumerate(sets)
        if (found.source == number).any()
    ]
    manifest = Manifest(
        name=outcome.kind,
        version="1.0.0",
        owner=outcome.owner,
        switched_on=not faults,
        kind=outcome.kind,
        event=outcome.event,
        horizon=f"PT{outcome.horizon // HOUR}H",
        population=Population(
            description=f"adults in intensive care whose {outcome.analyte} was measured within 24 h and who do not "
            "have the condition yet",
            unit_types=("icu",),
            minimum_age_years=18,
        ),
        intended_use=(
            "Decision support: it points out a patient whose next result may be bad, so that it is looked for in time. "
            "It takes no decision. It gives no score while the newest result meets the condition, and abstains when "
            "the analyte was not measured within 24 h. On other units it scores in shadow and raises no alert."
        ),
        features_version=vector.VERSION,
        features=tuple(vector.NAMES[place] for place in places),
        calibration=Calibration(slope=slope, intercept=intercept),
        intervals=intervals(outcomes, probabilities, fitting.stay[again], COVERAGE),
        conformal=sets_of_outcomes,
        abstention=_abstention(fitting, places),
        bands=Bands(raised=float(raised), high=float(high), clear_below=float(high) * 0.75),
        severity="info",
        title={"en": outcome.title_en, "da": outcome.title_da},
        data=tuple(counted),
        metrics=metrics,
        training={
            **PARAMETERS,
            "rounds": ROUNDS,
            "parts": PARTS,
            "unmeasured_weight": UNMEASURED_WEIGHT,
            "step_h": STEP,
        },
        sha256=sha256(model.encode()).hexdigest(),
    )
    return Trained(model, manifest, tuple(faults))


def _abstention(fitting: Rows, places: Sequence[int]) -> Abstention:
    """Ranges that hold all but one in a thousand newest values, and how many may lie outside in nearly all hours."""
    ranges, outside = {}, np.zeros(len(fitting.label), np.int64)
    for column, place in enumerate(places):
        analyte = vector.FEATURES[place].analyte
        values = fitting.x[:, column].astype(np.float64)
        if vector.NAMES[place] == f"{analyte}_last" and np.isfinite(values).any():
            low, high = np.nanquantile(values, [0.0005, 0.9995])
            ranges[str(analyte)] = Range(low=float(low), high=float(high))
            outside += (values < low) | (values > high)
    return Abstention(minimum_inputs=4, most_outside=int(np.quantile(outside, 0.9995)), ranges=ranges)


def _probability(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-margins)), np.float64)


def _stays(hours: Hours) -> dict[str, int]:
    parts = [part(patient) for patient in hours.patients]
    return {"train": sum(one != "test" for one in parts), "test": parts.count("test")}


def _short(source: DataSource) -> str:
    """The set as figures name it: `cinc2019`."""
    return "cinc" + source.name.split()[-1]

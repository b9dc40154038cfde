"""Train the infection model: stays -> matrix -> LightGBM, everything that is chosen is chosen without the test stays.

Rounds, calibration and threshold come from predictions on stays that the predicting model did not see (folds by patient
over all stays but the test's); the model that ships is then fitted on all of these. The test stays are judged once.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import sqrt

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from features import vector
from models import utility
from models.artefact import Bands, Calibration, DataSource, Estimate, Manifest, Population, Spread
from models.matrix import Matrix
from models.split import fold, part

Floats = NDArray[np.float64]

_FOLDS = 5
_ROUNDS = 1500
_PATIENCE = 80
_THRESHOLDS = np.arange(0.004, 0.2, 0.0005)
_SPREAD_BINS = 20
PARAMETERS: dict[str, float | int | str] = {
    "objective": "binary",
    "learning_rate": 0.02,
    "num_leaves": 15,
    "min_data_in_leaf": 300,
    "feature_fraction": 0.25,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 20.0,
    "max_bin": 127,
    "seed": 20191,
    "deterministic": "true",
    "force_row_wise": "true",
    "num_threads": 2,
    "verbosity": -1,
}


@dataclass(frozen=True, slots=True)
class Trained:
    """What training gives: the model's text and its manifest."""

    model: str
    manifest: Manifest


def train(matrix: Matrix, name: str, source: DataSource) -> Trained:
    """Fit, calibrate and judge the infection model on a matrix of labelled hours."""
    parts = np.array([part(patient) for patient in matrix.patients])
    fitting = np.flatnonzero((parts != "test")[matrix.stay])
    testing = np.flatnonzero((parts == "test")[matrix.stay])
    margins, rounds = _unseen(matrix, fitting)
    slope, intercept = utility.calibration_line(matrix.label[fitting], _probability(margins))
    calibration = Calibration(slope=slope, intercept=intercept)
    probabilities = _probability(slope * margins + intercept)
    truth = utility.stays(_by_stay(matrix, matrix.label, fitting))
    threshold, validated = utility.best_threshold(truth, _by_stay(matrix, probabilities, fitting), _THRESHOLDS)

    booster = lgb.train(PARAMETERS, _dataset(matrix, fitting), num_boost_round=rounds)
    model = booster.model_to_string()
    judged = _probability(slope * _margins(booster, matrix, testing) + intercept)
    metrics = _metrics(matrix, testing, judged, threshold)
    manifest = Manifest(
        name=name,
        version="1.0.0",
        kind="infection-risk",
        event=(
            "the stay is, at this hour, within the labelled time of the PhysioNet/CinC Challenge 2019: from 6 h before "
            "the onset of sepsis (Sepsis-3) on"
        ),
        horizon="PT6H",
        population=Population(description="adults in intensive care", unit_types=("icu",), minimum_age_years=18),
        intended_use=(
            "Decision support for adult intensive care: it points out a patient whose infection risk a clinician "
            "should look at. It takes no decision. On other units it scores in shadow and raises no alert."
        ),
        features_version=vector.VERSION,
        features=vector.NAMES,
        minimum_inputs=4,
        calibration=calibration,
        spread=_spread(matrix.label[fitting], probabilities),
        bands=Bands(raised=threshold / 2, high=threshold, clear_below=threshold * 0.75),
        severity="warning",
        title={"en": "Possible infection", "da": "Mulig infektion"},
        data=(
            source.model_copy(
                update={"stays": {"train": int((parts != "test").sum()), "test": int((parts == "test").sum())}}
            ),
        ),
        metrics={"validation_utility": validated, **metrics},
        training={**PARAMETERS, "rounds": rounds, "folds": _FOLDS, "lightgbm": lgb.__version__},
        sha256=sha256(model.encode()).hexdigest(),
    )
    return Trained(model, manifest)


def _dataset(matrix: Matrix, rows: NDArray[np.int64]) -> lgb.Dataset:
    return lgb.Dataset(matrix.x[rows], matrix.label[rows], feature_name=list(vector.NAMES), free_raw_data=True)


def _unseen(matrix: Matrix, fitting: NDArray[np.int64]) -> tuple[Floats, int]:
    """Raw log-odds of each row by a model that did not see its patient, and the median of the rounds that were best."""
    group = np.array([fold(f"{patient}/fit") % _FOLDS for patient in matrix.patients])[matrix.stay[fitting]]
    margins = np.empty(len(fitting))
    best = []
    for number in range(_FOLDS):
        inside, outside = fitting[group != number], fitting[group == number]
        training = _dataset(matrix, inside)
        booster = lgb.train(
            {**PARAMETERS, "metric": "binary_logloss"},
            training,
            num_boost_round=_ROUNDS,
            valid_sets=[lgb.Dataset(matrix.x[outside], matrix.label[outside], reference=training)],
            callbacks=[lgb.early_stopping(_PATIENCE, verbose=False)],
        )
        margins[group == number] = _margins(booster, matrix, outside)
        best.append(booster.best_iteration)
    return margins, int(np.median(best))


def _margins(booster: lgb.Booster, matrix: Matrix, rows: NDArray[np.int64]) -> Floats:
    return np.asarray(booster.predict(matrix.x[rows], raw_score=True, num_threads=2), np.float64)


def _probability(margins: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-margins)), np.float64)


def _by_stay(matrix: Matrix, values: NDArray[np.generic], rows: NDArray[np.int64]) -> list[NDArray[np.generic]]:
    """Values (of those rows, or of the whole matrix) cut into stays."""
    chosen = values if len(values) == len(rows) else values[rows]
    return np.split(chosen, np.flatnonzero(np.diff(matrix.stay[rows])) + 1)


def _spread(labels: NDArray[np.int8], probabilities: Floats) -> tuple[Spread, ...]:
    """Wilson's 95 % interval of the observed rate in bins of equal size by score."""
    edges = np.quantile(probabilities, np.linspace(0, 1, _SPREAD_BINS + 1)[1:])
    places = np.searchsorted(edges[:-1], probabilities)
    found = []
    for number, edge in enumerate(edges):
        inside = labels[places == number]
        low, high = _wilson(int(inside.sum()), len(inside))
        found.append(Spread(to=float(edge), low=low, high=high))
    return tuple(found)


def _wilson(events: int, number: int, z: float = 1.959964) -> tuple[float, float]:
    rate = events / number
    middle = (rate + z * z / (2 * number)) / (1 + z * z / number)
    half = z * sqrt(rate * (1 - rate) / number + z * z / (4 * number * number)) / (1 + z * z / number)
    return max(0.0, middle - half), min(1.0, middle + half)


def _metrics(
    matrix: Matrix, rows: NDArray[np.int64], probabilities: Floats, threshold: float
) -> dict[str, float | Estimate]:
    """The test stays' figures, at the threshold that was chosen without them."""
    labels = matrix.label[rows]
    scores: Sequence[Floats] = _by_stay(matrix, probabilities, rows)  # type: ignore[assignment]
    truth = utility.stays(_by_stay(matrix, matrix.label, rows))
    slope, intercept = utility.calibration_line(labels, probabilities)
    top = probabilities >= np.quantile(probabilities, 0.9)
    return {
        "test_utility": Estimate(**asdict(utility.utility_interval(truth, [one >= threshold for one in scores]))),
        "test_auroc": Estimate(**asdict(utility.auroc_interval(truth, scores))),
        "test_auprc": utility.auprc(labels, probabilities),
        "test_brier": utility.brier(labels, probabilities),
        "test_calibration_slope": slope,
        "test_calibration_intercept": intercept,
        "test_observed_expected_top_tenth": utility.observed_expected(labels[top], probabilities[top]),
        "test_hours_above_threshold": float(np.mean(probabilities >= threshold)),
        "test_stays_above_threshold": float(np.mean([bool((one >= threshold).any()) for one in scores])),
    }

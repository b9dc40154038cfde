"""Train the infection model: stays -> matrix -> LightGBM, everything that is chosen is chosen on stays not seen.

Calibration, thresholds, intervals and sets come from predictions on stays that the predicting models did not see
(folds by patient), and so do the figures: those of a fold at what was chosen on the others. The model that ships is
then fitted on all stays; ``test_apart`` leaves the test stays out of everything, and judges them once.

The model is the mean of two that were fitted with other seeds and other shares of the features. It does not see how
often something was measured, and is monotone where medicine says so. The hours of a septic stay before its label counts
weigh less: the infection is often there before the label says so.
"""

from collections import defaultdict
from dataclasses import asdict
from hashlib import sha256
from math import isnan
from typing import Final, NamedTuple, TypeVar

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from features import vector
from models import utility
from models.alarms import alarms, threshold_for
from models.artefact import Abstention, Bands, Calibration, DataSource, Estimate, Manifest, Population, Range
from models.bagged import mean
from models.conformal import conformal, interval_coverage, intervals, set_figures
from models.matrix import Matrix
from models.split import fold, part

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Value = TypeVar("Value", bound=np.generic)

_ROUNDS: Final = 300
_BEFORE_LABEL_WEIGHT: Final = 0.3
_THRESHOLDS: Final = np.arange(0.004, 0.2, 0.0005)
#: The share of stays that may alert, on stays not seen; and how far below its threshold an alert is over.
_ALERTING_STAYS: Final = 0.17
_CLEAR: Final = 0.6
#: Each time that the risk has doubled the alert says so anew.
_ESCALATIONS: Final = (2.0, 4.0)
_CURVE: Final = (0.10, 0.12, 0.14, 0.16, 0.18)
PARAMETERS: Final[dict[str, float | int | str]] = {
    "objective": "binary",
    "learning_rate": 0.04,
    "num_leaves": 15,
    "min_data_in_leaf": 300,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "max_bin": 63,
    "deterministic": "true",
    "force_col_wise": "true",
    "num_threads": 1,
    "verbosity": -1,
}
#: In what the members differ.
MEMBERS: Final[tuple[dict[str, float | int | str], ...]] = (
    {"seed": 1, "feature_fraction": 0.1, "lambda_l2": 20.0},
    {"seed": 2, "feature_fraction": 0.2, "lambda_l2": 50.0},
)

#: How often is a habit of the hospital; slopes and what the challenge's set lacks added nothing.
_LEFT_OUT: Final = (
    "_count_6h",
    "_count_24h",
    "_count_72h",
    "_slope_6h",
    "_slope_24h",
    "_slope_72h",
    "oxygenation_ratio",
    "anion_gap",
    *(f"{analyte}_{name}" for analyte in vector.BRIEF for name in ("last", "age_h", "min_24h", "max_24h")),
)
FEATURES: Final = tuple(name for name in vector.NAMES if not name.endswith(_LEFT_OUT))

#: What raises the risk when nothing else changes, and what lowers it.
_RAISES: Final = frozenset(
    {
        "lactate_last",
        "lactate_max_24h",
        "bilirubin_last",
        "respiratory_rate_last",
        "shock_index",
        "sirs_points",
        "sirs_points_24h",
        "sofa_points",
        "sofa_points_24h",
    }
)
_LOWERS: Final = frozenset({"mean_pressure_last", "systolic_pressure_last", "saturation_ratio"})
MONOTONE: Final = tuple((name in _RAISES) - (name in _LOWERS) for name in FEATURES)
_COLUMNS: Final = np.array([vector.NAMES.index(name) for name in FEATURES])


class Trained(NamedTuple):
    """What training gives: the model's text and its manifest."""

    model: str
    manifest: Manifest


def train(matrix: Matrix, name: str, source: DataSource, *, test_apart: bool = False) -> Trained:
    """Fit, calibrate and judge the infection model on a matrix of labelled hours."""
    parts = np.array([part(patient) for patient in matrix.patients])
    tested = (parts == "test") & test_apart
    fitting, testing = np.flatnonzero(~tested[matrix.stay]), np.flatnonzero(tested[matrix.stay])
    margins = unseen(matrix, fitting)
    labels, stay = matrix.label[fitting], matrix.stay[fitting]
    slope, intercept = utility.calibration_line(labels, _probability(margins))
    calibration = Calibration(slope=slope, intercept=intercept)
    probabilities = calibrated(calibration, margins)
    threshold, _ = best_threshold(labels, probabilities, stay)
    alert = threshold_for(_ALERTING_STAYS, labels, probabilities, stay, _CLEAR)
    stated, possible = intervals(labels, probabilities, stay), conformal(labels, probabilities)

    booster = fit(matrix, fitting)
    model = booster.model_to_string()
    manifest = Manifest(
        name=name,
        version="2.0.0",
        owner="to be named by the deployment",
        switched_on=True,
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
        features=FEATURES,
        calibration=calibration,
        intervals=stated,
        conformal=possible,
        abstention=Abstention(
            minimum_inputs=4,
            fresh=vector.VITALS,
            fresh_within_h=12,
            most_outside=3,
            ranges=_ranges(matrix.x, fitting),
        ),
        bands=Bands(
            raised=threshold / 2, high=threshold, alert=alert, clear_below=alert * _CLEAR, escalations=_ESCALATIONS
        ),
        severity="warning",
        title={"en": "Possible infection", "da": "Mulig infektion"},
        data=(source.model_copy(update={"stays": {"train": int((~tested).sum()), "test": int(tested.sum())}}),),
        metrics={
            **_named("unseen", _unseen_figures(margins, labels, stay, _groups(matrix)[stay])),
            **_curve(labels, probabilities, stay),
        },
        training={
            **PARAMETERS,
            **{f"{name}_{number}": value for number, one in enumerate(MEMBERS, 1) for name, value in one.items()},
            "rounds": _ROUNDS,
            "before_label_weight": _BEFORE_LABEL_WEIGHT,
            "folds": 5,
            "lightgbm": lgb.__version__,
        },
        sha256=sha256(model.encode()).hexdigest(),
    )
    if not len(testing):
        return Trained(model, manifest)
    judged = calibrated(calibration, predicted(booster, matrix.x, testing))
    figures = _figures(
        matrix.label[testing], matrix.stay[testing], judged, judged / threshold, judged / alert, float(labels.mean())
    )
    apart: dict[str, float | Estimate] = {
        **figures,
        "hours_abstained": float(np.mean(abstained(manifest.abstention, matrix.x, testing))),
        "interval_coverage": interval_coverage(stated, matrix.label[testing], judged, matrix.stay[testing]),
        **set_figures(possible, matrix.label[testing], judged),
    }
    return Trained(model, manifest.model_copy(update={"metrics": {**manifest.metrics, **_named("test", apart)}}))


def _groups(matrix: Matrix) -> NDArray[np.int64]:
    """The fold of each stay, by its patient."""
    return np.array([fold(patient) // 2 for patient in matrix.patients])


def unseen(matrix: Matrix, rows: Rows) -> Floats:
    """Raw log-odds of those rows, each by a model that did not see its patient."""
    group = _groups(matrix)[matrix.stay[rows]]
    margins = np.empty(len(rows))
    for number in np.unique(group):
        outside = group == number
        margins[outside] = predicted(fit(matrix, rows[~outside]), matrix.x, rows[outside])
    return margins


def fit(matrix: Matrix, rows: Rows) -> lgb.Booster:
    """Boosted trees fitted on those rows."""
    septic = np.zeros(len(matrix.patients), np.bool_)
    septic[matrix.stay[matrix.label > 0]] = True
    label = matrix.label[rows]
    weight = np.where(septic[matrix.stay[rows]] & (label == 0), _BEFORE_LABEL_WEIGHT, 1.0)
    x = matrix.x[np.ix_(rows, _COLUMNS)]
    members = []
    for own in MEMBERS:
        data = lgb.Dataset(x, label, weight=weight, feature_name=list(FEATURES))
        parameters = {**PARAMETERS, **own, "monotone_constraints": list(MONOTONE)}
        members.append(lgb.train(parameters, data, num_boost_round=_ROUNDS))
    return mean(members)


def predicted(booster: lgb.Booster, x: NDArray[np.float32], rows: Rows) -> Floats:
    """Raw log-odds of rows of a matrix of all features."""
    blocks = np.array_split(rows, max(1, len(rows) // 50_000))
    found = [booster.predict(x[np.ix_(block, _COLUMNS)], raw_score=True, num_threads=1) for block in blocks]
    return np.concatenate(found).astype(np.float64)


def calibrated(line: Calibration, margins: Floats) -> Floats:
    """Probabilities of raw log-odds."""
    return _probability(line.slope * margins + line.intercept)


def best_threshold(labels: NDArray[np.int8], probabilities: Floats, stay: NDArray[np.int32]) -> tuple[float, float]:
    """The threshold of the highest utility, and that utility."""
    return utility.best_threshold(utility.stays(cut(labels, stay)), cut(probabilities, stay), _THRESHOLDS)


def cut(values: NDArray[Value], stay: NDArray[np.int32]) -> list[NDArray[Value]]:
    """Hourly values stay by stay."""
    return np.split(values, np.flatnonzero(np.diff(stay)) + 1)


def _probability(margins: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-margins)), np.float64)


def _ranges(x: NDArray[np.float32], rows: Rows) -> dict[str, Range]:
    """Where all but a thousandth of the newest values lay, by analyte."""
    found = {}
    for analyte in (*vector.VITALS, *vector.LABS):
        values = x[rows, vector.NAMES.index(f"{analyte}_last")]
        low, high = np.nanquantile(values, [0.0005, 0.9995])
        found[analyte] = Range(low=float(low), high=float(high))
    return found


def abstained(rule: Abstention, x: NDArray[np.float32], rows: Rows) -> NDArray[np.bool_]:
    """The hours on which the model says that it does not know."""

    def column(name: str) -> NDArray[np.float32]:
        return np.asarray(x[rows, vector.NAMES.index(name)])

    newest = {analyte: column(f"{analyte}_last") for analyte in rule.ranges}
    known = np.sum([~np.isnan(values) for values in newest.values()], axis=0)
    outside = np.sum(
        [(newest[name] < one.low) | (newest[name] > one.high) for name, one in rule.ranges.items()], axis=0
    )
    fresh = np.any([column(f"{analyte}_age_h") < rule.fresh_within_h for analyte in rule.fresh], axis=0)
    return np.asarray((known < rule.minimum_inputs) | (outside > rule.most_outside) | ~fresh, np.bool_)


def _curve(labels: NDArray[np.int8], probabilities: Floats, stay: NDArray[np.int32]) -> dict[str, float | Estimate]:
    """What other shares of alerting stays would give, on stays not seen."""
    truth, scores = utility.stays(cut(labels, stay)), cut(probabilities, stay)
    found: dict[str, float | Estimate] = {}
    for share in _CURVE:
        threshold = threshold_for(share, labels, probabilities, stay, _CLEAR)
        figures = alarms(labels, probabilities, stay, threshold, threshold * _CLEAR, _ESCALATIONS)
        at = f"unseen_with_{share:.0%}_of_stays_alerting".replace("%", "pct")
        found[f"{at}_threshold"] = threshold
        found[f"{at}_sensitivity"] = figures.sensitivity
        found[f"{at}_predictive_value"] = figures.predictive_value
        found[f"{at}_utility"] = float(utility.utility_curve(truth, scores, [threshold])[0])
    return found


def _unseen_figures(
    margins: Floats, labels: NDArray[np.int8], stay: NDArray[np.int32], group: NDArray[np.int64]
) -> dict[str, float | Estimate]:
    """The figures of all folds, each calibrated, and with thresholds chosen, on the others."""
    probabilities, by_threshold, by_alert = (np.empty(len(margins)) for _ in range(3))
    covered: dict[str, list[float]] = defaultdict(list)
    for number in np.unique(group):
        inside, others = group == number, group != number
        slope, intercept = utility.calibration_line(labels[others], _probability(margins[others]))
        line = Calibration(slope=slope, intercept=intercept)
        known, judged = calibrated(line, margins[others]), calibrated(line, margins[inside])
        probabilities[inside] = judged
        by_threshold[inside] = judged / best_threshold(labels[others], known, stay[others])[0]
        by_alert[inside] = judged / threshold_for(_ALERTING_STAYS, labels[others], known, stay[others], _CLEAR)
        stated = intervals(labels[others], known, stay[others])
        covered["interval_coverage"].append(interval_coverage(stated, labels[inside], judged, stay[inside]))
        for name, value in set_figures(conformal(labels[others], known), labels[inside], judged).items():
            covered[name].append(value)
    figures = _figures(labels, stay, probabilities, by_threshold, by_alert, float(labels.mean()))
    return {**figures, **{name: float(np.mean(values)) for name, values in covered.items()}}


def _figures(
    labels: NDArray[np.int8],
    stay: NDArray[np.int32],
    probabilities: Floats,
    by_threshold: Floats,
    by_alert: Floats,
    prevalence: float,
) -> dict[str, float | Estimate]:
    """How good probabilities are on stays not seen; ``by_...`` are they in units of what calls them high, or alerts."""
    truth, scores = utility.stays(cut(labels, stay)), cut(probabilities, stay)
    predictions = [one >= 1 for one in cut(by_threshold, stay)]
    slope, intercept = utility.calibration_line(labels, probabilities)
    top = probabilities >= np.quantile(probabilities, 0.9)
    found = alarms(labels, by_alert, stay, 1.0, _CLEAR, _ESCALATIONS)
    return {
        "utility": Estimate(**asdict(utility.utility_interval(truth, predictions))),
        "auroc": Estimate(**asdict(utility.auroc_interval(truth, scores))),
        "auprc": utility.auprc(labels, probabilities),
        "brier": utility.brier(labels, probabilities),
        "brier_skill": _brier_skill(labels, probabilities, stay, prevalence),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
        "observed_expected_top_tenth": utility.observed_expected(labels[top], probabilities[top]),
        "hours_above_threshold": float(np.mean(by_threshold >= 1)),
        **{f"alert_{name}": value for name, value in asdict(found).items()},
    }


def _named(of: str, figures: dict[str, float | Estimate]) -> dict[str, float | Estimate]:
    """The figures under their names; one that nothing could be worked out of is left out."""
    return {f"{of}_{name}": value for name, value in figures.items() if isinstance(value, Estimate) or not isnan(value)}


def _brier_skill(
    labels: NDArray[np.int8], probabilities: Floats, stay: NDArray[np.int32], prevalence: float
) -> Estimate:
    """One less the Brier score over that of always saying the prevalence; the interval by a bootstrap of stays."""
    starts = np.flatnonzero(np.diff(stay, prepend=stay[0] - 1))
    own = np.add.reduceat((probabilities - labels) ** 2, starts)
    plain = np.add.reduceat((prevalence - labels) ** 2, starts)
    random = np.random.default_rng(0)
    draws = [random.integers(0, len(own), len(own)) for _ in range(1000)]
    low, high = np.quantile([1 - own[draw].sum() / plain[draw].sum() for draw in draws], [0.025, 0.975])
    return Estimate(estimate=float(1 - own.sum() / plain.sum()), low=float(low), high=float(high))

"""The fit of a DESERT model: which features it sees, and boosted trees on the hours of some patients."""

from typing import Final

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from features.vector import FEATURES, NAMES, Feature
from models.desert.outcomes import Outcome
from models.desert.rows import PARTS, Rows

Floats = NDArray[np.float64]

ROUNDS: Final = 300
PARAMETERS: Final[dict[str, float | int | str]] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 7,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.25,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 20.0,
    "max_bin": 63,
    "seed": 20121,
    "deterministic": "true",
    "force_row_wise": "true",
    "num_threads": 1,
    "verbosity": -1,
}
#: An hour after which nobody measured counts as one without event, but for less: it may have been one.
UNMEASURED_WEIGHT: Final = 0.15
#: Rows of each class that a fit sees; what is left out is made up for by weight.
_MOST_ROWS: Final = {True: 30_000, False: 60_000}
#: What moves from one vital sign to the next hour says nothing of a blood test tomorrow.
_TOO_SHORT: Final = ("_min_6h", "_max_6h", "_mean_6h", "_slope_6h", "_change_1h", "_change_6h", "_slope_24h")
#: How often and when tests are taken is a hospital's habit.
_HABITS: Final = ("_age_h", "_count_6h", "_count_24h", "_count_72h", "laboratory_newest", "laboratory_known")
_MONOTONE: Final = ("_last", "_min_24h", "_max_24h", "_min_72h", "_max_72h", "_mean_72h")


def columns(outcome: Outcome) -> list[int]:
    """Where in the vector the features of an outcome's model are: no habits of ordering but its analyte's own age."""
    return [place for place, feature in enumerate(FEATURES) if _seen(feature, outcome)]


def fit(outcome: Outcome, chosen: Rows, places: list[int]) -> lgb.Booster:
    """Boosted trees on rows whose analyte is recent."""
    names = [NAMES[place] for place in places]
    fitting, weight = _sample(chosen)
    data = lgb.Dataset(
        chosen.x[fitting],
        chosen.label[fitting] == 1,
        weight=weight * np.where(chosen.again[fitting], 1.0, UNMEASURED_WEIGHT),
        feature_name=names,
    )
    return lgb.train({**PARAMETERS, "monotone_constraints": _monotone(outcome, names)}, data, num_boost_round=ROUNDS)


def unseen(outcome: Outcome, chosen: Rows, places: list[int]) -> Floats:
    """Raw log-odds of each row by a model that did not see its patient."""
    margins = np.empty(len(chosen.label))
    for number in range(PARTS):
        outside = chosen.part == number
        booster = fit(outcome, chosen.where(~outside), places)
        margins[outside] = margin(booster, chosen.x[outside])
    return margins


def margin(booster: lgb.Booster, x: NDArray[np.float32]) -> Floats:
    """Raw log-odds of rows."""
    return np.asarray(booster.predict(x, raw_score=True, num_threads=1), np.float64)


def _seen(feature: Feature, outcome: Outcome) -> bool:
    if feature.name == f"{outcome.analyte}_age_h":
        return True
    return not feature.name.endswith((*_HABITS, *_TOO_SHORT))


def _sample(chosen: Rows) -> tuple[NDArray[np.int64], Floats]:
    """At most so many rows of each class, in order, and what each stands for."""
    rng = np.random.default_rng(int(PARAMETERS["seed"]))
    picked, weights = [], []
    for event, most in _MOST_ROWS.items():
        found = np.flatnonzero((chosen.label == 1) == event)
        kept = found if len(found) <= most else rng.choice(found, most, replace=False)
        picked.append(kept)
        weights.append(np.full(len(kept), len(found) / len(kept)))
    order = np.argsort(np.concatenate(picked), kind="stable")
    return np.concatenate(picked)[order], np.concatenate(weights)[order]


def _monotone(outcome: Outcome, names: list[str]) -> list[int]:
    """Where the condition is a limit, a value nearer to it never lowers the risk."""
    if outcome.limit is None:
        return [0] * len(names)
    toward = 1 if outcome.rising else -1
    held = {f"{outcome.analyte}{statistic}" for statistic in _MONOTONE}
    return [toward if name in held else 0 for name in names]

"""A plain reference for the infection model: one LightGBM on what anybody would compute first.

    python -m models.reference --data hospital_b.parquet --out reference/

For every hour of a stay: the last value, its age and the count so far of each of the 34 quantities, their
means and extremes over 6 and 24 h, and age, gender, unit, time from admission to intensive care, and hour. It
shares the division of patients and the utility score with the product and nothing else: values are taken as
they stand.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models import utility
from models.datasets import cinc2019
from models.split import Part, part

Matrix = NDArray[np.float32]

PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.03,
    "num_leaves": 15,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.1,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 2019,
    "num_threads": 2,
    "verbosity": -1,
}
ROUNDS = 1500
PATIENCE = 100
THRESHOLDS = np.arange(0.001, 0.3, 0.0005)
STATICS = (*cinc2019.DEMOGRAPHICS, "ICULOS")


def feature_names() -> list[str]:
    """The columns of `hourly_features`, in order."""
    kinds = ("last", "age", "count", "mean_6h", "min_6h", "max_6h", "mean_24h", "min_24h", "max_24h")
    return [f"{column}_{kind}" for kind in kinds for column, _, _ in cinc2019.COLUMNS] + list(STATICS)


def hourly_features(table: pa.Table) -> Matrix:
    """One row for each hour of the table, which must hold whole stays; NaN where nothing is known yet."""
    edges = cinc2019.bounds(table["patient_id"])
    first = np.repeat(edges[:-1], np.diff(edges))
    values = np.column_stack([table[column].to_numpy() for column, _, _ in cinc2019.COLUMNS])
    row = np.arange(len(values))
    known = ~np.isnan(values)
    newest = np.maximum.accumulate(np.where(known, row[:, None], -1), axis=0)
    seen = newest >= first[:, None]
    last = np.where(seen, np.take_along_axis(values, np.maximum(newest, 0), axis=0), np.nan)
    age = np.where(seen, row[:, None] - newest, np.nan)
    statics = np.column_stack([table[column].to_numpy() for column in STATICS])
    blocks = [last, age, _since(known, first - 1)]
    for hours in (6, 24):
        before = np.maximum(row - hours, first - 1)
        number = _since(known, before)
        with np.errstate(invalid="ignore"):
            blocks.append(_since(np.where(known, values, 0.0), before) / np.where(number > 0, number, np.nan))
        blocks.append(_extreme(values, first, hours))
        blocks.append(-_extreme(-values, first, hours))
    return np.concatenate([block.astype(np.float32) for block in (*blocks, statics)], axis=1)


def _since(amounts: NDArray[Any], before: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sums from the row after `before` (-1: from the first row) up to and including each row."""
    running = np.concatenate([np.zeros((1, amounts.shape[1])), np.cumsum(amounts, axis=0, dtype=np.float64)])
    return np.asarray(running[1:] - running[before + 1], dtype=np.float64)


def _extreme(values: Matrix, first: NDArray[np.int64], hours: int) -> Matrix:
    """The minimum over the last `hours` rows of the stay, from minima over spans that double (6 = 4 + 2, 24 =
    16 + 8).
    """
    span, lowest = 1, values
    while span < hours:
        step = min(span, hours - span)
        lowest = np.fmin(lowest, _shifted(lowest, first, step))
        span += step
    return lowest


def _shifted(values: Matrix, first: NDArray[np.int64], rows: int) -> Matrix:
    """The values of so many rows earlier in the same stay, NaN where there is no such row."""
    moved = np.full_like(values, np.nan)
    moved[rows:] = values[:-rows]
    moved[np.arange(len(values)) - rows < first] = np.nan
    return moved


def train(data: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Fits on the training stays, chooses rounds and threshold on the validation stays, and judges the test
    stays.

    Returns the figures, and the test stays' `patients`, `lengths`, and `hours`, `labels`, `probabilities`
    hour by hour.
    """
    table = pa.concat_tables(cinc2019.tables(data)).combine_chunks()
    edges = cinc2019.bounds(table["patient_id"])
    patients = np.array(table["patient_id"].take(pa.array(edges[:-1])).to_pylist())
    lengths = np.diff(edges)
    parts = np.array([part(patient) for patient in patients])
    features = hourly_features(table)
    labels = table["SepsisLabel"].to_numpy()

    def hours_of(which: Part) -> NDArray[np.int64]:
        return np.flatnonzero(np.repeat(parts == which, lengths))

    def by_stay(values: NDArray[Any], which: Part) -> list[NDArray[Any]]:
        return np.split(values, np.cumsum(lengths[parts == which])[:-1])

    fitting, validating, testing = hours_of("train"), hours_of("validation"), hours_of("test")
    training_set = lgb.Dataset(features[fitting], labels[fitting], feature_name=feature_names())
    booster = lgb.train(
        PARAMETERS,
        training_set,
        num_boost_round=ROUNDS,
        valid_sets=[lgb.Dataset(features[validating], labels[validating], reference=training_set)],
        callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
    )
    validated = np.asarray(booster.predict(features[validating], num_threads=2))
    threshold, chosen = utility.best_threshold(
        utility.stays(by_stay(labels[validating], "validation")), by_stay(validated, "validation"), THRESHOLDS
    )
    probabilities = np.asarray(booster.predict(features[testing], num_threads=2))
    truth = utility.stays(by_stay(labels[testing], "test"))
    scores = by_stay(probabilities, "test")
    slope, intercept = utility.calibration_line(labels[testing], probabilities)
    figures = {
        "stays": {which: int((parts == which).sum()) for which in ("train", "validation", "test")},
        "septic_test_stays": int((truth.attainable > 0).sum()),
        "rounds": booster.best_iteration,
        "threshold": threshold,
        "validation_utility": chosen,
        "test_utility": asdict(utility.utility_interval(truth, [score >= threshold for score in scores])),
        "test_utility_at_best_threshold": utility.best_threshold(truth, scores, THRESHOLDS),
        "test_auroc": asdict(utility.auroc_interval(truth, scores)),
        "test_auprc": utility.auprc(labels[testing], probabilities),
        "test_brier": utility.brier(labels[testing], probabilities),
        "test_calibration": {
            "slope": slope,
            "intercept": intercept,
            "observed_expected": utility.observed_expected(labels[testing], probabilities),
        },
        "test_alert_rate": float(np.mean(probabilities >= threshold)),
    }
    predictions = {
        "patients": patients[parts == "test"],
        "lengths": lengths[parts == "test"],
        "hours": table["ICULOS"].to_numpy()[testing],
        "labels": labels[testing],
        "probabilities": probabilities,
    }
    return figures, predictions


def main() -> None:
    """The command line: writes `reference.json` and `reference_test.npz` to the folder `--out`."""
    parser = argparse.ArgumentParser(description="Train and judge the plain reference model.")
    parser.add_argument("--data", type=Path, required=True, help="a file or folder of the cinc2019 set")
    parser.add_argument("--out", type=Path, required=True, help="the folder for figures and predictions")
    arguments = parser.parse_args()
    figures, predictions = train(arguments.data)
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(figures, indent=2)
    (arguments.out / "reference.json").write_text(text + "\n", encoding="utf-8")
    np.savez_compressed(arguments.out / "reference_test.npz", allow_pickle=False, **predictions)
    print(text)


if __name__ == "__main__":
    main()

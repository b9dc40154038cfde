import math

import lightgbm as lgb
import numpy as np
import pytest

from models.single_row import SingleRow

ROWS = np.where((noise := np.random.default_rng(7)).random((400, 6)) < 0.2, np.nan, noise.normal(size=(400, 6)))


@pytest.fixture(scope="module")
def booster() -> lgb.Booster:
    labels = np.nan_to_num(ROWS[:, 0]) + np.nan_to_num(ROWS[:, 1]) > 0.3
    parameters = {"objective": "binary", "num_leaves": 7, "min_data_in_leaf": 5, "verbosity": -1, "num_threads": 1}
    return lgb.train(parameters, lgb.Dataset(ROWS, labels), num_boost_round=20)


@pytest.mark.req("VAGT-DEC-03")
def test_the_fast_path_gives_the_very_bits_of_the_plain_one(booster):
    fast = SingleRow(booster.model_to_string())
    plain = booster.predict(ROWS, raw_score=True, num_threads=1)
    assert [fast.margin(row) for row in ROWS] == plain.tolist()


@pytest.mark.req("VAGT-DEC-06")
def test_contributions_are_the_plain_ones_and_add_up(booster):
    fast = SingleRow(booster.model_to_string())
    for row, plain in zip(ROWS[:50], booster.predict(ROWS[:50], pred_contrib=True, num_threads=1), strict=True):
        parts = fast.contributions(row)
        assert parts == plain.tolist()
        assert math.isclose(sum(parts), fast.margin(row), abs_tol=1e-9)


def test_a_row_of_another_length_is_an_error(booster):
    with pytest.raises(ValueError, match="has 6 features"):
        SingleRow(booster.model_to_string()).margin(np.zeros(1))

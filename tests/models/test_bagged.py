import lightgbm as lgb
import numpy as np
import pytest

from models.bagged import mean

PARAMETERS = {"objective": "binary", "num_leaves": 5, "min_data_in_leaf": 5, "verbosity": -1, "num_threads": 1}


def rows(columns: int = 4) -> np.ndarray:
    found = np.random.default_rng(0).normal(size=(300, columns))
    found[::7, 1] = np.nan
    return found


def booster(seed: int, columns: int = 4) -> lgb.Booster:
    x = rows(columns)
    label = (x[:, 0] + np.random.default_rng(seed).normal(size=len(x)) > 0).astype(float)
    data = lgb.Dataset(x, label, params={"verbosity": -1})
    return lgb.train({**PARAMETERS, "seed": seed}, data, num_boost_round=6 + seed)


def test_the_mean_scores_as_its_members_do_on_average():
    members = [booster(seed) for seed in (1, 2, 3)]
    x = rows()
    expected = np.mean([one.predict(x, raw_score=True) for one in members], axis=0)
    joined = mean(members)
    assert joined.predict(x, raw_score=True) == pytest.approx(expected, abs=1e-12)
    assert joined.num_trees() == sum(one.num_trees() for one in members)


def test_the_mean_survives_being_written_and_read():
    joined = mean([booster(1), booster(2)])
    again = lgb.Booster(model_str=joined.model_to_string())
    assert np.array_equal(again.predict(rows(), raw_score=True), joined.predict(rows(), raw_score=True))


def test_the_means_contributions_add_up_to_its_raw_score():
    joined = mean([booster(1), booster(2)])
    parts = joined.predict(rows(), pred_contrib=True)
    assert parts.sum(axis=1) == pytest.approx(joined.predict(rows(), raw_score=True), abs=1e-9)


def test_models_on_other_features_have_no_mean():
    with pytest.raises(ValueError, match="same features"):
        mean([booster(1), booster(2, columns=5)])
    with pytest.raises(ValueError, match="at least one"):
        mean([])

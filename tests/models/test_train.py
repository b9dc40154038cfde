import numpy as np
import pytest

from features.vector import NAMES, VITALS
from models import train
from models.artefact import Abstention, DataSource, Estimate, Range
from models.card import card
from models.matrix import Matrix
from models.split import part

SOURCE = DataSource(name="Made up", licence="none", source="these tests", stays={})
HOURS = 20


def matrix(stays: int = 250) -> Matrix:
    """Stays of twenty hours; a third turn septic at their tenth, and everything rises then."""
    random = np.random.default_rng(0)
    x = random.normal(size=(stays * HOURS, len(NAMES))).astype(np.float32)
    septic = np.repeat(random.random(stays) < 0.33, HOURS)
    label = (septic & (np.tile(np.arange(HOURS), stays) >= 10)).astype(np.int8)
    x += label[:, None] * np.float32(0.3)
    return Matrix(
        x=x,
        stay=np.repeat(np.arange(stays, dtype=np.int32), HOURS),
        label=label,
        patients=tuple(f"p{number}" for number in range(stays)),
    )


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(train, "_ROUNDS", 16)
    monkeypatch.setattr(train, "_THRESHOLDS", np.arange(0.05, 0.9, 0.01))


@pytest.mark.req("VAGT-MOD-06")
def test_test_stays_that_are_kept_apart_take_no_part():
    given = matrix()
    of_test = np.array([part(patient) == "test" for patient in given.patients])[given.stay]
    label = given.label.copy()
    label[of_test] = np.random.default_rng(1).permutation(label[of_test])
    other = Matrix(x=given.x, stay=given.stay, label=label, patients=given.patients)
    one, two = (train.train(one, "infection", SOURCE, test_apart=True) for one in (given, other))
    assert one.model == two.model
    left_out = {"metrics"}
    assert one.manifest.model_dump(exclude=left_out) == two.manifest.model_dump(exclude=left_out)
    assert one.manifest.metrics != two.manifest.metrics


def test_what_is_trained_finds_what_there_is_to_find():
    manifest = train.train(matrix(), "infection", SOURCE).manifest
    found = manifest.metrics["unseen_auroc"]
    assert isinstance(found, Estimate)
    assert found.estimate > 0.7
    assert manifest.features == train.FEATURES
    assert manifest.bands.raised < manifest.bands.high
    assert manifest.bands.clear_below < manifest.bands.alert_from
    assert manifest.data[0].stays == {"train": 250, "test": 0}
    assert "## Figures" in card(manifest)


def test_every_constraint_is_of_a_feature_that_the_model_sees():
    assert len(train.MONOTONE) == len(train.FEATURES)
    assert sum(map(abs, train.MONOTONE)) == len(train._RAISES | train._LOWERS)


def test_hours_of_which_too_little_is_known_are_abstained_from():
    x = np.full((4, len(NAMES)), np.nan, np.float32)
    x[:, NAMES.index("heart_rate_last")] = [80, 80, 300, 80]
    x[:, NAMES.index("heart_rate_age_h")] = [1, 12, 1, 1]
    x[:, NAMES.index("lactate_last")] = [2, 2, 2, np.nan]
    rule = Abstention(
        minimum_inputs=2,
        fresh=VITALS,
        most_outside=0,
        ranges={"heart_rate": Range(low=20, high=250), "lactate": Range(low=0, high=30)},
    )
    assert train.abstained(rule, x, np.arange(4)).tolist() == [False, True, True, True]

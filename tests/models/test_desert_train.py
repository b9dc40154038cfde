"""Training a DESERT model on made-up hours."""

from dataclasses import replace

import numpy as np
import pytest

from features.vector import NAMES
from models.artefact import UNSIGNED, DataSource, load, save
from models.desert import fit
from models.desert.card import card
from models.desert.hours import UNMEASURED, Hours
from models.desert.outcomes import OUTCOMES
from models.desert.train import train
from models.split import part

POTASSIUM = OUTCOMES["hyperkalaemia-risk"]
SOURCE = DataSource(name="Challenge 2019", licence="CC BY 4.0", source="made up", stays={})
STAYS, HOURS = 300, 8


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch):
    monkeypatch.setattr(fit, "ROUNDS", 10)


@pytest.fixture(scope="module")
def hours():
    """Stays in which potassium and creatinine tell of the event, and every fourth hour is not followed."""
    rng = np.random.default_rng(7)
    number = STAYS * HOURS
    x = np.full((number, len(NAMES)), np.nan, np.float32)
    stay = np.repeat(np.arange(STAYS, dtype=np.int32), HOURS)
    potassium, creatinine = rng.normal(4.5, 0.5, number), np.repeat(rng.normal(100, 40, STAYS), HOURS)
    x[:, NAMES.index("potassium_last")] = potassium
    x[:, NAMES.index("potassium_age_h")] = rng.choice([2, 30], number, p=[0.9, 0.1])
    x[:, NAMES.index("creatinine_last")] = creatinine
    risk = 1 / (1 + np.exp(-(potassium - 4.5 + (creatinine - 100) / 20 - 1)))
    labels = (rng.random(number) < risk).astype(np.int8)
    labels[rng.random(number) < 0.25] = UNMEASURED
    return Hours(
        x=x,
        stay=stay,
        labels={POTASSIUM.kind: labels},
        before={POTASSIUM.kind: np.zeros(number, np.bool_)},
        patients=tuple(f"p-{number}" for number in range(STAYS)),
    )


def test_what_became_of_the_test_patients_changes_nothing_but_the_figures(hours):
    test = np.array([part(patient) == "test" for patient in hours.patients])[hours.stay]
    labels = hours.labels[POTASSIUM.kind]
    shuffled = labels.copy()
    shuffled[test] = np.random.default_rng(8).permutation(labels[test])
    one = train(POTASSIUM, [(SOURCE, hours)])
    other = train(POTASSIUM, [(SOURCE, replace(hours, labels={POTASSIUM.kind: shuffled}))])
    assert one.model == other.model
    assert one.manifest.metrics != other.manifest.metrics
    kept = {"metrics", "switched_on"}
    assert one.manifest.model_dump(exclude=kept) == other.manifest.model_dump(exclude=kept)


def test_a_trained_model_can_be_loaded_and_told(hours, tmp_path):
    trained = train(POTASSIUM, [(SOURCE, hours)])
    told = card(trained.manifest, POTASSIUM, trained.faults)
    save(tmp_path, trained.manifest, trained.model, told)
    manifest, model = load(tmp_path, UNSIGNED)
    assert manifest == trained.manifest
    assert model.count("\nTree=") == 10
    assert manifest.switched_on == (not trained.faults)
    assert all(fault in told for fault in trained.faults)
    assert set(manifest.abstention.ranges) == {"potassium", "creatinine"}

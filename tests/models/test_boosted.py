from hashlib import sha256
from itertools import pairwise
from math import fsum, log

import lightgbm as lgb
import numpy as np
import pytest

from features.encounter import Stay
from features.instants import HOUR
from features.record import Record
from features.vector import NAMES, VERSION, VITALS, vector
from models.artefact import (
    UNSIGNED,
    Abstention,
    ArtefactError,
    Bands,
    Bin,
    Calibration,
    Conformal,
    Intervals,
    Manifest,
    Population,
    Range,
    save,
)
from models.boosted import Boosted
from models.registry import FOLDERS
from models.train import FEATURES, MONOTONE
from tests.builders import moment, series

NOW = moment(100)
READ = ("heart_rate_last", "heart_rate_age_h", "lactate_last", "lactate_max_24h", "temperature_last", "age_years")


def booster() -> lgb.Booster:
    """Higher with a fast heart, high lactate and age; it has seen each of them missing."""
    random = np.random.default_rng(0)
    x = random.normal([90, 3, 2, 2.5, 37, 60], [20, 2, 1, 1, 1, 15], (2000, 6))
    x[::5, 2:4] = np.nan
    label = np.nan_to_num(x[:, 0] / 20 + x[:, 2] * 2 + x[:, 5] / 15) + random.normal(size=2000) > 11
    data = lgb.Dataset(x, label, feature_name=list(READ), params={"verbosity": -1})
    return lgb.train({"objective": "binary", "num_leaves": 7, "verbosity": -1, "num_threads": 1}, data, 30)


def manifest(model: str, **changes) -> Manifest:
    fields = {
        "name": "test",
        "version": "1.0.0",
        "owner": "the tests",
        "switched_on": True,
        "kind": "test-risk",
        "event": "something happens",
        "horizon": "PT6H",
        "population": Population(description="adults", unit_types=("icu",), minimum_age_years=18),
        "intended_use": "Tests.",
        "features_version": VERSION,
        "features": READ,
        "calibration": Calibration(slope=0.9, intercept=0.1),
        "intervals": Intervals(
            coverage=0.9, group_stays=10, bins=(Bin(to=0.2, low=0.05, high=0.15), Bin(to=0.9, low=0.3, high=0.6))
        ),
        "conformal": Conformal(coverage=0.9, event_from=0.1, absence_to=0.6),
        "abstention": Abstention(
            minimum_inputs=2,
            fresh=VITALS,
            fresh_within_h=12,
            most_outside=0,
            ranges={"heart_rate": Range(low=30, high=200)},
        ),
        "bands": Bands(raised=0.05, high=0.1, clear_below=0.08),
        "severity": "warning",
        "title": {"en": "Something", "da": "Noget"},
        "data": (),
        "metrics": {},
        "training": {},
        "sha256": sha256(model.encode()).hexdigest(),
    }
    return Manifest(**{**fields, **changes})


@pytest.fixture(scope="module")
def model() -> str:
    text: str = booster().model_to_string()
    return text


@pytest.fixture
def scorer(tmp_path, model):
    """A scorer of a small model; keywords change its manifest."""

    def made(**changes) -> Boosted:
        save(tmp_path, manifest(model, **changes), model, "card\n")
        return Boosted(tmp_path, UNSIGNED)

    return made


def patient(hours: float = 1, **newest: float) -> Record:
    """An adult in intensive care with values from so many hours ago."""
    values = {"heart_rate": 130.0, "temperature": 38.5, **newest}
    stay = Stay(unit_type="icu", birth_date="1940-05-05")
    when = NOW - round(hours * HOUR)
    return Record(now=NOW, stay=stay, series={name: series((when, value)) for name, value in values.items()})


@pytest.mark.req("VAGT-DEC-06")
def test_reasons_add_up_to_the_log_odds(scorer):
    one = scorer()
    record = patient(lactate=6.0)
    scored = one.score(record)
    assert scored.band == "high"
    margin = (log(scored.score / (1 - scored.score)) - 0.1) / 0.9
    reasons, evidence = scored.why()
    assert fsum(reason.contribution for reason in reasons) == pytest.approx(margin)
    assert reasons[-1].feature == "rest"
    assert {reason.feature for reason in reasons} >= {"lactate_last", "age_years", "heart_rate_last"}
    assert {entry.value for entry in evidence} == {130.0, 38.5, 6.0}


def test_an_analyte_without_a_value_is_no_reason(scorer):
    scored = scorer(bands=Bands(raised=0, high=0, clear_below=0)).score(patient())
    reasons, _ = scored.why()
    assert "lactate_last" not in {reason.feature for reason in reasons}
    assert all(reason.value is not None for reason in reasons[:-1])


def test_the_interval_holds_the_score(scorer):
    one = scorer()
    for lactate in (0.5, 1.0, 2.0, 3.0, 4.0, 8.0):
        scored = one.score(patient(lactate=lactate))
        low, high = scored.interval
        assert 0 <= low <= scored.score <= high <= 1


@pytest.mark.req("VAGT-MOD-03")
def test_it_abstains_when_inputs_are_too_few(scorer):
    one = scorer()
    assert not one.score(patient()).abstained
    record = patient()
    record = Record(now=NOW, stay=record.stay, series={"heart_rate": record.series["heart_rate"]})
    scored = one.score(record)
    assert (scored.abstained, scored.low, scored.high, scored.why) == (True, 0, 1, None)
    assert 0 <= scored.score <= 1


@pytest.mark.parametrize(("hours", "abstained"), [(12 - 1 / HOUR, False), (12, True)])
@pytest.mark.req("VAGT-MOD-03")
def test_it_abstains_when_no_vital_sign_is_fresh(scorer, hours, abstained):
    assert scorer().score(patient(hours)).abstained is abstained


@pytest.mark.parametrize(("rate", "abstained"), [(29, True), (30, False), (200, False), (201, True)])
@pytest.mark.req("VAGT-MOD-03")
def test_it_abstains_on_values_unlike_the_trainings(scorer, rate, abstained):
    assert scorer().score(patient(heart_rate=rate)).abstained is abstained


def test_a_model_that_is_switched_off_scores_in_shadow(scorer):
    assert not scorer().score(patient()).shadow
    assert scorer(switched_on=False).score(patient()).shadow


@pytest.mark.req("VAGT-MOD-02")
def test_another_unit_and_a_child_are_scored_in_shadow(scorer):
    one, record = scorer(), patient()
    for stay in (Stay(unit_type="ward"), Stay(unit_type="icu", birth_date="2015-01-01"), Stay()):
        assert one.score(Record(now=NOW, stay=stay, series=record.series)).shadow


def test_the_alert_may_come_later_than_the_high_band(scorer):
    assert scorer().policy.levels[0].raise_at == 0.1
    level = scorer(bands=Bands(raised=0.05, high=0.1, alert=0.4, clear_below=0.3)).policy.levels[0]
    assert (level.raise_at, level.clear_below) == (0.4, 0.3)


def test_an_alert_is_escalated_each_time_the_risk_has_grown_so_much(scorer):
    bands = Bands(raised=0.05, high=0.1, clear_below=0.08, escalations=(1.5, 2.0))
    levels = scorer(bands=bands).policy.levels
    assert [level.raise_at for level in levels] == pytest.approx([0.1, 0.15, 0.2])
    assert [level.clear_below for level in levels] == pytest.approx([0.08, 0.12, 0.16])
    assert {level.severity for level in levels} == {"warning"}


def test_a_model_of_another_hash_is_not_loaded(scorer, tmp_path, model):
    scorer()
    tmp_path.joinpath("model.txt").write_text(model + "\n")
    with pytest.raises(ArtefactError, match="hash"):
        Boosted(tmp_path, UNSIGNED)


def test_a_model_of_other_features_is_not_loaded(scorer):
    with pytest.raises(ArtefactError, match="needs features"):
        scorer(features_version="0")
    with pytest.raises(ArtefactError, match="needs features"):
        scorer(features=("heart_rate_mood",))


@pytest.mark.req("VAGT-MOD-07")
def test_the_infection_model_is_monotone_where_it_says_so():
    """Each such feature moved alone over its range, in patients of whom more and less is known."""
    one = Boosted(FOLDERS[0])
    assert isinstance(one, Boosted)
    assert one.manifest.features == FEATURES
    empty = vector(Record(now=NOW))
    ill = vector(
        patient(lactate=4.0, mean_pressure=60.0, systolic_pressure=85.0, respiratory_rate=28.0, bilirubin=60.0)
    )
    for base in (empty, ill):
        for place, (name, direction) in enumerate(zip(FEATURES, MONOTONE, strict=True)):
            if not direction:
                continue
            row = np.array([base[NAMES.index(feature)] for feature in FEATURES])
            margins = []
            for value in np.geomspace(0.1, 500, 60):
                row[place] = value
                margins.append(one._row.margin(row) * direction)
            assert all(after >= before - 1e-9 for before, after in pairwise(margins)), name


@pytest.mark.req("VAGT-MOD-07")
def test_the_infection_model_does_not_see_how_often_something_was_measured():
    one = Boosted(FOLDERS[0])
    assert isinstance(one, Boosted)
    assert not [name for name in one.manifest.features if "_count_" in name]

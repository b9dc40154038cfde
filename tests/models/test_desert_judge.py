"""The figures of a DESERT model, and what keeps it switched off."""

import numpy as np
import pytest

from models import utility
from models.artefact import Conformal, Estimate
from models.desert import figures
from models.desert.judge import judge, sound
from models.desert.rows import Rows


def drawn(number=600, seed=1):
    """Rows whose event follows a hidden risk that the last value tells a little of; and the risk."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=number)
    risk = 1 / (1 + np.exp(-(2 * hidden - 1)))
    flags = np.ones(number, np.bool_)
    found = Rows(
        x=np.empty((number, 0), np.float32),
        label=(rng.random(number) < risk).astype(np.int8),
        nearness=hidden + rng.normal(size=number) * 3,
        recent=flags,
        before=~flags,
        test=flags,
        part=np.zeros(number, np.int8),
        source=(np.arange(number) % 2).astype(np.int8),
        stay=(np.arange(number) // 3).astype(np.int32),
    )
    return found, risk


SETS = Conformal(coverage=0.9, event_from=0.1, absence_to=0.6)


def test_the_area_with_weights_of_one_is_the_plain_area():
    found, risk = drawn()
    rounded = np.round(risk, 1)
    area = figures.auroc(found.label, rounded)(np.ones(len(risk)))
    assert area == pytest.approx(utility.auroc(found.label, rounded))


def test_a_weight_counts_an_hour_so_often():
    found, risk = drawn(60)
    weights = np.arange(60) % 3
    again = np.repeat(np.arange(60), weights)
    area = figures.auroc(found.label, risk)(weights.astype(np.float64))
    assert area == pytest.approx(utility.auroc(found.label[again], risk[again]))


def test_saying_the_rate_has_no_skill_and_the_truth_has_all():
    found, _ = drawn(90)
    once = np.ones(90)
    rate = np.full(90, found.label.mean())
    assert figures.brier_skill(found.label, rate)(once) == pytest.approx(0)
    assert figures.brier_skill(found.label, found.label.astype(np.float64))(once) == pytest.approx(1)


def test_a_figure_of_a_draw_with_one_class_is_left_out():
    labels = np.array([1, 0, 0, 0], np.int8)
    (found,) = figures.intervals(np.arange(4, dtype=np.int32), figures.auroc(labels, np.array([0.9, 0.1, 0.2, 0.3])))
    assert (found.low, found.estimate, found.high) == (1, 1, 1)


def test_figures_repeat_exactly():
    found, risk = drawn(120)
    assert judge(found, risk, ("one", "other"), 0.8, SETS) == judge(found, risk, ("one", "other"), 0.8, SETS)


def test_a_true_risk_far_better_than_the_last_value_may_speak():
    found, risk = drawn(3000)
    sets = Conformal(
        coverage=0.9,
        event_from=float(np.quantile(risk[found.label == 1], 0.1)),
        absence_to=float(np.quantile(risk[found.label == 0], 0.9)),
    )
    assert sound(judge(found, risk, ("one", "other"), 0.8, sets)) == []


def test_every_set_has_its_own_figures():
    found, risk = drawn()
    metrics = judge(found, risk, ("one", "other"), 0.8, SETS)
    assert metrics["one_hours"] == metrics["other_hours"] == 300
    assert metrics["hours"] == 600
    high = metrics["high_hours"]
    assert isinstance(high, Estimate)
    assert high.estimate == pytest.approx(np.mean(risk >= 0.8))


def metrics(**changed):
    good = {
        "auroc": Estimate(estimate=0.80, low=0.78, high=0.82),
        "last_value_auroc": Estimate(estimate=0.65, low=0.62, high=0.68),
        "calibration_slope": 1.0,
        "observed_expected_top_tenth": 1.0,
        "brier_skill": Estimate(estimate=0.05, low=0.01, high=0.08),
        "set_coverage_stated": 0.9,
        "set_coverage": Estimate(estimate=0.9, low=0.88, high=0.92),
    }
    return {**good, **changed}


@pytest.mark.parametrize(
    "changed",
    [
        {"auroc": Estimate(estimate=0.74, low=0.72, high=0.76)},
        {"auroc": Estimate(estimate=0.80, low=0.67, high=0.85)},
        {"calibration_slope": 0.84},
        {"calibration_slope": 1.16},
        {"observed_expected_top_tenth": 0.79},
        {"observed_expected_top_tenth": 1.26},
        {"brier_skill": Estimate(estimate=0.05, low=0.0, high=0.08)},
        {"set_coverage": Estimate(estimate=0.87, low=0.85, high=0.89)},
    ],
)
@pytest.mark.req("VAGT-MOD-05")
def test_one_fault_keeps_a_model_switched_off(changed):
    assert sound(metrics()) == []
    assert len(sound(metrics(**changed))) == 1

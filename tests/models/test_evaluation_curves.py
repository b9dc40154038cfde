"""Discrimination, calibration and net benefit against closed forms and the challenge's own functions."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models import utility
from models.evaluation.curves import Hours, calibration, discrimination, net_benefit
from models.evaluation.draws import draw


def hours(event, score, a_stay=10):
    number = np.arange(len(event)) // a_stay
    return Hours(int(number[-1]) + 1, number, np.asarray(event, bool), np.asarray(score, float))


@given(pairs=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=60))
def test_the_areas_are_those_of_the_challenges_functions(pairs):
    event, score = zip(*pairs, strict=True)
    assume(any(event) and not all(event))
    found = discrimination(hours(event, score), draw((len(event) - 1) // 10 + 1, 5))
    assert found.auroc.estimate == pytest.approx(utility.auroc(event, score))
    assert found.auprc.estimate == pytest.approx(utility.auprc(event, score))


def test_a_perfect_score_has_both_areas_1():
    event = [False] * 90 + [True] * 10
    found = discrimination(hours(event, np.arange(100)), draw(10, 20))
    assert (found.auroc.estimate, found.auprc.estimate) == (1, 1)
    assert found.roc.y[1:].tolist() == [1] * 100
    assert found.precision_recall.y.tolist() == [1] * 101


def test_hours_without_the_event_cannot_be_told_apart():
    with pytest.raises(ValueError, match="with the event"):
        discrimination(hours([False] * 20, range(20)), draw(2, 5))


def honest(number=20_000, seed=1):
    """Hours whose events come with exactly the stated probability."""
    rng = np.random.default_rng(seed)
    score = rng.uniform(0.02, 0.6, number)
    return hours(rng.uniform(size=number) < score, score)


def test_honest_probabilities_are_calibrated():
    found = calibration(honest(), draw(2000, 50))
    for figure in (found.slope, found.in_the_large, found.top_tenth):
        assert figure.low < 1 < figure.high
        assert figure.estimate == pytest.approx(1, abs=0.1)
    assert found.brier_skill.low > 0
    assert np.abs(found.predicted - found.observed).max() < 0.05
    assert len(found.predicted) == 10


def test_too_extreme_probabilities_have_a_slope_below_1():
    own = honest()
    odds = np.log(own.score / (1 - own.score))
    extreme = Hours(own.stays, own.stay, own.event, 1 / (1 + np.exp(-2 * odds)))
    assert calibration(extreme, draw(2000, 20)).slope.estimate == pytest.approx(0.5, abs=0.05)


def test_always_saying_the_rate_has_no_skill_and_one_tenth():
    event = np.arange(1000) % 10 == 0
    found = calibration(hours(event, np.full(1000, 0.1)), draw(100, 20))
    assert found.brier_skill.estimate == pytest.approx(0, abs=1e-12)
    assert found.observed.tolist() == [0.1]


def test_acting_on_all_hours_has_the_net_benefit_of_the_formula():
    event = np.arange(1000) % 10 == 0
    found = net_benefit(hours(event, np.ones(1000)), [0.05, 0.1, 0.5], draw(100, 20))
    assert found.y == pytest.approx([0.1 - 0.9 / 19, 0.0, 0.1 - 0.9])


def test_some_of_the_stays_keep_their_own_hours():
    own = hours([True, False, True, True], [1, 2, 3, 4], a_stay=1)
    kept = own.of(np.array([False, True, False, True]))
    assert (kept.stays, kept.stay.tolist(), kept.score.tolist()) == (2, [0, 1], [2, 4])

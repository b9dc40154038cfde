"""Stays with an alert, onsets found, lead times, and the rivals at the same share of stays."""

from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation import questions
from models.evaluation.draws import draw, median, ratio
from models.evaluation.stays import (
    as_sensitive,
    at_random,
    at_share,
    by_alerts,
    by_hours,
    figures,
)
from tests.models.evaluated import KIND, change, stay


def judged(outcomes, window=48):
    return questions.truth(outcomes, [questions.infection(one) for one in outcomes], window)


@pytest.mark.parametrize(
    ("hour", "found"), [(11.9, False), (12, True), (40, True), (60, True), (60.1, False)], ids="{}".format
)
def test_an_onset_is_found_by_an_alert_up_to_48_hours_before_it(hour, found):
    outcomes = [stay(onset=60, changes=[change(hour)])]
    told = by_alerts("", outcomes, judged(outcomes), KIND)
    assert (told.alerted[0], told.found[0]) == (1, found)
    assert told.lead[0] == pytest.approx(60 - hour) if found else isnan(told.lead[0])


@pytest.mark.parametrize("state", ["escalated", "updated"])
def test_an_alert_that_is_said_again_finds_the_onset(state):
    outcomes = [stay(onset=60, changes=[change(2), change(50, state)])]
    told = by_alerts("", outcomes, judged(outcomes), KIND)
    assert (told.found[0], told.lead[0], told.alerts[0]) == (1, 10, 1)


@pytest.mark.parametrize(
    "silent",
    [
        change(50, held="repeat"),
        change(50, "resolved"),
        change(50, "acknowledged"),
        change(50, kind="news2"),
        change(50, "escalated", passed_on=True),
    ],
    ids=["held back", "resolved", "acknowledged", "another kind", "another role"],
)
def test_what_is_held_back_or_says_nothing_new_alerts_nobody(silent):
    outcomes = [stay(onset=60, changes=[silent])]
    told = by_alerts("", outcomes, judged(outcomes), KIND)
    assert (told.alerted[0], told.found[0], told.alerts[0]) == (0, 0, 0)


def test_the_onset_is_six_hours_after_the_first_labelled_hour():
    truth = judged([stay(onset=60), stay(), stay(onset=7)])
    assert truth.onset[0] == 60
    assert isnan(truth.onset[1])
    assert truth.at_start.tolist() == [False, False, True]


def test_the_figures_of_four_stays_are_what_they_are_by_hand():
    outcomes = [
        stay("found", onset=60, changes=[change(40)]),
        stay("missed", onset=60),
        stay("from the first row", onset=7, changes=[change(1, id="b"), change(30, id="c")]),
        stay("false alarm", changes=[change(5)]),
    ]
    truth = judged(outcomes)
    found = figures(by_alerts("told", outcomes, truth, KIND), truth, draw(4, 50))
    assert found.alerted.estimate == 3 / 4
    assert found.sensitivity.estimate == 2 / 3
    assert found.sensitivity_later.estimate == 1 / 2
    assert found.sensitivity_at_start.estimate == 1
    assert found.predictive_value.estimate == 2 / 3
    assert found.found_of_alerted.estimate == 2 / 3
    assert found.alerts.estimate == pytest.approx(100 * 4 / 12)
    assert found.one_a_stay.estimate == pytest.approx(100 * 3 / 12)
    assert found.lead.estimate == 20, "the onset within 24 h does not count"


def test_hours_at_the_threshold_alert_and_each_crossing_counts_once():
    scores = [0.1] * 30 + [0.5] * 3 + [0.1] * 5 + [0.5] * 2 + [0.1] * 32
    outcomes = [stay(onset=60, scores={KIND: scores})]
    told = by_hours("", outcomes, judged(outcomes), [np.array(scores)], 0.5)
    assert (told.alerted[0], told.found[0], told.alerts[0], told.lead[0]) == (1, 1, 2, 60 - 31)


@given(
    peaks=st.lists(st.integers(0, 6), min_size=2, max_size=30),
    share=st.floats(0.05, 0.95),
)
def test_a_rule_in_points_alerts_in_exactly_the_share_that_was_asked_for(peaks, share):
    outcomes = [stay(hours=3) for _ in peaks]
    scores = [np.array([nan, float(one), 0.0]) for one in peaks]
    told = at_share("rule", outcomes, judged(outcomes), scores, share)
    assert told.alerted.mean() == pytest.approx(share)


def test_a_rule_that_never_speaks_alerts_nobody():
    outcomes = [stay(hours=3)]
    assert at_share("rule", outcomes, judged(outcomes), [np.full(3, nan)], 0.5).alerted[0] == 0


@given(share=st.floats(0.01, 0.99), lengths=st.lists(st.integers(6, 100), min_size=1, max_size=20))
@pytest.mark.req("VAGT-MOD-08")
def test_a_random_alarm_alerts_in_the_share_and_finds_no_more_than_it_alerts(share, lengths):
    outcomes = [stay(hours=one, onset=one + 6) for one in lengths]
    told = at_random(outcomes, judged(outcomes), share)
    assert told.alerted.mean() == pytest.approx(share)
    assert (told.found <= told.alerted + 1e-12).all()


def test_the_threshold_for_a_sensitivity_is_the_highest_that_reaches_it():
    peaks = [0.9, 0.5, 0.3, 0.1]
    scores = [np.array([one] * 72) for one in peaks]
    outcomes = [stay(onset=60) for _ in peaks]
    truth = judged(outcomes)
    assert as_sensitive(outcomes, truth, scores, 0.5) == 0.5
    assert as_sensitive(outcomes, truth, scores, 0.51) == 0.3
    assert as_sensitive(outcomes, truth, [np.full(72, nan)] * 4, 0.5) is None


def test_a_ratio_with_nothing_below_the_line_is_not_known():
    assert isnan(ratio([1.0], [0.0], draw(1, 10)).estimate)


@pytest.mark.req("VAGT-MOD-08")
def test_every_interval_holds_its_estimate():
    values = np.arange(100, dtype=float)
    for found in (ratio(values, np.ones(100), draw(100)), median(values, draw(100))):
        assert found.low < found.estimate < found.high


def test_the_same_stays_give_the_same_interval():
    values = np.arange(100, dtype=float)
    assert ratio(values, np.ones(100), draw(100)) == ratio(values, np.ones(100), draw(100))

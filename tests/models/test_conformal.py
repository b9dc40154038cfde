import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.conformal import conformal, interval_coverage, intervals, set_figures


def cohort(seed: int, stays: int, hours: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, true probabilities and stays of patients who differ in their risk."""
    random = np.random.default_rng(seed)
    risk = np.repeat(random.beta(1, 20, stays), hours)
    labels = (random.random(len(risk)) < risk).astype(np.int8)
    return labels, risk, np.repeat(np.arange(stays, dtype=np.int32), hours)


@pytest.mark.req("VAGT-MOD-04")
def test_intervals_cover_new_groups_as_often_as_they_say():
    stated = intervals(*cohort(1, 20_000), coverage=0.9, group_stays=250)
    assert interval_coverage(stated, *cohort(2, 20_000)) == pytest.approx(0.9, abs=0.03)


def test_intervals_are_in_order_and_hold_their_rate():
    labels, scores, stay = cohort(3, 10_000)
    stated = intervals(labels, scores, stay)
    ends = [one.to for one in stated.bins]
    assert ends == sorted(set(ends))
    assert ends[-1] == scores.max()
    low = 0.0
    for one in stated.bins:
        inside = labels[(scores > low) & (scores <= one.to)]
        assert one.low <= inside.mean() <= one.high
        low = one.to


def test_too_few_groups_state_nothing():
    labels, scores, stay = cohort(4, 300)
    assert all((one.low, one.high) == (0, 1) for one in intervals(labels, scores, stay, group_stays=250).bins)


@pytest.mark.req("VAGT-MOD-04")
def test_sets_cover_each_class_as_often_as_they_say():
    labels, scores, _ = cohort(5, 20_000)
    figures = set_figures(conformal(labels, scores, 0.9), *cohort(6, 20_000)[:2])
    assert figures["set_coverage_event"] == pytest.approx(0.9, abs=0.02)
    assert figures["set_coverage_absence"] == pytest.approx(0.9, abs=0.02)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.lists(st.floats(0, 1), min_size=1, max_size=60))
@pytest.mark.req("VAGT-MOD-04")
def test_a_set_covers_at_least_what_it_says_where_it_was_made(events, others):
    labels = np.array([1] * len(events) + [0] * len(others), np.int8)
    scores = np.array(events + others)
    figures = set_figures(conformal(labels, scores, 0.9), labels, scores)
    assert figures["set_coverage_event"] >= 0.9
    assert figures["set_coverage_absence"] >= 0.9

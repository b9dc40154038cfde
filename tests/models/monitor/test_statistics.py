"""The statistics of the watch against direct formulas and known values."""

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.monitor.distribution import Distribution, drift
from models.monitor.limits import limits
from models.monitor.statistics import (
    auroc,
    effective,
    evidence,
    histogram,
    middle,
    psi,
    quantile,
    shifted,
    tilt,
)

counts = st.lists(st.integers(0, 500), min_size=2, max_size=12)


@given(
    counts.flatmap(
        lambda one: st.tuples(st.just(one), st.lists(st.integers(0, 500), min_size=len(one), max_size=len(one)))
    )
)
def test_the_index_is_the_sum_over_bins_of_difference_times_logarithm_of_ratio(pair):
    expected, found = pair
    a = (np.array(expected) + 0.5) / (sum(expected) + len(expected) / 2)
    b = (np.array(found) + 0.5) / (sum(found) + len(found) / 2)
    assert psi(expected, found) == pytest.approx(float(((b - a) * np.log(b / a)).sum()), abs=1e-12)
    assert psi(expected, found) == pytest.approx(psi(found, expected))
    assert psi(expected, found) >= 0
    assert psi(expected, expected) == 0


def test_the_index_of_a_shift_by_one_standard_deviation_is_about_one():
    draw = np.random.default_rng(7)
    usual, later = list(draw.normal(0, 1, 20_000)), list(draw.normal(1, 1, 20_000))
    edges = [quantile(sorted(usual), share / 10) for share in range(1, 10)]
    assert psi(histogram(edges, usual), histogram(edges, later)) == pytest.approx(1, abs=0.1)


def test_by_chance_alone_the_evidence_is_chi_squared_with_nine_degrees():
    draw = np.random.default_rng(8)
    edges = [quantile(sorted(draw.normal(size=20_000)), share / 10) for share in range(1, 10)]
    found = [
        evidence(psi(*(histogram(edges, list(draw.normal(size=size))) for size in (300, 120))), 300, 120)
        for _ in range(400)
    ]
    assert np.mean(found) == pytest.approx(9, abs=1.0)
    assert max(found) < limits().drift.evidence


@pytest.mark.parametrize(("value", "bin_"), [(0.9, 0), (1.0, 0), (1.1, 1), (2.0, 1), (2.1, 2)])
def test_a_value_on_an_edge_belongs_to_the_bin_below_it(value, bin_):
    assert histogram((1.0, 2.0), [value]) == [int(number == bin_) for number in range(3)]


def test_a_quantile_is_the_least_value_at_which_the_share_is_reached():
    assert [quantile([1, 2, 3, 4], share) for share in (0, 0.25, 0.26, 0.5, 0.51, 1)] == [1, 1, 2, 2, 3, 4]


@given(st.integers(0, 50), st.floats(0.01, 0.9), st.floats(1.1, 5))
def test_a_step_of_the_cusum_is_the_log_likelihood_ratio_of_the_binomial(events, share, odds):
    occasions = 50
    raised = odds * share / (1 - share + odds * share)
    direct = events * log(raised / share) + (occasions - events) * log((1 - raised) / (1 - share))
    assert tilt(events, occasions, share, odds) == pytest.approx(direct, abs=1e-9)


def test_the_middle_of_changes_does_not_mind_a_few_extremes():
    centre, deviation = middle([*np.random.default_rng(9).normal(0.1, 0.2, 2000), *[50.0] * 40])
    assert centre == pytest.approx(0.1, abs=0.02)
    assert deviation == pytest.approx(0.2, abs=0.03)


def test_the_middle_of_whole_numbers_knows_its_error():
    draw = np.random.default_rng(11)
    found = [middle([round(one) for one in draw.normal(0, 0.7, 60)]) for _ in range(400)]
    errors = [deviation / sqrt(60) for _, deviation in found]
    assert np.mean(errors) == pytest.approx(np.std([centre for centre, _ in found]), rel=0.15)


@given(st.floats(0.001, 0.999), st.floats(-3, 3))
def test_a_share_is_shifted_in_its_log_odds(share, logits):
    other = shifted(share, logits)
    assert log(other / (1 - other)) == pytest.approx(log(share / (1 - share)) + logits)


def test_patients_of_many_days_weigh_less_than_as_many_patients():
    assert effective([1] * 30) == 30
    assert effective([3] * 10) == 10
    assert effective([1] * 20 + [10]) == pytest.approx(900 / 120)


def test_discrimination_counts_ties_half_and_knows_its_error():
    assert auroc([0.9, 0.8], [0.1, 0.8])[0] == pytest.approx(0.875)
    area, error = auroc([1.0] * 50, [0.0] * 50)
    assert (area, error) == (1.0, 0.0)
    draw = np.random.default_rng(10)
    area, error = auroc(list(draw.normal(1, 1, 200)), list(draw.normal(0, 1, 300)))
    assert area == pytest.approx(0.76, abs=3 * error)
    assert error == pytest.approx(sqrt(area * (1 - area) / 150), rel=0.5)


def taught(hours, patients):
    one = Distribution()
    for _ in range(hours):
        if one.lesson():
            one.learn([(f"p{number}", float(number)) for number in range(patients)], (), limits())
    return one.usual


def test_what_is_usual_is_learnt_from_whole_days_and_then_frozen():
    learning = limits().learning
    assert taught(24 * learning.days - 1, learning.patients) is None
    usual = taught(24 * learning.days, learning.patients)
    assert usual.patients == learning.patients
    assert drift(usual, list(map(float, range(learning.patients)))).psi < 0.01
    assert sum(usual.counts) == pytest.approx(learning.patients)


def test_what_too_few_patients_teach_is_not_yet_usual():
    assert taught(24 * limits().learning.days * 2, limits().learning.patients - 1) is None

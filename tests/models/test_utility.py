import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import utility as u

#: Thirty hours, labelled from hour 12: onset is hour 18, and hours 6 (t = -12) to 21 (t = +3) count.
SEPTIC = [0] * 12 + [1] * 18
WELL = [0] * 20
#: Alerts earn (0 + ... + 6) / 6 up to t = -6, then (8 + ... + 0) / 9; silence costs 2 (1 + ... + 9) / 9.
ATTAINABLE = 3.5 + 4.0 + 10.0


def alert_at(*hours, length=30):
    return [int(hour in hours) for hour in range(length)]


def reyna(labels, predictions):
    """One stay's utility, hour by hour, as Reyna et al. 2020 define it."""
    onset = labels.index(1) + 6 if 1 in labels else None
    total = 0.0
    for hour, predicted in enumerate(predictions):
        if onset is None:
            total += -0.05 if predicted else 0.0
            continue
        t = hour - onset
        if t > 3:
            continue
        if predicted:
            total += max((t + 12) / 6, -0.05) if t <= -6 else 1 - (t + 6) / 9
        else:
            total += 0.0 if t <= -6 else -2 * (t + 6) / 9
    return total


def reyna_normalised(labels, predictions):
    observed = best = inaction = 0.0
    for stay, predicted in zip(labels, predictions, strict=True):
        onset = stay.index(1) + 6 if 1 in stay else math.inf
        observed += reyna(stay, predicted)
        best += reyna(stay, [int(-12 <= hour - onset <= 3) for hour in range(len(stay))])
        inaction += reyna(stay, [0] * len(stay))
    return (observed - inaction) / (best - inaction)


@st.composite
def cohorts(draw):
    """Stays with a septic one among them, each with hourly scores on a coarse grid, so that scores tie."""
    lengths = draw(st.lists(st.integers(1, 40), min_size=1, max_size=6))
    labels = []
    for number, length in enumerate(lengths):
        first = draw(st.integers(0, length - 1 if number == 0 else length))
        labels.append([0] * first + [1] * (length - first))
    scores = [draw(st.lists(st.integers(0, 8), min_size=n, max_size=n)) for n in lengths]
    return labels, [[score / 8 for score in stay] for stay in scores]


def test_never_alerting_scores_zero_and_the_best_alerts_score_one():
    truth = u.stays([SEPTIC, WELL])
    assert u.utility(truth, [[0] * 30, [0] * 20]) == 0
    assert u.utility(truth, [alert_at(*range(6, 22)), [0] * 20]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("hour", "gain"),
    [
        (4, -0.05),  # t = -14: too early, a false alarm
        (5, -0.05),  # t = -13
        (6, 0.0),  # t = -12
        (7, 1 / 6),
        (12, 1.0),  # t = -6: the optimum
        (13, 8 / 9 + 2 / 9),
        (18, 3 / 9 + 12 / 9),  # onset
        (21, 0.0 + 2.0),  # t = +3: only the penalty for silence is left
        (22, 0.0),  # t = +4: nothing counts any more
        (29, 0.0),
    ],
)
def test_an_alert_of_a_septic_stay_is_worth_what_its_distance_from_onset_says(hour, gain):
    assert u.utility(u.stays([SEPTIC]), [alert_at(hour)]) == pytest.approx(gain / ATTAINABLE)


def test_each_alert_of_a_stay_without_sepsis_costs_a_twentieth():
    truth = u.stays([SEPTIC, WELL])
    assert u.utility(truth, [[0] * 30, [1] * 20]) == pytest.approx(-20 * 0.05 / ATTAINABLE)


def test_a_stay_labelled_from_its_first_hour_counts_from_six_hours_before_onset():
    truth = u.stays([[1] * 12])
    assert truth.attainable.tolist() == pytest.approx([1 + 4 + 10])
    assert u.utility(truth, [alert_at(*range(10), length=12)]) == pytest.approx(1)


@given(cohorts(), st.integers(0, 9))
def test_utility_is_what_the_definition_gives_hour_by_hour(cohort, cut):
    labels, scores = cohort
    predictions = [[int(score >= cut / 8) for score in stay] for stay in scores]
    assert u.utility(u.stays(labels), predictions) == pytest.approx(reyna_normalised(labels, predictions))


@given(cohorts())
def test_the_curve_is_the_utility_at_every_threshold_and_ties_fall_together(cohort):
    labels, scores = cohort
    truth = u.stays(labels)
    grid = np.linspace(-0.5, 1.5, 33)
    singly = [u.utility(truth, [np.asarray(stay) >= cut for stay in scores]) for cut in grid]
    assert u.utility_curve(truth, scores, grid) == pytest.approx(singly)
    best, value = u.best_threshold(truth, scores, grid)
    assert value == pytest.approx(max(singly))
    assert u.utility(truth, [np.asarray(stay) >= best for stay in scores]) == pytest.approx(value)


def test_of_thresholds_that_tie_the_highest_is_chosen():
    truth = u.stays([SEPTIC])
    scores = [[0.9 if 6 <= hour <= 21 else 0.1 for hour in range(30)]]
    best, value = u.best_threshold(truth, scores, [0.2, 0.5, 0.8])
    assert best == 0.8
    assert value == pytest.approx(1)


def test_utility_without_a_septic_stay_is_refused():
    truth = u.stays([WELL])
    for judge in (u.utility, u.utility_interval):
        with pytest.raises(ValueError, match="septic"):
            judge(truth, [[0] * 20])
    with pytest.raises(ValueError, match="septic"):
        u.utility_curve(truth, [[0.0] * 20], [0.5])


@pytest.mark.parametrize("labels", [[], [[]], [[0, 1], []]])
def test_an_empty_set_and_a_stay_without_hours_are_refused(labels):
    with pytest.raises(ValueError, match="at least one"):
        u.stays(labels)


def test_predictions_must_match_the_labelled_hours():
    with pytest.raises(ValueError, match="exactly one value"):
        u.utility(u.stays([SEPTIC, WELL]), [[0] * 20, [0] * 30])


def test_a_bootstrap_is_repeated_by_its_seed_and_holds_the_estimate():
    labels = [SEPTIC] * 20 + [WELL] * 20
    predictions = [alert_at(hour, hour + 3) for hour in range(20)] + [alert_at(3, length=20)] * 20
    truth = u.stays(labels)
    interval = u.utility_interval(truth, predictions, resamples=300, seed=4)
    assert interval == u.utility_interval(truth, predictions, resamples=300, seed=4)
    assert interval != u.utility_interval(truth, predictions, resamples=300, seed=5)
    assert interval.low < interval.estimate < interval.high
    assert interval.estimate == u.utility(truth, predictions)


def test_a_paired_difference_is_that_of_the_utilities_and_nothing_against_itself():
    labels = [SEPTIC, WELL, [0] * 8 + [1] * 9, WELL]
    better = [alert_at(8, 12, 14), [0] * 20, alert_at(9, length=17), [0] * 20]
    worse = [alert_at(8), alert_at(3, length=20), alert_at(0, length=17), [0] * 20]
    truth = u.stays(labels)
    difference = u.utility_difference(truth, better, worse, resamples=200)
    assert difference.estimate == pytest.approx(u.utility(truth, better) - u.utility(truth, worse))
    assert difference.low > 0
    assert u.utility_difference(truth, better, better, resamples=50) == u.Interval(0, 0, 0)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30))
def test_auroc_counts_pairs_and_a_tie_as_half(hours):
    positive = [score for label, score in hours if label]
    negative = [score for label, score in hours if not label]
    labels, scores = zip(*hours, strict=True)
    if not positive or not negative:
        with pytest.raises(ValueError, match="positive and negative"):
            u.auroc(labels, scores)
        return
    pairs = [1.0 if p > n else 0.5 if p == n else 0.0 for p in positive for n in negative]
    assert u.auroc(labels, scores) == pytest.approx(sum(pairs) / len(pairs))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 3)), min_size=2, max_size=20))
def test_a_weight_of_three_counts_as_three_hours(hours):
    repeated = [(label, score) for label, score, weight in hours for _ in range(weight)]
    if len({label for label, _ in repeated}) == 2:
        labels, scores, weights = zip(*hours, strict=True)
        assert u.auroc(labels, scores, weights) == pytest.approx(u.auroc(*zip(*repeated, strict=True)))


def test_the_bootstrap_of_auroc_draws_stays_and_repeats_by_its_seed():
    rng = np.random.default_rng(1)
    labels = [SEPTIC if number % 3 == 0 else WELL for number in range(30)]
    scores = [np.asarray(stay) * 0.5 + rng.random(len(stay)) for stay in labels]
    truth = u.stays(labels)
    interval = u.auroc_interval(truth, scores, resamples=50, seed=3)
    assert interval == u.auroc_interval(truth, scores, resamples=50, seed=3)
    assert interval.estimate == u.auroc(np.concatenate(labels), np.concatenate(scores))
    assert interval.low < interval.estimate < interval.high


def test_average_precision_weighs_precision_by_the_recall_it_adds():
    assert u.auprc([1, 0, 1], [0.9, 0.8, 0.7]) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert u.auprc([1, 0, 1, 0], [0.5] * 4) == pytest.approx(0.5)  # ties fall together
    with pytest.raises(ValueError, match="positive"):
        u.auprc([0, 0], [0.1, 0.2])


def test_brier_score_and_observed_over_expected_of_a_known_case():
    assert u.brier([1, 0], [0.8, 0.4]) == pytest.approx((0.04 + 0.16) / 2)
    assert u.observed_expected([1, 1, 0, 0], [0.25] * 4) == 2
    with pytest.raises(ValueError, match="expected"):
        u.observed_expected([0, 0], [0.0, 0.0])


#: Of ten hours each: two events at 20 %, five at 50 %, eight at 80 %.
CALIBRATED = [(p, int(number < round(p * 10))) for p in (0.2, 0.5, 0.8) for number in range(10)]


@pytest.mark.parametrize(("factor", "shift"), [(1.0, 0.0), (2.0, 0.0), (0.5, 0.0), (1.0, 0.7), (2.0, -1.0)])
def test_the_calibration_line_undoes_stretched_and_shifted_log_odds(factor, shift):
    truth = np.array([p for p, _ in CALIBRATED])
    log_odds = np.log(truth / (1 - truth)) * factor + shift
    slope, intercept = u.calibration_line([y for _, y in CALIBRATED], 1 / (1 + np.exp(-log_odds)))
    assert slope == pytest.approx(1 / factor)
    assert intercept == pytest.approx(-shift / factor, abs=1e-9)


@pytest.mark.parametrize(
    ("labels", "probabilities"),
    [([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]), ([1, 1], [0.4, 0.6]), ([0, 1, 0, 1], [0.3] * 4)],
)
def test_a_calibration_line_without_a_finite_solution_is_refused(labels, probabilities):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="no finite solution"):
            u.calibration_line(labels, probabilities)

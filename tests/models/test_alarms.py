from math import isnan

import numpy as np
import pytest

from models.alarms import Alarms, alarms, threshold_for


def judged(*stays: tuple[list[int], list[float]], raise_at: float = 0.5, clear_below: float = 0.3) -> Alarms:
    """The figures of stays, each the hours' labels and scores."""
    labels = np.concatenate([one for one, _ in stays]).astype(np.int8)
    scores = np.concatenate([one for _, one in stays]).astype(float)
    number = np.repeat(np.arange(len(stays), dtype=np.int32), [len(one) for one, _ in stays])
    return alarms(labels, scores, number, raise_at, clear_below)


def septic(labelled_from: int, alert_at: int, hours: int = 120) -> tuple[list[int], list[float]]:
    """A stay with one hour above the threshold."""
    labels = [int(hour >= labelled_from) for hour in range(hours)]
    return labels, [0.9 if hour == alert_at else 0.0 for hour in range(hours)]


@pytest.mark.parametrize(("alert_at", "found"), [(57, 0), (58, 1), (106, 1), (107, 0)])
def test_an_alert_counts_from_48_hours_before_the_onset_up_to_it(alert_at, found):
    assert judged(septic(100, alert_at)).sensitivity == found


def test_an_alert_that_stays_open_is_not_raised_again():
    labels = [0] * 59 + [1] * 10
    early_and_open = (labels, [0.9] + [0.4] * 68)
    assert judged(early_and_open).sensitivity == 0
    closed_between = (labels, [0.9] + [0.2] * 57 + [0.9] * 11)
    assert judged(closed_between).sensitivity == 1


def test_an_escalation_and_the_way_back_count():
    labels = np.array([0] * 59 + [1] * 10, np.int8)
    number = np.zeros(len(labels), np.int32)
    growing = np.array([0.5] * 62 + [0.8] * 7)
    assert alarms(labels, growing, number, 0.5, 0.4).sensitivity == 0
    assert alarms(labels, growing, number, 0.5, 0.4, (1.5,)).sensitivity == 1
    falling = np.array([0.8] * 62 + [0.5] * 7)
    assert alarms(labels, falling, number, 0.5, 0.4, (1.5,)).sensitivity == 1
    assert alarms(labels, falling, number, 0.5, 0.3, (1.5,)).sensitivity == 0


def test_an_alert_does_not_last_into_the_next_stay():
    assert judged(([0, 0], [0.1, 0.9]), ([0, 0], [0.4, 0.4])).stays == 0.5


def test_shares_are_of_stays():
    found = judged(septic(50, 50), septic(50, 0), septic(0, 3), ([0] * 5, [0.9] * 5), ([0] * 5, [0.0] * 5))
    assert found.stays == 0.8
    assert found.sensitivity == pytest.approx(2 / 3)
    assert found.sensitivity_unlabelled_at_first == 0.5
    assert found.predictive_value == 0.75
    assert found.predictive_value_in_time == 0.5
    assert found.lead_h == 6


def test_without_a_septic_stay_there_is_nothing_to_find():
    found = judged(([0, 0], [0.9, 0.9]))
    assert isnan(found.sensitivity)
    assert isnan(found.lead_h)
    assert found.predictive_value == 0


def test_the_threshold_for_a_share_lets_no_more_stays_alert():
    scores = np.arange(100) / 100
    number = np.arange(100, dtype=np.int32)
    threshold = threshold_for(0.1, np.zeros(100, np.int8), scores, number, 0.75)
    assert threshold == pytest.approx(0.9, abs=0.0101)
    assert np.mean(scores >= threshold) == pytest.approx(0.1)

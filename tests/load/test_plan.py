"""The plan is made beforehand: the same for a seed, at the rate asked for, alike for echo and service."""

from itertools import pairwise

import pytest

from load_tests.patients import CALM, LABOURED, LABS, RESPIRATION, SIGNS
from load_tests.plan import SECOND, Load, Planned, Target, plan

MEASURES = (*SIGNS, *LABS)
LOAD = Load(200, seconds=20, warmup=5, patients=7)


def of(planned: list[Planned], target: Target) -> list[Planned]:
    return [one for one in planned if one.target is target]


def test_the_same_seed_gives_the_same_plan_and_another_one_another():
    assert plan(LOAD, MEASURES) == plan(LOAD, MEASURES)
    assert plan(LOAD, MEASURES) != plan(Load(200, seconds=20, warmup=5, patients=7, seed=2), MEASURES)


@pytest.mark.parametrize("rate", [0.5, 100, 1000])
def test_arrivals_come_at_the_rate_and_as_irregularly_as_a_poisson_process(rate):
    load = Load(rate, seconds=200, warmup=0)
    service = of(plan(load, MEASURES), Target.SERVICE)
    expected = rate * load.seconds
    assert abs(len(service) - expected) < 5 * expected**0.5
    counts = [sum(one.turn == turn for one in service) for turn in range(1, 80, 2)]
    mean = sum(counts) / len(counts)
    spread = sum((count - mean) ** 2 for count in counts) / (len(counts) - 1)
    assert 0.3 < spread / mean < 3


def test_echo_and_service_get_the_same_observations_at_the_same_distances():
    planned = plan(LOAD, MEASURES)
    for turn in range(0, planned[-1].turn, 2):
        echo, service = ([one for one in planned if one.turn == number] for number in (turn, turn + 1))
        apart = {late.due - early.due for early, late in zip(echo, service, strict=True)}
        assert apart == {round((LOAD.segment + LOAD.pause) * SECOND)}
        assert [one[4:] for one in echo] == [one[4:] for one in service]


def test_records_are_planned_in_order_and_turns_do_not_touch():
    planned = plan(LOAD, MEASURES)
    assert all(early.due <= late.due for early, late in pairwise(planned))
    for early, late in pairwise(planned):
        if early.turn != late.turn:
            assert late.due - early.due >= LOAD.pause * SECOND


def test_the_warm_up_does_not_count():
    planned = plan(LOAD, MEASURES)
    assert {one.turn for one in planned if not one.counts} == {0, 1}
    assert len({one.turn for one in planned if one.counts}) == 2 * LOAD.seconds // LOAD.segment


def test_every_tenth_observation_turns_a_patients_breathing():
    service = of(plan(LOAD, MEASURES), Target.SERVICE)
    turning = [one for one in service if one.alerts]
    assert len(turning) == len(service) // LOAD.alert_every
    for patient in range(LOAD.patients):
        rates = [value for one in turning if one.patient == patient for _, value in one.items]
        assert rates == [LABOURED if number % 2 == 0 else CALM for number in range(len(rates))]
    assert all(measure is RESPIRATION for one in turning for measure, _ in one.items)
    assert not any(measure is RESPIRATION for one in service if not one.alerts for measure, _ in one.items)

"""The plan of a torture run: all kinds of faults, again for the same seed, and never two at once on one target."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_tests.torture.plan import Kind, plan

SEEDS = st.integers(0, 10_000)
BROKERS = {Kind.BROKER_STOP, Kind.BROKER_KILL, Kind.LEADERS}


@given(SEEDS)
def test_a_seed_plans_the_same_faults_again(seed):
    assert plan(seed, 600) == plan(seed, 600)


@given(SEEDS)
def test_twenty_minutes_have_every_kind_of_fault(seed):
    assert {fault.kind for fault in plan(seed, 1200)} == set(Kind)


@given(SEEDS, st.sampled_from([60, 120, 1200]))
def test_every_fault_ends_before_the_run_does(seed, seconds):
    assert all(fault.at > 0 and fault.at + fault.lasts < seconds for fault in plan(seed, seconds))


@given(SEEDS)
def test_no_two_faults_touch_the_same_worker_or_any_broker_at_once(seed):
    ends: dict[object, float] = {}
    for fault in plan(seed, 1200):
        target = "brokers" if fault.kind in BROKERS else fault.target
        assert ends.get(target, 0) <= fault.at
        ends[target] = fault.at + fault.lasts


@given(SEEDS)
def test_a_paused_worker_sleeps_longer_than_a_takeover_takes(seed):
    assert all(fault.lasts >= 30 for fault in plan(seed, 1200) if fault.kind is Kind.PAUSE)


@given(SEEDS)
def test_another_worker_is_there_when_one_is_paused(seed):
    ends = {0: 0.0, 1: 0.0}
    for fault in plan(seed, 1200):
        if fault.kind is Kind.PAUSE:
            assert max(ends.values()) <= fault.at
        if fault.kind in {Kind.KILL, Kind.PAUSE, Kind.LEAVE}:
            ends[fault.target] = fault.at + fault.lasts


@pytest.mark.parametrize("kind", Kind)
def test_a_plan_can_hold_one_kind_only(kind):
    assert {fault.kind for fault in plan(1, 600, frozenset({kind}))} == {kind}

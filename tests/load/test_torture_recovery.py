"""Recovery is counted from a fault to the answer of every partition, and a silence from answer to answer."""

import pytest

from load_tests.torture.recovery import Mark, by_kind, recoveries


def probed(silent, seconds=60) -> tuple[dict[tuple[int, int], float], dict[tuple[int, int], float]]:
    """Two partitions with a probe a second, answered at once; partition 1 is ``silent`` from one second to another."""
    since, until = silent
    sent = {(partition, second): float(second) for partition in (0, 1) for second in range(seconds)}
    seen = {
        (partition, second): until if partition == 1 and since <= second < until else at + 0.1
        for (partition, second), at in sent.items()
    }
    return sent, seen


def test_recovery_is_that_of_the_slowest_partition():
    (found,) = recoveries([Mark(9.5, "kill", 0)], *probed((10, 18)), 2)
    assert found.recovered == pytest.approx(8.5)
    assert found.silence == pytest.approx(8.5)
    assert found.alone


def test_a_silence_that_begins_later_than_the_first_answer_is_seen():
    (found,) = recoveries([Mark(9.5, "leave", 0)], *probed((14, 20)), 2)
    assert found.recovered == pytest.approx(0.6)
    assert found.silence == pytest.approx(20 - 13.1)


def test_a_silence_belongs_to_the_fault_before_it():
    first, second = recoveries([Mark(5.0, "kill", 0), Mark(30.0, "leave", 1)], *probed((35, 41)), 2)
    assert first.silence == pytest.approx(1.0)
    assert second.silence == pytest.approx(41 - 34.1)


def test_a_partition_that_never_answers_again_has_no_recovery():
    sent, seen = probed((60, 60))
    silent = {probe: at for probe, at in seen.items() if probe[0] == 0 or at < 20}
    (found,) = recoveries([Mark(30.0, "kill", 0)], sent, silent, 2)
    assert found.recovered is None


@pytest.mark.parametrize(("other", "alone"), [(19.0, True), (21.0, False), (33.0, False), (42.0, True)])
def test_a_fault_is_alone_unless_another_comes_shortly_before_or_during_it(other, alone):
    marks = sorted([Mark(30.0, "kill", 0), Mark(other, "leave", 1)], key=lambda mark: mark.at)
    found = recoveries(marks, *probed((30, 38)), 2)
    assert next(one for one in found if one.mark.what == "kill").alone is alone


def test_the_two_halves_of_a_fault_do_not_disturb_each_other():
    found = recoveries([Mark(30.0, "kill", 0), Mark(33.0, "back", 0)], *probed((30, 38)), 2)
    assert all(one.alone for one in found)


def test_figures_are_of_those_that_came_alone_beside_the_greatest_of_all():
    marks = [Mark(10.0, "kill", 0), Mark(40.0, "kill", 1), Mark(41.0, "leave", 2)]
    figures = by_kind(recoveries(marks, *probed((40, 48)), 2))
    assert figures["kill"]["count"] == 2
    assert figures["kill"]["alone"] == 1
    assert figures["kill"]["max"] == pytest.approx(0.1)
    assert figures["kill"]["max of all"] == pytest.approx(8.0)
    assert figures["leave"]["alone"] == 0
    assert figures["leave"]["median"] is None

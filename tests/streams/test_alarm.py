from hypothesis import given
from hypothesis import strategies as st

from streams.alarm import Alarms


def alarms(**instants: int | None) -> Alarms:
    found = Alarms()
    for patient, instant in instants.items():
        found.put(patient, instant)
    return found


def test_an_alarm_rings_at_its_instant_once_and_the_earliest_first():
    found = alarms(a=30, b=10, c=31)
    assert found.take(9) == []
    assert found.take(30) == [("b", 10), ("a", 30)]
    assert found.take(30) == []
    assert found.take(99) == [("c", 31)]


def test_a_new_alarm_takes_the_place_of_the_one_before():
    found = alarms(a=10)
    found.put("a", 20)
    assert found.take(19) == []
    assert found.take(20) == [("a", 20)]
    found.put("a", 40)
    found.put("a", 30)
    assert found.take(50) == [("a", 30)]


def test_an_alarm_can_be_taken_away_and_set_again():
    found = alarms(a=10)
    assert "a" in found
    found.put("a", None)
    found.put("nobody", None)
    assert "a" not in found
    assert found.take(10) == []
    found.put("a", 10)
    assert found.take(10) == [("a", 10)]


def test_an_alarm_that_was_set_back_rings_once():
    found = alarms(a=10)
    found.put("a", 20)
    found.put("a", 10)
    assert found.take(99) == [("a", 10)]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 20), st.booleans()), max_size=40))
def test_what_rings_is_what_was_set_last(steps):
    found, expected = Alarms(), dict[str, int]()
    for number, (patient, instant, take) in enumerate(steps):
        found.put(patient, instant)
        expected.pop(patient, None)
        if instant is not None:
            expected[patient] = instant
        if take:
            rung = sorted((at, who) for who, at in expected.items() if at <= number)
            assert found.take(number) == [(who, at) for at, who in rung]
            expected = {who: at for who, at in expected.items() if at > number}

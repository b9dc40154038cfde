import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.rules.limits import Bounds, Limit, clean, possible
from models.rules.points import Scale, Step
from tests.builders import after, observation

SIDES = ("below", "at_most", "at_least", "above")


@pytest.mark.parametrize(
    ("side", "met"),
    [
        ("below", (True, False, False)),
        ("at_most", (True, True, False)),
        ("at_least", (False, True, True)),
        ("above", (False, False, True)),
    ],
)
def test_a_limit_is_met_on_its_side(side, met):
    limit = Limit(**{side: 5.0})
    assert tuple(limit.met(value) for value in (4.9, 5.0, 5.1)) == met


@pytest.mark.parametrize("sides", [{}, {"below": 1, "above": 2}])
def test_a_limit_has_one_side(sides):
    with pytest.raises(ValidationError):
        Limit(**sides)


@given(
    st.sampled_from(SIDES), st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.floats(0, 1, allow_nan=False)
)
def test_what_is_sure_holds_for_every_value_and_what_is_not_possible_for_none(side, at, one, other, share):
    limit, low, high = Limit(**{side: at}), min(one, other), max(one, other)
    value = Bounds(low, high)
    between = low + (high - low) * share
    assert limit.met(between) or not limit.surely(value)
    assert limit.possibly(value) or not limit.met(between)


@pytest.mark.parametrize(
    ("comparator", "below", "at_most", "at_least", "above"),
    [
        (None, False, True, True, False),
        ("<", True, True, False, False),
        ("<=", False, True, False, False),
        (">=", False, False, True, False),
        (">", False, False, True, True),
    ],
)
def test_a_comparator_makes_sure_what_it_says_and_no_more(comparator, below, at_most, at_least, above):
    entry = after(observation("potassium", 5.0, comparator=comparator)).series["potassium"].entries[0]
    value = possible("potassium", entry)
    assert tuple(Limit(**{side: 5.0}).surely(value) for side in SIDES) == (below, at_most, at_least, above)


def test_of_an_unknown_value_anything_plausible_is_possible():
    assert possible("potassium", None) == Bounds(1.0, 12.0)


@pytest.mark.parametrize(("fahrenheit", "celsius"), [(100.4, 38.0), (100.94, 38.3), (96.8, 36.0)])
def test_a_conversion_leaves_no_noise_on_a_limit(fahrenheit, celsius):
    record = after(observation("temperature", fahrenheit, unit="[degF]"))
    assert possible("temperature", record.series["temperature"].entries[0]) == Bounds(celsius, celsius)
    assert clean(4.9 - 3.9) == 1.0


def test_a_scale_gives_the_most_of_the_lines_that_are_met():
    scale = Scale(unit="1", steps=(Step(below=5, points=1), Step(below=3, points=2), Step(above=9, points=1)))
    assert scale.most == 2
    assert [scale.read(Bounds(value, value))[0] for value in (2, 3, 4, 5, 9, 10)] == [2, 1, 1, 0, 0, 1]
    assert scale.read(Bounds(2, 4)) == (1, 2)
    assert scale.read(Bounds(2, 10)) == (0, 2)

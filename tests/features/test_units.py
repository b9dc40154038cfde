from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.units import Matter, Scale, UnitError, Units

PROPERTIES = {
    "mass": {"g/L": Scale(Fraction(1)), "mg/dL": Scale(Fraction(1, 100))},
    "substance": {
        "mmol/L": Scale(Fraction(1)),
        "umol/L": Scale(Fraction(1, 1000)),
        "meq/L": Scale(Fraction(1)),
    },
    "temperature": {
        "Cel": Scale(Fraction(1)),
        "[degF]": Scale(Fraction(5, 9), Fraction(32)),
        "K": Scale(Fraction(1), Fraction(Decimal("273.15"))),
    },
    "fraction": {"1": Scale(Fraction(1)), "%": Scale(Fraction(1, 100))},
}
UNITS = Units(PROPERTIES, {"umol/L": ["µmol/L"], "[degF]": ["°F"]})
CREATININE = Matter(Decimal("113.12"))


def ways(measured, target, unit, matter=CREATININE):
    return UNITS.conversions(measured, (target, unit), matter)


def test_a_molar_mass_turns_mass_into_substance_and_back():
    assert ways("mass", "substance", "umol/L")["mg/dL"].forward(1.0) == pytest.approx(88.4017, abs=1e-4)
    assert ways("substance", "mass", "mg/dL")["umol/L"].forward(88.4016973125884) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("fahrenheit", "celsius"), [(95.0, 35.0), (96.8, 36.0), (98.6, 37.0), (100.4, 38.0), (102.2, 39.0)]
)
def test_fahrenheit_meets_the_limits_of_news2_exactly(fahrenheit, celsius):
    assert ways("temperature", "temperature", "Cel")["[degF]"].forward(fahrenheit) == celsius


@given(st.integers(0, 100))
def test_a_percentage_becomes_the_very_fraction_that_one_would_write(percent):
    assert ways("fraction", "fraction", "1")["%"].forward(percent) == percent / 100


def test_milliequivalents_are_divided_by_the_charge_and_refused_where_it_is_unknown():
    assert ways("substance", "substance", "mmol/L", Matter(valence=2))["meq/L"].forward(4.0) == 2.0
    assert "meq/L" not in ways("substance", "substance", "mmol/L", Matter())


def test_both_micro_signs_and_a_small_litre_are_the_same_unit():
    expected = {f"{micro}mol/{litre}" for micro in ("u", "\u00b5", "\u03bc") for litre in "Ll"}
    assert set(UNITS.spellings("umol/L")) == expected


@given(
    st.sampled_from([("mass", "substance"), ("substance", "mass"), ("temperature", "temperature")]),
    st.floats(-1e6, 1e6),
)
@pytest.mark.req("VAGT-IN-04")
def test_every_conversion_comes_back(pair, value):
    measured, target = pair
    goal = next(iter(PROPERTIES[target]))
    for way in ways(measured, target, goal).values():
        assert way.back(way.forward(value)) == pytest.approx(value, rel=1e-12, abs=1e-9)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_no_float_raises(value):
    for way in ways("mass", "substance", "umol/L").values():
        way.forward(value)


def test_a_mass_without_molar_mass_is_no_substance():
    with pytest.raises(UnitError, match="molar_mass"):
        ways("mass", "substance", "umol/L", Matter())


def test_properties_that_have_nothing_in_common_do_not_convert():
    with pytest.raises(UnitError, match="nothing converts"):
        ways("fraction", "substance", "umol/L")


@pytest.mark.parametrize("unit", ["[degF]", "furlong"])
def test_one_calculates_neither_in_a_unit_with_an_offset_nor_in_an_unknown_one(unit):
    with pytest.raises(UnitError, match="no unit of temperature"):
        ways("temperature", "temperature", unit)


def test_an_alias_of_no_unit_is_an_error():
    with pytest.raises(UnitError, match="furlong"):
        Units(PROPERTIES, {"furlong": ["fur"]})


def test_a_spelling_of_two_units_is_an_error():
    with pytest.raises(UnitError, match="both"):
        Units(PROPERTIES, {"umol/L": ["uM"], "mmol/L": ["uM"]})

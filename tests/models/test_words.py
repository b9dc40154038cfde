import pytest

from features.catalogue import catalogue
from models.outputs import Reason
from models.words import amount, worded
from tests.builders import after, observation, tick


def said(feature, value, unit=None, age=0, record=None):
    reason = worded(Reason(feature, value, unit, age, 0.5), after(tick(30)) if record is None else record)
    assert reason.text is not None
    return reason.trend, reason.text.en, reason.text.da


@pytest.mark.req("VAGT-DEC-06")
def test_a_reason_names_value_unit_trend_and_age_in_both_languages():
    record = after(observation("potassium", 4.0, 0), observation("potassium", 6.7, 10), tick(11))
    assert said("potassium_last", 6.7, "mmol/L", 60, record) == (
        "rising",
        "Potassium 6.7 mmol/L, rising, 60 min ago",
        "Kalium 6,7 mmol/L, stigende, for 60 min siden",
    )


@pytest.mark.parametrize(
    ("before", "after_", "trend"),
    [(100, 106, "rising"), (100, 104, "steady"), (100, 96, "steady"), (100, 94, "falling")],
)
def test_a_change_below_a_twentieth_is_steady(before, after_, trend):
    record = after(observation("heart_rate", before, 0), observation("heart_rate", after_, 1))
    assert said("heart_rate", float(after_), record=record)[0] == trend


def test_a_value_of_more_than_a_day_before_is_no_trend():
    record = after(observation("potassium", 4.0, 0), observation("potassium", 6.7, 24.1))
    assert said("potassium", 6.7, record=record)[0] is None


def test_what_is_not_known_is_said():
    assert said("lactate_last", None, "mmol/L", None)[1:] == ("Lactate: not known", "Laktat: kendes ikke")


@pytest.mark.parametrize(
    ("minutes", "text"), [(0, "now"), (1, "1 min ago"), (119, "119 min ago"), (120, "2 h ago"), (899, "14 h ago")]
)
def test_the_age_is_told_in_minutes_below_two_hours(minutes, text):
    assert said("heart_rate", 80.0, "/min", minutes)[1].endswith(text)


@pytest.mark.parametrize("feature", ["rest", "age_years", "sex_male", "admitted_h", "unit_h", "oxygen"])
def test_what_is_no_analyte_has_words_of_its_own(feature):
    _, english, danish = said(feature, 61.0)
    assert english != danish
    assert "_" not in english + danish


@pytest.mark.parametrize("name", [name for name, one in catalogue().analytes.items() if one.kind == "number"])
def test_every_analyte_is_said_without_computer_spelling(name):
    analyte = catalogue().analytes[name]
    shown = amount(analyte.low, analyte)
    assert not set("[]{}*_") & set(shown.en + shown.da)


@pytest.mark.parametrize(("value", "shown"), [(1.57, "1.6"), (2.0, "2"), (0.0, "0")])
def test_a_number_without_a_unit_has_a_decimal_where_it_needs_one(value, shown):
    _, english, danish = said("creatinine_ratio_to_lowest_of_7_days", value)
    assert english == f"Creatinine over lowest of 7 days {shown}"
    assert danish == f"Kreatinin over laveste i 7 dage {shown.replace('.', ',')}"

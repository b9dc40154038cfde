import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import Refused
from features.numeral import numeral
from tests.builders import after, observation


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", (5, None)),
        ("<5", (5, "<")),
        (" > 1000 ", (1000, ">")),
        ("≥ 2,5", (2.5, ">=")),
        ("<=0.04", (0.04, "<=")),
        ("7,4", (7.4, None)),
        ("*132", (132, None)),
        ("3,1 *", (3.1, None)),
        ("-2,3", (-2.3, None)),
    ],
)
def test_a_laboratorys_number_is_read(text, expected):
    assert numeral(text) == expected


@pytest.mark.parametrize(
    "text", ["", "-", "negativ", "1.234,5", "1,234.5", "5-7", "7,4 mmol/L", "0x10", "1e3", "nan", "inf", "<", "٣", "5,"]
)
def test_what_is_no_plain_number_is_refused(text):
    with pytest.raises(Refused, match="schema"):
        numeral(text)


@given(st.decimals(-9999, 9999, places=3), st.sampled_from(["", "<", ">", "<=", ">="]), st.sampled_from(".,"))
def test_every_decimal_is_read_with_either_mark(value, sign, mark):
    assert numeral(f"{sign}{value}".replace(".", mark)) == (float(value), sign or None)


@given(st.text(max_size=20))
def test_no_text_raises_anything_but_a_refusal(text):
    try:
        value, _ = numeral(text)
    except Refused:
        return
    assert abs(value) < 1e13


def test_a_number_that_came_as_text_is_used_in_its_unit():
    record = after(observation("potassium", "<3,1", unit="mmol/L"))
    [entry] = record.series["potassium"].entries
    assert (entry.value, entry.comparator, entry.text) == (3.1, "<", None)

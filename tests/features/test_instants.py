from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from features.instants import parse, render

FIRST, LAST = parse("0001-01-01T00:00:00Z"), parse("9999-12-31T23:59:59.999Z")


@settings(deadline=None)
@given(st.integers(FIRST, LAST))
def test_every_instant_comes_back_from_its_text(instant):
    assert parse(render(instant)) == instant


@settings(deadline=None)
@given(st.integers(FIRST, LAST), st.integers(-23 * 60 - 59, 23 * 60 + 59))
def test_an_offset_changes_the_text_and_not_the_instant(instant, minutes):
    offset = timezone(timedelta(minutes=minutes))
    try:
        text = datetime.fromisoformat(render(instant)).astimezone(offset).isoformat(timespec="milliseconds")
    except OverflowError:
        assume(False)
    assert parse(text) == instant


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:00:00-01:00", 0),
        ("1970-01-01T00:00:00-00:00", 0),
        ("1970-01-01T00:00:00.5Z", 500),
        ("1970-01-01T00:00:00.0019Z", 1),
        ("1970-01-01T00:00:00.123456789012Z", 123),
        ("1969-12-31T23:59:59.9999Z", -1),
        ("2024-02-29T12:00:00+05:45", 1709187300000),
        ("1890-06-01T00:00:00Z", -2511475200000),
    ],
)
def test_a_date_time_is_whole_milliseconds_since_the_epoch(text, instant):
    assert parse(text) == instant


def test_an_instant_is_written_in_utc_with_milliseconds():
    assert render(parse("2026-03-01T09:42:00+01:00")) == "2026-03-01T08:42:00.000Z"
    assert render(-1) == "1969-12-31T23:59:59.999Z"


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T09:42:00",  # no offset
        "2026-03-01",
        "2026-03-01T09:42+01:00",  # no seconds
        "2026-03-01 09:42:00+01:00",
        "2026-03-01T09:42:00+0100",
        "2026-03-01T09:42:00+01",
        "2026-03-01T09:42:00 +01:00",
        "2026-03-01T09:42:00+01:00\n",
        " 2026-03-01T09:42:00+01:00",
        "2026-03-01T09:42:00.+01:00",
        "2026-03-01T09:42:00,5+01:00",
        "20260301T094200Z",
        "2026-W09-7T09:42:00Z",
        "2026-060T09:42:00Z",
        "+2026-03-01T09:42:00Z",
        "２０２６-03-01T09:42:00Z",  # digits, and not ASCII
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T09:60:00Z",
        "2026-03-01T09:42:00+24:00",
        "2026-03-01T09:42:00+01:60",
        "2016-12-31T23:59:60Z",  # a leap second
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",  # the year 0 in UTC
        "9999-12-31T23:59:59-00:01",
        "1772354520000",
        "",
    ],
)
def test_any_other_form_is_refused(text):
    with pytest.raises(ValueError, match="must be"):
        parse(text)


@settings(deadline=None)
@given(
    st.one_of(
        st.text(),
        st.from_regex(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", fullmatch=True),
        st.none(),
        st.integers(),
        st.binary(),
        st.lists(st.text()),
    )
)
def test_whatever_comes_is_an_instant_or_a_value_error_that_does_not_repeat_it(text):
    try:
        found = parse(text)
    except ValueError as error:
        said = str(error)
    else:
        said = ""
        assert FIRST <= found <= LAST
    assert not isinstance(text, str) or len(text) < 10 or text not in said

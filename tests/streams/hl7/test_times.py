"""Times of HL7 v2."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import Refused
from features.instants import HOUR, MINUTE, parse, render
from streams.hl7.times import instant

DENMARK = ZoneInfo("Europe/Copenhagen")


def read(text, near="2026-03-01T00:00:00Z"):
    return render(instant(text, "OBX-14", DENMARK, parse(near)))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("202603010942", "2026-03-01T08:42:00.000Z"),
        ("20260301094207", "2026-03-01T08:42:07.000Z"),
        ("20260701094207", "2026-07-01T07:42:07.000Z"),
        ("20260301094207.1239", "2026-03-01T08:42:07.123Z"),
        ("20260301094207+0000", "2026-03-01T09:42:07.000Z"),
        ("202603010942-0530", "2026-03-01T15:12:00.000Z"),
    ],
)
def test_a_time_without_an_offset_is_local(text, meant):
    assert read(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "20260301",
        "2026030109",
        "202613010942",
        "202602300942",
        "20260301094260",
        "202603010942+9900",
        "2026-03-01T09:42",
        "000101010000+0100",
        "²02603010942",
    ],
)
def test_what_is_no_time_to_the_minute_is_refused(text):
    with pytest.raises(Refused, match="schema: OBX-14"):
        read(text)


def test_the_hour_that_spring_leaves_out_does_not_exist():
    assert read("202603290159") == "2026-03-29T00:59:00.000Z"
    with pytest.raises(Refused, match="exists"):
        read("202603290200")
    with pytest.raises(Refused, match="exists"):
        read("202603290259")
    assert read("202603290300") == "2026-03-29T01:00:00.000Z"


@pytest.mark.req("VAGT-IN-14")
def test_the_hour_that_comes_twice_is_the_one_nearest_to_what_is_known():
    assert read("202610250230", near="2026-10-25T00:31:00Z") == "2026-10-25T00:30:00.000Z"
    assert read("202610250230", near="2026-10-25T01:31:00Z") == "2026-10-25T01:30:00.000Z"
    assert read("202610250130", near="2026-10-25T01:31:00Z") == "2026-10-24T23:30:00.000Z"


@given(st.integers(parse("1995-01-01T00:00:00Z"), parse("2037-12-31T00:00:00Z")), st.integers(-20, 20))
def test_a_clock_on_the_wall_is_read_back_where_it_is_nearly_known(at, off):
    from datetime import UTC, datetime

    at -= at % MINUTE
    local = datetime.fromtimestamp(at / 1000, UTC).astimezone(DENMARK)
    assert instant(local.strftime("%Y%m%d%H%M"), "MSH-7", DENMARK, at + off * MINUTE) == at
    assert 0 <= abs(off) * MINUTE < HOUR

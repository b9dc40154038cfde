import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.instants import DAY
from features.record import Record, encode
from features.series import MOST_BYTES, MOST_ENTRIES, Entry, Extremes, Series, widen, within_bounds

DAY_0 = 20_000 * DAY


def entry(effective: int, value: float | None = 1.0, **fields) -> Entry:
    common = {"issued": effective, "id": f"{effective}", "version": 1, "status": "final", "code": "c"}
    return Entry(effective=effective, value=value, **{**common, **fields})


ENTRIES = st.lists(
    st.builds(entry, st.integers(0, 5 * DAY).map(lambda t: DAY_0 + t), st.none() | st.floats(-1e6, 1e6)),
    unique_by=lambda one: one.id,
    max_size=30,
)


def built(entries) -> Series:
    series = Series()
    for one in entries:
        series = series.put(one, None)
    return series


@settings(deadline=None)
@given(ENTRIES, st.randoms())
def test_entries_lie_in_time_order_however_they_come(entries, random):
    series = built(entries)
    random.shuffle(entries)
    assert built(entries).entries == series.entries == tuple(sorted(entries, key=lambda one: one.effective))


@settings(deadline=None)
@given(ENTRIES, st.integers(0, 5 * DAY))
def test_what_is_carried_over_is_what_would_be_worked_out_anew(entries, horizon):
    for series in (built(entries), built(entries).expire(DAY_0 + horizon)):
        fresh = Series(series.entries, series.extremes)
        carried = (series.by_id, series.times, series.values, series.weight)
        assert carried == (fresh.by_id, fresh.times, fresh.values, fresh.weight)


@settings(deadline=None)
@given(ENTRIES, st.integers(0, 5 * DAY))
def test_a_series_is_never_changed(entries, horizon):
    series = built(entries)
    before = (series.entries, series.extremes, dict(series.by_id), list(series.times), list(series.values))
    after = series.put(entry(DAY_0 + 6 * DAY), None).expire(DAY_0 + horizon)
    assert after is not series
    assert before == (series.entries, series.extremes, series.by_id, series.times, series.values)


@settings(deadline=None)
@given(ENTRIES, st.integers(0, 5 * DAY))
def test_what_expires_becomes_the_extremes_of_its_day(entries, horizon):
    series = built(entries).expire(DAY_0 + horizon)
    gone = [one for one in entries if one.effective < DAY_0 + horizon]
    days = {one.effective // DAY for one in gone if one.value is not None}
    assert [one.day for one in series.extremes] == sorted(days)
    for day in series.extremes:
        values = [one.value for one in gone if one.value is not None and one.effective // DAY == day.day]
        assert (day.low, day.high) == (min(values), max(values))


def test_an_entry_expires_when_it_is_older_than_the_horizon_and_not_at_it():
    series = built([entry(DAY_0)])
    assert series.expire(DAY_0) is series
    assert series.expire(DAY_0 + 1).entries == ()


def test_a_day_ends_at_midnight_utc():
    extremes = widen((), [entry(DAY_0 + DAY - 1, 5.0), entry(DAY_0 + DAY, 7.0), entry(DAY_0, 3.0)])
    assert extremes == (Extremes(20_000, 3.0, 5.0), Extremes(20_001, 7.0, 7.0))


def test_days_are_dropped_before_a_day():
    series = Series((), widen((), [entry(DAY_0), entry(DAY_0 + DAY)]))
    assert series.drop_days_before(20_000) is series
    assert [one.day for one in series.drop_days_before(20_001).extremes] == [20_001]


def test_the_oldest_leave_early_when_there_are_too_many():
    series = built(entry(DAY_0 + minute, float(minute)) for minute in range(MOST_ENTRIES + 2))
    assert len(series.entries) == MOST_ENTRIES
    assert series.entries[0].value == 2.0
    assert series.extremes == (Extremes(20_000, 0.0, 1.0),)


def test_the_last_entry_is_the_newest_with_a_result():
    series = built([entry(1, 5.0), entry(2, None, text="A"), entry(3, None, status="cancelled")])
    last, before = series.last(), series.last(before=1)
    assert last is not None
    assert before is not None
    assert (last.text, before.value, series.last(before=0)) == ("A", 5.0, None)


def long_series(number: int, **fields) -> Series:
    return Series(tuple(entry(DAY_0 + one, id=f"{one:0200}", **fields) for one in range(number)))


def test_a_flood_of_one_analyte_leaves_the_others_alone():
    series = {"flood": long_series(20_000), "calm": long_series(50), "empty": Series()}
    bounded = within_bounds(series)
    assert bounded["calm"] is series["calm"]
    assert bounded["empty"] is series["empty"]
    assert sum(one.size for one in bounded.values()) <= MOST_BYTES
    kept = bounded["flood"].entries
    assert kept == series["flood"].entries[-len(kept) :]
    assert len(kept) * 16 > 15 * MOST_BYTES // (kept[0].size + 10)
    assert bounded["flood"].days[0].low == 1.0


def test_what_is_within_the_bounds_stays_as_it_is():
    series = {"a": long_series(100), "b": long_series(1)}
    assert within_bounds(series) is series


@pytest.mark.parametrize("letter", ["x", "å", "🩸"])
def test_a_record_is_never_larger_in_bytes_than_its_bound_whatever_its_letters(letter):
    flood = Series(tuple(entry(DAY_0 + one, id=f"{one}" + letter * 190, device=letter * 500) for one in range(12_000)))
    record = Record(series=within_bounds({"flood": flood}))
    assert record.series["flood"].entries
    assert len(encode(record)) <= 1.05 * MOST_BYTES


def test_daily_extremes_of_too_many_merged_patients_lose_their_oldest_days():
    days = tuple(Extremes(day, 1.0, 2.0, f"p-{source}") for day in range(400) for source in range(300))
    bounded = within_bounds({"a": Series((), days), "b": long_series(10)})
    assert sum(one.size for one in bounded.values()) <= MOST_BYTES
    assert bounded["a"].days == days[-len(bounded["a"].days) :]
    assert len(bounded["b"].entries) == 10

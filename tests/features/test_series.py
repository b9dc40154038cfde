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


#: The instants of 30 entries, three hours between them.
EIGHTHS = range(DAY_0, DAY_0 + 30 * DAY // 8, DAY // 8)


def told(series: Series) -> tuple[object, ...]:
    """All that a series says of its entries."""
    instants = [one.effective for one in series.entries] or [DAY_0]
    edges = sorted({edge for instant in instants for edge in (instant - 1, instant, instant + 1)})
    return (
        series.entries,
        series.days,
        (series.count, series.oldest, series.weight),
        (series.times, series.values),
        [series.find(f"{instant}") for instant in (*edges, *EIGHTHS)],
        [series.last(edge) for edge in edges],
        series.last(),
        [series.between(edge, edges[-1 - place]) for place, edge in enumerate(edges)],
    )


@settings(deadline=None)
@given(ENTRIES, st.integers(0, 5 * DAY))
def test_what_is_carried_over_is_what_would_be_worked_out_anew(entries, horizon):
    for series in (built(entries), built(entries).expire(DAY_0 + horizon)):
        assert told(series) == told(Series(series.entries, series.days))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "put", "put", "replace", "without", "expire", "lighter", "days"]),
            st.sampled_from(EIGHTHS),
            st.sampled_from([1.0, 2.5, None]),
            st.integers(0, 3),
        ),
        max_size=40,
    )
)
def test_a_series_is_never_changed_by_what_others_were_made_of_it(steps):
    """Each step makes a series of one of the last few, so that several go on from the same one."""
    all_series = [built(map(entry, EIGHTHS[:12]))]
    told_then = [told(all_series[0])]
    for action, instant, value, back in steps:
        series = all_series[-1 - back % len(all_series)]
        one = entry(instant, value)
        known = series.find(one.id)
        if action == "put" and known is None:
            expected = tuple(sorted((*series.entries, one), key=lambda kept: kept.effective))
            series = series.put(one, None)
            assert series.entries == expected
        elif action == "replace" and known is not None:
            series = series.put(one, known)
            assert series.find(one.id) is one
        elif action == "without" and known is not None:
            series = series.without(known)
            assert series.find(one.id) is None
        elif action == "expire":
            expected = tuple(kept for kept in series.entries if kept.effective >= one.effective)
            series = series.expire(one.effective)
            assert series.entries == expected
        elif action == "lighter":
            series = series.lighter()
        elif action == "days":
            series = series.with_days(widen(series.days, [one]))
        assert told(series) == told(Series(series.entries, series.days))
        all_series.append(series)
        told_then.append(told(series))
    assert list(map(told, all_series)) == told_then


def test_a_name_that_comes_again_after_its_entry_expired_means_the_new_one():
    series = built(map(entry, EIGHTHS[:12]))
    fewer = series.expire(EIGHTHS[1])
    again = entry(EIGHTHS[20], id=f"{EIGHTHS[0]}")
    after = fewer.put(again, None)
    found = [one.find(again.id) for one in (series, fewer, after)]
    assert found == [series.entries[0], None, again]
    assert after.entries == (*series.entries[1:], again)


def test_entries_between_two_instants_lie_there_or_on_their_edge():
    series = built([entry(DAY_0 + hour) for hour in range(5)])
    assert [one.effective - DAY_0 for one in series.between(DAY_0 + 1, DAY_0 + 3)] == [1, 2, 3]
    assert series.between(DAY_0 + 5, DAY_0 + 9) == series.between(DAY_0 + 3, DAY_0 + 1) == []


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

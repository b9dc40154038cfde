from itertools import permutations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.alert import AlertMemory
from features.apply import apply
from features.catalogue import Refused, catalogue
from features.instants import DAY, HOUR, MINUTE
from features.record import ENCOUNTER, TIME, Record, decode, encode
from features.series import MOST_ENTRIES, Entry, Extremes, Series
from features.vector import vector
from tests.builders import NPU, START, after, at, content, encounter, moment, observation, tick

KIDNEY, HEART = "creatinine", "heart_rate"


def applied(record, event, **settings):
    return apply(record, event, catalogue(), **settings)


def reason(record, event) -> str:
    before = encode(record)
    with pytest.raises(Refused) as caught:
        applied(record, event)
    assert encode(record) == before
    return caught.value.reason


def values(record: Record, analyte: str = HEART) -> list[float]:
    return [*record.series[analyte].values] if analyte in record.series else []


# ---------------------------------------------------------------- observations


def test_an_observation_is_kept_in_canonical_unit_with_what_was_sent():
    entry = (
        after(observation(KIDNEY, 1.5, code={"system": "http://loinc.org", "code": "2160-0"}, unit="mg/dL"))
        .series[KIDNEY]
        .entries[0]
    )
    assert entry.value == pytest.approx(132.6, abs=0.1)
    assert (entry.sent, entry.unit, entry.code) == (1.5, "mg/dL", "2160-0")


def test_late_and_out_of_order_observations_lie_in_their_place():
    record = after(
        observation(value=90, hour=3), observation(value=70, hour=1, issued=4), observation(value=80, hour=2)
    )
    assert values(record) == [70, 80, 90]
    assert record.now == moment(4)


@pytest.mark.req("VAGT-IN-06")
def test_a_repeated_observation_changes_nothing():
    record = after(observation())
    again = applied(record, observation())
    assert (again.record, again.changed, again.replaced) == (record, frozenset(), frozenset())


def test_a_repeat_that_became_known_later_moves_only_the_patients_now():
    record = after(observation())
    again = applied(record, observation(issued=2))
    assert again.changed == frozenset()
    assert again.record.now == moment(2)
    assert again.record.series is record.series


@pytest.mark.req("VAGT-IN-06")
def test_a_corrected_result_replaces_the_earlier_one_wherever_it_lies():
    record = after(*(observation(value=60 + hour, hour=hour) for hour in range(5)))
    corrected = applied(record, observation(value=99, hour=2, issued=6, version=2, status="corrected"))
    assert values(corrected.record) == [60, 61, 99, 63, 64]
    assert (corrected.changed, corrected.replaced) == ({HEART}, {"heart_rate-2"})


@pytest.mark.req("VAGT-IN-06")
def test_a_lower_version_changes_nothing():
    record = after(observation(value=99, version=3))
    late = applied(record, observation(value=60, version=2))
    assert (late.record, late.changed) == (record, frozenset())


@pytest.mark.parametrize(
    "other",
    [
        {"value": 81.0},
        {"status": "preliminary"},
        {"hour": 0.5, "id": "heart_rate-0", "issued": 0.5},
        {"comparator": "<"},
        {"analyte": "respiratory_rate", "id": "heart_rate-0"},
        {"analyte": "consciousness", "value": "A", "id": "heart_rate-0"},
    ],
)
@pytest.mark.req("VAGT-IN-07")
def test_the_same_version_with_another_content_is_a_conflict(other):
    assert reason(after(observation()), observation(**other)) == "conflict"


def test_the_same_version_of_a_converted_value_is_no_conflict():
    fahrenheit = observation("temperature", 101.3, unit="[degF]")
    assert applied(after(fahrenheit), fahrenheit).changed == frozenset()
    assert reason(after(fahrenheit), observation("temperature", 101.2, unit="[degF]")) == "conflict"


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
@pytest.mark.req("VAGT-IN-06")
def test_a_withdrawn_result_is_gone_even_when_the_withdrawal_comes_first(status):
    first, gone = observation(value=60), observation(value=None, version=2, status=status, issued=1)
    for order in permutations([first, gone]):
        record = after(*order)
        assert values(record) == []
        assert record.series[HEART].last() is None
    assert applied(after(first), gone).replaced == {first.id}
    assert applied(after(gone), first).changed == frozenset()


def test_a_result_may_come_again_after_it_was_withdrawn():
    record = after(
        observation(),
        observation(value=None, version=2, status="cancelled"),
        observation(value=70, version=3),
    )
    assert values(record) == [70]


def test_a_registered_result_is_known_by_its_value_later():
    record = after(observation(value=None, status="registered"))
    assert values(record) == []
    assert values(after(observation(value=70, version=2), record=record)) == [70]


def test_a_correction_may_change_the_code():
    wrong = observation("potassium", 4.5, id="x")
    right = observation("respiratory_rate", 14, id="x", version=2, status="corrected")
    change = applied(after(wrong), right)
    assert (change.changed, change.replaced) == ({"potassium", "respiratory_rate"}, {"x"})
    for order in permutations([wrong, right]):
        record = after(*order)
        assert (values(record, "potassium"), values(record, "respiratory_rate")) == ([], [14])
    assert reason(change.record, observation("potassium", 4.5, id="x", version=2)) == "conflict"


def test_a_correction_may_move_the_effective_time():
    moved = observation(value=60, hour=4, id="heart_rate-0", version=2)
    for order in permutations([observation(value=60), observation(value=70, hour=2), moved]):
        assert values(after(*order)) == [70, 60]


def test_a_correction_that_moves_a_value_out_of_what_is_kept_leaves_its_days_extremes():
    record = after(
        observation(value=60, hour=100),
        observation(value=61, hour=1, issued=101, id="heart_rate-100", version=2),
    )
    assert values(record) == []
    assert record.series[HEART].extremes == (Extremes(START // DAY, 61, 61),)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (observation(code={"system": NPU, "code": "NPU99999"}), "unknown-code"),
        (observation(unit="mm[Hg]"), "unknown-unit"),
        (observation(unit=None), "unknown-unit"),
        (observation("temperature", 98.6), "implausible"),
        (observation(value=1e308), "implausible"),
        (observation("consciousness", "X"), "implausible"),
        (observation(value="fast"), "schema"),
        (observation(value=None, status="cancelled", code={"system": NPU, "code": "x"}), "unknown-code"),
    ],
)
def test_a_result_that_the_catalogue_refuses_leaves_the_record_as_it_was(event, why):
    assert reason(after(observation(value=70)), event) == why


# ---------------------------------------------------------------- instants that cannot be


@pytest.mark.parametrize("effective", ["1890-06-01T00:00:00Z", "0001-01-01T00:00:00Z"])
@pytest.mark.req("VAGT-IN-11")
def test_a_result_from_before_anyone_alive_was_born_is_implausible(effective):
    assert reason(Record(), observation(effective=effective)) == "implausible"


@pytest.mark.req("VAGT-IN-11")
def test_a_result_of_next_week_is_implausible():
    assert reason(Record(), observation(hour=7 * 24, issued=0)) == "implausible"


@pytest.mark.req("VAGT-IN-11")
def test_a_producers_clock_may_be_ahead_by_the_allowed_skew_and_no_more():
    ahead = moment(0) + 10 * MINUTE
    just, over = (observation(issued=0, effective=at((ahead + ms - START) / HOUR)) for ms in (0, 1))
    assert applied(Record(), just).changed == {HEART}
    assert reason(Record(), over) == "implausible"
    assert applied(Record(), over, max_skew=11 * MINUTE).changed == {HEART}


# ---------------------------------------------------------------- what is kept


@pytest.mark.parametrize(("analyte", "hours"), [(HEART, 72), (KIDNEY, 400 * 24)])
def test_an_observation_is_kept_to_the_last_millisecond_and_then_becomes_its_days_extremes(analyte, hours):
    first = observation(analyte, 100)
    at_the_limit = after(first, tick(hours))
    assert values(at_the_limit, analyte) == [100]
    assert after(tick(hours), first).series[analyte].values.tolist() == [100]
    beyond = after(tick(hours + 1 / HOUR), record=at_the_limit)
    assert values(beyond, analyte) == []
    assert beyond.series[analyte].extremes == (Extremes(START // DAY, 100, 100),)


def test_an_old_result_that_comes_late_is_kept_as_its_days_extremes():
    early = after(observation(value=60), observation(value=90, hour=1), tick(100))
    late = after(tick(100), observation(value=90, hour=1), observation(value=60))
    assert content(late) == content(early)
    assert early.series[HEART].extremes == (Extremes(START // DAY, 60, 90),)


def test_an_old_result_that_is_repeated_changes_nothing():
    record = after(observation(value=60), tick(100))
    assert applied(record, observation(value=60)).changed == frozenset()


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 2, "status": "corrected"},
        {"version": 2},
        {"status": "amended"},
        {"status": "cancelled", "value": None},
        {"status": "entered-in-error", "value": None, "version": 5},
    ],
)
def test_a_correction_of_something_no_longer_kept_is_too_old(fields):
    gone = after(observation(), tick(72 + 1 / HOUR))
    assert reason(gone, observation(**fields)) == "too-old"


def test_a_correction_of_what_is_just_still_kept_counts():
    corrected = observation(value=99, version=2, status="corrected", issued=72)
    assert values(after(observation(), tick(72), corrected)) == [99]


def test_a_result_from_before_the_longest_time_kept_is_too_old():
    just = after(tick(400 * 24))
    assert applied(just, observation()).changed == {HEART}
    assert reason(after(tick(400 * 24 + 1 / HOUR)), observation()) == "too-old"


def test_the_days_extremes_go_after_the_longest_time_kept():
    day_end = 24 + 400 * 24  # START is a midnight
    record = after(observation(), tick(100))
    assert after(tick(day_end - 1 / HOUR), record=record).series[HEART].extremes
    assert not after(tick(day_end), record=record).series[HEART].extremes


@pytest.mark.req("VAGT-REL-09")
def test_no_patient_grows_without_bound():
    record = after(*(observation(value=60 + n % 50, hour=n / 3600, id=f"{n}") for n in range(MOST_ENTRIES + 10)))
    assert len(record.series[HEART].entries) == MOST_ENTRIES
    assert record.series[HEART].extremes == (Extremes(START // DAY, 60, 69),)


# ---------------------------------------------------------------- the patient's now


@pytest.mark.req("VAGT-DEC-02")
def test_now_is_the_greatest_instant_at_which_anything_became_known():
    record = after(observation(hour=1, issued=5))
    assert record.now == moment(5)
    assert after(observation(hour=2, issued=3), record=record).now == moment(5)
    assert after(tick(6), record=record).now == moment(6)
    assert after(encounter("admit", 2, issued=at(7)), record=record).now == moment(7)


@pytest.mark.req("VAGT-DEC-02")
def test_a_tick_changes_time_and_nothing_else():
    record = after(observation())
    change = applied(record, tick(1))
    assert change.changed == {TIME}
    assert change.record.series == record.series


@pytest.mark.parametrize("hour", [0, -1])
def test_a_tick_that_brings_no_time_changes_nothing(hour):
    record = after(observation())
    change = applied(record, tick(hour))
    assert (change.record, change.changed) == (record, frozenset())


def test_an_encounter_record_is_a_change_of_the_encounter():
    change = applied(Record(), encounter("admit"))
    assert change.changed == {ENCOUNTER}
    assert applied(change.record, encounter("admit")).changed == frozenset()


# ---------------------------------------------------------------- any history

END = 300
hours = st.integers(0, END * 60).map(lambda minute: minute / 60)
recent = st.integers((END - 72) * 60, END * 60).map(lambda minute: minute / 60)
analytes = st.sampled_from([HEART, "respiratory_rate", KIDNEY])
numbers = st.integers(16, 90).map(float)
STATUSES = ["preliminary", "final", "corrected", "cancelled", "registered"]


@st.composite
def a_single_result(draw, number):
    hour = draw(hours)
    status = draw(st.sampled_from(["preliminary", "final"]))
    issued = min(END, hour + draw(st.integers(0, 40)))
    return [observation(draw(analytes), draw(numbers), hour, max(hour, issued), id=f"o{number}", status=status)]


@st.composite
def a_result_in_versions(draw, number):
    """Versions of one observation; value, time and code may change, and it may be taken away."""
    found = []
    for version in draw(st.lists(st.integers(1, 5), unique=True, min_size=1, max_size=4)):
        status = draw(st.sampled_from(STATUSES))
        hour = draw(recent)
        fields = {"id": f"v{number}", "version": version, "status": status}
        found.append(
            observation(draw(analytes), draw(numbers), hour, min(END, hour + draw(st.integers(0, 3))), **fields)
        )
    return found


@st.composite
def an_encounter_in_versions(draw, number):
    return [
        encounter(
            draw(st.sampled_from(["admit", "transfer", "discharge", "update", "cancel"])),
            draw(hours),
            id=f"e{number}",
            version=version,
            ward=draw(st.sampled_from([None, "A", "B"])),
            unitType=draw(st.sampled_from([None, "ward", "icu"])),
            flags=draw(st.sampled_from([None, [], ["pregnant"]])),
        )
        for version in draw(st.lists(st.integers(1, 3), unique=True, min_size=1, max_size=3))
    ]


@st.composite
def histories(draw):
    """Distinct events of a patient, and the same events repeated and in another order."""
    groups = [draw(a_single_result(n)) for n in range(draw(st.integers(0, 8)))]
    groups += [draw(a_result_in_versions(n)) for n in range(draw(st.integers(0, 4)))]
    groups += [draw(an_encounter_in_versions(n)) for n in range(draw(st.integers(0, 3)))]
    events = [event for group in groups for event in group]
    repeats = draw(st.lists(st.sampled_from(events), max_size=4)) if events else []
    return events, draw(st.permutations(events + repeats))


@settings(max_examples=300, deadline=None)
@given(histories())
@pytest.mark.req("VAGT-IN-08")
def test_what_is_known_in_the_end_does_not_depend_on_the_order_of_arrival(history):
    events, shuffled = history
    one, other = (after(*order, tick(END)) for order in (events, shuffled))
    assert content(one) == content(other)
    assert list(map(repr, vector(one))) == list(map(repr, vector(other)))


@settings(max_examples=100, deadline=None)
@given(histories(), st.integers(0, 500))
def test_an_earlier_record_is_never_changed_and_what_is_stored_comes_back(history, more):
    _, events = history
    record = Record()
    for event in events:
        before, change = encode(record), applied(record, event)
        assert encode(record) == before
        record = change.record
        restored = decode(encode(record))
        assert content(restored) == content(record)
        # A restored record goes on as one that was never stored.
        assert content(after(tick(END + more), record=restored)) == content(after(tick(END + more), record=record))


# ---------------------------------------------------------------- the stored form


def test_open_alerts_are_stored():
    alerts = {"news2": AlertMemory("a", 3, "raised", 1, ("lab-1", "lab-2"), supported=5, feedback=("fb-1",))}
    assert decode(encode(Record(now=5, alerts=alerts))).alerts == alerts


def test_a_level_below_the_mildest_is_not_read():
    with pytest.raises(ValueError, match="cannot be read"):
        decode(encode(Record(now=5, alerts={"news2": AlertMemory("a", 1, "raised", -1)})))


@pytest.mark.parametrize("cut", [0, 1, 10, -1])
def test_a_damaged_record_is_not_read(cut):
    with pytest.raises(ValueError, match="cannot be read"):
        decode(encode(after(observation()))[:cut])


def test_a_record_of_another_form_is_not_read():
    with pytest.raises(ValueError, match="form 999"):
        decode(msgspec.msgpack.encode([999, 0, {}, [], {}]))


def test_a_day_of_extremes_and_an_entry_survive_storing_bit_for_bit():
    entry = Entry(1, 2, "i", 3, "final", "c", 0.1 + 0.2, None, "<", "u", 1e-310)
    record = Record(series={HEART: Series((entry,), (Extremes(1, -0.0, 5e-324),))})
    assert repr(content(decode(encode(record)))) == repr(content(record))


def test_the_newest_seal_of_an_identifier_is_kept_and_stored():
    record = after(observation(), tick(1))
    assert record.sealed is None
    record = after(observation(hour=1, sealed="one"), observation(hour=2, sealed="two"), tick(3), record=record)
    assert record.sealed == decode(encode(record)).sealed == "two"
    assert after(observation(hour=2, sealed="three"), record=record).sealed == "three", "a repeat may be newer"


def test_a_record_that_was_stored_before_there_were_seals_is_read():
    record = after(observation(), encounter())
    form = msgspec.msgpack.decode(encode(record))
    assert content(decode(msgspec.msgpack.encode(form[:-1]))) == content(record)


def test_a_release_without_seals_reads_a_record_that_has_one():
    class Older(msgspec.Struct, array_like=True):
        format: int
        now: int

    record = after(observation(sealed="one"))
    assert msgspec.msgpack.decode(encode(record), type=Older).now == record.now

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import Refused
from features.encounter import MOST_EVENTS, Stay
from features.instants import parse
from tests.builders import after, at, encounter, moment

ADMIT = encounter(
    "admit", 0, encounter="e-1", ward="OUH-M2", bed="12", name="N", unitType="ward", birthDate="1951-05-02",
    sex="male", flags=["hypercapnic"],
)  # fmt: skip
TRANSFER = encounter("transfer", 5, ward="OUH-V", unitType="icu")
DISCHARGE = encounter("discharge", 50)


def test_an_admission_says_where_and_who():
    assert after(ADMIT).stay == Stay(
        encounter="e-1", ward="OUH-M2", bed="12", name="N", unit_type="ward", birth_date="1951-05-02",
        sex="male", flags=("hypercapnic",), admitted=moment(0), unit_since=moment(0),
    )  # fmt: skip


def test_what_is_missing_keeps_its_earlier_value():
    stay = after(ADMIT, TRANSFER).stay
    assert (stay.ward, stay.unit_type, stay.unit_since) == ("OUH-V", "icu", moment(5))
    assert (stay.encounter, stay.bed, stay.name, stay.birth_date, stay.sex) == (
        "e-1",
        "12",
        "N",
        "1951-05-02",
        "male",
    )
    assert stay.flags == ("hypercapnic",)
    assert stay.admitted == moment(0)


def test_an_empty_list_of_flags_takes_them_away():
    assert after(ADMIT, encounter("update", 1, flags=[])).stay.flags == ()


@pytest.mark.parametrize("order", list(permutations([ADMIT, TRANSFER, encounter("update", 7, bed="3"), DISCHARGE])))
@pytest.mark.req("VAGT-IN-08")
def test_the_order_of_arrival_leaves_no_trace(order):
    stay = after(*order).stay
    assert (stay.ward, stay.bed, stay.unit_since) == ("OUH-V", "3", moment(5))
    assert (stay.admitted, stay.discharged) == (moment(0), moment(50))


def test_a_move_within_a_type_of_unit_does_not_begin_its_time_anew():
    stay = after(ADMIT, encounter("transfer", 4, ward="OUH-M3", unitType="ward")).stay
    assert (stay.ward, stay.unit_since) == ("OUH-M3", moment(0))


def test_a_new_admission_begins_a_new_stay():
    stay = after(ADMIT, DISCHARGE, encounter("admit", 90, unitType="ward")).stay
    assert (stay.admitted, stay.unit_since, stay.discharged) == (moment(90), moment(90), None)


def test_a_cancelled_record_counts_for_nothing():
    cancelled = encounter("cancel", 5, id=TRANSFER.id, version=2, ward="OUH-V", unitType="icu")
    for order in permutations([ADMIT, TRANSFER, cancelled]):
        assert after(*order).stay == after(ADMIT).stay


def test_a_higher_version_replaces_and_a_lower_one_changes_nothing():
    corrected = encounter("transfer", 6, id=TRANSFER.id, version=2, ward="OUH-X", unitType="icu")
    for order in permutations([ADMIT, TRANSFER, corrected]):
        stay = after(*order).stay
        assert (stay.ward, stay.unit_since) == ("OUH-X", moment(6))


def test_the_same_version_with_another_content_is_a_conflict():
    record = after(ADMIT)
    assert after(ADMIT, record=record) == record
    with pytest.raises(Refused) as refused:
        after(encounter("admit", 0, ward="OUH-M9"), record=record)
    assert refused.value.reason == "conflict"


@pytest.mark.parametrize(
    ("born", "now", "age"),
    [
        ("2010-03-01", "2026-02-28T23:59:59.999Z", 15),
        ("2010-03-01", "2026-03-01T00:00:00Z", 16),
        ("2008-03-01", "2026-02-28T23:59:59.999Z", 17),
        ("2008-03-01", "2026-03-01T00:00:00Z", 18),
        ("2025-03-01", "2026-03-01T00:00:00Z", 1),
        ("2008-02-29", "2026-02-28T23:59:59Z", 17),
        ("2008-02-29", "2026-03-01T00:00:00Z", 18),
        ("2026-03-01", "2026-03-01T00:00:00Z", 0),
        ("1921-03-01", "2026-03-01T12:00:00Z", 105),
        (None, "2026-03-01T00:00:00Z", None),
    ],
)
def test_age_is_whole_years_and_turns_on_the_birthday(born, now, age):
    assert Stay(birth_date=born).age_years(parse(now)) == age


@settings(deadline=None)
@given(st.dates(), st.dates())
def test_age_never_falls_as_time_goes_on(one, other):
    earlier, later = sorted((one, other))
    stay = Stay(birth_date="1951-05-02")
    before, now = (stay.age_years(parse(f"{day}T00:00:00Z")) for day in (earlier, later))
    assert before is not None
    assert now is not None
    assert before <= now


def test_a_late_encounter_record_moves_the_patients_now_and_not_the_stay():
    record = after(ADMIT, TRANSFER, encounter("update", 1, ward="OUH-M8", issued=at(30)))
    assert (record.now, record.stay.ward) == (moment(30), "OUH-V")


def test_of_endless_moves_what_they_add_up_to_is_kept():
    moves = [encounter("transfer", 1 + number, ward=f"W-{number}") for number in range(2 * MOST_EVENTS)]
    record = after(ADMIT, *moves)
    assert len(record.events) == MOST_EVENTS
    assert record.stay.ward == f"W-{2 * MOST_EVENTS - 1}"
    assert (record.stay.birth_date, record.stay.admitted) == ("1951-05-02", moment(0))
    assert record.events[0].action == "admit"
    assert [event.ward for event in record.events[1:]] == [f"W-{n}" for n in range(MOST_EVENTS + 1, 2 * MOST_EVENTS)]


def test_of_endless_admissions_and_discharges_the_last_stands():
    record = after(*(encounter("admit" if n % 2 == 0 else "discharge", n) for n in range(2 * MOST_EVENTS + 1)))
    assert len(record.events) == MOST_EVENTS
    assert (record.stay.admitted, record.stay.discharged) == (moment(2 * MOST_EVENTS), None)

"""The simulated ward: what it sends, and that it sends it in time."""

from itertools import takewhile

import orjson
import pytest

from features.apply import apply
from features.catalogue import catalogue
from features.events import Encounter, Observation, parse
from features.instants import HOUR, MINUTE
from features.record import Record
from models.rules.news2 import News2
from streams.now import Now
from streams.pseudonym import Pseudonyms
from streams.ward import BEDS, Course, as_sent, leaving, ward

START = 1_767_225_600_000  # 2026-01-01T00:00Z


@pytest.fixture(scope="module")
def half_an_hour():
    return list(takewhile(lambda record: record.at_ms <= START + 30 * MINUTE, ward(START)))


def test_the_same_arguments_give_the_same_ward(half_an_hour):
    again = takewhile(lambda record: record.at_ms <= START + 30 * MINUTE, ward(START))
    assert list(again) == half_an_hour


def test_who_lies_there_from_an_earlier_start_leaves_first():
    shown = [
        Now("demo-1", "2026-01-01T00:00:00Z", encounter="e-1", ward="DEMO-M2"),
        Now("demo-2", "2026-01-01T00:00:00Z", ward="DEMO-M2", discharged="2026-01-01T00:00:00Z"),
        Now("mine", "2026-01-01T00:00:00Z", ward="M2"),
    ]
    (left,) = leaving(shown, START)
    (item,) = left.items
    event = parse(item, left.patient)
    assert isinstance(event, Encounter)
    assert (event.patient, event.action, event.encounter, event.known) == ("demo-1", "discharge", "e-1", START)


def test_another_seed_gives_other_patients(half_an_hour):
    assert next(ward(START, seed=1)) != half_an_hour[0]


def test_records_come_in_the_order_in_which_they_became_known(half_an_hour):
    times = [record.at_ms for record in half_an_hour]
    assert times == sorted(times)
    for record in half_an_hour:
        events = [parse(item, record.patient) for item in record.items]
        assert {event.known for event in events} == {record.at_ms}


def test_no_identifier_is_used_twice(half_an_hour):
    names = [(item["type"], item["id"]) for record in half_an_hour for item in record.items]
    assert len(names) == len(set(names))


def test_every_observation_is_one_that_the_catalogue_takes(half_an_hour):
    for record in half_an_hour:
        for item in record.items:
            event = parse(item, record.patient)
            if isinstance(event, Observation):
                if event.value is None:
                    catalogue().analyte_for(event.code.system, event.code.code)
                else:
                    catalogue().canonical(event.code.system, event.code.code, event.value, event.unit)


def test_patients_carry_names_that_nobody_has(half_an_hour):
    names = {item["name"].split()[0] for record in half_an_hour for item in record.items if "name" in item}
    assert names <= {"Test", "Prøve", "Demo", "Øvelse"}


def test_a_bed_holds_one_patient_at_a_time(half_an_hour):
    lying: dict[tuple[str, str], str] = {}
    for record in half_an_hour:
        for item in record.items:
            event = parse(item, record.patient)
            if not isinstance(event, Encounter):
                continue
            bed = (event.ward or "", event.bed or "")
            if event.action == "admit":
                assert bed not in lying
                lying[bed] = event.patient
            else:
                assert lying.pop(bed) == event.patient
    assert len(lying) > len(BEDS) / 2


def test_somebody_is_measured_every_few_seconds_after_the_start(half_an_hour):
    later = [record.at_ms for record in half_an_hour if record.at_ms > START]
    assert 1000 < (later[-1] - later[0]) / len(later) < 10_000


def test_a_stay_ends_and_the_bed_is_taken_again():
    ten_hours = takewhile(lambda record: record.at_ms <= START + 10 * HOUR, ward(START))
    actions = [item["action"] for record in ten_hours for item in record.items if item["type"] == "encounter"]
    assert actions.count("discharge") > len(BEDS)
    assert actions.count("admit") > 2 * len(BEDS)


def test_some_patients_are_ill_at_the_start_and_others_become_so_within_the_first_half_hour(half_an_hour):
    rule, records = News2(), dict[str, Record]()
    ill: dict[str, int] = {}
    for sent in half_an_hour:
        record = records.get(sent.patient, Record())
        for item in sent.items:
            record = apply(record, parse(item, sent.patient), catalogue()).record
        records[sent.patient] = record
        scored = rule.score(record)
        if scored is not None and scored.low >= 7:
            ill.setdefault(sent.patient, sent.at_ms)
    assert any(at <= START for at in ill.values())
    assert any(at > START for at in ill.values())
    assert len(ill) < len(records)


def test_a_course_rises_stays_and_passes():
    course = Course("infection", onset=100, rise=10, hold=20, fall=10, peak=0.8)
    assert [course.severity("infection", at) for at in (99, 100, 105, 110, 130, 135, 140, 141)] == pytest.approx(
        [0, 0, 0.4, 0.8, 0.8, 0.4, 0, 0]
    )
    assert course.severity("kidney", 120) == 0


def test_with_a_key_a_record_is_sent_under_a_pseudonym(half_an_hour):
    names = Pseudonyms([bytes(32)])
    for record in half_an_hour[:300]:
        key, value = as_sent(record, names)
        assert key.decode() == names.name(record.patient)
        assert record.patient.encode() not in value
        for item in orjson.loads(value):
            assert parse(item, key.decode()).origin == "vagt"
            assert item.get("name") is None or item["name"] not in {one.get("name") for one in record.items}


def test_without_a_key_a_record_is_sent_as_it_is(half_an_hour):
    record = half_an_hour[0]
    assert as_sent(record, None) == (record.patient.encode(), orjson.dumps(record.items))

"""ADT as encounter records, and the stay that they add up to."""

import pytest

from features.apply import apply
from features.catalogue import Refused, catalogue
from features.events import parse as event_of
from features.record import Record
from streams.doors import hl7
from streams.settings import Settings
from tests.streams.hl7.messages import PATIENT, header, joined, moved, person, visit

OWN = Settings(hl7_authority="CPR")


def records(message: str):
    translation = hl7.translate(message.encode(), 1772356400000, OWN)
    assert not translation.refusals
    return [{name: value for name, value in item.items() if value is not None} for _, item in translation.items]


def refused(message: str) -> str:
    translation = hl7.translate(message.encode(), 1772356400000, OWN)
    assert not translation.items
    return translation.refusals[0][1].reason


def stay(*messages: str):
    """What messages add up to, whatever their order."""
    found = []
    for order in (messages, tuple(reversed(messages))):
        record = Record()
        for message in order:
            for item in records(message):
                record = apply(record, event_of(item, PATIENT), catalogue()).record
        found.append(record.stay)
    assert found[0] == found[1]
    return found[0]


ADMIT = moved("A01", sent="20260301080010")
MOVE = moved("A02", person(), visit(place="OUH-ITA^3"), occurred="20260302120000", sent="20260302120100", control="M2")
LEAVE = moved("A03", person(), visit(), occurred="20260305100000", sent="20260305100100", control="M3")


def test_an_admission_says_who_is_where_since_when():
    assert records(moved("A01", person(), visit(admitted="202603010755"))) == [
        {
            "type": "encounter",
            "id": "e-5521#admit",
            "version": 1772356327000,
            "action": "admit",
            "patient": PATIENT,
            "encounter": "e-5521",
            "at": "2026-03-01T06:55:00.000Z",
            "issued": "2026-03-01T09:12:07.000Z",
            "ward": "OUH-M2",
            "bed": "12",
            "unitType": "ward",
            "name": "Eva M Prøve",
            "birthDate": "1951-05-02",
            "sex": "female",
        }
    ]


def test_a_stay_is_admission_transfer_and_discharge_in_whatever_order_they_come():
    found = stay(ADMIT, MOVE, LEAVE)
    assert (found.encounter, found.ward, found.name, found.sex) == ("e-5521", "OUH-M2", "Eva M Prøve", "female")
    assert found.admitted is not None
    assert found.discharged is not None
    assert stay(ADMIT, MOVE).ward == "OUH-ITA"


def test_a_cancelled_admission_leaves_no_admission():
    assert stay(ADMIT, moved("A11", sent="20260301090000")).admitted is None


def test_a_cancelled_transfer_leaves_the_patient_where_they_were():
    here = joined(header("ADT^A12", sent="20260302130000", control="M5"), "EVN|A12|20260302130000", person(), visit())
    named = moved("A12", person(), visit(place=""), occurred="20260302120000", sent="20260302130000", control="M5")
    assert stay(ADMIT, MOVE).ward == "OUH-ITA"
    assert stay(ADMIT, MOVE, here).ward == "OUH-M2"
    assert stay(ADMIT, MOVE, named).ward == "OUH-M2"


def test_a_cancelled_transfer_that_says_neither_which_nor_where_is_refused():
    message = joined(header("ADT^A12"), "EVN|A12|20260302130000", person(), "PV1|1|I" + "|" * 17 + "e-5521")
    assert refused(message) == "schema"


def test_a_cancelled_discharge_leaves_the_patient_in_and_they_may_be_discharged_again():
    back = moved("A13", occurred="20260305100000", sent="20260305110000", control="M6")
    again = moved("A03", occurred="20260306100000", sent="20260306100100", control="M7")
    assert stay(ADMIT, LEAVE, back).discharged is None
    assert stay(ADMIT, LEAVE, back, again).discharged is not None


def test_news_of_a_person_keep_what_they_do_not_say():
    news = moved("A08", f"PID|1||{PATIENT}^^^CPR||Prøve^Eva^Maria^^^^L", visit("", "OUH-M2^^14"), control="M8")
    found = stay(ADMIT, news)
    assert (found.name, found.birth_date, found.bed) == ("Eva Maria Prøve", "1951-05-02", "14")


def test_news_of_the_same_second_have_ids_of_their_own():
    first, second = records(moved("A08", control="1")), records(moved("A08", control="2"))
    assert first[0]["id"] != second[0]["id"]
    assert records(moved("A08", control="1")) == first


@pytest.mark.parametrize("event", ["A01", "A02", "A03", "A11", "A13"])
def test_what_is_about_a_visit_needs_its_number(event):
    assert refused(moved(event, person(), visit(""))) == "schema"


@pytest.mark.parametrize("event", ["A01", "A02", "A03", "A08", "A11", "A13"])
def test_what_happened_needs_its_time(event):
    assert refused(moved(event, occurred="")) == "schema"
    assert refused(moved(event, occurred="20260301")) == "schema"


@pytest.mark.parametrize(("letter", "sex"), [("M", "male"), ("F", "female"), ("U", "unknown"), ("", None), ("X", None)])
def test_a_sex_that_the_table_does_not_have_is_left_out(letter, sex):
    (found,) = records(moved("A01", f"PID|1||{PATIENT}^^^CPR||||1951|{letter}", visit(kind="O")))
    assert (found.get("sex"), found.get("birthDate"), found.get("unitType")) == (sex, None, None)


def test_a_merge_goes_from_the_prior_patient_into_the_one_who_stays():
    message = moved(
        "A40", person("p-2000^^^CPR"), f"MRG|{PATIENT}^^^CPR~L-1^^^OUH", person("p-3^^^CPR"), "MRG|p-4^^^CPR"
    )
    first, second = records(message)
    assert (first["action"], first["patient"], first["into"]) == ("merge", PATIENT, "p-2000")
    assert (second["patient"], second["into"]) == ("p-4", "p-3")
    assert first["id"] != second["id"]


def test_a_merge_that_does_not_say_whom_is_refused():
    assert refused(moved("A40", person())) == "bad-hl7"
    assert refused(moved("A40", person(), "MRG|L-1^^^OUH")) == "missing-subject"
    assert refused(moved("A40", person(), f"MRG|{PATIENT}^^^CPR")) == "schema"


def test_a_message_without_a_patient_is_refused_whole():
    with pytest.raises(Refused, match="PID"):
        records(moved("A01", visit()))

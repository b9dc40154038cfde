"""What the entries of a Bundle say of each other: reports, deletions, notifications, moves, and Danish identifiers."""

from typing import Any

import orjson
import pytest

from features.catalogue import Refused
from streams.doors import hl7
from streams.doors.fhir import translate
from streams.intake import load
from streams.settings import Settings
from tests.streams.test_fhir_door import (
    ISSUED,
    RECEIVED,
    TAKEN,
    bundle,
    coded,
    encounter,
    ids,
    observation,
    refused,
    report,
    taken,
)

CPR = "urn:oid:1.2.208.176.1.2"


def reasons(document: Any, system: str | None = None) -> list[tuple[int, str]]:
    return [(index, refusal.reason) for index, refusal in translate(document, RECEIVED, system).refusals]


# ---------------------------------------------------------------------- reports


def referring(**changes: Any) -> dict[str, Any]:
    """A report that refers to its result."""
    return report(contained=None, result=[{"reference": "Observation/o-1"}], **changes)


def test_a_report_that_refers_to_what_is_not_there_is_refused_and_says_what_to_send():
    reason, detail = refused(referring())
    assert reason == "unsupported"
    assert "send the Observations" in detail
    document = bundle(referring(), observation(id="o-2"))
    assert ids(translate(document, RECEIVED)) == ["o-2"]
    assert reasons(document) == [(0, "unsupported")]


@pytest.mark.parametrize("order", [1, -1])
def test_a_result_in_the_same_bundle_takes_from_its_report_what_it_leaves_out(order: int):
    bare = observation(subject=None, effectiveDateTime=None, issued=None)
    item = taken(bundle(*[referring(), bare][::order]))
    assert (item["id"], item["patient"], item["version"]) == ("o-1", "p-1", 4)
    assert (item["effective"], item["issued"]) == (TAKEN, ISSUED)


def test_a_result_says_for_itself_what_it_can():
    later = "2026-03-01T11:00:00+01:00"
    own = observation(issued=later, effectivePeriod={"end": later}, effectiveDateTime=None)
    item = taken(bundle(referring(), own))
    assert (item["effective"], item["issued"]) == (later, later)


def test_a_withdrawn_report_withdraws_the_results_that_it_refers_to_unless_another_report_has_them():
    withdrawn = referring(id="d-0", status="entered-in-error")
    assert taken(bundle(withdrawn, observation()))["status"] == "entered-in-error"
    for reports in ([withdrawn, referring()], [referring(), withdrawn]):
        assert taken(bundle(*reports, observation()))["status"] == "final"


# ---------------------------------------------------------------------- histories, searches, notifications


def entries(*parts: dict[str, Any], kind: str = "history") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(parts)}


def deletion(url: str = "Observation/o-1", etag: str | None = 'W/"3"', at: str | None = ISSUED) -> dict[str, Any]:
    return {"request": {"method": "DELETE", "url": url}, "response": {"etag": etag, "lastModified": at}}


def test_a_deletion_in_a_history_withdraws_what_was_there():
    older, newer = (observation(meta={"versionId": version}) for version in ("1", "2"))
    translation = translate(entries(deletion(), {"resource": newer}, {"resource": older}), RECEIVED)
    assert translation.refusals == ()
    found = [(item["id"], item["version"], item["status"]) for _, item in translation.items]
    assert found == [("o-1", 3, "entered-in-error"), ("o-1", 2, "final"), ("o-1", 1, "final")]
    assert translation.items[0][1]["issued"] == ISSUED


def test_a_deleted_encounter_is_cancelled():
    translation = translate(entries(deletion("Encounter/e-1"), {"resource": encounter()}), RECEIVED)
    assert [item["action"] for _, item in translation.items] == ["cancel", "cancel", "admit"]


@pytest.mark.parametrize(
    "gone",
    [
        deletion("Observation/o-2"),
        deletion("Patient/p-1"),
        deletion("Observation?code=8867-4"),
        deletion(""),
        deletion(etag=None),
        deletion(etag='W/"x"'),
        deletion(at=None),
        {"request": {"method": "DELETE", "url": 7}},
        {"request": {"method": "DELETE"}, "response": []},
    ],
)
def test_a_deletion_of_what_the_bundle_does_not_hold_or_without_order_is_refused(gone: Any):
    document = entries({"resource": observation()}, gone)
    assert ids(translate(document, RECEIVED)) == ["o-1"]
    assert [index for index, _ in reasons(document)] == [1]


def test_what_a_search_says_of_itself_is_skipped():
    outcome = {"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}}
    found = {"resource": observation(), "search": {"mode": "match"}}
    assert taken(entries(outcome, found, kind="searchset"))["id"] == "o-1"


@pytest.mark.parametrize("status", ["Parameters", "SubscriptionStatus"])
def test_a_notification_that_names_resources_without_them_is_refused_and_says_what_to_ask_for(status: str):
    about = {"resource": {"resourceType": status}, "request": {"method": "GET", "url": "Subscription/1/$status"}}
    named = {"fullUrl": "https://ehr/fhir/Observation/o-1", "request": {"method": "PUT", "url": "Observation/o-1"}}
    whole = {**named, "resource": observation(), "response": {"status": "201"}}
    assert taken(entries(about, whole))["id"] == "o-1"
    translation = translate(entries(about, named), RECEIVED)
    assert translation.items == ()
    ((index, refusal),) = translation.refusals
    assert (index, refusal.reason) == (1, "unsupported")
    assert "full resources" in refusal.detail


def test_a_resource_that_comes_twice_is_passed_on_twice_in_its_order():
    document = bundle(observation(), observation(valueQuantity={"value": 90, "unit": "/min"}))
    assert [(item["id"], item["value"]) for _, item in translate(document, RECEIVED).items] == [
        ("o-1", 88),
        ("o-1", 90),
    ]


# ---------------------------------------------------------------------- what is meant to do harm


def test_a_bundle_of_50_mb_is_refused_unread():
    raw = orjson.dumps(bundle(observation(note=[{"text": "x" * 50_000_000}])))
    with pytest.raises(Refused) as refusal:
        load(raw, 32 * 1024 * 1024)
    assert refusal.value.reason == "too-large"


@pytest.mark.parametrize("opened", [b'{"resourceType":"Bundle","entry":[{"resource":', b'{"contained":[', b"["])
def test_nesting_without_end_is_no_json(opened: bytes):
    with pytest.raises(Refused) as refusal:
        load(opened * 100_000, 32 * 1024 * 1024)
    assert refusal.value.reason == "bad-json"


def test_no_door_reads_xml_so_that_entities_within_entities_stay_as_they_are():
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "x"}">' for n in range(20))
    bomb = f'<?xml version="1.0"?><!DOCTYPE Bundle [{entities}]><Bundle>&e19;</Bundle>'.encode()
    with pytest.raises(Refused, match="bad-json"):
        load(bomb, 32 * 1024 * 1024)
    with pytest.raises(Refused, match="bad-hl7"):
        hl7.translate(bomb, RECEIVED, Settings())


def test_a_resource_nested_as_deep_as_json_may_be_is_read_where_it_says_something():
    inner: Any = {}
    for _ in range(1000):
        inner = {"contained": [inner]}
    assert taken(observation(contained=[inner]))["id"] == "o-1"
    deep = report(contained=[observation(id="r1", contained=[inner])])
    assert ids(translate(deep, RECEIVED)) == ["d-1#r1"]


def test_many_deletions_reports_and_references_to_nowhere_are_each_refused():
    gone = [deletion(f"Observation/o-{number}") for number in range(3_000)]
    reports = [{"resource": referring(id=f"d-{number}")} for number in range(3_000)]
    lost = [{"resource": observation(id=f"o-{n}", subject={"reference": f"urn:uuid:{n}"})} for n in range(3_000)]
    found = reasons(entries(*gone, *reports, *lost))
    # A report whose result is there has nothing of its own to refuse.
    assert len(found) == 6_000


def test_a_bundle_of_too_many_entries_is_refused_whole():
    assert reasons(entries(*[deletion()] * 10_001)) == [(0, "too-large")]


# ---------------------------------------------------------------------- moves


def stayed(ward: str, since: str | None, kind: str = "wa", **more: Any) -> dict[str, Any]:
    """A location of an Encounter."""
    physical = {"coding": [{"code": kind}]}
    return {"location": {"display": ward}, "physicalType": physical, "period": {"start": since}, **more}


def test_moves_from_ward_to_ward_are_transfers():
    noon = "2026-03-01T12:00:00+01:00"
    places = [
        stayed("M2", noon, status="active"),
        stayed("M1", "2026-03-01T09:00:00Z", status="completed"),
        stayed("12", noon, "bd", status="active"),
        stayed("M9", "2026-03-02T12:00:00+01:00", status="planned"),
    ]
    translation = translate(encounter(location=places), RECEIVED)
    found = [(item["id"], item["action"], item["at"], item["ward"], item.get("bed")) for _, item in translation.items]
    assert found == [
        ("e-1#admit", "admit", TAKEN, "M1", None),
        ("e-1#transfer-1", "transfer", noon, "M2", "12"),
    ]
    cancelled = translate(encounter(status="cancelled", location=places), RECEIVED)
    assert ids(cancelled) == ["e-1#admit", "e-1#transfer-1", "e-1#discharge"]


def test_a_move_at_no_instant_is_refused():
    assert refused(encounter(location=[stayed("M1", "yesterday")]))[0] == "schema"


# ---------------------------------------------------------------------- Danish identifiers


def danish_patient(**changes: Any) -> dict[str, Any]:
    """A Patient of DK Core, with a civil registration number and a local one."""
    return {
        "resourceType": "Patient",
        "id": "4711",
        "meta": {"profile": ["http://hl7.dk/fhir/core/StructureDefinition/dk-core-patient"]},
        "identifier": [
            {"system": "urn:oid:1.2.208.176.1.6.1.3.163", "value": "local-1"},
            {"use": "official", "system": CPR, "value": "0101575011"},
        ],
    } | changes


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/4711"},
        {"identifier": {"system": CPR, "value": "0101575011"}},
        {"reference": "https://ehr/fhir/Patient/4711", "identifier": {"system": CPR, "value": "0101575011"}},
    ],
)
def test_patients_go_by_the_identifier_system_of_the_deployment(subject: dict[str, Any]):
    crp = coded("urn:oid:1.2.208.176.2.1", "NPU19748", valueQuantity={"value": 5, "unit": "mg/L"}, subject=subject)
    translation = translate(bundle(danish_patient(), crp), RECEIVED, CPR)
    assert translation.refusals == ()
    assert [patient for patient, _ in translation.items] == ["0101575011", "0101575011"]


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/0101575011"},
        {"reference": "Patient/4712"},
        {"identifier": {"system": "urn:oid:1.2.208.176.1.6.1.3.163", "value": "0101575011"}},
        {"identifier": {"value": "0101575011"}},
        {"reference": "Patient/4711", "identifier": {"system": CPR, "value": "0202575022"}},
        {"identifier": "0101575011"},
    ],
)
def test_a_subject_that_leads_to_no_one_such_identifier_is_refused(subject: Any):
    document = bundle(danish_patient(), observation(subject=subject))
    assert [item["type"] for _, item in translate(document, RECEIVED, CPR).items] == ["encounter"]
    assert [index for index, _ in reasons(document, CPR)] == [1]


@pytest.mark.parametrize(
    "identifiers",
    [
        None,
        [],
        {},
        [{"system": CPR, "value": "0101575011"}, {"system": CPR, "value": "0202575022"}],
        [{"system": CPR, "value": "0101575011", "use": "old"}],
        [{"system": CPR}],
    ],
)
def test_a_patient_without_one_such_identifier_is_refused(identifiers: Any):
    assert reasons(danish_patient(identifier=identifiers), CPR) == [(0, "missing-subject")]

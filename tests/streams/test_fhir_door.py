import gzip
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import instants
from features.events import parse
from streams.doors.fhir import translate
from streams.doors.native import Translation

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
TAKEN = "2026-03-01T09:42:00+01:00"
ISSUED = "2026-03-01T10:12:07+01:00"
RECEIVED = instants.parse("2026-03-01T10:00:00Z")
DATA = Path(os.environ.get("VAGT_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


def observation(**changes: Any) -> dict[str, Any]:
    whole = {
        "resourceType": "Observation",
        "id": "o-1",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "8867-4"}]},
        "subject": {"reference": "Patient/p-1"},
        "effectiveDateTime": TAKEN,
        "issued": ISSUED,
        "valueQuantity": {
            "value": 88,
            "unit": "beats/min",
            "system": "http://unitsofmeasure.org",
            "code": "/min",
        },
    } | changes
    return {name: part for name, part in whole.items() if part is not None}


def encounter(**changes: Any) -> dict[str, Any]:
    whole = {
        "resourceType": "Encounter",
        "id": "e-1",
        "status": "in-progress",
        "class": {"code": "EMER"},
        "subject": {"reference": "Patient/p-1"},
        "period": {"start": TAKEN},
        "meta": {"lastUpdated": ISSUED, "versionId": "2"},
    } | changes
    return {name: part for name, part in whole.items() if part is not None}


def panel(**changes: Any) -> dict[str, Any]:
    pressures = [("8480-6", 120), ("8462-4", 80)]
    return (
        observation(
            code={"coding": [{"system": LOINC, "code": "85354-9"}]},
            valueQuantity=None,
            component=[
                {
                    "code": {"coding": [{"system": LOINC, "code": code}]},
                    "valueQuantity": {"value": mm, "unit": "mmHg"},
                }
                for code, mm in pressures
            ],
        )
        | changes
    )


def bundle(*resources: Any, kind: str = "collection") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": one} for one in resources]}


def coded(system: str, code: str, **changes: Any) -> dict[str, Any]:
    return observation(code={"coding": [{"system": system, "code": code}]}, **changes)


def taken(document: Any) -> dict[str, Any]:
    """The one native object that a document becomes."""
    translation = translate(document, RECEIVED)
    assert translation.refusals == ()
    ((_, item),) = translation.items
    return item


def refused(document: Any) -> tuple[str, str]:
    """Reason and detail of a document of which nothing can be used."""
    translation = translate(document, RECEIVED)
    assert translation.items == ()
    ((index, refusal),) = translation.refusals
    assert index == 0
    return refusal.reason, refusal.detail


def ids(translation: Translation) -> list[str]:
    return [item["id"] for _, item in translation.items]


# ---------------------------------------------------------------------- observations


def test_an_observation_keeps_its_words():
    item = taken(observation(encounter={"reference": "Encounter/e-1"}, device={"display": "ABL90"}))
    assert item == {
        "type": "observation",
        "id": "o-1",
        "version": instants.parse(ISSUED),
        "status": "final",
        "patient": "p-1",
        "encounter": "e-1",
        "code": {"system": LOINC, "code": "8867-4"},
        "value": 88,
        "unit": "/min",
        "comparator": None,
        "effective": TAKEN,
        "issued": ISSUED,
        "device": "ABL90",
    }


@pytest.mark.parametrize("status", ["preliminary", "final", "corrected", "amended"])
def test_a_result_of_each_status_has_its_value(status: str):
    item = taken(observation(status=status))
    assert (item["status"], item["value"]) == (status, 88)


@pytest.mark.parametrize("status", ["registered", "cancelled", "entered-in-error"])
def test_a_status_without_a_result_needs_and_gives_no_value(status: str):
    assert "value" not in taken(observation(status=status, valueQuantity=None))
    assert "value" not in taken(observation(status=status))


@pytest.mark.parametrize("status", ["unknown", "Final", "", None])
def test_another_status_is_refused(status: str | None):
    assert refused(observation(status=status))[0] == "schema"


def test_a_withdrawal_needs_no_time_of_measurement():
    item = taken(observation(status="entered-in-error", effectiveDateTime=None))
    assert item["effective"] == item["issued"] == ISSUED


def test_a_comparator_is_kept():
    crp = coded(LOINC, "1988-5", valueQuantity={"value": 0.6, "comparator": "<", "unit": "mg/L"})
    assert taken(crp)["comparator"] == "<"


def test_a_comparator_that_r4_does_not_have_is_refused():
    assert refused(observation(valueQuantity={"value": 1, "comparator": "ad", "unit": "/min"}))[0] == "schema"


@pytest.mark.parametrize(
    ("quantity", "unit"),
    [
        ({"unit": "beats/minute", "system": "http://unitsofmeasure.org", "code": "/min"}, "/min"),
        ({"unit": "/min", "system": "urn:iso:std:iso:11073:10101", "code": "264864"}, "/min"),
        ({"unit": "/min"}, "/min"),
        ({"code": "/min"}, "/min"),
    ],
)
def test_the_unit_is_the_ucum_code_or_else_the_unit(quantity: dict[str, Any], unit: str):
    assert taken(observation(valueQuantity={"value": 88, **quantity}))["unit"] == unit


@pytest.mark.parametrize("code", ["8867-4", "9269-2"])
@pytest.mark.req("VAGT-IN-10")
def test_a_quantity_without_unit_or_code_is_refused_even_where_the_code_implies_one(code: str):
    assert refused(coded(LOINC, code, valueQuantity={"value": 12}))[0] == "unknown-unit"
    assert refused(coded(LOINC, code, valueQuantity={"value": 12, "unit": ""}))[0] == "unknown-unit"


def test_a_unit_of_another_dimension_is_refused():
    assert refused(observation(valueQuantity={"value": 88, "unit": "mg/L"}))[0] == "unknown-unit"


@pytest.mark.parametrize("value", [98.6, 1e308, -1])
def test_an_impossible_value_is_refused_at_the_door(value: float):
    temperature = coded(LOINC, "8310-5", valueQuantity={"value": value, "unit": "Cel"})
    assert refused(temperature)[0] == "implausible"


@pytest.mark.parametrize("value", ["88", True, [88]])
def test_a_value_that_is_no_number_is_refused(value: Any):
    assert refused(observation(valueQuantity={"value": value, "unit": "/min"}))[0] == "schema"


def test_a_whole_number_is_a_value():
    item = taken(coded(LOINC, "9269-2", valueQuantity=None, valueInteger=14))
    assert item["value"] == 14


def test_a_text_for_a_number_is_refused():
    assert refused(observation(valueQuantity=None, valueString="88"))[0] == "schema"


def test_a_value_of_another_type_is_refused():
    assert refused(observation(valueQuantity=None, valueBoolean=True))[0] == "unsupported"


def test_an_absent_value_is_refused_with_its_own_reason():
    absent = observation(valueQuantity=None, dataAbsentReason={"coding": [{"code": "unknown"}]})
    assert refused(absent) == ("no-value", "heart_rate has no value")
    assert refused(observation(valueQuantity={"unit": "/min"}))[0] == "no-value"


@pytest.mark.parametrize("status", ["corrected", "amended"])
def test_a_correction_to_no_value_takes_the_earlier_one_away(status: str):
    absent = observation(status=status, valueQuantity=None, dataAbsentReason={"text": "clotted"})
    assert taken(absent)["status"] == "cancelled"


# ---------------------------------------------------------------------- codes


def test_the_first_coding_that_the_catalogue_knows_counts():
    codings = [
        {"system": "http://local", "code": "PULS"},
        {"code": "8867-4"},
        {"system": LOINC, "code": "8867-4"},
    ]
    assert taken(observation(code={"coding": codings}))["code"] == {"system": LOINC, "code": "8867-4"}


@pytest.mark.parametrize("order", [["2708-6", "59408-5"], ["59408-5", "2708-6"]])
def test_pulse_oximetry_under_both_codes_is_pulse_oximetry(order: list[str]):
    codings = [{"system": LOINC, "code": code} for code in order]
    item = taken(observation(code={"coding": codings}, valueQuantity={"value": 96, "unit": "%"}))
    assert item["code"]["code"] == "59408-5"


def test_a_code_of_npu_is_known_under_both_its_names():
    for system in ("http://npu-terminology.org", "urn:oid:1.2.208.176.2.1"):
        creatinine = coded(system, "NPU18016", valueQuantity={"value": 132, "unit": "µmol/L"})
        assert taken(creatinine)["code"] == {"system": system, "code": "NPU18016"}


@pytest.mark.parametrize("code", [None, {}, {"text": "pulse"}, {"coding": [{"system": LOINC, "code": "1-8"}]}])
@pytest.mark.req("VAGT-IN-10")
def test_an_unknown_code_is_refused(code: Any):
    assert refused(observation(code=code))[0] == "unknown-code"


# ---------------------------------------------------------------------- panels


def test_a_panel_becomes_an_observation_for_each_component():
    translation = translate(panel(), RECEIVED)
    assert translation.refusals == ()
    assert ids(translation) == ["o-1#8480-6", "o-1#8462-4"]
    assert [item["value"] for _, item in translation.items] == [120, 80]


def test_a_component_without_a_value_leaves_its_sibling_alone():
    document = panel()
    del document["component"][0]["valueQuantity"]
    translation = translate(document, RECEIVED)
    assert ids(translation) == ["o-1#8462-4"]
    assert [(index, refusal.reason) for index, refusal in translation.refusals] == [(0, "no-value")]


def test_a_panel_whose_parts_fail_alike_is_one_refusal():
    document = panel()
    for component in document["component"]:
        del component["valueQuantity"]
    assert refused(document) == (
        "no-value",
        "systolic_pressure has no value; diastolic_pressure has no value",
    )


def test_an_observation_with_a_value_and_components_is_both():
    eyes = {"code": {"coding": [{"system": LOINC, "code": "9267-6"}]}, "valueInteger": 4}
    total = coded(LOINC, "9269-2", valueQuantity=None, valueInteger=15, component=[eyes])
    assert ids(translate(total, RECEIVED)) == ["o-1", "o-1#9267-6"]


@pytest.mark.parametrize("component", [None, panel()["component"]])
def test_a_withdrawn_panel_takes_away_its_components_even_unnamed(component: Any):
    translation = translate(panel(status="entered-in-error", component=component), RECEIVED)
    assert ids(translation) == ["o-1#8480-6", "o-1#8462-4"]
    assert {item["status"] for _, item in translation.items} == {"entered-in-error"}


# ---------------------------------------------------------------------- level of consciousness


def consciousness(**value: Any) -> dict[str, Any]:
    return coded(LOINC, "80288-4", valueQuantity=None, **value)


@pytest.mark.parametrize(
    ("concept", "letter"),
    [
        ({"text": "A"}, "A"),
        ({"coding": [{"system": SNOMED, "code": "130987000"}]}, "C"),
        ({"coding": [{"system": SNOMED, "code": "450847001", "display": "reagerer på smerte"}]}, "P"),
        ({"coding": [{"system": "http://local", "code": "7", "display": "Responds to  voice"}]}, "V"),
        ({"coding": [{"code": "x", "display": "Unresponsive"}], "text": "not shaken, not stirred"}, "U"),
    ],
)
def test_consciousness_is_read_from_codes_and_known_words(concept: dict[str, Any], letter: str):
    assert taken(consciousness(valueCodeableConcept=concept))["text"] == letter


@pytest.mark.parametrize(
    "concept",
    [
        {"text": "comatose"},
        {"text": "asleep"},
        {"text": "AV"},
        {"text": "pain", "coding": [{"system": SNOMED, "code": "248234008"}]},
        {"coding": [{"system": "http://local", "code": "248234008"}]},
        {},
    ],
)
def test_consciousness_that_is_not_plain_is_refused(concept: dict[str, Any]):
    assert refused(consciousness(valueCodeableConcept=concept or {"id": "1"}))[0] == "implausible"


def test_consciousness_may_be_a_plain_text():
    assert taken(consciousness(valueString="Vågen"))["text"] == "A"


# ---------------------------------------------------------------------- times and versions


@pytest.mark.parametrize(
    "effective",
    ["2026-03-01", "2026-03", "2026-03-01T09:42:00", "2026-03-01T09:42+01:00", "2026-02-30T09:42:00Z", "now"],
)
def test_an_imprecise_or_impossible_time_is_refused(effective: str):
    assert refused(observation(effectiveDateTime=effective))[0] == "schema"
    assert refused(observation(issued=effective, meta={"versionId": "3"}))[0] == "schema"


def test_a_time_that_is_no_text_is_refused():
    assert refused(observation(effectiveDateTime=1772354520000)) == (
        "schema",
        "effectiveDateTime: must be a string",
    )


def test_a_period_counts_at_its_end():
    during = {"start": TAKEN, "end": "2026-03-01T09:50:00+01:00"}
    item = taken(observation(effectiveDateTime=None, effectivePeriod=during))
    assert item["effective"] == "2026-03-01T09:50:00+01:00"


@pytest.mark.parametrize("period", [{}, {"start": TAKEN}])
def test_a_period_without_an_end_is_refused(period: Any):
    assert refused(observation(effectiveDateTime=None, effectivePeriod=period))[0] == "schema"


def test_an_instant_counts():
    assert taken(observation(effectiveDateTime=None, effectiveInstant=TAKEN))["effective"] == TAKEN


def test_without_issued_it_is_the_end_of_effective_and_marked_so():
    item = taken(observation(issued=None))
    assert (item["issued"], item["issuedAssumed"], item["version"]) == (TAKEN, True, instants.parse(TAKEN))
    assert "issuedAssumed" not in taken(observation())


def test_without_issued_the_server_s_last_update_still_orders_versions():
    item = taken(observation(issued=None, meta={"lastUpdated": ISSUED}))
    assert (item["issued"], item["version"]) == (TAKEN, instants.parse(ISSUED))


def test_a_withdrawal_without_any_other_time_became_known_at_the_last_update():
    document = observation(status="cancelled", issued=None, effectiveDateTime=None, meta={"lastUpdated": ISSUED})
    assert taken(document)["issued"] == ISSUED
    assert refused({**document, "meta": {}})[0] == "schema"


@pytest.mark.parametrize(
    ("stated", "version"), [("3", 3), ("0", 0), ("W1", None), ("-1", None), ("٣", None), ("9" * 16, None)]
)
def test_the_version_is_the_server_s_where_it_is_a_number(stated: str, version: int | None):
    expected = instants.parse(ISSUED) if version is None else version
    assert taken(observation(meta={"versionId": stated}))["version"] == expected


def test_a_result_from_before_1970_has_the_lowest_version():
    old = "1965-03-01T09:42:00+01:00"
    assert taken(observation(effectiveDateTime=old, issued=old))["version"] == 0


# ---------------------------------------------------------------------- references


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/p-1"},
        {"reference": "Patient/p-1/_history/4"},
        {"reference": "https://epj.example/fhir/Patient/p-1"},
        {"identifier": {"system": "urn:oid:1.2.208.176.1.2", "value": "p-1"}},
    ],
)
def test_a_patient_is_found_by_reference_or_identifier(subject: dict[str, Any]):
    assert taken(observation(subject=subject))["patient"] == "p-1"


@pytest.mark.parametrize(
    "subject",
    [
        None,
        {},
        {"display": "p-1"},
        {"reference": ""},
        {"reference": "p-1"},
        {"reference": "#p-1"},
        {"reference": "Patient/"},
        {"reference": "Device/p-1"},
        {"reference": "urn:uuid:"},
        {"reference": "urn:uuid:p-1"},
        {"reference": "Patient?identifier=urn:x|p-1"},
        {"reference": "Patient/p-1?_format=json"},
        {"identifier": {"system": "urn:oid:1.2.208.176.1.2"}},
    ],
)
def test_a_subject_that_is_no_patient_is_refused(subject: Any):
    assert refused(observation(subject=subject))[0] == "missing-subject"


def test_a_reference_within_a_bundle_leads_to_that_patient_s_id():
    patient = {"resourceType": "Patient", "id": "p-9"}
    group = {"resourceType": "Group", "id": "g"}
    document = {
        "resourceType": "Bundle",
        "entry": [
            {
                "fullUrl": "urn:uuid:aaa",
                "resource": observation(id=None, subject={"reference": "urn:uuid:bbb"}),
            },
            {"fullUrl": "urn:uuid:bbb", "resource": patient},
            {"fullUrl": "urn:uuid:ccc", "resource": {"resourceType": "Patient", "gender": "female"}},
            {"fullUrl": "urn:uuid:ddd", "resource": observation(subject={"reference": "urn:uuid:ccc"})},
            {"fullUrl": "urn:uuid:eee", "resource": group},
            {"fullUrl": "urn:uuid:fff", "resource": observation(subject={"reference": "urn:uuid:eee"})},
        ],
    }
    translation = translate(document, RECEIVED)
    assert [patient for patient, _ in translation.items] == ["p-9", "p-9", "ccc", "ccc"]
    assert ids(translation) == ["aaa", "patient-p-9", "patient-ccc", "o-1"]
    assert [(index, refusal.reason) for index, refusal in translation.refusals] == [
        (4, "unsupported"),
        (5, "missing-subject"),
    ]


def test_a_resource_without_an_id_is_refused():
    assert refused(observation(id=None)) == ("schema", "id: the resource has none")
    assert refused(observation(id=7))[0] == "schema"


# ---------------------------------------------------------------------- patients and encounters


def test_a_patient_updates_the_encounter():
    person = {
        "resourceType": "Patient",
        "id": "p-1",
        "meta": {"lastUpdated": ISSUED, "versionId": "5"},
        "birthDate": "1951-05-02",
        "gender": "male",
        "name": [
            {"use": "maiden", "family": "Old"},
            {"family": "Second"},
            {"use": "official", "family": "Doe", "given": ["J", None, "Q"]},
        ],
    }
    assert taken(person) == {
        "type": "encounter",
        "id": "patient-p-1",
        "version": 5,
        "action": "update",
        "patient": "p-1",
        "at": ISSUED,
        "issued": ISSUED,
        "birthDate": "1951-05-02",
        "sex": "male",
        "name": "J Q Doe",
    }


def test_a_patient_without_an_update_time_is_known_since_the_record_came():
    item = taken({"resourceType": "Patient", "id": "p-1"})
    assert item["at"] == item["issued"] == "2026-03-01T10:00:00.000Z"
    assert (item["version"], item["name"]) == (RECEIVED, None)


def test_a_patient_without_an_update_time_moves_no_clock_ahead_of_the_results_beside_it():
    late, early = observation(), observation(id="o-2", issued="2000-12-24T03:11:33Z")
    other = observation(id="o-3", subject={"reference": "Patient/p-2"}, issued="1999-01-01T00:00:00Z")
    person = {"resourceType": "Patient", "id": "p-1"}
    translation = translate(bundle(person, late, early, other), RECEIVED)
    _, item = translation.items[0]
    assert item["at"] == item["issued"] == "2000-12-24T03:11:33.000Z"
    assert item["version"] == RECEIVED


@pytest.mark.parametrize("birth", ["1951", "1951-05", "2.5.1951"])
def test_a_birth_date_that_is_no_day_is_refused(birth: str):
    assert refused({"resourceType": "Patient", "id": "p-1", "birthDate": birth})[0] == "schema"


@pytest.mark.parametrize("status", ["arrived", "triaged", "in-progress", "onleave"])
def test_an_encounter_that_goes_on_admits(status: str):
    item = taken(encounter(status=status))
    assert (item["id"], item["action"], item["at"], item["issued"]) == ("e-1#admit", "admit", TAKEN, ISSUED)
    assert (item["version"], item["encounter"], item["unitType"]) == (2, "e-1", "emergency")


def test_an_encounter_that_is_over_admits_and_discharges():
    document = encounter(status="finished", period={"start": TAKEN, "end": ISSUED}, meta=None)
    translation = translate(document, RECEIVED)
    assert translation.refusals == ()
    assert [(i["id"], i["action"], i["at"], i["issued"]) for _, i in translation.items] == [
        ("e-1#admit", "admit", TAKEN, TAKEN),
        ("e-1#discharge", "discharge", ISSUED, ISSUED),
    ]


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
def test_a_cancelled_encounter_cancels_both_its_records(status: str):
    translation = translate(encounter(status=status, period=None), RECEIVED)
    assert translation.refusals == ()
    assert [(i["id"], i["action"], i["at"]) for _, i in translation.items] == [
        ("e-1#admit", "cancel", ISSUED),
        ("e-1#discharge", "cancel", ISSUED),
    ]


def test_an_encounter_without_its_start_is_refused():
    assert refused(encounter(period=None))[0] == "schema"
    assert refused(encounter(status="unknown"))[0] == "unsupported"


@pytest.mark.parametrize(
    ("code", "unit"), [("EMER", "emergency"), ("IMP", "ward"), ("ACUTE", "ward"), ("AMB", None), (None, None)]
)
def test_the_class_tells_the_type_of_unit(code: str | None, unit: str | None):
    assert taken(encounter(**{"class": {"code": code}}))["unitType"] == unit


def test_the_active_location_is_the_ward():
    def location(name: str, status: str | None = None, kind: str | None = None) -> dict[str, Any]:
        part: dict[str, Any] = {"location": {"display": name}, "status": status}
        return part | ({"physicalType": {"coding": [{"code": kind}]}} if kind else {})

    places = [location("M1", "completed"), location("M2", "active", "wa"), location("12", "active", "bd")]
    item = taken(encounter(location=places))
    assert (item["ward"], item["bed"]) == ("M2", "12")
    assert taken(encounter(location=[location("M1", "completed")]))["ward"] == "M1"
    assert taken(encounter(location=[location("M1"), location("M2")]))["ward"] is None
    assert taken(encounter(location=[location("M1", "planned")]))["ward"] is None


# ---------------------------------------------------------------------- reports and bundles


def report(**changes: Any) -> dict[str, Any]:
    inner = observation(id="r1", subject=None, effectiveDateTime=None, issued=None)
    return {
        "resourceType": "DiagnosticReport",
        "id": "d-1",
        "status": "final",
        "subject": {"reference": "Patient/p-1"},
        "effectiveDateTime": TAKEN,
        "issued": ISSUED,
        "meta": {"versionId": "4"},
        "contained": [{"resourceType": "Practitioner", "id": "x"}, inner],
    } | changes


def test_a_report_s_contained_results_are_read_with_its_own_subject_and_times():
    item = taken(report())
    assert (item["id"], item["patient"], item["version"]) == ("d-1#r1", "p-1", 4)
    assert (item["effective"], item["issued"]) == (TAKEN, ISSUED)


def test_a_withdrawn_report_withdraws_its_results():
    assert taken(report(status="entered-in-error"))["status"] == "entered-in-error"


def test_a_bad_contained_result_leaves_its_sibling_alone():
    translation = translate(report(contained=[observation(id=None), observation(id="r2")]), RECEIVED)
    assert ids(translation) == ["d-1#r2"]
    assert [refusal.reason for _, refusal in translation.refusals] == ["schema"]


@pytest.mark.parametrize("contained", [None, [], [{"resourceType": "Specimen", "id": "s"}]])
def test_a_report_without_results_is_refused(contained: Any):
    assert refused(report(contained=contained)) == ("unsupported", "a report without results")


@pytest.mark.parametrize("kind", ["transaction", "batch", "collection", "searchset", "message", "history"])
def test_a_bundle_of_any_type_keeps_order_and_positions(kind: str):
    document = bundle(observation(id="a"), {"resourceType": "Condition", "id": "c"}, observation(id="b"), kind=kind)
    translation = translate(document, RECEIVED)
    assert ids(translation) == ["a", "b"]
    assert [(index, refusal.reason) for index, refusal in translation.refusals] == [(1, "unsupported")]


@pytest.mark.parametrize("about", ["Parameters", "SubscriptionStatus", "MessageHeader"])
def test_what_is_about_the_bundle_is_skipped_where_it_comes_first(about: str):
    control = {"resourceType": about}
    translation = translate(bundle(control, observation(), control), RECEIVED)
    assert ids(translation) == ["o-1"]
    assert [index for index, _ in translation.refusals] == [2]
    assert translate(bundle(control), RECEIVED) == Translation((), ())


def test_a_bundle_within_a_bundle_is_refused():
    assert refused(bundle(bundle(observation())))[0] == "unsupported"


@pytest.mark.parametrize("entry", [None, 7, "x", {}, {"request": {"method": "DELETE"}}, {"resource": []}])
def test_an_entry_without_a_resource_is_refused(entry: Any):
    assert refused({"resourceType": "Bundle", "entry": [entry]})[0] == "unsupported"


@pytest.mark.parametrize("document", [None, 7, "x", [], [observation()], {}, {"resourceType": 7}])
def test_what_is_no_fhir_is_refused(document: Any):
    assert refused(document)[0] == "schema"


@pytest.mark.parametrize(
    "wrong",
    [
        {"code": []},
        {"code": {"coding": {}}},
        {"code": {"coding": [7]}},
        {"subject": "Patient/p-1"},
        {"component": {}},
        {"meta": "1"},
        {"meta": {"versionId": 1}},
        {"valueQuantity": 88},
        {"issued": 5},
    ],
)
def test_an_element_of_the_wrong_shape_is_refused(wrong: dict[str, Any]):
    assert refused(observation(**wrong))[0] == "schema"


def test_a_refusal_repeats_nothing_that_could_name_a_patient():
    number = "0107729995"
    documents = [
        {"resourceType": number},
        observation(status=number),
        observation(effectiveDateTime=number),
        observation(subject={"reference": number}),
        observation(valueQuantity={"value": 1, "unit": number}),
        coded(LOINC, number),
        encounter(status=number),
    ]
    for document in documents:
        assert number not in "".join(refused(document))


# ---------------------------------------------------------------------- any input

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
SEEDS = [
    observation(),
    panel(),
    consciousness(valueCodeableConcept={"text": "A"}),
    encounter(status="finished", period={"start": TAKEN, "end": ISSUED}),
    {"resourceType": "Patient", "id": "p-1", "name": [{"family": "Doe", "given": ["J"]}], "gender": "male"},
    report(),
    bundle(observation(), encounter()),
    bundle(
        report(contained=None, result=[{"reference": "Observation/o-1"}]),
        observation(),
        {
            "resourceType": "Patient",
            "id": "p-1",
            "identifier": [{"system": "urn:oid:1.2.208.176.1.2", "value": "0101575011"}],
        },
    ),
    {
        "resourceType": "Bundle",
        "entry": [
            {
                "request": {"method": "DELETE", "url": "Observation/o-1"},
                "response": {"etag": 'W/"3"', "lastModified": ISSUED},
            },
            {"resource": observation()},
        ],
    },
]


def _paths(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, part in parts:
        yield from _paths(part, (*path, name))


@st.composite
def nearly_fhir(draw: st.DrawFn) -> Any:
    """A good resource with some of its parts replaced by any JSON, or left out."""
    document: Any = {"root": orjson.loads(orjson.dumps(draw(st.sampled_from(SEEDS))))}
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from([path for path in _paths(document) if path]))
        node = document
        for name in path:
            node = node[name]
        if isinstance(node, dict) and draw(st.booleans()) and last != "root":
            del node[last]
        else:
            node[last] = draw(JSON)
    return document["root"]


@given(document=JSON | nearly_fhir(), system=st.sampled_from([None, "urn:oid:1.2.208.176.1.2"]))
@pytest.mark.req("VAGT-IN-10")
def test_whatever_comes_is_used_or_refused(document: Any, system: str | None):
    translation = translate(document, RECEIVED, system)
    for patient, item in translation.items:
        assert parse(orjson.loads(orjson.dumps(item)), patient).patient == patient
    for index, refusal in translation.refusals:
        assert index >= 0
        assert refusal.reason in {
            "schema",
            "missing-subject",
            "unsupported",
            "unknown-code",
            "unknown-unit",
            "implausible",
            "no-value",
        }
        assert len(refusal.detail) < 1000
    kind = document.get("resourceType") if isinstance(document, dict) else None
    assert translation.items or translation.refusals or kind == "Bundle"


# ---------------------------------------------------------------------- real patients' data


def read(folder: str, name: str) -> list[Any]:
    path = DATA / folder / name
    if not path.exists():
        pytest.skip(f"{folder}/{name} is not there: set VAGT_TEST_DATA to a folder that holds it")
    with gzip.open(path) as file:
        return [orjson.loads(line) for line in file] if ".ndjson" in name else [orjson.loads(file.read())]


def counted(documents: list[Any]) -> tuple[dict[str, int], dict[str, int]]:
    translations = [translate(document, RECEIVED) for document in documents]
    used = Counter(item.get("action", item["type"]) for one in translations for _, item in one.items)
    return dict(used), dict(Counter(refusal.reason for one in translations for _, refusal in one.refusals))


@pytest.mark.data
def test_the_vital_signs_of_mimic_are_taken_but_for_absent_and_impossible_ones():
    vital_signs = read("mimic_iv_demo_fhir", "MimicObservationVitalSignsED.ndjson.gz")
    absent = sum("dataAbsentReason" in one for one in vital_signs)
    used, refusals = counted(vital_signs)
    assert used == {"observation": 6694}
    assert refusals == {"no-value": absent, "implausible": 39}


@pytest.mark.data
def test_the_patients_and_encounters_of_mimic_are_all_taken():
    assert counted(read("mimic_iv_demo_fhir", "MimicPatient.ndjson.gz")) == ({"update": 100}, {})
    stays = counted(read("mimic_iv_demo_fhir", "MimicEncounterED.ndjson.gz"))
    assert stays == ({"admit": 222, "discharge": 222}, {})


@pytest.mark.data
def test_microbiology_is_refused_by_its_code():
    for name in ("MimicObservationMicroOrg.ndjson.gz", "MimicObservationMicroTest.ndjson.gz"):
        documents = read("mimic_iv_demo_fhir", name)
        assert counted(documents) == ({}, {"unknown-code": len(documents)})


@pytest.mark.data
@pytest.mark.parametrize(("number", "stays"), [(1, 10), (2, 8), (3, 10)])
def test_synthea_s_bundles_are_of_one_patient_and_every_entry_is_accounted_for(number: int, stays: int):
    (document,) = read("synthea", f"bundle_{number}.json.gz")
    translation = translate(document, RECEIVED)
    assert len({patient for patient, _ in translation.items}) == 1
    used = Counter(item.get("action") for _, item in translation.items)
    assert (used["update"], used["admit"], used["discharge"]) == (1, stays, stays)
    assert {refusal.reason for _, refusal in translation.refusals} == {"unsupported", "unknown-code"}
    kinds = Counter(entry["resource"]["resourceType"] for entry in document["entry"])
    taken_up = {"Observation", "Patient", "Encounter", "DiagnosticReport"}  # each report's results are in the Bundle
    unsupported = sum(count for kind, count in kinds.items() if kind not in taken_up)
    assert Counter(refusal.reason for _, refusal in translation.refusals)["unsupported"] == unsupported

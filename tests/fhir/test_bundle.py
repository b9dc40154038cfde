"""What the record system is told of an alert, change by change."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from models.outputs import Alert, Answer, Escalation, Suppressed, Text
from models.registry import Foresight
from streams.bundle import Bundles
from streams.pseudonym import Pseudonyms
from tests.builders import at
from tests.fhir.alerts import BUNDLES, FORESEEN, KINDS, STATES, alert, every_shape, of_a_course

HELD = Suppressed("lockout", at(12))


def told(one: Alert, bundles: Bundles = BUNDLES) -> dict[str, dict[str, Any]]:
    """The resources of a change, by type."""
    entries = orjson.loads(bundles.of(one))["entry"]
    return {entry["resource"]["resourceType"]: entry["resource"] for entry in entries}


def statuses(one: Alert) -> tuple[str, str, str | None]:
    """Of the finding, the flag and the request."""
    found = told(one)
    finding = found.get("RiskAssessment") or found["DetectedIssue"]
    return finding["status"], found["Flag"]["status"], found.get("CommunicationRequest", {}).get("status")


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_assesses_a_risk_and_a_rule_detects_an_issue(kind: str):
    assert set(told(alert(kind))) == {
        "RiskAssessment" if kind in FORESEEN else "DetectedIssue",
        "Flag",
        "CommunicationRequest",
        "Provenance",
    }


@pytest.mark.parametrize("kind", ["aki-risk", "aki"])
@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("raised", ("final", "active", "active")),
        ("escalated", ("amended", "active", "active")),
        ("updated", ("amended", "active", "active")),
        ("acknowledged", ("amended", "active", "completed")),
        ("snoozed", ("amended", "active", "on-hold")),
        ("dismissed", ("amended", "inactive", "completed")),
        ("resolved", ("amended", "inactive", "revoked")),
        ("expired", ("amended", "inactive", "revoked")),
        ("retracted", ("entered-in-error", "entered-in-error", "entered-in-error")),
    ],
)
def test_each_state_has_its_statuses(kind: str, state: Any, expected: tuple[str, str, str]):
    assert statuses(alert(kind, state=state, sequence=1 if state == "raised" else 2)) == expected


def test_every_state_has_its_statuses():
    assert {one.state for one in every_shape()} == set(STATES)


@pytest.mark.parametrize("state", ["escalated", "updated"])
def test_an_alert_that_is_held_back_flags_nothing_and_calls_nobody(state: Any):
    assert statuses(alert(suppressed=HELD)) == ("final", "inactive", None)
    assert statuses(alert(state=state, sequence=2, suppressed=HELD)) == ("amended", "inactive", "on-hold")


def test_nobody_must_act_on_what_is_for_information():
    assert statuses(alert(severity="info")) == ("final", "active", None)
    assert statuses(alert(severity="info", sequence=2, state="updated")) == ("amended", "active", "revoked")


@pytest.mark.parametrize(
    ("severity", "issue", "priority"),
    [("info", "low", None), ("warning", "moderate", "urgent"), ("critical", "high", "stat")],
)
def test_the_severity_is_told(severity: Any, issue: str, priority: str | None):
    found = told(alert("aki", severity=severity))
    assert found["DetectedIssue"]["severity"] == issue
    assert found.get("CommunicationRequest", {}).get("priority") == priority


def test_the_request_goes_to_a_role_of_the_ward_until_the_next_role_has_it():
    request = told(alert())["CommunicationRequest"]
    assert [one["identifier"]["value"] for one in request["recipient"]] == ["on-call", "OUH-M2"]
    assert request["occurrencePeriod"] == {"start": at(10), "end": at(10.5)}
    for next_one, end in ((at(10), at(10)), (at(9), None)):
        request = told(alert(escalates=Escalation("nurse-in-charge", next_one)))["CommunicationRequest"]
        assert request.get("occurrencePeriod", {}).get("end") == end
    request = told(alert(role=None, escalates=None, ward=None))["CommunicationRequest"]
    assert not {"recipient", "occurrencePeriod"} & set(request)


def test_the_changes_of_an_alert_are_about_the_same_resources():
    first, later = told(alert()), told(alert(sequence=2, state="retracted", score=None, evidence=()))
    same = {kind for kind in first if first[kind]["id"] == later[kind]["id"]}
    assert same == {"RiskAssessment", "Flag", "CommunicationRequest"}
    assert told(alert(id="b2" * 16))["Flag"]["id"] != first["Flag"]["id"]


@pytest.mark.req("VAGT-OUT-01")
def test_a_change_gives_the_same_bytes_whenever_it_is_told():
    one = alert()
    assert BUNDLES.of(one) == BUNDLES.of(replace(one, emitted=at(20)))


def test_what_a_model_found_is_labelled_and_what_a_rule_found_is_not():
    def labels(kind: str) -> set[str]:
        return {
            label["code"] for one in told(alert(kind)).values() for label in one.get("meta", {}).get("security", [])
        }

    assert labels("aki-risk") == {"AIAST"}
    assert labels("aki") == set()
    assert all("meta" in one for kind, one in told(alert()).items() if kind != "Provenance")


def test_a_prediction_has_probability_horizon_and_reasons():
    (prediction,) = told(alert("aki-risk"))["RiskAssessment"]["prediction"]
    assert prediction["probabilityDecimal"] == 0.134
    assert (prediction["whenRange"]["low"]["value"], prediction["whenRange"]["high"]["value"]) == (0, 48)
    assert prediction["rationale"] == "CRP 120 mg/L, stigende"
    assert prediction["outcome"]["text"] == "Mulig infektion"


def test_a_model_that_abstains_gives_no_probability():
    score = alert().score
    assert score is not None
    (prediction,) = told(alert(score=replace(score, abstained=True)))["RiskAssessment"]["prediction"]
    assert "probabilityDecimal" not in prediction
    assert "prediction" not in told(alert(score=None))["RiskAssessment"]


def test_a_score_that_is_no_probability_is_told_as_none():
    points = Bundles({"bleeding": Foresight(False)})
    (prediction,) = told(alert("bleeding"), points)["RiskAssessment"]["prediction"]
    assert set(prediction) == {"outcome", "qualitativeRisk", "rationale"}


@pytest.mark.req("VAGT-OUT-01")
def test_the_provenance_names_software_model_hash_person_and_every_input_with_its_version():
    answer = Answer("fb-1", "acknowledge", "nurse/4711", None, at(11), None)
    found = told(alert(state="acknowledged", sequence=2, answer=answer))["Provenance"]
    who = [agent["who"]["identifier"]["value"] for agent in found["agent"]]
    assert who[0].startswith("vagt|")
    assert who[1:] == ["infection-risk|1.2.0", "nurse/4711"]
    entities = [entity["what"]["identifier"]["value"] for entity in found["entity"]]
    assert entities == ["ab" * 32, "crp-1/_history/2", "hr-9/_history/1"]
    assert found["recorded"] == at(10)


# ------------------------------------------------------------------------- references


def test_a_patient_goes_by_id_or_by_the_identifier_system_of_the_deployment():
    by_number = Bundles(FORESEEN, "urn:oid:1.2.208.176.1.2")
    assert told(alert())["Flag"]["subject"] == {"reference": "Patient/p-1007"}
    assert told(alert(patient="0101575011"), by_number)["Flag"]["subject"] == {
        "type": "Patient",
        "identifier": {"system": "urn:oid:1.2.208.176.1.2", "value": "0101575011"},
    }


@pytest.mark.parametrize("patient", ["a/b", "æ", "p" * 65, "p?x=1", " "])
def test_what_cannot_be_an_id_is_an_identifier(patient: str):
    assert "reference" not in told(alert(patient=patient))["Flag"]["subject"]


def test_a_pseudonym_is_told_with_the_sealed_identifier_beside_it():
    pseudonyms = Pseudonyms([bytes(32)])
    name = pseudonyms.name("0101575011")
    sealed = pseudonyms.seal("0101575011", name)
    for bundles in (BUNDLES, Bundles(FORESEEN, "urn:oid:1.2.208.176.1.2")):
        raw = bundles.of(alert(patient=name, sealed=sealed))
        assert b"0101575011" not in raw
        identifier = told(alert(patient=name, sealed=sealed), bundles)["Flag"]["subject"]["identifier"]
        assert identifier["system"] == "urn:vagt:pseudonym"
        assert pseudonyms.unseal(identifier["extension"][0]["valueString"], identifier["value"]) == "0101575011"


def references(node: Any) -> set[str]:
    """Every literal reference below a node."""
    if isinstance(node, list):
        return set[str]().union(*map(references, node))
    if not isinstance(node, dict):
        return set()
    own = {node["reference"]} if "reference" in node else set()
    return own.union(*map(references, node.values()))


@given(one=st.sampled_from(list(every_shape())), words=st.text(max_size=40), name=st.text(min_size=1, max_size=80))
def test_whatever_an_alert_says_is_told_and_refers_to_nothing_but_itself_and_the_patient(
    one: Alert, words: str, name: str
):
    one = replace(one, title=Text(words, words), ward=words, encounter=name, patient=name)
    bundle = orjson.loads(BUNDLES.of(one))
    own = {entry["fullUrl"] for entry in bundle["entry"]}
    assert references(bundle) <= own | {f"Patient/{name}"}
    assert len(own) == len(bundle["entry"])


def test_a_patient_who_falls_ill_and_gets_well_is_told_whole():
    states = [(one.kind, one.state) for one in of_a_course()]
    assert ("news2", "snoozed") in states
    assert ("news2", "resolved") in states
    assert ("critical-result", "retracted") in states

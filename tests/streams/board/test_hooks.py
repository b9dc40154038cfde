"""CDS Hooks: an EHR asks for a patient's cards over HTTP, and what it says of them becomes an answer."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from features.instants import render
from models.outputs import Text
from streams.board import hooks
from streams.board.house import Beat
from streams.board.web import Board
from streams.settings import Settings
from tests.streams.board.told import alert, answer, reason, score, shown

CPR = "010203-1234"
INFECTION, AKI, OLD = "a" * 32, "b" * 32, "c" * 32
VIEW = "/cds-services/vagt-patient-view"
#: As the public sandbox sends it.
CALL: dict[str, Any] = {
    "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
    "hook": "patient-view",
    "fhirServer": "https://launch.smarthealthit.org/v/r4/fhir",
    "context": {"userId": "Practitioner/COREPRACTITIONER1", "patientId": "1288992"},
    "prefetch": {
        "patient": {
            "resourceType": "Patient",
            "id": "1288992",
            "identifier": [{"use": "official", "system": "urn:oid:1.2.208.176.1.2", "value": CPR}],
            "name": [{"family": "Jensen", "given": ["Anna"]}],
        }
    },
}


@pytest.fixture
def given_answers(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    async def give(_: object, __: int, feedback: dict[str, Any]) -> None:
        found.append(feedback)

    monkeypatch.setattr(hooks, "give", give)
    return found


@pytest.fixture
def board() -> Board:
    board = Board(Settings(kafka_bootstrap="127.0.0.1:1", partitions=1))
    title = Text("Possible infection [x](http://e)", "Mulig infektion [x](http://e)")
    of = score(patient=CPR, reasons=(reason(), reason(en="Wound [x](http://e), rising")))
    alerts = (
        alert(id=AKI, kind="aki", patient=CPR, severity="critical", state="acknowledged", answer=answer()),
        alert(id=INFECTION, patient=CPR, title=title, score=of),
        alert(id=OLD, kind="news2", state="resolved", patient=CPR),
    )
    board.house.hear_now(CPR, shown(patient=CPR, alerts=alerts))
    board._feed.health.part = 1.0
    board.house.beats[0] = Beat(float("inf"), render(0), live=False)
    return board


@pytest.fixture
def client(board: Board, views: object) -> Iterator[TestClient]:
    client = TestClient(board.app, base_url="http://127.0.0.1:8080")
    yield client
    client.close()


def cards(client: TestClient, **changes: Any) -> list[dict[str, Any]]:
    found = client.post(VIEW, json={**CALL, **changes})
    assert found.status_code == 200, found.text
    given: list[dict[str, Any]] = found.json()["cards"]
    return given


def outcome(card: str = INFECTION, **fields: Any) -> dict[str, Any]:
    return {"card": str(uuid.UUID(card)), "outcome": "accepted", "outcomeTimestamp": "2026-03-01T05:00:00Z", **fields}


def feedback(client: TestClient, *outcomes: dict[str, Any]) -> int:
    return client.post(f"{VIEW}/feedback", json={"feedback": list(outcomes)}).status_code


def test_the_discovery_names_both_services_and_asks_for_the_patient(client):
    services = client.get("/cds-services").json()["services"]
    assert {one["id"]: one["hook"] for one in services} == {
        "vagt-patient-view": "patient-view",
        "vagt-order-select": "order-select",
    }
    assert all(one["description"] and one["prefetch"]["patient"].startswith("Patient/") for one in services)


def test_a_call_of_the_sandbox_is_answered_with_what_speaks_the_gravest_first(client, views):
    first, second = cards(client)
    assert (first["uuid"], first["indicator"]) == (str(uuid.UUID(AKI)), "critical")
    assert (second["uuid"], second["indicator"]) == (str(uuid.UUID(INFECTION)), "warning")
    assert "suggestions" not in first
    assert [one["label"] for one in second["suggestions"]] == ["Jeg tager den"]
    assert second["overrideReasons"][0]["code"] == "already-treated"
    assert "Laktat 3,1 mmol/L" in second["detail"]
    assert views == [("Practitioner/COREPRACTITIONER1", "ehr", "vagt-patient-view", [CPR])]


@pytest.mark.req("VAGT-OUT-02")
def test_every_card_has_what_the_specification_requires(client):
    for card in cards(client):
        assert 0 < len(card["summary"]) < 140
        assert card["indicator"] in {"info", "warning", "critical"}
        assert card["source"]["label"]
        assert not [name for name, value in card.items() if value in (None, "", [], {})]


def test_what_somebody_wrote_into_a_reason_is_no_link_in_the_ehr(client):
    assert "](" not in cards(client)[1]["detail"]


def test_the_language_follows_the_callers(client):
    found = client.post(VIEW, json=CALL, headers={"accept-language": "en-GB"}).json()["cards"]
    assert any(one["summary"].startswith("Possible infection") for one in found)


@pytest.mark.req("VAGT-OUT-02")
def test_a_patient_is_known_by_the_identifier_that_came_along_or_by_the_ehrs_own_id(client):
    assert cards(client, prefetch=None, context={"userId": "Practitioner/1", "patientId": CPR})
    assert cards(client, prefetch=None, context={"userId": "Practitioner/1", "patientId": "nobody"}) == []


@pytest.mark.req("VAGT-OUT-02")
def test_a_board_that_may_not_be_whole_says_so_in_a_card_of_its_own(client, board):
    board._feed.health.lost = 0.0
    *told, last = cards(client)
    assert len(told) == 2
    assert (last["indicator"], "uuid" in last) == ("warning", False)
    assert "Ingen forbindelse" in last["summary"]


def test_taking_a_card_takes_its_alert_once_however_often_it_is_told(client, given_answers):
    assert feedback(client, outcome()) == 200
    assert feedback(client, outcome()) == 200
    first, second = given_answers
    assert (first["alert"], first["action"], first["by"]) == (INFECTION, "acknowledge", "ehr/cds-hooks")
    assert first["id"] == second["id"]


@pytest.mark.parametrize(
    ("why", "reason", "note"),
    [
        ({"reason": {"code": "already-treated", "system": "urn:x"}, "userComment": "J01"}, "already-treated", "J01"),
        ({"reason": {"code": "unheard-of"}}, "other", None),
        ({"userComment": "no"}, "other", "no"),
        (None, "other", None),
    ],
)
def test_an_overridden_card_dismisses_its_alert_with_the_reason(client, given_answers, why, reason, note):
    given = outcome(outcome="overridden", **({} if why is None else {"overrideReason": why}))
    assert feedback(client, given) == 200
    (one,) = given_answers
    assert (one["action"], one["reason"], one.get("note")) == ("dismiss", reason, note)


def test_an_outcome_of_a_card_that_is_over_or_unknown_changes_nothing_and_is_no_error(client, given_answers):
    assert feedback(client, outcome(OLD), outcome("d" * 32), outcome()) == 200
    assert [one["alert"] for one in given_answers] == [INFECTION]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/cds-services/other", CALL, 404),
        ("/cds-services/other/feedback", {"feedback": []}, 404),
        (VIEW, {**CALL, "hook": "order-select"}, 400),
        (VIEW, {**CALL, "hookInstance": "1"}, 400),
        (VIEW, {**CALL, "context": {"userId": "x"}}, 400),
        (VIEW, {**CALL, "prefetch": {"patient": {"resourceType": "Group"}}}, 400),
        (VIEW, [], 400),
        (f"{VIEW}/feedback", {"feedback": []}, 400),
        (f"{VIEW}/feedback", {"feedback": [{"card": "1"}]}, 400),
    ],
)
def test_a_request_that_cannot_be_used_is_refused_in_a_sentence(client, path, body, status):
    found = client.post(path, json=body)
    assert (found.status_code, set(found.json())) == (status, {"error"})
    assert CPR not in found.text


def test_a_request_that_is_too_large_is_refused(client):
    assert client.post(VIEW, content=b" " * (256 * 1024 + 1)).status_code == 413


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_whatever_comes_is_refused_and_never_a_fault(client, body):
    assert client.post(VIEW, content=body).status_code == 400

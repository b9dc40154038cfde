"""The doors on a real Kafka: other forms come in, and the same step decides."""

from collections.abc import Iterator

import msgspec
import pytest

from features.instants import HOUR, render
from models.outputs import Alert
from models.registry import foreseen, shipped
from streams.bundle import Bundles
from tests.integration.patients import START, admission, observation
from tests.integration.service import Service, running

PATIENT = "p-fhir"


@pytest.fixture(scope="module")
def service(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A deployment with a native door, `lab`."""
    folder = tmp_path_factory.mktemp("doors")
    with running(Service(broker, "doors.", folder, environment={"VAGT_DOORS": "lab=native"}), "w1") as service:
        yield service


def vital_sign(identity: str, code: str, value: float, unit: str, hour: int = 0) -> dict[str, object]:
    """A FHIR Observation."""
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "subject": {"reference": f"Patient/{PATIENT}"},
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
        "effectiveDateTime": render(START + hour * HOUR),
        "issued": render(START + hour * HOUR),
    }


@pytest.fixture(scope="module")
def alerted(service: Service) -> Service:
    """The deployment after a FHIR bundle that raises an alert."""
    signs = [("9279-1", 30.0, "/min"), ("59408-5", 90.0, "%"), ("8867-4", 135.0, "/min")]
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": vital_sign(f"o-{code}", code, value, unit)} for code, value, unit in signs],
    }
    service.send([("anything", bundle)], topic="fhir")
    service.settle("fhir")
    service.settle()
    return service


@pytest.mark.req("VAGT-IN-10")
def test_a_fhir_bundle_becomes_scores_and_an_alert(alerted: Service) -> None:
    (alert,) = alerted.alerts()[PATIENT]
    assert (alert["kind"], alert["severity"], alert["state"]) == ("news2", "warning", "raised")
    assert {one["id"] for one in alert["evidence"]} == {"o-9279-1", "o-59408-5", "o-8867-4"}


def test_every_change_of_an_alert_is_told_to_the_record_system(alerted: Service) -> None:
    said = [msgspec.json.decode(one.value, type=Alert) for one in alerted.read("alerts")]
    told = [(one.key, one.value, dict(one.headers)) for one in alerted.read("alerts.fhir")]
    bundles = Bundles(foreseen(shipped()))
    assert said
    assert told == [
        (one.patient.encode(), bundles.of(one), {"alert": one.id.encode(), "sequence": b"%d" % one.sequence})
        for one in said
    ]


def test_what_a_door_refuses_is_a_dead_letter_with_the_senders_bytes(service: Service) -> None:
    before = service.ends("deadletter")
    service.send([("k", vital_sign("bad", "99999-9", 1.0, "/min")), ("k", b"<xml/>")], topic="fhir")
    service.settle("fhir")
    letters = service.dead(before)
    assert sorted(letter["reason"] for letter in letters) == ["bad-json", "unknown-code"]
    assert {letter["topic"] for letter in letters} == {"doors.fhir"}


def test_a_platforms_own_topic_may_hold_several_patients_in_one_record(service: Service) -> None:
    patients = ("p-lab-1", "p-lab-2")
    service.send([(None, [admission(one) for one in patients])], topic="lab")
    service.send([(None, [observation(one, f"{one}-hr", START) for one in patients])], topic="lab")
    service.settle("lab")
    service.settle()
    scores = service.scores()
    for one in patients:
        assert "news2" in {score["kind"] for score in scores[one][-1]}

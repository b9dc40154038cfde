"""What cannot be used becomes a dead letter with its bytes and a reason; everybody else's stream goes on."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from features.instants import DAY, render
from streams.partitioner import partition_of
from tests.integration.patients import START, admission, observation
from tests.integration.service import PARTITIONS, Service, running

PATIENT = "p-bad"


@pytest.fixture(scope="module")
def service(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One worker for the whole file: it must outlive everything that is sent here."""
    with running(Service(broker, "bad-input-2.", tmp_path_factory.mktemp("service")), "w1") as service:
        yield service


def sign(identity: str, **fields: Any) -> dict[str, Any]:
    """An observation of the patient who gets the bad input."""
    return observation(PATIENT, identity, START, **fields)


def loinc(code: str) -> dict[str, str]:
    return {"system": "http://loinc.org", "code": code}


BAD = {
    "not JSON": (b"{not json", "bad-json"),
    "not UTF-8": (b'{"type": "\xff\xfe"}', "bad-json"),
    "NaN": (orjson.dumps(sign("nan")).replace(b"80.0", b"NaN"), "bad-json"),
    "an infinite number": (orjson.dumps(sign("inf")).replace(b"80.0", b"Infinity"), "bad-json"),
    "a number beyond every float": (orjson.dumps(sign("huge")).replace(b"80.0", b"1e999"), None),
    "JSON nested too deeply": (b"[" * 5000 + b"]" * 5000, "bad-json"),
    "a number instead of an object": (b"5", "schema"),
    "an empty array": (b"[]", "schema"),
    "an empty value": (None, "empty"),
    "an object without a type": ({"patient": PATIENT}, "schema"),
    "an unknown type": ({"patient": PATIENT, "type": "poem"}, "schema"),
    "20 MB in one record": (b'"' + b"x" * (20 * 1024 * 1024) + b'"', "too-large"),
    "an unknown code": (sign("code", code=loinc("99999-9")), "unknown-code"),
    "an unknown system": (sign("system", code={"system": "urn:x", "code": "8867-4"}), "unknown-code"),
    "an unknown unit": (sign("unit", unit="furlong"), "unknown-unit"),
    "no unit": (sign("no-unit", unit=None), "unknown-unit"),
    "a unit of another dimension": (sign("dimension", unit="mmol/L"), "unknown-unit"),
    "1e308": (sign("1e308", value=1e308), "implausible"),
    "a pH of 735": (sign("ph", code=loinc("2744-1"), value=735.0, unit="[pH]"), "implausible"),
    "98.6 Cel, which is Fahrenheit": (sign("f", code=loinc("8310-5"), value=98.6, unit="Cel"), "implausible"),
    "a negative FiO2": (sign("fio2", code=loinc("3150-0"), value=-0.4, unit="1"), "implausible"),
    "an effective in 1890": (sign("1890", effective="1890-01-01T00:00:00Z"), "implausible"),
    "an effective next week": (sign("week", effective=render(START + 7 * DAY)), "implausible"),
    "no patient": ({**sign("nobody"), "patient": None}, "missing-subject"),
    "another patient than the key": ({**sign("other"), "patient": "p-other"}, "wrong-subject"),
    "a timestamp without offset": (sign("offset", effective="2026-01-01T00:00:00"), "schema"),
    "a text for a number": (sign("text", value="80"), "schema"),
    "a text result of a number": (sign("words", value=None, text="haemolysed"), "schema"),
    "a boolean for a number": (sign("bool", value=True), "schema"),
    "no value at all": (sign("nothing", value=None), "schema"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.req("VAGT-IN-01")
def test_unusable_input_is_a_dead_letter_with_its_bytes_and_a_reason(service: Service, case: str) -> None:
    value, reason = BAD[case]
    raw = value if value is None or isinstance(value, bytes) else orjson.dumps(value)
    before = service.ends("deadletter")
    service.send([(PATIENT, raw)])
    service.settle()
    letters = service.read("deadletter", before)
    assert len(letters) == 1
    headers = {name: text.decode() for name, text in letters[0].headers}
    assert letters[0].value == raw
    assert letters[0].key == PATIENT.encode()
    assert headers["reason"] in ({reason} if reason else {"bad-json", "schema"})
    assert headers["topic"] == "bad-input-2.events"
    assert headers["item"] == "0"
    assert headers["detail"]
    assert PATIENT not in headers["detail"]


@pytest.mark.req("VAGT-IN-02")
def test_the_siblings_of_an_unusable_object_are_used(service: Service) -> None:
    patient = "p-siblings"
    panel = [
        observation(patient, "a", START),
        observation(patient, "b", START, value=-1.0),
        observation(patient, "c", START, code=loinc("9279-1"), value=28.0),
    ]
    before = service.ends("deadletter")
    service.send([(patient, admission(patient)), (patient, panel)])
    service.settle()
    assert [(letter["reason"], letter["item"]) for letter in service.dead(before)] == [("implausible", "1")]
    newest = next(score for score in service.scores()[patient][-1] if score["kind"] == "news2")
    assert [item["id"] for item in newest["trigger"]["items"]] == ["a", "c"]
    assert newest["score"] == 3


def test_a_lower_version_changes_nothing_and_is_no_error(service: Service) -> None:
    patient = "p-version"
    versions = [
        observation(patient, "x", START, version=2, value=130.0),
        observation(patient, "x", START, version=1, value=80.0),
        observation(patient, "x", START, version=2, value=130.0),
    ]
    before = service.ends("deadletter")
    service.send((patient, version) for version in versions)
    service.settle()
    assert len(service.scores()[patient]) == 1
    assert service.dead(before) == []


@pytest.mark.req("VAGT-IN-07")
def test_the_same_version_with_another_value_is_a_conflict(service: Service) -> None:
    patient = "p-conflict"
    before = service.ends("deadletter")
    service.send((patient, observation(patient, "x", START, value=value)) for value in (80.0, 81.0))
    service.settle()
    assert [letter["reason"] for letter in service.dead(before)] == ["conflict"]


@pytest.mark.req("VAGT-IN-09")
def test_a_key_that_is_missing_is_a_wrong_subject(service: Service) -> None:
    before = service.ends("deadletter")
    service.send([(None, sign("no-key"))])
    service.settle()
    assert [letter["reason"] for letter in service.dead(before)] == ["wrong-subject"]


@pytest.mark.req("VAGT-IN-09")
def test_a_record_on_the_wrong_partition_is_moved_and_used_once(service: Service) -> None:
    patient = "p-moved"
    wrong = (partition_of(patient.encode(), PARTITIONS) + 1) % PARTITIONS
    service.send([(patient, observation(patient, "m", START))], partition=wrong)
    service.settle()
    service.settle()
    scores = [one for one in service.read("risk.scores") if one.key == patient.encode()]
    assert len(scores) == 1
    assert scores[0].partition == partition_of(patient.encode(), PARTITIONS)


@pytest.mark.req("VAGT-IN-02")
def test_the_worker_has_outlived_it_all_and_still_speaks(service: Service) -> None:
    patient = "p-after"
    signs = observation(patient, "after", START, code=loinc("9279-1"), value=30.0)
    service.send([(patient, signs)])
    service.settle()
    assert service.workers["w1"].poll() is None
    assert len(service.scores()[patient]) == 1


@pytest.mark.req("VAGT-PRI-02")
def test_no_log_line_names_a_patient(service: Service) -> None:
    log = service.log()
    assert "deadletter" in log
    assert not [line for line in log.splitlines() if "p-bad" in line or "p-siblings" in line]

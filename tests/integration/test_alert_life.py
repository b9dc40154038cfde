"""The life of an alert on a real Kafka, live: answers, merged patients, and what time alone changes."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from features.instants import HOUR, MINUTE, parse, render
from streams.partitioner import partition_of
from tests.integration.patients import LOINC, observation
from tests.integration.service import PARTITIONS, Service, running

#: A NEWS2 of 9, and one of 0.
ILL = {"9279-1": (30.0, "/min"), "59408-5": (90.0, "%"), "8867-4": (135.0, "/min")}
WELL = {"9279-1": (14.0, "/min"), "59408-5": (98.0, "%"), "8867-4": (72.0, "/min")}


@pytest.fixture(scope="module")
def service(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One live worker for the whole file."""
    with running(Service(broker, "alert-life.", tmp_path_factory.mktemp("service"), live=True), "w1") as service:
        yield service


def now() -> int:
    return time.time_ns() // 1_000_000


def signs(patient: str, values: dict[str, tuple[float, str]], ago: int = 0) -> list[dict[str, Any]]:
    """A set of vital signs of so many ms ago."""
    instant = now() - ago
    return [
        observation(
            patient,
            f"{patient}-{code}-{instant}",
            instant,
            code={"system": LOINC, "code": code},
            value=value,
            unit=unit,
        )
        for code, (value, unit) in values.items()
    ]


def encounter(patient: str, action: str, **fields: Any) -> dict[str, Any]:
    instant = now()
    common = {"type": "encounter", "id": f"{patient}-{action}-{instant}", "action": action, "patient": patient}
    return {**common, "at": render(instant), "issued": render(instant), **fields}


def answer(alert: dict[str, Any], action: str, **fields: Any) -> dict[str, Any]:
    common = {"type": "feedback", "id": f"{action}-{now()}", "alert": alert["id"], "patient": alert["patient"]}
    return {**common, "action": action, "by": "nurse/4711", "at": render(now()), **fields}


def news2(service: Service, patient: str) -> list[dict[str, Any]]:
    """The changes of a patient's NEWS2 alerts so far."""
    return [alert for alert in service.alerts().get(patient, []) if alert["kind"] == "news2"]


def until(found: Callable[[], Any], timeout: float = 60.0) -> Any:
    """What is found, as soon as it is."""
    deadline = time.monotonic() + timeout
    while not (value := found()):
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.2)
    return value


def said(service: Service, patient: str, *states: str) -> list[dict[str, Any]]:
    """The changes of a patient's NEWS2 alerts, once they are these."""
    until(lambda: len(news2(service, patient)) >= len(states))
    changes = news2(service, patient)
    assert [change["state"] for change in changes] == list(states)
    return changes


def test_somebodys_answer_is_a_change_of_the_alert(service: Service) -> None:
    service.send([("p-answer", signs("p-answer", ILL))])
    (raised,) = said(service, "p-answer", "raised")
    given = answer(raised, "acknowledge")
    service.send([("p-answer", given), ("p-answer", given)])
    service.send([("p-answer", signs("p-answer", WELL))])
    _, acknowledged, resolved = said(service, "p-answer", "raised", "acknowledged", "resolved")
    assert acknowledged["answer"]["by"] == "nurse/4711"
    assert (acknowledged["sequence"], resolved["sequence"], resolved["answer"]) == (2, 3, None)


@pytest.mark.req("VAGT-IN-12")
def test_a_merged_patients_alert_and_results_follow_to_another_partition_and_come_back(service: Service) -> None:
    old = "p-old"
    new = next(
        f"p-new-{n}" for n in range(99) if partition_of(f"p-new-{n}".encode(), PARTITIONS) != partition_of(b"p-old", 4)
    )
    service.send([(old, signs(old, ILL))])
    (raised,) = said(service, old, "raised")
    service.send([(old, encounter(old, "merge", into=new))])
    (moved,) = said(service, new, "updated")
    assert (moved["id"], moved["sequence"], moved["patient"]) == (raised["id"], 2, new)
    service.send([(old, answer(raised, "acknowledge")), (old, signs(old, WELL))])
    said(service, new, "updated", "acknowledged", "resolved")
    service.send([(old, signs(old, ILL))])
    *_, again = said(service, new, "updated", "acknowledged", "resolved", "raised")
    assert again["suppressed"]["reason"] == "lockout"
    service.send([(old, encounter(old, "unmerge"))])
    said(service, new, "updated", "acknowledged", "resolved", "raised", "retracted")
    assert said(service, old, "raised", "raised")[-1]["suppressed"] is None
    assert service.dead() == []


@pytest.mark.req("VAGT-ALT-07")
def test_a_snooze_ends_by_a_tick_that_the_service_writes_itself(service: Service) -> None:
    service.send([("p-snooze", signs("p-snooze", ILL))])
    (raised,) = said(service, "p-snooze", "raised")
    ends = now() + 3_000
    service.send([("p-snooze", answer(raised, "snooze", until=render(ends)))])
    *_, updated = said(service, "p-snooze", "raised", "snoozed", "updated")
    assert ends <= parse(updated["at"]) < ends + 5_000
    ticks = [
        item
        for record in service.read("events")
        if record.key == b"p-snooze" and isinstance(item := orjson.loads(record.value), dict) and item["type"] == "tick"
    ]
    assert ticks == [{"type": "tick", "patient": "p-snooze", "at": render(ends), "origin": "vagt"}]


@pytest.mark.req("VAGT-ALT-12")
def test_an_alert_that_nobody_answers_goes_to_the_next_role_by_a_tick_of_the_service(service: Service) -> None:
    service.send([("p-nobody", signs("p-nobody", ILL, ago=30 * MINUTE - 3_000))])
    raised, passed = said(service, "p-nobody", "raised", "escalated")
    assert (raised["role"], raised["escalates"]["role"]) == ("responsible", "on-call")
    assert (passed["role"], passed["at"]) == ("on-call", raised["escalates"]["at"])
    assert passed["escalates"] == {"role": "nurse-in-charge", "at": render(parse(raised["at"]) + HOUR)}
    service.send([("p-nobody", answer(passed, "acknowledge"))])
    *_, taken = said(service, "p-nobody", "raised", "escalated", "acknowledged")
    assert (taken["role"], taken["escalates"]) == (None, None)


@pytest.mark.req("VAGT-ALT-07")
def test_a_snooze_that_ended_while_no_worker_ran_ends_when_one_does(service: Service) -> None:
    service.send([("p-restart", signs("p-restart", ILL))])
    (raised,) = said(service, "p-restart", "raised")
    ends = now() + 2_000
    service.send([("p-restart", answer(raised, "snooze", until=render(ends)))])
    said(service, "p-restart", "raised", "snoozed")
    service.settle()
    service.stop("w1")
    until(lambda: now() > ends + 500)
    assert [change["state"] for change in news2(service, "p-restart")] == ["raised", "snoozed"]
    service.start("w2")
    said(service, "p-restart", "raised", "snoozed", "updated")

"""Models promoted, shadowed, rolled back and stopped on a real Kafka while the stream runs and a worker is killed."""

import itertools
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from streams.kafka import sender
from tests.integration.patients import admitted_now, observation
from tests.integration.service import PARTITIONS, Service, running
from tests.plugins import manifest, new_shelf, put

PATIENTS = [f"p-{number}" for number in range(12)]
KIND = "crisis-risk"


@pytest.fixture
def service(broker: str, topic_prefix: str, tmp_path: Path) -> Iterator[Service]:
    """A live deployment with two versions of a model of its own, and without workers yet."""
    folder = tmp_path / "service"
    folder.mkdir()
    _, key = new_shelf(tmp_path)
    own = {"VAGT_MODELS": str(tmp_path / "models"), "VAGT_MODEL_KEYS": str(tmp_path / "keys")}
    low = {"raised": 0.01, "high": 0.02, "clear_below": 0.01}
    put(tmp_path / "models" / "1", manifest(), key=key)
    put(tmp_path / "models" / "2", manifest(version="2.0.0", bands=low), key=key)
    with running(Service(broker, topic_prefix, folder, live=True, environment=own)) as service:
        yield service


@contextmanager
def flow(service: Service) -> Iterator[list[str]]:
    """Heart rates of all patients all the while; the names of those that were sent, once it ends."""
    ends, sent = threading.Event(), list[str]()

    def send() -> None:
        producer = sender(service.settings)
        for number in itertools.count():
            patient = PATIENTS[number % len(PATIENTS)]
            now = time.time_ns() // 1_000_000
            sent.append(f"{patient}-{number}")
            value = orjson.dumps(observation(patient, sent[-1], now, value=90.0 + number % 40))
            producer.send(service.settings.topic("events"), value, patient.encode())
            if ends.wait(0.02):
                break
        producer.close()

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield sent
    finally:
        ends.set()
        thread.join()


def say(service: Service, *words: str) -> None:
    """A command about models, which every partition follows."""
    status, said = service.vagt("models", *words, "--by", "chief physician", "--why", "it is tried")
    assert (status, said.count(": done")) == (0, PARTITIONS), said


@pytest.mark.slow
@pytest.mark.req("VAGT-MOD-12", "VAGT-MOD-13", "VAGT-MOD-14")
def test_models_change_under_flow_and_a_crash_with_nothing_lost_or_scored_by_two_live_ones(service: Service) -> None:
    service.send([(patient, admitted_now(patient)) for patient in PATIENTS])
    service.start("w1")
    service.start("w2")
    service.settle()
    with flow(service) as sent:
        say(service, "shadow", "crisis@2.0.0")
        say(service, "promote", "crisis@2.0.0")
        service.stop("w1", signal.SIGKILL)
        say(service, "rollback", "crisis@2.0.0")
        service.start("w3")
        say(service, "promote", "crisis@2.0.0")
        status, said = service.vagt("models", "retire", "crisis@2.0.0", "--by", "nobody", "--why", "by mistake")
        assert (status, said.count("refused (not-allowed)")) == (1, PARTITIONS)
    service.settle()
    sent.append("p-late-0")
    late = observation("p-late", sent[-1], time.time_ns() // 1_000_000, value=125.0)
    service.send([("p-late", admitted_now("p-late")), ("p-late", late)])
    service.settle()
    say(service, "stop", "crisis", "--ward", "M2")
    _await_end_of_alerts(service)
    service.settle()

    written = [one for one in service.read("events") if b'"observation"' in one.value]
    assert len(written) == len(sent)
    by_record: dict[tuple[str, str], Counter[bool]] = defaultdict(Counter)
    versions = Counter[tuple[str, bool]]()
    for patient, turns in service.scores().items():
        for score in itertools.chain(*turns):
            if score["kind"] == KIND:
                versions[score["model"]["version"], score["shadow"]] += 1
                for item in score["trigger"]["items"]:
                    by_record[patient, item["id"]][score["shadow"]] += 1
    assert versions.keys() == {("1.0.0", False), ("2.0.0", True), ("2.0.0", False)}
    assert [by_record[name.rpartition("-")[0], name][False] for name in sent] == [1] * len(sent)

    status, said = service.vagt("audit", "replay")
    assert (status, said.count(" 0 differ, 0 entries not as they were written")) == (0, PARTITIONS), said
    status, said = service.vagt("models", "compare", "crisis@2.0.0")
    assert (status, f"Records that both scored: {versions['2.0.0', True]}, of " in said) == (0, True), said
    status, said = service.vagt("models", "roster")
    assert status == 0, said
    assert "crisis-risk: crisis@2.0.0 is live" in said
    assert "crisis-risk: crisis@1.0.0 is candidate" in said
    assert "Stopped: crisis-risk in M2, since " in said
    ended = [one for turns in service.alerts().values() for one in turns if one["kind"] == KIND]
    assert {one["title"]["en"] for one in ended if one["state"] == "expired"} == {
        f"{KIND}: stopped, it watches no more"
    }
    raised = next(one for one in ended if one["state"] == "raised" and one["patient"] == "p-late")
    assert "Decided by crisis 2.0.0" in service.vagt("audit", "explain", raised["id"])[1]

    # A worker that cannot repeat these decisions makes none.
    for name in list(service.workers):
        service.stop(name)
    reached = service.ends("audit")
    del service.environment["VAGT_MODELS"]
    assert service.start("w4").wait(120) == 1
    assert "crisis 2.0.0" in service.log()
    assert "in use by control records and is not loaded" in service.log()
    assert service.ends("audit") == reached


def _await_end_of_alerts(service: Service) -> None:
    """Nobody sends anything: the service's own ticks end the alerts of what is stopped."""
    deadline = time.monotonic() + 60
    while True:
        newest = {
            one["patient"]: one["state"] for turns in service.alerts().values() for one in turns if one["kind"] == KIND
        }
        if newest and set(newest.values()) == {"expired"}:
            return
        assert time.monotonic() < deadline, newest
        time.sleep(0.5)

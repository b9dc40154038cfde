"""The watch as a process of its own on a real Kafka, killed in the middle."""

import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import orjson
import pytest

from features.catalogue import catalogue
from features.events import ModelControl, parse_control
from features.instants import DAY, HOUR, MINUTE
from models.monitor.monitor import Monitor
from models.monitor.units import ways
from streams.judge import CONTROL_KEY
from streams.monitor.hearing import Hearing
from streams.monitor.store import Stored, encode
from streams.topics import EVENTS
from tests.integration.patients import LOINC, START, admission, observation
from tests.integration.service import PARTITIONS, running
from tests.integration.watched import Watched, until

PATIENTS = [f"patient-{number}" for number in range(24)]
PATIENCE_S = 400.0
CHANGE = START + 7 * DAY + 9 * HOUR


class Monitored(Watched):
    """A deployment with a monitor and no worker."""

    def notices(self) -> list[Any]:
        return [orjson.loads(one.value) for one in self.read("model.watch")]


@pytest.fixture
def service(broker: str, topic_prefix: str, tmp_path: Path) -> Iterator[Monitored]:
    stops = {"VAGT_WATCH_STOPS": "infection=unit,infection=drift,aki=unit"}
    service = Monitored(broker, topic_prefix, tmp_path, environment=stops)
    with running(service):
        yield service


def temperatures() -> list[tuple[str, Any]]:
    """Every two hours a temperature and a pulse of each; from the change on the temperature is in °F, said to be °C."""
    chance = Random(3)
    found: list[tuple[str, Any]] = [(name, admission(name)) for name in PATIENTS]
    for hour in range(0, 7 * 24 + 18, 2):
        for number, name in enumerate(PATIENTS):
            at = START + hour * HOUR + number * 4 * MINUTE
            warm = round(37 + chance.gauss(0, 0.4), 1)
            value = round(warm * 1.8 + 32, 1) if at >= CHANGE else warm
            temperature = {"code": {"system": LOINC, "code": "8310-5"}, "value": value, "unit": "Cel"}
            found.append(
                (
                    name,
                    [
                        observation(name, f"{name}-t-{hour}", at, performer="EPJ", **temperature),
                        observation(name, f"{name}-p-{hour}", at, performer="EPJ", value=70.0 + chance.randrange(20)),
                    ],
                )
            )
    return found


def a_watch_that_learnt(records: list[tuple[str, Any]]) -> tuple[bytes, int]:
    """What a watch has stored just before its first notice, and how many of the records it then heard."""
    hearing, watch = Hearing(catalogue(), frozenset(), 2**20, pseudonymous=False), Monitor(ways(catalogue()))
    for number, (patient, value) in enumerate(records):
        stored = msgspec.msgpack.encode(Stored({}, watch.state, 3))
        heard = hearing.facts(EVENTS, patient.encode(), orjson.dumps(value))
        if any(watch.hear(fact) for fact in heard):
            return stored, number
    raise AssertionError("no notice")


@pytest.mark.slow
@pytest.mark.req("VAGT-WATCH-04", "VAGT-WATCH-05")
def test_a_monitor_that_is_killed_says_once_what_one_without_a_break_says(service: Monitored) -> None:
    records = temperatures()
    hearing, whole = Hearing(catalogue(), frozenset(), 2**20, pseudonymous=False), Monitor(ways(catalogue()))
    meant = [
        orjson.loads(encode(notice))
        for patient, value in records
        for fact in hearing.facts(EVENTS, patient.encode(), orjson.dumps(value))
        for notice in whole.hear(fact)
    ]
    assert [(one["type"], one["state"], one["guess"]) for one in meant] == [
        ("unit", "raised", {"how": "unlabelled", "what": "F"})
    ]
    half = len(records) // 2
    service.send(records[:half])
    service.start_monitor(service.port)
    until(lambda: service.ends("model.watch.state")[0] > 0, service.log, PATIENCE_S)
    service.stop("monitor", signal.SIGKILL)
    service.send(records[half:])
    service.start_monitor(service.port)
    until(lambda: bool(service.notices()), service.log, PATIENCE_S)
    service.wait_for("/metrics", 200, 'vagt_watch_notices{type="unit"} 1.0')
    assert service.ask("/readyz") == (200, "yes\n")
    assert service.stop("monitor") == 0
    service.start_monitor(service.port)
    service.wait_for("/metrics", 200, 'vagt_watch_notices{type="unit"} 1.0')
    assert service.notices() == [{**one, "models": service.notices()[0]["models"]} for one in meant]
    assert "infection" in service.notices()[0]["models"]
    assert [one.key for one in service.read("model.watch")] == [b"_inputs"]
    stops = [one for one in service.read("events") if one.key == CONTROL_KEY]
    assert sorted(one.partition for one in stops) == list(range(PARTITIONS))
    assert len({one.value for one in stops}) == 1
    stop = parse_control(orjson.loads(stops[0].value))
    assert isinstance(stop, ModelControl)
    assert (stop.action, stop.kind, stop.ward) == ("stop", "infection-risk", service.notices()[0]["ward"])
    assert stop.why == f"Notice {meant[0]['id']} of the watch: {meant[0]['text']['en']}"
    service.start("w1")
    told = f"Stopped: infection-risk, since {meant[0]['at']}, by vagt-monitor"
    until(lambda: told in service.vagt("models", "roster")[1], service.log, PATIENCE_S)
    log = service.log()
    assert not [name for name in PATIENTS if name in log]

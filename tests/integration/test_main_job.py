"""From event to alert on a real Kafka: the same as the pure step says, however many workers there are."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.patients import ward
from tests.integration.service import Service, oracle, running, shown


@pytest.fixture
def service(broker: str, topic_prefix: str, tmp_path: Path) -> Iterator[Service]:
    """A deployment without workers yet; its topics exist."""
    with running(Service(broker, topic_prefix, tmp_path)) as service:
        yield service


@pytest.mark.req("VAGT-DEC-03")
def test_the_service_says_what_the_pure_step_says(service: Service) -> None:
    records = ward(patients=8, hours=24)
    service.start()
    service.send(records)
    service.settle()
    scores, alerts = oracle(records)
    assert service.scores() == scores
    assert service.alerts() == alerts
    assert {change["state"] for found in alerts.values() for change in found} >= {"raised", "resolved"}
    assert service.dead() == []
    assert service.shown() == shown(records) != {}


@pytest.mark.long
@pytest.mark.req("VAGT-DEC-01")
def test_three_workers_say_what_one_says(broker: str, tmp_path: Path) -> None:
    records = ward(patients=20, hours=12, seed=2)
    said = []
    for names in (["w1"], ["w1", "w2", "w3"]):
        folder = tmp_path / str(len(names))
        folder.mkdir()
        with running(Service(broker, f"same-{len(names)}.{tmp_path.name}.", folder), *names) as service:
            service.send(records)
            service.settle()
            said.append((service.scores(), service.alerts()))
    assert said[0] == said[1]
    assert said[0] == oracle(records)


@pytest.mark.slow
@pytest.mark.req("VAGT-REL-01")
def test_nothing_is_lost_when_workers_join_leave_and_are_killed(service: Service) -> None:
    records = ward(patients=20, hours=24, seed=3)
    part = len(records) // 5
    service.start("w1")
    service.send(records[:part])
    service.start("w2")
    service.send(records[part : 2 * part])
    service.settle()
    service.send(records[2 * part : 3 * part])
    service.stop("w1", signal.SIGKILL)
    service.send(records[3 * part : 4 * part])
    service.start("w3")
    service.send(records[4 * part :])
    assert service.stop("w2") == 0
    service.settle()
    scores, alerts = oracle(records)
    assert service.scores() == scores
    assert service.alerts() == alerts
    assert service.dead() == []


@pytest.mark.req("VAGT-REL-03")
def test_a_worker_that_starts_again_goes_on_where_it_was(service: Service) -> None:
    records = ward(patients=5, hours=12, seed=4)
    for half in (records[: len(records) // 2], records[len(records) // 2 :]):
        service.start("w1")
        service.send(half)
        service.settle()
        assert service.stop("w1") == 0
    assert (service.scores(), service.alerts()) == oracle(records)
    assert service.shown() == shown(records)


@pytest.mark.req("VAGT-REL-03")
def test_a_worker_with_an_empty_disk_restores_its_records_from_the_changelog(service: Service) -> None:
    records = ward(patients=5, hours=12, seed=5)
    for name, half in (("w1", records[: len(records) // 2]), ("w2", records[len(records) // 2 :])):
        service.start(name)
        service.send(half)
        service.settle()
        service.stop(name)
    assert (service.scores(), service.alerts()) == oracle(records)


@pytest.mark.slow
def test_a_topic_of_outputs_that_was_deleted_is_made_again_and_nothing_is_lost(service: Service) -> None:
    records = ward(patients=5, hours=6, seed=6)
    worker = service.start("w1")
    service.send(records[: len(records) // 2])
    service.settle()
    service.delete_topic("alerts")
    service.send(records[len(records) // 2 :])
    service.settle()
    assert worker.poll() is None
    assert '"event": "topic.created"' in service.log()
    scores, alerts = oracle(records)
    assert service.scores() == scores
    said_since = service.alerts()
    assert said_since
    assert all(change in alerts[patient] for patient, changes in said_since.items() for change in changes)
    assert all(changes[-1] == alerts[patient][-1] for patient, changes in said_since.items())

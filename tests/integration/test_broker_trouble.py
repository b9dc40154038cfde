"""What goes wrong with the broker and its topics: the worker waits, says so, recovers, and never skips a record."""

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from streams.broker import Broker, free_port
from streams.letters import resend
from streams.partitioner import partition_of
from streams.topics import CHANGELOG
from tests.integration.patients import ward
from tests.integration.service import PARTITIONS, Service, oracle, running

pytestmark = pytest.mark.broker

#: Longer than any request waits.
TOO_LONG_S = 40


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Broker]:
    """A broker that may come to harm, not yet started."""
    broker = Broker(tmp_path / "broker", free_port())
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def service(broker: str, topic_prefix: str, tmp_path: Path) -> Iterator[Service]:
    """A deployment without workers yet; its topics exist."""
    with running(Service(broker, topic_prefix, tmp_path)) as service:
        yield service


def wait_for(found: Callable[[], Any], timeout: float = 300.0) -> Any:
    """What is found, once it is."""
    deadline = time.monotonic() + timeout
    while not (result := found()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.2)
    return result


def lines(service: Service, event: str) -> list[dict[str, Any]]:
    """The lines of that event in the workers' logs."""
    found = [line for line in service.log().splitlines() if f'"event": "{event}"' in line]
    return [orjson.loads(line) for line in found]


def node(broker: Broker) -> int:
    """The process id of a broker's only node."""
    (one,) = broker.status().nodes
    assert one.pid is not None
    return one.pid


def all_is_as_if_nothing_had_happened(service: Service, records: list[tuple[str, Any]]) -> None:
    service.settle(timeout=400)
    assert (service.scores(), service.alerts()) == oracle(records)
    assert service.dead() == []


@pytest.mark.long
@pytest.mark.req("VAGT-REL-05")
def test_a_worker_waits_for_a_broker_and_outlives_its_absence(own: Broker, tmp_path: Path) -> None:
    records = ward(patients=5, hours=8)
    third = len(records) // 3
    service = Service(own.bootstrap, "trouble.", tmp_path)
    try:
        worker = service.start()
        wait_for(lambda: lines(service, "broker.away"))
        own.start()
        wait_for(lambda: lines(service, "partitions.taken"))
        assert lines(service, "broker.back")
        service.send(records[:third])
        service.settle(timeout=400)

        service.send(records[third : 2 * third])
        said = len(lines(service, "broker.away"))
        own.stop()
        time.sleep(TOO_LONG_S)
        assert len(lines(service, "broker.away")) > said + 1
        own.start()
        service.send(records[2 * third :])
        all_is_as_if_nothing_had_happened(service, records)
        assert worker.poll() is None
        assert service.stop("w1") == 0
    finally:
        service.close()


@pytest.mark.long
def test_a_broker_that_stands_still_loses_nothing(own: Broker, tmp_path: Path) -> None:
    own.start()
    records = ward(patients=5, hours=6, seed=2)
    half = len(records) // 2
    with running(Service(own.bootstrap, "still.", tmp_path), "w1") as service:
        service.send(records[:half])
        service.settle(timeout=400)
        service.send(records[half:])
        os.kill(node(own), signal.SIGSTOP)
        try:
            time.sleep(20)
        finally:
            os.kill(node(own), signal.SIGCONT)
        all_is_as_if_nothing_had_happened(service, records)
        assert service.workers["w1"].poll() is None


@pytest.mark.long
def test_a_broker_whose_disk_was_full_is_waited_for(own: Broker, tmp_path: Path) -> None:
    own.start()
    records = ward(patients=5, hours=6, seed=3)
    half = len(records) // 2
    with running(Service(own.bootstrap, "full.", tmp_path), "w1") as service:
        service.send(records[:half])
        fill_the_disk(node(own))
        # What the worker writes, its heartbeat at the latest, finds no room, and Kafka ends itself.
        wait_for(lambda: own.status().nodes[0].pid is None)
        wait_for(lambda: lines(service, "broker.away"))
        own.start()
        service.send(records[half:])
        all_is_as_if_nothing_had_happened(service, records)
        assert service.workers["w1"].poll() is None


def fill_the_disk(process: int) -> None:
    """Let a process write no file any further than it is."""
    resource.prlimit(process, resource.RLIMIT_FSIZE, (4096, 4096))


@pytest.mark.long
def test_a_log_that_was_deleted_and_made_again_is_read_from_its_first_record(service: Service) -> None:
    records = ward(patients=6, hours=6, seed=4)
    third = len(records) // 3
    worker = service.start()
    service.send(records[:third])
    service.settle(timeout=400)
    service.delete_topic("events")
    service.create_topics()
    # More than the old log held: an old offset lies in the middle of the new one.
    service.send(records[third:])
    all_is_as_if_nothing_had_happened(service, records)
    assert [line["topic"] for line in lines(service, "topic.changed")] == [f"{service.prefix}events"]
    assert worker.poll() is None


def test_an_offset_of_the_log_before_means_nothing_in_the_new_one(service: Service) -> None:
    records = ward(patients=6, hours=6, seed=5)
    third = len(records) // 3
    service.start()
    service.send(records[:third])
    service.settle(timeout=400)
    service.stop("w1")
    committed = offsets(service)
    service.delete_topic("events")
    service.create_topics()
    # As a worker would that commits just then: what Kafka forgot with the old log is back.
    admin = KafkaAdminClient(bootstrap_servers=service.bootstrap)
    admin.alter_group_offsets(service.settings.group, committed)
    admin.close()
    service.send(records[third:])
    service.start()
    all_is_as_if_nothing_had_happened(service, records)
    assert lines(service, "events.restarted")


def offsets(service: Service) -> dict[TopicPartition, Any]:
    """What the group has committed of ``events``, and with what."""
    admin = KafkaAdminClient(bootstrap_servers=service.bootstrap)
    try:
        return dict(admin.list_group_offsets(service.settings.group)[service.settings.group])
    finally:
        admin.close()


@pytest.mark.req("VAGT-REL-07")
def test_records_that_were_removed_before_they_were_read_are_counted_aloud(service: Service) -> None:
    records = ward(patients=6, hours=6, seed=6)
    third = len(records) // 3
    service.start()
    service.send(records[:third])
    service.settle(timeout=400)
    before = service.ends("events")
    service.stop("w1")
    service.send(records[third : 2 * third])
    removed = service.ends("events")
    admin = KafkaAdminClient(bootstrap_servers=service.bootstrap)
    admin.delete_records({TopicPartition(f"{service.prefix}events", one): end for one, end in removed.items()})
    admin.close()
    service.send(records[2 * third :])
    service.start()
    all_is_as_if_nothing_had_happened(service, records[:third] + records[2 * third :])
    said = {line["partition"]: (line["first"], line["next"], line["records"]) for line in lines(service, "events.lost")}
    assert said == {one: (before[one], end, end - before[one]) for one, end in removed.items() if 0 < before[one] < end}


@pytest.mark.req("VAGT-REL-09")
def test_a_patient_whose_stored_record_is_damaged_waits_for_its_repair_and_nobody_else_does(service: Service) -> None:
    records = ward(patients=4, hours=6, seed=7)
    half = len(records) // 2
    patient = records[-1][0]
    service.start("w1")
    service.send(records[:half])
    service.settle(timeout=400)
    service.stop("w1")
    good = stored(service, patient)
    store(service, patient, b"\x93\x02damaged")
    service.start("w2")  # its disk is empty: all comes from the changelog
    service.send(records[half:])
    service.settle(timeout=400)
    scores, alerts = oracle(records)
    others = [key for key in scores if key != patient]
    assert {key: service.scores()[key] for key in others} == {key: scores[key] for key in others}
    letters = service.dead()
    assert {letter["reason"] for letter in letters} == {"unreadable-state"}
    assert len(letters) == sum(key == patient for key, _ in records[half:])
    assert stored(service, patient) == b"\x93\x02damaged"
    assert lines(service, "record.unreadable")

    service.stop("w2")
    store(service, patient, good)
    service.start("w3")
    assert resend(service.settings, "unreadable-state").sent > 0
    service.settle(timeout=400)
    assert service.scores()[patient][-1] == scores[patient][-1]
    assert service.alerts().get(patient, [])[-1:] == alerts.get(patient, [])[-1:]


def stored(service: Service, patient: str) -> bytes | None:
    """The patient's newest record in the changelog."""
    newest: bytes | None = [one.value for one in service.read(CHANGELOG) if one.key == patient.encode()][-1]
    return newest


def store(service: Service, patient: str, value: bytes | None) -> None:
    """Write a patient's record into the changelog."""
    with KafkaProducer(bootstrap_servers=service.bootstrap) as producer:
        partition = partition_of(patient.encode(), PARTITIONS)
        topic = service.prefix + CHANGELOG
        producer.send(topic, value, patient.encode(), partition=partition).get(30)


@pytest.mark.req("VAGT-REL-08")
def test_a_changelog_that_was_deleted_is_not_made_again_as_if_there_had_been_no_patients(service: Service) -> None:
    records = ward(patients=2, hours=2, seed=9)
    worker = service.start()
    service.send(records)
    service.settle(timeout=400)
    service.delete_topic(CHANGELOG)
    assert worker.wait(300) == 1
    assert f"The topic {service.prefix}{CHANGELOG} is gone" in service.log()
    again = service.start("w2")
    assert again.wait(300) == 1


def test_a_worker_of_another_number_of_partitions_is_refused(service: Service) -> None:
    service.environment["VAGT_PARTITIONS"] = "8"
    worker = service.start()
    assert worker.wait(300) == 1
    assert "VAGT_PARTITIONS says 8" in service.log()


def test_a_worker_without_its_list_of_critical_results_is_refused(service: Service) -> None:
    service.environment["VAGT_CRITICAL_RESULTS"] = "/nowhere/region.toml"
    worker = service.start()
    assert worker.wait(300) == 1
    assert "/nowhere/region.toml" in service.log()
    assert "Traceback" not in service.log()

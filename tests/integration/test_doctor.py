"""`vagt doctor` on a real Kafka and a real disk: each fault is made, found, and comes with what to do."""

import json
import shutil
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, TCPServer
from threading import Thread
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, NewPartitions
from kafka.errors import KafkaError

from models.artefact import MANIFEST
from models.registry import FOLDERS
from streams import doctor, kafka
from streams.broker import HOST, free_port
from streams.doctor import certificates, deployment, disk
from streams.doctor.finding import Finding, Level
from streams.partitioner import partition_of
from streams.settings import Settings
from tests.integration.patients import START, admission, observation
from tests.integration.secured import Authority
from tests.integration.service import PARTITIONS, Service, running
from tests.integration.watched import until

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


@pytest.fixture
def service(broker: str, topic_prefix: str, tmp_path: Path) -> Iterator[Service]:
    """A deployment whose topics exist, without workers."""
    with running(Service(broker, topic_prefix, tmp_path)) as service:
        yield service


@pytest.fixture
def change(broker: str, topic_prefix: str) -> Iterator[Callable[..., None]]:
    """Changes settings of a topic behind the service's back."""
    admin = KafkaAdminClient(bootstrap_servers=broker)

    def change(topic: str, **settings: str) -> None:
        configs = {name.replace("_", "."): value for name, value in settings.items()}
        admin.alter_configs([ConfigResource("TOPIC", topic_prefix + topic, configs=configs)])

    yield change
    admin.close()


def found(service: Service, check: str) -> list[tuple[Level, str]]:
    """What the doctor sees when it asks the cluster for this, without the topics' prefix."""
    admin = kafka.admin(service.settings)
    try:
        seen = list(doctor.THERE[check](service.settings, admin))
    except KafkaError as error:  # a topic that is being deleted
        return [(Level.WARNING, type(error).__name__)]
    finally:
        admin.close()
    return [(one.level, one.seen.replace(service.prefix, "")) for one in seen]


def comes(service: Service, check: str, wanted: set[tuple[Level, str]]) -> None:
    """Ask until this is all that is seen: a broker learns of a change a moment after it was told."""
    until(lambda: set(found(service, check)) == wanted, lambda: (found(service, check), wanted))


@pytest.mark.req("VAGT-OPS-08")
def test_where_all_is_well_there_is_nothing_to_do(service: Service) -> None:
    service.start()
    service.send([("p-1", [admission("p-1"), observation("p-1", "o-1", START)])])
    service.settle()
    status, said = service.vagt("doctor", "--json")
    findings = [json.loads(line) for line in said.splitlines()]
    assert {one["level"] for one in findings if one["check"] != "disk"} == {"ok"}, said
    assert {one["check"] for one in findings} == {
        *("settings", "models", "disk", "state", "broker", "topics"),
        *("rights", "workers", "roster", "lag", "clocks", "senders", "dead letters", "watch"),
    }
    assert status == max(["ok", "warning", "fault"].index(one["level"]) for one in findings)
    assert f"1 workers have {PARTITIONS} partitions" in said
    assert "p-1" not in said


@pytest.mark.req("VAGT-OPS-08")
def test_a_cluster_that_does_not_answer_is_a_fault_and_the_rest_is_told_all_the_same() -> None:
    away = Settings(kafka_bootstrap=f"{HOST}:{free_port()}")
    (last,) = [one for one in doctor.examine(away) if one.check == "broker"]
    assert (last.level, last.seen) == (Level.FAULT, f"No Kafka answers at {away.kafka_bootstrap}.")
    assert last.means
    assert last.do


@pytest.mark.req("VAGT-OPS-08")
def test_topics_that_are_missing_or_were_changed_are_found(service: Service, change: Callable[..., None]) -> None:
    assert [level for level, _ in found(service, "topics")] == [Level.OK]
    service.delete_topic("alerts")
    change("events", retention_ms=str(71 * HOUR_MS), retention_bytes="1000000")
    change("vagt-patients-changelog", cleanup_policy="compact,delete", min_insync_replicas="2")
    wanted = {
        (Level.FAULT, "The topic alerts is missing."),
        (Level.FAULT, f"events: retention.ms is {71 * HOUR_MS}, and shall be {14 * 24 * HOUR_MS}."),
        (Level.FAULT, "vagt-patients-changelog: cleanup.policy is compact,delete, and shall be compact."),
        (Level.FAULT, "vagt-patients-changelog: min.insync.replicas is 2, with 1 replicas."),
        (Level.WARNING, "events: retention.bytes is 1000000."),
    }
    comes(service, "topics", wanted)
    service.delete_topic("vagt-patients-changelog")
    gone = {(Level.FAULT, "The topic vagt-patients-changelog is missing.")}
    comes(service, "topics", {one for one in wanted if "changelog" not in one[1]} | gone)


def test_a_topic_with_another_number_of_partitions_is_a_fault(service: Service, broker: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.create_partitions({f"{service.prefix}events": NewPartitions(5)})
    admin.close()
    comes(service, "topics", {(Level.FAULT, "events: partitions is 5, and shall be 4.")})


def test_what_waits_without_a_worker_is_found_by_its_age(service: Service) -> None:
    now = time.time_ns() // 1_000_000
    for patient, minutes in (("a", 0), ("b", 2), ("c", 20)):
        partition = {"a": 0, "b": 1, "c": 2}[patient]
        service.send([(patient, {})], partition=partition, timestamp_ms=now - minutes * MINUTE_MS)
    assert found(service, "workers") == [(Level.FAULT, "No worker is in the group vagt.")]
    (two, twenty) = found(service, "lag")
    assert two[0] is Level.WARNING
    assert two[1].startswith("events, partition 1: 1 records wait, the oldest for 1")
    assert twenty[0] is Level.FAULT
    assert twenty[1].startswith("events, partition 2: 1 records wait, the oldest for 12")


def test_that_nobody_watches_is_found(service: Service) -> None:
    now = time.time_ns() // 1_000_000
    service.send([("a", {})], timestamp_ms=now - 5 * HOUR_MS)
    assert found(service, "watch") == [(Level.OK, "No notice of model.watch is open.")]
    service.send([("a", {})], timestamp_ms=now)
    unheard = (Level.WARNING, "The watch has noted nothing of the last 5 h of events.")
    assert found(service, "watch") == [unheard]
    service.send([("state", b"heard")], topic="model.watch.state", timestamp_ms=now - HOUR_MS)
    assert found(service, "watch") == [(Level.OK, "No notice of model.watch is open.")]


def test_a_sender_with_another_partitioner_is_named_and_a_patient_is_not(service: Service) -> None:
    key = "p-secret"
    right = partition_of(key.encode(), PARTITIONS)
    wrong = observation(key, "o-1", START) | {"performer": "LABKA/OUH"}
    service.send([(key, wrong)], partition=right)
    assert found(service, "senders")[0][0] is Level.OK
    service.send([(key, [wrong])], partition=(right + 1) % PARTITIONS)
    service.send([(key, b"{")], partition=(right + 2) % PARTITIONS)
    service.send([("_control", b"{}")], partition=(right + 3) % PARTITIONS, headers=[("vagt-contract", b"2.1")])
    told = [text for level, text in found(service, "senders") if level is Level.WARNING]
    assert sorted(text.partition(" wrote")[0][:40] for text in told) == [
        "1 of the newest 4 records name the contr",
        "A sender who names no performer",
        "LABKA/OUH",
    ]
    assert key not in "".join(told)


@pytest.mark.parametrize(("minutes", "level"), [(1, Level.WARNING), (60, Level.FAULT)])
def test_a_record_from_the_future_shows_a_clock_that_is_wrong(service: Service, minutes: int, level: Level) -> None:
    assert found(service, "clocks")[0][0] is Level.OK
    service.send([("p", {})], timestamp_ms=time.time_ns() // 1_000_000 + minutes * MINUTE_MS)
    ((seen, text),) = found(service, "clocks")
    assert seen is level
    assert text.startswith("The newest record of events is")


def test_many_dead_letters_are_told(service: Service) -> None:
    assert found(service, "dead letters")[0][0] is Level.OK
    service.send([("p", {})], topic="deadletter")
    assert found(service, "dead letters") == [
        (Level.WARNING, "1 dead letters in the last hour, and 0 records on events.")
    ]


# ------------------------------------------------------------------------------------- without a Kafka


def levels(findings: Iterator[Finding]) -> list[Level]:
    return [one.level for one in findings]


def test_a_model_with_a_broken_signature_is_a_fault(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(FOLDERS[0], tmp_path / "models" / "own"))
    manifest = copy / MANIFEST
    manifest.write_bytes(manifest.read_bytes() + b" ")
    refused = [one for one in deployment.models(Settings(models=tmp_path / "models")) if one.level is Level.FAULT]
    assert [str(copy) in one.seen for one in refused] == [True]
    assert "sign" in refused[0].seen


@pytest.mark.parametrize(
    ("contradiction", "level"),
    [
        ({}, Level.OK),
        ({"retention_events_days": 3}, Level.OK),
        ({"retention_events_days": 2}, Level.FAULT),
        ({"doors": "lab=native"}, Level.OK),
        ({"doors": "alerts=native"}, Level.FAULT),
        ({"metrics_port": 8080}, Level.FAULT),
        ({"kafka_bootstrap": "kafka:9092", "replication": 3}, Level.WARNING),
        ({"kafka_bootstrap": "kafka:9092", "replication": 3, "kafka_security": "SSL"}, Level.OK),
        ({"kafka_bootstrap": "kafka:9092", "kafka_security": "SSL"}, Level.WARNING),
    ],
)
def test_settings_that_contradict_each_other_are_found(contradiction: dict[str, Any], level: Level) -> None:
    assert levels(deployment.settings(Settings(**contradiction))) == [level]


class Greeter(StreamRequestHandler):
    """Says nothing; the handshake is all."""

    def handle(self) -> None:
        self.connection.recv(1)


@contextmanager
def listening(certificate: Path, key: Path) -> Iterator[str]:
    """A server with this certificate; its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = TCPServer((HOST, 0), Greeter)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"{HOST}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(("days", "level"), [(-0.01, Level.FAULT), (29.9, Level.WARNING), (31, Level.OK)])
def test_a_certificate_that_ended_or_ends_soon_is_found(days: float, level: Level, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    own, key = authority.issue("worker", days)
    with listening(*authority.issue("broker", days)) as address:
        settings = Settings(
            kafka_security="SSL",
            kafka_bootstrap=address,
            kafka_ca=authority.certificate,
            kafka_certificate=own,
            kafka_key=key,
        )
        # The authority's own is good for a day.
        assert levels(certificates.check(settings)) == [Level.WARNING, level, level]
    assert levels(certificates.check(settings.model_copy(update={"kafka_ca": key}))) == [Level.FAULT]


def test_records_on_disk_that_cannot_be_read_are_found(tmp_path: Path) -> None:
    store = tmp_path / "workers" / "w1" / "v1" / "tables" / "patients-0.db"
    store.mkdir(parents=True)
    store.joinpath("CURRENT").write_text("MANIFEST-000009\n")
    (broken,) = [one for one in disk.check(Settings(data_dir=tmp_path)) if one.check == "state"]
    assert broken.level is Level.WARNING
    assert str(store) in broken.do


@pytest.mark.parametrize(
    ("free", "level"), [(0.019, Level.FAULT), (0.021, Level.WARNING), (0.099, Level.WARNING), (0.101, Level.OK)]
)
def test_a_disk_that_is_nearly_full_is_found(
    free: float, level: Level, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = 1024**4
    usage = shutil._ntuple_diskusage(total, total, int(free * total))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert levels(disk.check(Settings(data_dir=tmp_path))) == [level]

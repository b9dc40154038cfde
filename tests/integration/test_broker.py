"""The embedded broker, started for real."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from typer.testing import CliRunner

from streams.broker import Broker, BrokerError, free_port
from streams.commands.broker import broker as command
from streams.topics import ensure as ensure_topics
from streams.topics import topics

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A broker of one node that runs, for this module alone."""
    broker = Broker(tmp_path_factory.mktemp("own"), free_port())
    broker.start()
    yield broker
    broker.stop()


def processes_of(directory: Path) -> list[int]:
    """Return the ids of all processes with the directory in their arguments."""
    ids = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(directory).encode() in entry.read_bytes():
                ids.append(int(entry.parent.name))
        except OSError:
            continue  # it ended meanwhile
    return ids


def send(bootstrap: str, topic: str, value: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    try:
        producer.send(topic, key=b"p-1", value=value).get(timeout=30)
    finally:
        producer.close()


def read_all(bootstrap: str, topic: str) -> list[bytes]:
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        group_id=None,
        consumer_timeout_ms=3000,
    )
    try:
        return [record.value for record in consumer]
    finally:
        consumer.close()


def test_a_started_broker_says_where_it_answers(own):
    status = own.status()
    assert status.running
    assert status.bootstrap == own.bootstrap == f"127.0.0.1:{own.port}"
    (node,) = status.nodes
    assert node.answers
    assert node.log.stat().st_size > 0


def test_starting_what_runs_changes_nothing(own):
    before = own.status()
    own.start()
    assert own.status() == before


def test_a_second_program_finds_the_broker_that_runs(own):
    directory = own.status().nodes[0].log.parents[2]
    result = CliRunner().invoke(command, ["status", "--data-dir", str(directory)])
    assert result.exit_code == 0
    assert f"answers at 127.0.0.1:{own.port}" in result.output


def test_a_misspelt_topic_is_an_error_and_not_a_new_topic(own):
    admin = KafkaAdminClient(bootstrap_servers=own.bootstrap)
    try:
        assert admin.describe_topics(["evnets"])[0]["error_code"] != 0
    finally:
        admin.close()


def test_a_broker_that_runs_is_not_moved_to_another_port(own):
    directory = own.status().nodes[0].log.parents[2]
    with pytest.raises(BrokerError, match=f"already runs on port {own.port}: stop it"):
        Broker(directory, own.port + 100).start()


def test_the_data_of_one_node_are_not_opened_with_three(own):
    directory = own.status().nodes[0].log.parents[2]
    with pytest.raises(BrokerError, match="--nodes 1, not 3"):
        Broker(directory, own.port, nodes=3).start()


def test_a_port_that_another_program_has_is_named(tmp_path):
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(BrokerError, match=f"Port {port} is taken by another program"):
            Broker(tmp_path, port).start()
        result = CliRunner().invoke(command, ["start", "--port", str(port), "--data-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert len(result.output.strip().splitlines()) == 1


def test_a_missing_java_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrokerError, match="needs Java 17"):
        Broker(tmp_path, free_port()).start()


def test_a_process_that_is_not_ours_is_never_stopped(tmp_path):
    broker = Broker(tmp_path, free_port())
    node = tmp_path / "kafka" / "node-1"
    node.mkdir(parents=True)
    (tmp_path / "kafka" / "cluster.json").write_text(f'{{"id": "x", "nodes": 1, "port": {broker.port}}}')
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        (node / "pid").write_text(str(other.pid))
        broker.stop()
        assert not broker.status().running
        assert other.poll() is None
        other.communicate(b"\n")


def test_what_was_never_started_is_stopped(tmp_path):
    broker = Broker(tmp_path / "new")
    broker.stop()
    assert not broker.status().running
    assert not (tmp_path / "new").exists()
    assert CliRunner().invoke(command, ["status", "--data-dir", str(tmp_path / "new")]).exit_code == 1


def test_a_wrong_option_is_wrong_usage():
    assert CliRunner().invoke(command, ["start", "--nodes", "0"]).exit_code == 2


@pytest.mark.long
def test_data_outlive_a_restart_and_stopping_leaves_no_process(tmp_path):
    broker = Broker(tmp_path, free_port())
    broker.start()
    try:
        ensure_topics(broker.bootstrap, topics())
        send(broker.bootstrap, "events", b"kept")
    finally:
        broker.stop()
    assert processes_of(tmp_path) == []
    assert not broker.status().running

    moved = Broker(tmp_path, free_port())
    moved.start()
    try:
        assert read_all(moved.bootstrap, "events") == [b"kept"]
    finally:
        moved.stop()
    assert processes_of(tmp_path) == []


@pytest.mark.slow
def test_a_node_that_cannot_start_names_its_log_and_is_not_left_behind(tmp_path):
    broker = Broker(tmp_path, free_port())
    broker.start()
    broker.stop()
    properties = tmp_path / "kafka" / "node-1" / "data" / "meta.properties"
    properties.write_text("version=1\nnode.id=7\ncluster.id=another\n")
    with pytest.raises(BrokerError, match=r"node-1/kafka\.log says why"):
        broker.start()
    assert processes_of(tmp_path) == []


@pytest.mark.slow
def test_vagt_broker_runs_until_it_is_told_to_end(tmp_path):
    port = str(free_port())
    program = "from streams.commands.broker import broker; broker()"
    arguments = [sys.executable, "-c", program, "--port", port, "--data-dir", str(tmp_path)]
    for sign in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            for line in running.stdout:
                if line.startswith("Apache Kafka answers at"):
                    break
            running.send_signal(sign)
            try:
                assert running.wait(30) == 0
            finally:
                running.kill()
        assert processes_of(tmp_path) == []


@pytest.mark.long
def test_three_nodes_keep_every_record_when_one_is_killed(tmp_path):
    broker = Broker(tmp_path, free_port(3), nodes=3)
    broker.start()
    try:
        assert ensure_topics(broker.bootstrap, topics(), replication=3) == []
        send(broker.bootstrap, "events", b"before")
        victim, *others = broker.status().nodes
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while broker.status().running and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not broker.status().running
        send(broker.bootstrap, "events", b"during")

        broker.start()
        assert broker.status().running
        assert broker.status().nodes[1:] == tuple(others)
        assert read_all(broker.bootstrap, "events") == [b"before", b"during"]
    finally:
        broker.stop()
    assert processes_of(tmp_path) == []

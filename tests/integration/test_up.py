"""All in one, and the commands beside it, as a user at a terminal runs them."""

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.broker import Broker, free_port
from streams.letters import letters, resend
from tests.integration.patients import START, admission, observation
from tests.integration.service import Service

pytestmark = pytest.mark.broker

MINUTE = 60_000


class Terminal:
    """A command, what it printed so far, and the processes that it started."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.output = folder / f"{uuid.uuid4().hex}.txt"
        self.folder = folder
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=os.environ | self._own(folder) | environment,
                start_new_session=True,
            )

    @staticmethod
    def _own(folder: Path) -> dict[str, str]:
        return {"VAGT_DATA_DIR": str(folder), "VAGT_BOARD_PORT": str(free_port()), "LANG": "C.UTF-8"}

    def text(self) -> str:
        return self.output.read_text()

    def wait_for(self, text: str, timeout: float = 90.0) -> None:
        deadline = time.monotonic() + timeout
        while text not in self.text():
            assert self.process.poll() is None, self.text()
            assert time.monotonic() < deadline, f"no {text!r} in:\n{self.text()}"
            time.sleep(0.1)

    def end(self, how: signal.Signals) -> int:
        """Send a signal to this process alone, and wait for its exit status."""
        self.process.send_signal(how)
        return self.process.wait(60)

    def left_behind(self) -> list[str]:
        """The processes that still name this folder, in their arguments or their environment."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                command, environment = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
                if str(self.folder).encode() in command + environment:
                    found.append(command.replace(b"\0", b" ").decode())
        return found

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        found = subprocess.run(
            ["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        return [int(one.split()[0]) for one in found.splitlines() if " worker --name " in one]

    def close(self) -> None:
        for pid in self.workers():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def terminal(broker, topic_prefix, tmp_path):
    """Starts commands against the tests' Kafka, each in a folder of its own."""
    yield from terminals(broker, topic_prefix, tmp_path)


@pytest.fixture(scope="module")
def live(broker, tmp_path_factory):
    """A terminal beside a `vagt up` whose workers are live."""
    for run in terminals(broker, f"live-{uuid.uuid4().hex[:8]}.", tmp_path_factory.mktemp("live")):
        up = run("up", folder="up")
        up.wait_for("The workers are ready")
        yield run
        assert up.end(signal.SIGTERM) == 0


def terminals(broker: str, prefix: str, place: Path):
    opened: list[Terminal] = []

    def run(*arguments: str, folder: str = "", **environment: str) -> Terminal:
        home = place / (folder or f"home-{len(opened)}")
        home.mkdir(exist_ok=True)
        kafka = {"VAGT_KAFKA_BOOTSTRAP": broker, "VAGT_TOPIC_PREFIX": prefix}
        opened.append(Terminal(home, *arguments, **kafka, **environment))
        return opened[-1]

    yield run
    for one in opened:
        one.close()


def command(terminal: Terminal) -> tuple[int, str]:
    return terminal.process.wait(120), terminal.text()


def a_patient_who_falls_ill(path: Path) -> Path:
    """A set of one stay: a first round of good signs, then one that makes a NEWS2 of 9."""
    signs = {"9279-1": (14, 30, "/min"), "59408-5": (98, 90, "%"), "8867-4": (72, 135, "/min")}
    lines: list[Any] = [admission("p-1")]
    for number in range(2):
        at = START + (number + 1) * MINUTE
        lines.append(
            [
                observation("p-1", f"{code}-{number}", at, code=loinc(code), value=values[number], unit=values[2])
                for code, values in signs.items()
            ]
        )
    path.write_bytes(b"\n".join(orjson.dumps(one) for one in lines))
    return path


def loinc(code: str) -> dict[str, str]:
    return {"system": "http://loinc.org", "code": code}


@pytest.mark.req("VAGT-OPS-04")
def test_up_shows_the_alerts_of_a_set_and_leaves_nothing_behind(terminal, tmp_path):
    data = a_patient_who_falls_ill(tmp_path / "set.ndjson")
    up = terminal("up", "--data", str(data), "--workers", "2")
    up.wait_for("NEWS2 at least 9  (p-1")
    up.wait_for("Replayed 1 stays: 3 records with 6 observations")
    assert len(up.workers()) == 2
    assert up.end(signal.SIGINT) == 0
    assert up.left_behind() == []


def test_the_ward_brings_alerts_within_seconds_of_its_start(terminal):
    up = terminal("up", "--demo")
    up.wait_for("The workers are ready")
    began = time.monotonic()
    up.wait_for("DEMO-ITA)", timeout=60)
    assert time.monotonic() - began < 60
    assert up.end(signal.SIGINT) == 0
    assert up.left_behind() == []


@pytest.mark.req("VAGT-OPS-04")
def test_workers_end_with_an_up_that_was_killed(terminal):
    up = terminal("up")
    up.wait_for("The workers are ready")
    assert up.end(signal.SIGKILL) == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while left := up.left_behind():
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def test_a_second_up_in_the_same_directory_is_refused(live):
    with socket.create_server(("127.0.0.1", 0)) as board:
        status, said = command(live("up", "--board", str(board.getsockname()[1]), folder="up"))
    assert status == 1
    assert "already runs with its data in" in said


def test_a_taken_port_is_said_and_nothing_is_started(terminal):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, said = command(terminal("up", "--board", str(port)))
    assert status == 1
    assert said == f"Port {port} is taken: name another for the board, as in `--board {port + 1}`.\n"


@pytest.mark.long
def test_alerts_come_though_the_watch_cannot_run(terminal, tmp_path):
    data = a_patient_who_falls_ill(tmp_path / "set.ndjson")
    up = terminal("up", "--replay", VAGT_WATCH_STOPS="none-of-that-name=unit")
    up.wait_for("monitor dies again and again", timeout=180)
    assert "Alerts go on without it" in (up.folder / "logs" / "up.log").read_text()
    status, said = command(terminal("replay", "ndjson", str(data)))
    assert status == 0, said
    status, said = command(terminal("audit", "replay"))
    assert "0 differ" in said
    assert up.end(signal.SIGINT) == 0


@pytest.mark.req("VAGT-OPS-05")
def test_live_workers_and_workers_for_replays_do_not_mix(live):
    status, said = command(live("up", "--replay"))
    assert status == 1
    assert "Workers already run live on this Kafka" in said


@pytest.mark.req("VAGT-OPS-05")
def test_a_replay_is_refused_when_the_workers_are_live(live, tmp_path):
    data = a_patient_who_falls_ill(tmp_path / "set.ndjson")
    status, said = command(live("replay", "ndjson", str(data)))
    assert status == 1
    assert said.startswith("The workers are live")
    assert len(said.splitlines()) == 1


def test_a_replay_may_come_before_the_workers(terminal, tmp_path):
    data = a_patient_who_falls_ill(tmp_path / "set.ndjson")
    status, said = command(terminal("replay", "ndjson", str(data), "--speed", "600"))
    assert status == 0
    assert "No worker runs yet" in said
    assert "Replayed 1 stays: 3 records with 6 observations" in said


@pytest.mark.long
def test_a_replay_goes_to_workers_that_are_for_it_even_when_one_had_to_be_started_again(
    terminal, tmp_path, broker, topic_prefix
):
    data = a_patient_who_falls_ill(tmp_path / "set.ndjson")
    up = terminal("up", "--replay")
    up.wait_for("The workers are ready")
    (first,) = up.workers()
    os.kill(first, signal.SIGKILL)
    up.wait_for("worker-1 ended with status -9 and is started again")
    status, said = command(terminal("replay", "ndjson", str(data)))
    assert status == 0, said
    service = Service(broker, topic_prefix, tmp_path)
    service.settle()
    assert [orjson.loads(one.value)["kind"] for one in service.read("alerts")] == ["news2"]
    assert up.workers() != [first]
    assert up.end(signal.SIGTERM) == 0
    assert up.left_behind() == []


@pytest.mark.slow
def test_up_starts_and_stops_a_broker_of_its_own(tmp_path, monkeypatch):
    monkeypatch.delenv("VAGT_KAFKA_BOOTSTRAP", raising=False)
    port = free_port()
    up = Terminal(tmp_path, "up", "--replay", "--port", str(port))
    try:
        up.wait_for("The workers are ready", timeout=120)
        assert Broker(tmp_path, port).status().running
        beside = Terminal(tmp_path, "deadletter", "list")
        assert command(beside) == (0, "0 dead letters\n"), "it finds the embedded broker on whatever port"
        assert up.end(signal.SIGTERM) == 0
        assert up.left_behind() == []
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    finally:
        up.close()
        Broker(tmp_path, port).stop()


@pytest.mark.long
def test_up_uses_a_broker_that_runs_and_leaves_it_running(tmp_path, monkeypatch):
    monkeypatch.delenv("VAGT_KAFKA_BOOTSTRAP", raising=False)
    broker = Broker(tmp_path / "before", free_port())
    broker.start()
    (tmp_path / "up").mkdir()
    up = Terminal(tmp_path / "up", "up", "--replay", "--port", str(broker.port))
    try:
        up.wait_for("The workers are ready")
        assert up.end(signal.SIGINT) == 0
        assert broker.status().running
    finally:
        up.close()
        broker.stop()


@pytest.mark.slow
def test_up_ends_when_its_broker_does(tmp_path, monkeypatch):
    monkeypatch.delenv("VAGT_KAFKA_BOOTSTRAP", raising=False)
    port = free_port()
    up = Terminal(tmp_path, "up", "--replay", "--port", str(port))
    try:
        up.wait_for("The workers are ready", timeout=120)
        (node,) = Broker(tmp_path, port).status().nodes
        os.kill(node.pid or 0, signal.SIGKILL)
        assert up.process.wait(60) == 1
        assert "Apache Kafka ended by itself" in up.text()
        assert up.left_behind() == []
    finally:
        up.close()
        Broker(tmp_path, port).stop()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_worker_ends_in_good_order_at_a_signal_and_shares_its_disk_with_nobody(terminal, how):
    worker = terminal("worker", folder="disk")
    worker.wait_for("partitions.taken")
    status, said = command(terminal("worker", folder="disk"))
    assert status == 1
    assert said.startswith("A worker called worker-1 already runs")
    assert worker.end(how) == 0


@pytest.mark.req("VAGT-OPS-06")
def test_dead_letters_are_listed_without_their_values_and_sent_again_by_item(terminal, broker, topic_prefix, tmp_path):
    service = Service(broker, topic_prefix, tmp_path)
    service.create_topics()
    good = observation("p-1", "a", START)
    bad = observation("p-1", "b", START, code=loinc("secret-code"), value=77.25)
    service.send([("p-1", [good, bad]), ("p-1", b"{not json")], headers=[("from", b"lab")])
    service.start()
    try:
        service.settle()
        status, said = command(terminal("deadletter", "list"))
        assert status == 0
        assert "unknown-code" in said
        assert "bad-json" in said
        assert f"{topic_prefix}events/" in said
        assert "77.25" not in said
        before = service.ends("events")
        status, said = command(terminal("deadletter", "replay", "--reason", "unknown-code"))
        assert (status, said) == (0, "1 objects sent again\n")
        (again,) = service.read("events", before)
        assert orjson.loads(again.value) == [bad]
        assert (again.key, again.headers) == (b"p-1", (("from", b"lab"),))

        service.settle()
        assert len(list(letters(service.settings))) == 3
        assert resend(service.settings, "unknown-code").sent == 1  # twins are sent once
    finally:
        service.close()

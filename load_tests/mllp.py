"""`python -m load_tests.mllp`: senders of HL7 v2, a listener that is killed between them, and what Kafka has then.

The senders are python-hl7's client, one for each connection, which sends a message again until it is acknowledged.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from threading import Event
from typing import Annotated, Any, Final

import orjson
import typer
from hl7.client import MLLPClient

from load_tests import machine, stage
from load_tests.kafka import Bootstrap, Out
from load_tests.outcome import histogram
from streams import topics
from streams.broker import free_port
from streams.commands.plain import fail
from streams.reading import read_all
from streams.settings import Settings

_PATIENCE_S: Final = 180.0
_PANEL: Final = (("NPU18016", "132", "umol/L"), ("NPU03230", "4.1", "mmol/L"), ("NPU02319", "7.9", "mmol/L"))


@dataclass(slots=True)
class Sent:
    """What one sender did: the ids that were acknowledged, the delays of the answers (µs), and what it did again."""

    acknowledged: list[str] = field(default_factory=list)
    delays: list[int] = field(default_factory=list)
    again: int = 0
    given_up: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. Delays in ms, from the first try of a message to its answer.

    ``reached`` is messages a second, ``listening`` those of the time in which a listener listened alone; ``cpu`` is the
    listeners' processor time for each message (ms), without their starts.
    """

    connections: int
    asked: float
    reached: float
    listening: float
    kills: int
    acknowledged: int
    again: int
    given_up: int
    missing: int
    doubled: int
    unclaimed: int
    median: float
    p99: float
    longest: float
    cpu: float

    @property
    def good(self) -> bool:
        """Whether Kafka has what was acknowledged, once."""
        return not (self.missing or self.doubled)


def mllp(
    connections: Annotated[int, typer.Option(min=1, help="Senders.")] = 20,
    rate: Annotated[float, typer.Option(min=1, help="Messages a second, in all.")] = 500.0,
    seconds: Annotated[int, typer.Option(min=1, help="For how long a listener listens, in all.")] = 60,
    kills: Annotated[int, typer.Option(min=0, help="kill -9 of the listener.")] = 5,
    bootstrap: Bootstrap = None,
    out: Out = None,
) -> None:
    """Send messages, kill the listener between, and compare what was acknowledged with what is in Kafka."""
    with stage.command(bootstrap) as (settings, console):
        about = machine.describe(settings)
        topics.ensure(settings, topics.topics(settings.partitions, settings.topic_prefix))
        found = _run(settings, connections, rate, seconds, kills)
        console.print(
            f"{found.connections} connections, {found.asked:g} messages a second asked for, {found.reached:.0f} "
            f"reached ({found.listening:.0f} while a listener listened), {found.kills} kills: {found.acknowledged:,} "
            f"acknowledged, {found.again} tries again, {found.given_up} given up; in Kafka {found.missing} of the "
            f"acknowledged missing, {found.doubled} doubled, {found.unclaimed} not acknowledged; answered in "
            f"{found.median:.1f} ms (median), {found.p99:.1f} (99 %), {found.longest:.0f} (longest); {found.cpu:.2f} "
            "ms of processor time each"
        )
    if out is not None:
        out.write_bytes(orjson.dumps({"machine": about, "seconds": seconds, **asdict(found)}))
    if not found.good:
        fail("What was acknowledged is not in Kafka once.")


def _run(settings: Settings, connections: int, rate: float, seconds: int, kills: int) -> Outcome:
    port, over = free_port(), Event()
    listener = _Listener(settings, port)
    listener.start()
    try:
        with ThreadPoolExecutor(connections) as pool:
            began = time.monotonic()
            work = partial(_send, port, began, connections / rate, over)
            senders = [pool.submit(work, f"s{number}") for number in range(connections)]
            for _ in range(kills):
                time.sleep(seconds / (kills + 1))
                listener.kill()
            time.sleep(seconds / (kills + 1))
            over.set()
            sent = [sender.result() for sender in senders]
        took = time.monotonic() - began
    finally:
        listener.stop()
    delays = histogram()
    for one in sent:
        for delay in one.delays:
            delays.record_value(max(1, delay))
    there = Counter(_control(record.value) for record in read_all(settings, topics.HL7))
    ids = {ident for one in sent for ident in one.acknowledged}
    median, p99, longest = (delays.get_value_at_percentile(one) / 1000 for one in (50, 99, 100))
    return Outcome(
        connections=connections,
        asked=rate,
        reached=len(ids) / took,
        listening=len(ids) / (took - listener.away),
        kills=kills,
        acknowledged=len(ids),
        again=sum(one.again for one in sent),
        given_up=sum(one.given_up for one in sent),
        missing=sum(there[ident] == 0 for ident in ids),
        doubled=sum(number > 1 for number in there.values()),
        unclaimed=len(there.keys() - ids),
        median=median,
        p99=p99,
        longest=longest,
        cpu=1000 * listener.used / max(1, len(ids)),
    )


class _Listener:
    """The listener's process.

    ``used`` is processor time, ``away`` the time from a kill until there is a listener again, both in seconds.
    """

    def __init__(self, settings: Settings, port: int) -> None:
        self._command = [sys.executable, "-m", "streams.cli", "mllp", "--port", str(port)]
        self._environment = {
            **os.environ,
            "VAGT_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
            "VAGT_TOPIC_PREFIX": settings.topic_prefix,
        }
        self._log = settings.data_dir / "mllp.log"
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._before = 0.0
        self.used = self.away = 0.0

    def start(self) -> None:
        """Start it, and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    self._before = self._time()
                    return
            time.sleep(0.02)
        fail(f"The listener does not listen: {self._log} says why.")

    def kill(self) -> None:
        """End it at once, and start another."""
        began = time.monotonic()
        self._end(signal.SIGKILL)
        self.start()
        self.away += time.monotonic() - began

    def stop(self) -> None:
        """End it in good order."""
        if self._process is not None and self._process.poll() is None:
            self._end(signal.SIGTERM)

    def _time(self) -> float:
        assert self._process is not None
        return machine.processor_s(self._process.pid)

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None
        self.used += self._time() - self._before
        self._process.send_signal(how)
        self._process.wait(_PATIENCE_S)


def _send(port: int, began: float, pause: float, over: Event, name: str) -> Sent:
    """Send a message every ``pause`` seconds until it is over, each until it is acknowledged."""
    sent, client, number = Sent(), None, 0
    while not over.wait(max(0.0, began + number * pause - time.monotonic())):
        ident, message = f"{name}-{number}", _message(name, number)
        number, first = number + 1, time.perf_counter()
        while (client := _tried(port, client, message)) is None:
            sent.again += 1
            if time.perf_counter() - first > _PATIENCE_S:
                sent.given_up += 1
                break
            time.sleep(0.05)
        else:
            sent.acknowledged.append(ident)
            sent.delays.append(round((time.perf_counter() - first) * 1_000_000))
    if client is not None:
        client.close()
    return sent


def _tried(port: int, client: Any, message: bytes) -> Any:
    """The client that got the message acknowledged; ``None`` when it was not."""
    try:
        client = client or _connected(port)
        if b"MSA|AA|" in client.send_message(message):
            return client
    except OSError:
        pass
    if client is not None:
        with suppress(OSError):
            client.close()
    return None


def _connected(port: int) -> Any:
    client = MLLPClient("127.0.0.1", port)
    client.socket.settimeout(_PATIENCE_S)
    return client


def _message(name: str, number: int) -> bytes:
    """A report of a panel for a made-up patient."""
    lines = [
        rf"MSH|^~\&|{name}|LAB|VAGT||20260301101207||ORU^R01^ORU_R01|{name}-{number}|P|2.5.1||||||8859/1",
        f"PID|1||{name}-{number % 100}^^^CPR^NI",
        f"OBR|1||F-{number}^{name}|B^Blood^L|||202603010942",
        *(f"OBX|{at}|NM|{code}^^NPU||{value}|{unit}||||F" for at, (code, value, unit) in enumerate(_PANEL, 1)),
    ]
    return "\r".join(lines).encode()


def _control(value: bytes) -> str:
    return value.split(b"|")[9].decode()


if __name__ == "__main__":
    typer.run(mllp)

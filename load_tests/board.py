"""`python -m load_tests.board`: many open boards on one process, and what they and their updates cost.

A ward of made-up patients is shown; then alerts change, so many a second, and each board waits for each change. The
time runs from the moment at which a change is handed to Kafka's client until a board's socket has it.
"""

import asyncio
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Annotated, Final, cast

import orjson
import typer
import uvloop
from aiokafka import AIOKafkaProducer
from hdrh.histogram import HdrHistogram

from features.instants import render
from load_tests import machine, service, stage
from load_tests.kafka import Bootstrap, Out
from load_tests.outcome import histogram
from load_tests.overload import resident_mib
from load_tests.service import ServiceError
from models.outputs import Alert, Text, Trigger, encode
from streams import kafka, now
from streams.broker import free_port
from streams.partitioner import partition_of
from streams.settings import Settings
from streams.topics import ALERTS, NOW

_PATIENCE_S: Final = 180.0
#: A change's title is the instant (ns) at which it was made.
_MADE: Final = re.compile(rb'"what":"(\d{19})"')
_MADE_LENGTH: Final = len('"what":"') + 19 + 1
_TRIGGER: Final = Trigger("events", 0, 0, ())


@dataclass(frozen=True, slots=True)
class Boards:
    """What open boards cost. Delays in ms; ``mib`` is what the process holds more with them open, at its peak."""

    boards: int
    rate: float
    told: int
    missed: int
    median: float
    p99: float
    longest: float
    mib: float
    core: float


def board(
    boards: Annotated[int, typer.Option(min=1, help="Open boards.")] = 500,
    beds: Annotated[int, typer.Option(min=1, help="Patients on each.")] = 60,
    rate: Annotated[float, typer.Option(min=0.1, help="Changes a second, in all.")] = 10.0,
    seconds: Annotated[int, typer.Option(min=1, help="For how long.")] = 60,
    bootstrap: Bootstrap = None,
    out: Out = None,
) -> None:
    """Measure many open boards on one process."""
    with stage.command(bootstrap) as (settings, console):
        about = machine.describe(settings)
        with service.channels(settings):
            found = uvloop.run(_measure(settings, boards, beds, rate, seconds))
        console.print(
            f"{found.boards} boards of {beds} beds, {rate:g} changes a second: {found.told:,} told, "
            f"{found.missed} missed; median {found.median:.1f} ms, 99 % {found.p99:.1f} ms, longest "
            f"{found.longest:.1f} ms; {found.mib:.0f} MiB more than with none, {found.core:.0%} of a core"
        )
    if out is not None:
        out.write_bytes(orjson.dumps({"machine": about, "beds": beds, "seconds": seconds, **asdict(found)}))


async def _measure(settings: Settings, boards: int, beds: int, rate: float, seconds: int) -> Boards:
    producer = kafka.producer(settings)
    await producer.start()
    try:
        await fill(settings, producer, beds)
        with served(settings) as (port, pid):
            await ready(port)
            before = resident_mib(pid)
            delays = histogram()
            loop = asyncio.get_running_loop()
            readers = [
                (await loop.create_connection(lambda: _Open(delays), "127.0.0.1", port))[0] for _ in range(boards)
            ]
            await asyncio.sleep(5.0)
            started, used = time.monotonic(), machine.processor_s(pid)
            for number in range(round(rate * seconds)):
                await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
                await send(settings, producer, ALERTS, bed_name(number % beds), change(number, beds))
            await asyncio.sleep(3.0)
            core = (machine.processor_s(pid) - used) / (time.monotonic() - started)
            peak = resident_mib(pid, "VmHWM")
            for reader in readers:
                reader.close()
    finally:
        await producer.stop()
    told = delays.get_total_count()
    median, p99, longest = (delays.get_value_at_percentile(one) / 1000 for one in (50, 99, 100))
    missed = round(rate * seconds) * boards - told
    return Boards(boards, rate, told, missed, median, p99, longest, peak - before, core)


async def fill(settings: Settings, producer: AIOKafkaProducer, beds: int) -> None:
    """Show a ward of so many made-up patients."""
    for bed in range(beds):
        shown = now.Now(patient=bed_name(bed), at=render(time.time_ns() // 1_000_000), ward="W", bed=str(bed))
        await send(settings, producer, NOW, bed_name(bed), now.encode(shown))
    await producer.flush()


class _Open(asyncio.Protocol):
    """One open board: notes the delay of each change that it is told."""

    def __init__(self, delays: HdrHistogram) -> None:
        self._delays = delays
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        # uvloop's transports are of no class of asyncio's.
        cast("asyncio.Transport", transport).write(
            b"GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        """Something came, cut anywhere."""
        heard = time.time_ns()
        told = self._rest + data
        for made in _MADE.findall(told):
            self._delays.record_value(max(1, (heard - int(made)) // 1000))
        self._rest = told[1 - _MADE_LENGTH :]


async def ready(port: int) -> None:
    """Wait until the board has read everything.

    Raises:
        ServiceError: it does not within three minutes.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            if b" 200 " in await reader.readline():
                writer.close()
                return
            writer.close()
        except OSError:
            pass
        await asyncio.sleep(0.2)
    raise ServiceError("The board was not ready within three minutes.")


@contextmanager
def served(settings: Settings) -> Iterator[tuple[int, int]]:
    """A board with these settings: its port and its process."""
    port = free_port()
    own = {"VAGT_KAFKA_BOOTSTRAP": settings.kafka_bootstrap, "VAGT_TOPIC_PREFIX": settings.topic_prefix}
    command = [sys.executable, "-m", "streams.cli", "board", "--port", str(port)]
    with (settings.data_dir / "board.log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **own}, stdout=log, stderr=log)
    try:
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


async def send(settings: Settings, producer: AIOKafkaProducer, topic: str, patient: str, value: bytes) -> None:
    """Hand a record of a patient to the producer; ``topic`` is its name without the prefix."""
    key = patient.encode()
    await producer.send(settings.topic(topic), value, key, partition=partition_of(key, settings.partitions))


def change(number: int, beds: int) -> bytes:
    """A patient's alert changes, and says when."""
    made = time.time_ns()
    name = bed_name(number % beds)
    title = Text(str(made), str(made))
    return encode(
        Alert(
            id=alert_of(name),
            sequence=1 + number // beds,
            state="raised" if number < beds else "updated",
            kind="news2",
            severity="warning",
            patient=name,
            encounter=None,
            ward="W",
            at=render(made // 1_000_000),
            title=title,
            score=None,
            evidence=(),
            trigger=_TRIGGER,
        )
    )


def bed_name(bed: int) -> str:
    """The patient in a bed."""
    return f"board-{bed}"


def alert_of(patient: str) -> str:
    """The id of the patient's alert."""
    return uuid.uuid5(uuid.NAMESPACE_OID, patient).hex


if __name__ == "__main__":
    typer.run(board)

"""`python -m load_tests.restart`: how long a worker with many patients is silent when it starts, and what they weigh.

The changelog is filled with the records of made-up patients, and an observation that raises an alert waits for each
partition. The time runs from the start of the process to the last of these alerts: first with an empty disk (all from
the changelog), then again with the disk that this left. Then observations come for many patients, and the memory that
the worker has taken since is shared out among them.
"""

import asyncio
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import count
from random import Random
from typing import Annotated, Final

import orjson
import typer
from aiokafka import TopicPartition

from features.catalogue import catalogue
from features.record import Record, encode
from load_tests import machine, service, stage
from load_tests.kafka import Bootstrap, Out, ends
from load_tests.overload import MIB, resident_mib
from load_tests.patients import LABOURED, RESPIRATION, history, observation
from load_tests.service import ServiceError
from models.step import Decider, Place, step
from streams import intake, kafka
from streams.partitioner import partition_of
from streams.settings import Settings
from streams.topics import ALERTS, CHANGELOG, EVENTS

#: Histories that differ; patients beyond them have those of others.
_DIFFERENT: Final = 200
_PATIENCE_S: Final = 600.0
_LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Restart:
    """What a start took, in seconds, and weighed, in bytes; ``resident`` once the alerts were out."""

    disk: str
    first_alert: float
    all_alerts: float
    resident: int


def restart(
    patients: Annotated[int, typer.Option(min=1, help="Patients with 54 observations each.")] = 50_000,
    active: Annotated[int, typer.Option(min=1, help="Patients for whom an observation comes then.")] = 5_000,
    bootstrap: Bootstrap = None,
    out: Out = None,
) -> None:
    """Measure a worker's start with many patients, from the changelog and from its disk, and their memory."""
    with stage.command(bootstrap) as (settings, console):
        about = machine.describe(settings)
        with service.channels(settings):
            live = asyncio.run(_fill(settings, patients))
            console.print(f"{patients:,} patients, {live / patients:,.0f} bytes each in the changelog")
            found = []
            for disk in ("empty", "warm"):
                one, weight = _start(settings, disk, active if disk == "warm" else 0)
                found.append(one)
                console.print(
                    f"disk {disk}: first alert after {one.first_alert:.1f} s, one of every partition after "
                    f"{one.all_alerts:.1f} s; {one.resident / MIB:,.0f} MiB resident"
                )
            console.print(f"{active:,} patients more in hand: {weight / active:,.0f} bytes each")
    if out is not None:
        figures = {"machine": about, "patients": patients, "state_bytes": live, "active": active, "taken": weight}
        out.write_bytes(orjson.dumps(figures | {"starts": [asdict(one) for one in found]}))


async def _fill(settings: Settings, patients: int) -> int:
    """Write the patients' records, and what waits for some of them; returns the bytes of the records."""
    now = time.time_ns() // 1_000_000
    records = [encode(_record(settings, number, now)) for number in range(min(patients, _DIFFERENT))]
    producer = kafka.producer(settings, linger_ms=20, max_batch_size=512 * 1024)
    await producer.start()
    try:
        for number in range(patients):
            key = _name(number).encode()
            partition = partition_of(key, settings.partitions)
            await producer.send(settings.topic(CHANGELOG), records[number % len(records)], key, partition=partition)
        await producer.flush()
    finally:
        await producer.stop()
    return sum(len(records[number % len(records)]) for number in range(patients))


def _record(settings: Settings, number: int, now: int) -> Record:
    """A record as it is after a stay's history, with no scorer's word in it."""
    decider, record, name = Decider(catalogue(), ()), Record(subject=f"{number:032x}"), _name(number)
    for value in history(name, now, Random(number)):
        taken = intake.read(orjson.dumps(value), name, settings.max_event_bytes)
        events = [event for _, event in taken.events]
        record = step(decider, record, name, events, Place(EVENTS, 0, 0)).record
    return record


def _name(number: int) -> str:
    return f"restart-{number}"


def _start(settings: Settings, disk: str, active: int) -> tuple[Restart, int]:
    """Start a worker; returns what it took, and the bytes that it took for the active patients."""
    probes = list(_probes(settings, disk))
    began = asyncio.run(ends(settings, settings.topic(ALERTS)))
    asyncio.run(_send(settings, probes))
    start = time.time()
    with service.worker(settings) as worker:
        alerts = asyncio.run(_alerts(settings, worker, began, {name for name, _ in probes}))
        service.settle(settings, worker)
        resident = round(resident_mib(worker.pid) * MIB)
        found = Restart(disk, min(alerts) - start, max(alerts) - start, resident)
        asyncio.run(_send(settings, [(_name(number), RESPIRATION.high) for number in range(active)]))
        service.settle(settings, worker, _PATIENCE_S)
        return found, round(resident_mib(worker.pid) * MIB) - resident


def _probes(settings: Settings, disk: str) -> Iterator[tuple[str, float]]:
    """For each partition a patient who is about to breathe too fast; others for each start."""
    numbers = iter(count(0 if disk == "empty" else 100))
    for partition in range(settings.partitions):
        yield (
            next(name for name in map(_name, numbers) if partition_of(name.encode(), settings.partitions) == partition),
            LABOURED,
        )


async def _send(settings: Settings, values: list[tuple[str, float]]) -> None:
    now = time.time_ns() // 1_000_000
    producer = kafka.producer(settings, linger_ms=5)
    await producer.start()
    try:
        for name, value in values:
            id_ = f"{name}-{uuid.uuid4().hex[:8]}"
            item = observation(name, id_, RESPIRATION.code, RESPIRATION.unit, value, now)
            key = name.encode()
            partition = partition_of(key, settings.partitions)
            await producer.send(settings.topic(EVENTS), orjson.dumps(item), key, partition=partition)
        await producer.flush()
    finally:
        await producer.stop()


async def _alerts(
    settings: Settings, worker: "subprocess.Popen[bytes]", began: dict[TopicPartition, int], patients: set[str]
) -> list[float]:
    """When the first alert of each of these patients was said, in seconds since the epoch.

    Raises:
        ServiceError: the worker ended, or one never was.
    """
    found: dict[str, float] = {}
    deadline = time.monotonic() + _PATIENCE_S
    async with kafka.consumer(settings) as consumer:
        consumer.assign(list(began))
        for part, end in began.items():
            consumer.seek(part, end)
        while found.keys() < patients:
            if worker.poll() is not None or time.monotonic() > deadline:
                raise ServiceError("The worker said no alert for a partition.")
            for records in (await consumer.getmany(timeout_ms=round(_LOOK_S * 1000))).values():
                for one in records:
                    name = (one.key or b"").decode()
                    if name in patients:
                        found.setdefault(name, one.timestamp / 1000)
    return list(found.values())


if __name__ == "__main__":
    typer.run(restart)

"""The receiver: a process that notes when each output arrived, and reads what is in it only afterwards."""

import asyncio
import gc
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from typing import NamedTuple

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from load_tests.channels import Channels, number_of
from load_tests.child import precede
from streams.desk import HEARTBEAT_KEY
from streams.settings import Settings

_LOOK_MS = 100
#: Once all is sent, so long a silence means that all has come; it is waited for so long at most.
_QUIET_S = 3.0
PATIENCE_S = 300.0


class Received(NamedTuple):
    """An output: which record it answers, when it arrived (ns), and when its sender made it (ms, Kafka's)."""

    number: int
    at: int
    made: int


@dataclass(slots=True)
class Receipts:
    """What arrived on each topic, and how many scores of each kind and band there were."""

    by_topic: dict[str, list[Received]] = field(default_factory=dict)
    bands: Counter[str] = field(default_factory=Counter)


def receive(settings: Settings, run: str, ready: Event, sent: Event) -> Receipts:
    """Receive until all was ``sent`` and nothing comes any more."""
    precede()
    gc.disable()
    channels = Channels.of(settings)
    raw = asyncio.run(_receive(settings, channels, ready, sent))
    receipts = Receipts()
    for topic, records in raw.items():
        found = receipts.by_topic[topic] = []
        for at, made, value in records:
            number = number_of(run, value)
            if number is None:
                continue
            found.append(Received(number, at, made))
            if topic == channels.scores:
                receipts.bands.update(f"{one['kind']} {one['band']}" for one in orjson.loads(value))
    return receipts


async def _receive(
    settings: Settings, channels: Channels, ready: Event, sent: Event
) -> dict[str, list[tuple[int, int, bytes]]]:
    # A consumer for each topic: one for all would leave a topic out of a fetch while it reads another.
    consumers = {topic: await _at_end(settings, topic) for topic in channels.outputs}
    found: dict[str, list[tuple[int, int, bytes]]] = {topic: [] for topic in consumers}
    latest = time.monotonic()

    async def read(topic: str, consumer: AIOKafkaConsumer) -> None:
        nonlocal latest
        notes = found[topic]
        while True:
            batches = await consumer.getmany(timeout_ms=_LOOK_MS)
            at = time.time_ns()
            for records in batches.values():
                new = [(at, one.timestamp, one.value) for one in records if one.key != HEARTBEAT_KEY]
                notes += new
                if new:
                    latest = time.monotonic()

    readers = [asyncio.create_task(read(topic, consumer)) for topic, consumer in consumers.items()]
    ready.set()
    try:
        while not sent.is_set():
            await asyncio.sleep(_LOOK_MS / 1000)
            _raise_failures(readers)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < min(latest + _QUIET_S, deadline):
            await asyncio.sleep(_LOOK_MS / 1000)
            _raise_failures(readers)
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        for consumer in consumers.values():
            await consumer.stop()
    return found


def _raise_failures(tasks: "list[asyncio.Task[None]]") -> None:
    for task in tasks:
        if task.done():
            task.result()


async def _at_end(settings: Settings, topic: str) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=None,
        enable_auto_commit=False,
    )
    await consumer.start()
    partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
    consumer.assign(partitions)
    await consumer.seek_to_end(*partitions)
    for partition in partitions:
        await consumer.position(partition)
    return consumer

"""The echo: a process that consumes and produces and does nothing else, with aiokafka as the service does it.

Its producer is the service's (``acks=all``, idempotent), and it waits as long for a fetch.
"""

import asyncio
from multiprocessing.synchronize import Event

from aiokafka import AIOKafkaConsumer

from load_tests.channels import Channels
from load_tests.plan import Target
from streams import kafka
from streams.settings import Settings

FETCH_WAIT_MS = 10
_LOOK_MS = 200


def echo(settings: Settings, ready: Event, stop: Event) -> None:
    """Say everything again until ``stop``."""
    asyncio.run(_echo(settings, ready, stop))


async def _echo(settings: Settings, ready: Event, stop: Event) -> None:
    channels = Channels.of(settings)
    consumer = AIOKafkaConsumer(
        channels.inputs[Target.ECHO],
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=f"{settings.group}-echo",
        auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    producer = kafka.producer(settings)
    await producer.start()
    await consumer.start()
    ready.set()
    try:
        while not stop.is_set():
            for records in (await consumer.getmany(timeout_ms=_LOOK_MS)).values():
                for one in records:
                    await producer.send(channels.echoed, one.value, one.key, partition=one.partition)
    finally:
        await consumer.stop()
        await producer.stop()

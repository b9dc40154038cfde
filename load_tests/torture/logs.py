"""Topics as they are in the end, read whole."""

import asyncio
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.deadletter import Source
from streams.kafka import MAX_REQUEST
from streams.settings import Settings

_WAIT_MS: Final = 500


def read(settings: Settings, topic: str, partitions: int, *, committed: bool = False) -> list[Source]:
    """Every record of a topic by partition and offset; ``committed`` leaves out what no transaction committed."""
    return asyncio.run(_read(settings, topic, partitions, committed))


async def _read(settings: Settings, topic: str, partitions: int, committed: bool) -> list[Source]:
    tps = [TopicPartition(settings.topic(topic), number) for number in range(partitions)]
    ends = await _ends(settings, tps)
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=None,
        isolation_level="read_committed" if committed else "read_uncommitted",
        max_partition_fetch_bytes=MAX_REQUEST,
    ) as consumer:
        consumer.assign(tps)
        for tp, first in (await consumer.beginning_offsets(tps)).items():
            consumer.seek(tp, first)
        found: list[Source] = []
        while [tp for tp in tps if await consumer.position(tp) < ends[tp]]:
            for records in (await consumer.getmany(timeout_ms=_WAIT_MS)).values():
                found += map(Source.of, records)
    return sorted(found, key=lambda one: (one.partition, one.offset))


async def _ends(settings: Settings, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
    """Where the partitions end, and not where their committed part does.

    A transaction's offset may count as committed while its marker is still on the way to another partition, above all
    to one whose broker has just come back: a reader that stops before the marker misses what it commits.
    """
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, group_id=None) as consumer:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(tps)
        return ends

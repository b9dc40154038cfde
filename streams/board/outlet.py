"""The board's one way out to Kafka, opened when something is first to be written."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaProducer

from streams import kafka
from streams.settings import Settings

_TIMEOUT_MS = 5_000


class Outlet:
    """A producer that requests share."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._one_at_a_time = asyncio.Lock()

    async def send(self, topic: str, value: bytes, key: bytes, partition: int | None = None) -> "asyncio.Future[Any]":
        """Hand a record to the producer; ``topic`` is its name without the prefix.

        What is returned ends once the broker has the record.

        Raises:
            KafkaError, OSError: the broker does not answer.
        """
        async with self._one_at_a_time:
            if self._producer is None:
                producer = kafka.producer(self._settings, request_timeout_ms=_TIMEOUT_MS)
                await producer.start()
                self._producer = producer
        written: asyncio.Future[Any] = await self._producer.send(
            self._settings.topic(topic), value, key, partition=partition
        )
        return written

    async def close(self) -> None:
        """Let go of the broker."""
        if self._producer is not None:
            await self._producer.stop()

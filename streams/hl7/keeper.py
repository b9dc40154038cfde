"""Messages on their way to the topic ``hl7``: each is there before it is acknowledged, and a repeat changes nothing.

A sender that lost an acknowledgement sends the same bytes again. What was kept lately is known by its digest, across a
restart too: a sender waits for its answer before it sends the next message, so what lacks one is among the newest.
"""

import asyncio
from collections import OrderedDict
from hashlib import blake2b
from typing import Any, Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from streams import kafka
from streams.log import logger
from streams.settings import Settings
from streams.topics import HL7

_LOG = logger(__name__)

#: Digests that are known at most, and records of each partition that are read for them at the start.
_MOST_KNOWN: Final = 100_000
_RECALLED: Final = 2_000
_CLOSE_S: Final = 10.0


class Keeper:
    """The way to the topic, of one listener. Not thread-safe: all calls come from one loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.topic(HL7)
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._going: dict[bytes, asyncio.Task[None]] = {}
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._ending: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect, and recall what was kept last.

        Raises:
            KafkaError: the cluster does not answer.
        """
        there = await (await self._started()).partitions_for(self._topic)
        async with kafka.consumer(self._settings) as consumer:
            parts = [TopicPartition(self._topic, number) for number in sorted(there)]
            consumer.assign(parts)
            begins, ends = await consumer.beginning_offsets(parts), await consumer.end_offsets(parts)
            for part in parts:
                consumer.seek(part, max(begins[part], ends[part] - _RECALLED))
            while [part for part in parts if await consumer.position(part) < ends[part]]:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        self._know(_digest(record.value or b""))

    async def keep(self, data: bytes, sender: bytes, patience_s: float) -> bool:
        """Return once the broker has the message; whether it is new. Messages of a sender keep their order.

        Raises:
            TimeoutError: the broker did not have it in time. It may yet: the same message is then not written twice.
            KafkaError: the broker does not take it.
        """
        digest = _digest(data)
        if digest in self._known:
            return False
        going = self._going.get(digest)
        if going is None:
            going = self._going[digest] = asyncio.create_task(self._send(digest, data, sender))
            going.add_done_callback(lambda done: self._gone(digest, done))
        async with asyncio.timeout(patience_s):
            await asyncio.shield(going)
        return True

    async def close(self) -> None:
        """Let go of the cluster; what is on its way arrives first, if it can."""
        if self._producer is not None:
            self._end(self._producer)
        if self._ending:
            await asyncio.wait(self._ending, timeout=_CLOSE_S)

    async def _send(self, digest: bytes, data: bytes, sender: bytes) -> None:
        producer = await self._started()
        try:
            await producer.send_and_wait(self._topic, data, sender)
        except KafkaError:
            # After a batch that was given up an idempotent producer may not go on.
            if self._producer is producer:
                self._producer = None
                self._end(producer)
            raise
        self._know(digest)

    def _gone(self, digest: bytes, done: "asyncio.Task[None]") -> None:
        del self._going[digest]
        if not done.cancelled() and (error := done.exception()) is not None:
            _LOG.warning("mllp.not-kept", error=type(error).__name__)

    def _know(self, digest: bytes) -> None:
        self._known[digest] = None
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)

    def _end(self, producer: AIOKafkaProducer) -> None:
        ending = asyncio.create_task(_stop(producer))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer: Any = kafka.producer(self._settings)
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer


async def _stop(producer: AIOKafkaProducer) -> None:
    try:
        await producer.stop()
    except KafkaError as error:
        _LOG.warning("mllp.stop", error=type(error).__name__)


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()

"""One patient's whole record, read from the changelog where ``patients.now`` says that it lies."""

import asyncio
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from features.record import Record, decode
from streams import kafka
from streams.now import Place
from streams.settings import Settings
from streams.topics import CHANGELOG

_PATIENCE_S: Final = 5.0


class HistoryError(RuntimeError):
    """The record cannot be shown now."""


class Histories:
    """Reads records, one at a time: somebody opens a patient's page seldom, beside all else."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reader: AIOKafkaConsumer | None = None
        self._one_at_a_time = asyncio.Lock()

    async def record(self, patient: str, place: Place) -> Record:
        """The record.

        Raises:
            HistoryError: the broker does not answer, it lies there no more, or this release cannot read it.
        """
        async with self._one_at_a_time:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    stored = await self._find(patient.encode(), place)
                return decode(stored)
            except (KafkaError, OSError, TimeoutError, ValueError) as error:
                await self.close()
                raise HistoryError(type(error).__name__) from error

    async def _find(self, key: bytes, place: Place) -> bytes:
        if self._reader is None:
            self._reader = kafka.changelog_reader(self._settings)
            await self._reader.start()
        tp = TopicPartition(self._settings.topic(CHANGELOG), place.partition)
        self._reader.assign([tp])
        (end,) = (await self._reader.end_offsets([tp])).values()
        self._reader.seek(tp, place.offset)
        while await self._reader.position(tp) < end:
            for record in (await self._reader.getmany(tp, timeout_ms=200)).get(tp, ()):
                if record.key == key and record.value is not None:
                    return bytes(record.value)
        raise ValueError("the record lies there no more")

    async def close(self) -> None:
        """Let go of the broker."""
        reader, self._reader = self._reader, None
        if reader is not None:
            with suppress(KafkaError, OSError):
                await reader.stop()

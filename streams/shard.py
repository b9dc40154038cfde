"""A partition of ``events`` on this worker: its records in memory, and the checkpoint that makes them durable.

The order of a checkpoint is the crash safety of the service:

1. take what changed since the last one, and the offset up to which ``events`` was decided;
2. wait until the broker has every output of these decisions;
3. in one Kafka transaction, write the changed records to the changelog and commit the offset;
4. write the same records to RocksDB, with the changelog's offset.

A process that dies before 3 leaves records and offset as they were: the next owner decides the same events again from
the same records and says the same things again, byte for byte. The transaction is also the fence: a partition's
transactional id belongs to the newest owner alone, so a worker that was stopped and wakes can write nothing to the
changelog any more.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition

from features.record import Record, decode, encode
from streams.store import PatientStore

#: Decoded records held in memory for each partition beyond those that await a checkpoint.
_MOST_CACHED = 20_000

_NEW = Record()


class ShardError(RuntimeError):
    """A partition's shard that failed and decides nothing any more."""


class Shard:
    """The records of one partition. Not thread-safe: all calls come from the worker's loop."""

    def __init__(
        self,
        source: TopicPartition,
        changelog: str,
        group: str,
        store: PatientStore,
        producer: AIOKafkaProducer,
    ) -> None:
        self.partition: int = source.partition
        #: The offset after the last record of ``events`` that was decided; ``None`` before the first.
        self.decided: int | None = None
        self._saved: int | None = None
        self._source = source
        self._changelog = changelog
        self._group = group
        self._store = store
        self._producer = producer
        # A record is looked for in this order: changed since the last checkpoint, in the present one, as stored.
        self._changed: dict[str, Record] = {}
        self._saving: dict[str, Record] = {}
        self._stored: OrderedDict[str, Record] = OrderedDict()
        self._pending: list[asyncio.Future[Any]] = []
        self._failed = False
        self._one_at_a_time = asyncio.Lock()

    async def claim(self) -> None:
        """Fence the partition's former owner: from now on only this shard can write its changelog."""
        await self._producer.start()

    def record(self, patient: str) -> Record:
        """The patient's record as of the last decision."""
        for held in (self._changed, self._saving, self._stored):
            found = held.get(patient)
            if found is not None:
                return found
        stored = self._store.read(self.partition, patient.encode())
        record = _NEW if stored is None else decode(stored)
        self._keep({patient: record})
        return record

    def advance(self, offset: int, patient: str | None = None, record: Record | None = None) -> None:
        """The record of ``events`` at ``offset`` is decided, and all that it says was sent.

        The patient's next record, where there is one, comes with it in one step, so that no checkpoint holds the one
        without the other: a record that is ahead of its offset would take the event for a repeat, and lose its alert.
        """
        if patient is not None and record is not None:
            self._changed[patient] = record
        self.decided = offset + 1

    def fail(self) -> None:
        """Nothing of this shard counts any more: what no checkpoint holds is decided again by the next owner."""
        self._failed = True

    def sent(self, output: "asyncio.Future[Any]") -> None:
        """An output that the broker has not acknowledged yet; no checkpoint overtakes it."""
        self._pending.append(output)

    @property
    def pending(self) -> int:
        """Outputs since the last checkpoint."""
        return len(self._pending)

    async def checkpoint(self) -> None:
        """Make all decisions so far durable, in the order that the module describes.

        Raises:
            KafkaError: the outputs or the transaction failed, or a newer owner fenced this one: the shard fails.
            ShardError: it had failed before.
        """
        async with self._one_at_a_time:
            if self._failed:
                raise ShardError(f"partition {self.partition} failed before")
            if self.decided == self._saved:
                return
            decided, pending = self.decided, self._pending
            self._saving, self._changed, self._pending = self._changed, {}, []
            encoded = [(patient.encode(), encode(record)) for patient, record in self._saving.items()]
            try:
                await asyncio.gather(*pending)
                offset = await self._commit(encoded, decided)
            except BaseException:
                self._failed = True
                raise
            if offset is not None:
                self._store.write(self.partition, encoded, offset)
            self._saved = decided
            self._keep(self._saving)
            self._saving = {}

    async def _commit(self, encoded: list[tuple[bytes, bytes]], decided: int | None) -> int | None:
        """The transaction; returns the changelog's last offset, ``None`` when no record changed."""
        producer = self._producer
        async with producer.transaction():
            writes = [
                await producer.send(self._changelog, value, key, partition=self.partition) for key, value in encoded
            ]
            await producer.send_offsets_to_transaction({self._source: decided}, self._group)
            written = await asyncio.gather(*writes)
        return max((one.offset for one in written), default=None)

    def _keep(self, records: Mapping[str, Record]) -> None:
        """Hold stored records in memory, the newest used the longest."""
        self._stored.update(records)
        while len(self._stored) > _MOST_CACHED:
            self._stored.popitem(last=False)

    async def close(self) -> None:
        """Let go of the partition. What no checkpoint holds is decided again by the next owner."""
        await self._producer.stop()

"""A partition of ``events`` on this worker: its records in memory, and the checkpoint that makes them durable.

The order of a checkpoint is the crash safety of the service:

1. take what changed since the last one, and the offset up to which ``events`` was decided;
2. wait until the broker has every output of these decisions;
3. in one Kafka transaction, write the changed records to the changelog, the decisions to the audit, what is shown of
   these patients to ``patients.now``, and commit the offset;
4. write the same records to RocksDB, with the changelog's offset.

A process that dies before 3 leaves records and offset as they were: the next owner decides the same events again from
the same records and says the same things again, byte for byte. The transaction is also the fence: a partition's
transactional id belongs to the newest owner alone, so a worker that was stopped and wakes can write nothing to the
changelog any more.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata
from msgspec.structs import replace

from features.catalogue import Analyte
from features.record import Record, decode, encode
from models.outputs import Alert, Score
from models.roster import NEW, Roster
from streams import metrics, now
from streams.audit import Link, pack
from streams.log import logger
from streams.now import News, Now, Place
from streams.store import PatientStore
from streams.topics import AUDIT_KEY, NOW_KEY, ROSTER_KEY

if TYPE_CHECKING:
    from streams.traces import Trace, Traces

_LOG = logger(__name__)

#: Bytes of decoded records that are held in memory for each partition, beyond those that await a checkpoint.
_MOST_CACHED = 64 * 1024 * 1024

_NEW = Record()


@dataclass(frozen=True, slots=True)
class Topics:
    """Where a shard reads, and what its transactions write."""

    events: str
    changelog: str
    audit: str
    identity: str
    now: str
    #: The id that the cluster gave ``events``: offsets in a topic of another id mean nothing.
    events_id: str = ""


def in_hand(record: Record, stored: int) -> int:
    """The bytes of memory that a decoded record of so many ``stored`` bytes takes, about (measured)."""
    return 1_200 + 700 * len(record.series) + 6 * stored


class ShardError(RuntimeError):
    """A partition's shard that failed and decides nothing any more."""


class Shard:
    """The records of one partition. Not thread-safe: all calls come from the worker's loop."""

    def __init__(
        self,
        partition: int,
        topics: Topics,
        group: str,
        release: bytes,
        store: PatientStore,
        analytes: Mapping[str, Analyte],
        producer: AIOKafkaProducer,
        traces: "Traces | None" = None,
    ) -> None:
        self.partition = partition
        #: The offset after the last record of ``events`` that was decided; ``None`` before the first.
        self.decided: int | None = None
        #: Which models speak here, as of the last decision.
        self.roster = self._kept = NEW
        self._saved: int | None = None
        self._topics = topics
        self._group = group
        self._release = release
        self._store = store
        self._analytes = analytes
        self._producer = producer
        self._traces = traces
        self._traced: list[Trace] = []
        # A record is looked for in this order: changed since the last checkpoint, in the present one, as stored.
        # ``None`` stands for one that is erased.
        self._changed: dict[str, Record | None] = {}
        self._saving: dict[str, Record | None] = {}
        self._news: dict[str, News] = {}
        self._stored: OrderedDict[str, tuple[Record, int]] = OrderedDict()
        self._held = 0
        self._pending: list[asyncio.Future[Any]] = []
        # How far the audit was told, and how far it is written.
        self._audited = self._written = Link.first(partition)
        self._lines: list[bytes] = []
        self._identities: dict[str, str | None] = {}
        self._failed = False
        self._one_at_a_time = asyncio.Lock()

    async def claim(self) -> None:
        """Fence the partition's former owner: from now on only this shard can write its changelog."""
        await self._producer.start()

    def resume(self) -> None:
        """Go on with the audit and the roster where the restored state has them."""
        stored = self._store.read(self.partition, AUDIT_KEY)
        if stored is not None:
            self._audited = self._written = Link.stored(stored)
        kept = self._store.read(self.partition, ROSTER_KEY)
        if kept is not None:
            self.roster = self._kept = Roster.stored(kept)

    @property
    def audited(self) -> int:
        """How many entries the audit has of this partition, those of no checkpoint yet too."""
        return self._audited.number

    def record(self, patient: str) -> Record:
        """The patient's record as of the last decision.

        Raises:
            ValueError: the stored record cannot be read.
        """
        for changes in (self._changed, self._saving):
            if patient in changes:
                return changes[patient] or _NEW
        if patient in self._stored:
            return self._stored[patient][0]
        stored = self._store.read(self.partition, patient.encode())
        if stored is None:
            return _NEW
        record = decode(stored)
        self._keep(patient, record, len(stored))
        return record

    def advance(
        self,
        offset: int,
        entry: bytes,
        patient: str | None = None,
        record: Record | None = None,
        scores: Sequence[Score] = (),
        alerts: Sequence[Alert] = (),
        roster: Roster | None = None,
    ) -> None:
        """The record of ``events`` at ``offset`` is decided, all that it says was sent, and ``entry`` tells it.

        The patient's next record (``None``: erased) comes with it in one step, so that no checkpoint holds the one
        without the other: a record that is ahead of its offset would take the event for a repeat, and lose its alert.
        """
        if patient is not None:
            before = self.record(patient).subject
            if record is None:
                self._identities[before or ""] = None
            elif before is None and record.subject is not None:
                self._identities[record.subject] = patient
            self._changed[patient] = record
            self._news.setdefault(patient, News()).hear(record, scores, alerts)
        self._audited, line = self._audited.then(entry)
        self._lines.append(line)
        self.roster = roster or self.roster
        self.decided = offset + 1

    def fail(self) -> None:
        """Nothing of this shard counts any more: what no checkpoint holds is decided again by the next owner."""
        self._failed = True

    def sent(self, output: "asyncio.Future[Any]") -> None:
        """An output that the broker has not acknowledged yet; no checkpoint overtakes it."""
        self._pending.append(output)

    def traced(self, trace: "Trace") -> None:
        """The record that was decided last is in a trace."""
        self._traced.append(trace)

    @property
    def pending(self) -> int:
        """Outputs, or changed records, since the last checkpoint, whichever are more."""
        return max(len(self._pending), len(self._changed))

    @property
    def unsaved(self) -> list[str]:
        """The patients whose newest records are not stored yet."""
        return [*self._changed, *self._saving]

    async def checkpoint(self) -> None:
        """Make all decisions so far durable, in the order that the module describes.

        Raises:
            KafkaError: the outputs or the transaction failed, or a newer owner fenced this one: the shard fails.
            ShardError: it had failed before.
        """
        async with self._one_at_a_time:
            if self._failed:
                raise ShardError(f"partition {self.partition} failed before")
            if self.decided is None or self.decided == self._saved:
                return
            decided, pending, audited, lines = self.decided, self._pending, self._audited, self._lines
            own = [(AUDIT_KEY, audited.store())]
            roster = self.roster
            if roster != self._kept:
                own.append((ROSTER_KEY, roster.store()))
            identities = list(self._identities.items())
            self._saving, self._changed = self._changed, {}
            news, self._news = self._news, {}
            self._pending, self._lines, self._identities = [], [], {}
            traced, self._traced = self._traced, []
            began = time.perf_counter()
            try:
                encoded = await self._encoded()
                shown = await self._shown(news)
                encoded += [(NOW_KEY + key, None if one is None else now.encode(one)) for key, one in shown]
                encoded += own
                await asyncio.gather(*pending)
                offset = await self._commit(encoded, shown, lines, identities, decided)
            except BaseException:
                self._failed = True
                raise
            self._store.write(self.partition, encoded, offset)
            self._saved, self._written, self._kept = decided, audited, roster
            for (patient, record), (_, value) in zip(self._saving.items(), encoded, strict=False):
                self._keep(patient, record, len(value or b""))
            self._saving = {}
            took = time.perf_counter() - began
            metrics.CHECKPOINT.observe(took)
            if self._traces is not None:
                self._traces.committed(traced, self.partition, took)

    async def _encoded(self) -> list[tuple[bytes, bytes | None]]:
        """The records that are being saved, as stored; decisions go on between one and the next."""
        found: list[tuple[bytes, bytes | None]] = []
        for patient, record in self._saving.items():
            found.append((patient.encode(), None if record is None else encode(record)))
            await asyncio.sleep(0)
        return found

    async def _shown(self, news: Mapping[str, News]) -> list[tuple[bytes, Now | None]]:
        """What is shown of the patients that are being saved; who is not shown, and was not, is left out."""
        found: list[tuple[bytes, Now | None]] = []
        for patient, record in self._saving.items():
            key = patient.encode()
            before = self._shown_before(key)
            after = None if record is None else now.now(before, patient, record, news[patient], self._analytes)
            if before is not None or after is not None:
                found.append((key, after))
            await asyncio.sleep(0)
        return found

    def _shown_before(self, key: bytes) -> Now | None:
        stored = self._store.read(self.partition, NOW_KEY + key)
        try:
            return None if stored is None else now.decode(stored)
        except ValueError:
            _LOG.error("now.unreadable", partition=self.partition)
            return None

    async def _commit(
        self,
        encoded: Sequence[tuple[bytes, bytes | None]],
        shown: Sequence[tuple[bytes, Now | None]],
        lines: Sequence[bytes],
        identities: Sequence[tuple[str, str | None]],
        decided: int,
    ) -> int:
        """The transaction; returns the changelog's last offset."""
        producer, partition, topics = self._producer, self.partition, self._topics
        source = TopicPartition(topics.events, partition)
        async with producer.transaction():
            writes = [await producer.send(topics.changelog, value, key, partition=partition) for key, value in encoded]
            told = [
                await producer.send(topics.audit, value, str(partition).encode(), partition=partition)
                for value in pack(partition, self._release, self._written, lines)
            ]
            told += [
                await producer.send(
                    topics.identity, None if whose is None else whose.encode(), subject.encode(), partition=partition
                )
                for subject, whose in identities
            ]
            place = Place(partition, (self._store.reached(partition) or 0) + 1)
            told += [
                await producer.send(
                    topics.now,
                    None if one is None else now.encode(replace(one, record=place)),
                    key,
                    partition=partition,
                )
                for key, one in shown
            ]
            await producer.send_offsets_to_transaction(
                {source: OffsetAndMetadata(decided, topics.events_id)}, self._group
            )
            written = await asyncio.gather(*writes)
            await asyncio.gather(*told)
        offset: int = written[-1].offset
        return offset

    def _keep(self, patient: str, record: Record | None, stored: int) -> None:
        """Hold a record of so many ``stored`` bytes, and let go of those kept longest ago while all are too large."""
        if patient in self._stored:
            self._held -= self._stored.pop(patient)[1]
        if record is not None:
            size = in_hand(record, stored)
            self._stored[patient] = (record, size)
            self._held += size
        while self._held > _MOST_CACHED and len(self._stored) > 1:
            self._held -= self._stored.popitem(last=False)[1][1]

    async def close(self) -> None:
        """Let go of the partition. What no checkpoint holds is decided again by the next owner."""
        await self._producer.stop()

"""What a worker does with a record of ``events``: read it, decide, speak, and set aside what is unusable."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

import orjson
from aiokafka import AIOKafkaProducer, TopicPartition

from features.catalogue import Refused
from features.instants import render
from models.handover import Send
from models.outputs import Alert, Score
from models.step import Decider, Place, step, wakes_at
from streams import deadletter, intake, kafka
from streams.alarm import Alarms
from streams.deadletter import Source
from streams.intake import Intake
from streams.log import logger
from streams.partitioner import partition_of
from streams.restore import restore
from streams.settings import Settings
from streams.shard import Shard
from streams.store import PatientStore

_LOG = logger(__name__)

#: The header of a record that was moved to its key's partition; it is moved once only.
REKEYED = "vagt-rekeyed"
#: Records with this key speak to the service itself, and lie on every partition.
CONTROL_KEY = b"_control"
HEARTBEAT_KEY = b"_heartbeat"
#: Outputs that may await the broker before a partition's next record is read.
_MOST_PENDING = 2_000


class Desk:
    """The partitions of one worker. Not thread-safe: all calls come from the worker's loop."""

    def __init__(self, settings: Settings, decider: Decider, store: PatientStore, changelog: str) -> None:
        self._settings = settings
        self._decider = decider
        self._store = store
        self._changelog = changelog
        self._shards: dict[int, Shard] = {}
        self._alarms: dict[int, Alarms] = {}
        self._recalling: asyncio.Task[None] | None = None
        self._outputs: AIOKafkaProducer
        self._events = settings.topic("events")
        self._scores = settings.topic("risk.scores")
        self._alerts = settings.topic("alerts")
        self._dead = settings.topic("deadletter")

    async def start(self) -> None:
        """Connect to the broker."""
        self._outputs = kafka.producer(self._settings)
        await self._outputs.start()

    async def open(self, partitions: Iterable[int]) -> None:
        """Take over partitions: fence their former owner, then restore their records."""
        await self.release()
        wanted = sorted(partitions)
        shards = {partition: self._shard(partition) for partition in wanted}
        try:
            await asyncio.gather(*(shard.claim() for shard in shards.values()))
            await restore(self._settings, self._store, self._changelog, wanted)
        except BaseException:
            await asyncio.gather(*(shard.close() for shard in shards.values()), return_exceptions=True)
            raise
        self._shards = shards
        self._alarms = {partition: Alarms() for partition in wanted}
        self._recalling = asyncio.create_task(self._recall())
        await self.heartbeat()
        _LOG.info("partitions.taken", partitions=wanted)

    async def release(self) -> None:
        """Give all partitions back, each with a last checkpoint."""
        if self._recalling is not None:
            self._recalling.cancel()
        shards, self._shards, self._alarms = self._shards, {}, {}
        results = await asyncio.gather(*(shard.checkpoint() for shard in shards.values()), return_exceptions=True)
        for shard, result in zip(shards.values(), results, strict=True):
            if isinstance(result, BaseException):
                _LOG.warning("checkpoint.lost", partition=shard.partition, error=type(result).__name__)
        await asyncio.gather(*(shard.close() for shard in shards.values()), return_exceptions=True)

    async def close(self) -> None:
        """Give the partitions back and stop."""
        await self.release()
        await self._outputs.stop()

    async def checkpoint(self) -> None:
        """Make all decisions so far durable."""
        await asyncio.gather(*(shard.checkpoint() for shard in list(self._shards.values())))

    async def heartbeat(self) -> None:
        """Tell the readers of ``alerts`` that each partition of this worker is awake."""
        for partition in list(self._shards):
            beat = {"heartbeat": True, "live": self._settings.live, "partition": partition, "at": _now()}
            await self._outputs.send(self._alerts, orjson.dumps(beat), HEARTBEAT_KEY, partition=partition)

    async def tick(self) -> None:
        """Write a tick for each patient for whom time alone changes something by now. Only when live."""
        if not self._settings.live:
            return
        now = time.time_ns() // 1_000_000
        for partition, alarms in list(self._alarms.items()):
            for patient, instant in alarms.take(now):
                item = {"type": "tick", "patient": patient, "at": render(instant), "origin": "vagt"}
                sent = await self._outputs.send(self._events, orjson.dumps(item), patient.encode(), partition=partition)
                shard = self._shards.get(partition)
                if shard is not None:
                    shard.sent(sent)

    async def handle(self, source: Source) -> None:
        """Decide one record.

        Raises:
            KafkaError: the broker did not take what is to be said. The shard has then failed, and so must the worker:
                a record that was passed over would be lost.
        """
        shard = self._shards.get(source.partition)
        if shard is None or (shard.decided is not None and source.offset < shard.decided):
            return
        try:
            if shard.pending >= _MOST_PENDING:
                await shard.checkpoint()
            await self._decide(shard, source)
        except BaseException:
            shard.fail()
            raise

    async def _decide(self, shard: Shard, source: Source) -> None:
        """Say all that follows from a record, then advance past it."""
        try:
            if _is_elsewhere(source, self._settings.partitions):
                await self._rekey(shard, source)
                shard.advance(source.offset)
                return
            patient, taken = _take(source, self._settings)
            decision = step(
                self._decider,
                shard.record(patient),
                patient,
                [event for _, event in taken.events],
                Place(self._events, source.partition, source.offset),
            )
        except Refused as refused:
            await self._set_aside(shard, source, [(0, refused)])
            shard.advance(source.offset)
            return
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError) as error:
            # A fault of the service's own: the patient's record stays as it was, and the others' stream goes on.
            _LOG.error("decision.failed", partition=source.partition, offset=source.offset, error=_where(error))
            await self._set_aside(shard, source, [(0, Refused("internal-error", type(error).__name__))])
            shard.advance(source.offset)
            return
        await self._say(shard, source.key or b"", decision.scores, decision.alerts)
        await self._send(shard, decision.sends)
        late = [(taken.events[position][0], refused) for position, refused in decision.refusals]
        await self._set_aside(shard, source, sorted([*taken.refusals, *late], key=lambda one: one[0]))
        shard.advance(source.offset, patient, decision.record)
        # The partition may have been given back meanwhile: then its next owner sets the alarm.
        alarms = self._alarms.get(source.partition)
        if alarms is not None:
            alarms.put(patient, wakes_at(self._decider, decision.record))

    async def _say(self, shard: Shard, key: bytes, scores: tuple[Score, ...], alerts: tuple[Alert, ...]) -> None:
        """Alerts first: they are what somebody waits for."""
        emitted = _now()
        for alert in alerts:
            value = orjson.dumps(replace(alert, emitted=emitted))
            shard.sent(await self._outputs.send(self._alerts, value, key, partition=shard.partition))
        if scores:
            value = orjson.dumps([replace(score, emitted=emitted) for score in scores])
            shard.sent(await self._outputs.send(self._scores, value, key, partition=shard.partition))

    async def _send(self, shard: Shard, sends: Iterable[Send]) -> None:
        """Write what concerns another patient to ``events``, where that patient's partition takes it up."""
        for send in sends:
            key = send.patient.encode()
            written = await self._outputs.send(
                self._events,
                orjson.dumps(send.item),
                key,
                partition=partition_of(key, self._settings.partitions),
            )
            shard.sent(written)

    async def _set_aside(self, shard: Shard, source: Source, refusals: Sequence[tuple[int, Refused]]) -> None:
        for item, refused in deadletter.bounded(refusals, len(source.value or b"")):
            head = deadletter.headers(source, item, refused)
            shard.sent(await self._outputs.send(self._dead, source.value, source.key, headers=head))
            _LOG.info("deadletter", reason=refused.reason, partition=source.partition, offset=source.offset, item=item)

    async def _rekey(self, shard: Shard, source: Source) -> None:
        """Send a record that is not on its key's partition there."""
        right = partition_of(source.key or b"", self._settings.partitions)
        moved = await self._outputs.send(
            self._events,
            source.value,
            source.key,
            partition=right,
            timestamp_ms=source.timestamp,
            headers=[*source.headers, (REKEYED, b"1")],
        )
        shard.sent(moved)
        _LOG.warning("record.rekeyed", partition=source.partition, offset=source.offset, to=right)

    async def _recall(self) -> None:
        """Set the alarms of the patients whose records were restored."""
        if not self._settings.live:
            return
        for partition, alarms in self._alarms.items():
            for patient in self._store.patients(partition):
                try:
                    record = self._shards[partition].record(patient)
                except ValueError as error:
                    _LOG.error("record.unreadable", partition=partition, error=_where(error))
                else:
                    alarms.put(patient, wakes_at(self._decider, record))
                await asyncio.sleep(0)

    def _shard(self, partition: int) -> Shard:
        return Shard(
            source=TopicPartition(self._events, partition),
            changelog=self._changelog,
            group=self._settings.group,
            store=self._store,
            producer=kafka.producer(self._settings, f"{self._settings.group}-{partition}"),
        )


def _is_elsewhere(source: Source, partitions: int) -> bool:
    """Whether a record lies on another partition than its key's.

    Raises:
        Refused: ``wrong-partition``, it was moved before.
    """
    key = source.key
    if not key or key == CONTROL_KEY or partition_of(key, partitions) == source.partition:
        return False
    if any(name == REKEYED for name, _ in source.headers):
        raise Refused("wrong-partition", "the record was moved once and is still not on its key's partition")
    return True


def _take(source: Source, settings: Settings) -> tuple[str, Intake]:
    """The patient whom a record is about, and what can be used of it.

    Raises:
        Refused: nothing of the record can be used.
    """
    if source.key == CONTROL_KEY:
        raise Refused("unsupported", "this release does not act on control records")
    try:
        patient = (source.key or b"").decode()
    except UnicodeDecodeError:
        raise Refused("wrong-subject", "the record's key is not UTF-8 text") from None
    taken = intake.read(source.value, patient, settings.max_event_bytes)
    if not settings.live:
        return patient, taken
    latest = source.timestamp + settings.max_skew_ms
    early = Refused("implausible", "it became known later than Kafka had it (VAGT_MAX_SKEW)")
    return patient, Intake(
        tuple(one for one in taken.events if one[1].known <= latest),
        (*taken.refusals, *((index, early) for index, event in taken.events if event.known > latest)),
    )


def _now() -> str:
    return render(time.time_ns() // 1_000_000)


def _where(error: BaseException) -> str:
    """The kind and place of a fault, without its message, which may quote a patient's data."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace is not None else "?"
    return f"{type(error).__name__} at {place}"

"""What a worker does with a record of ``events``: read it, decide, speak, and set aside what is unusable."""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaProducer

from features.catalogue import Refused
from features.instants import render
from models.handover import Send
from models.registry import foreseen
from models.remote import waiting
from models.roster import NEW, RosterError
from models.step import Decider, wakes_at
from streams import audit, deadletter, kafka, metrics, release
from streams.alarm import Alarms, Clock
from streams.bundle import Bundles
from streams.deadletter import Source
from streams.judge import REKEYED, Judged, judge, where
from streams.log import logger
from streams.partitioner import partition_of
from streams.remote import Remotes
from streams.restore import restore
from streams.settings import Settings
from streams.shard import Shard, Topics
from streams.speech import at, spoken
from streams.store import PatientStore
from streams.terms import Terms

if TYPE_CHECKING:
    from streams.traces import Outputs, Traces

_LOG = logger(__name__)

HEARTBEAT_KEY = b"_heartbeat"
#: How often a partition's decisions are made durable.
_CHECKPOINT_S = 1.0
#: Outputs that may await the broker before a partition's next record is read.
_MOST_PENDING = 2_000
_MOST_GAPS = 1_000


class Desk:
    """The partitions of one worker. Not thread-safe: all calls come from the worker's loop."""

    def __init__(
        self,
        settings: Settings,
        decider: Decider,
        store: PatientStore,
        changelog: str,
        traces: "Traces | None" = None,
    ) -> None:
        self._settings = settings
        self._traces = traces
        self._decider = decider
        self._store = store
        self._terms = Terms.of(settings)
        self._release = release.describe(self._terms, decider)
        self._release_digest = release.digest(self._release)
        self._shards: dict[int, Shard] = {}
        self._alarms: dict[int, Alarms] = {}
        self._clock = Clock()
        self._remotes = Remotes(decider.loaded, self._answered)
        self._changelog_id = ""
        #: Held while a record is decided and said.
        self._deciding = asyncio.Lock()
        # Of each partition what decides there, and how its alerts are told to a record system.
        self._seats: dict[int, tuple[Decider, Bundles]] = {}
        self._recalling: dict[int, asyncio.Task[None]] = {}
        #: A partition, and the offsets between which no record came.
        self.gaps: deque[tuple[int, int, int]] = deque(maxlen=_MOST_GAPS)
        self._outputs: AIOKafkaProducer
        self._events = settings.topic("events")
        self._scores = settings.topic("risk.scores")
        self._alerts = settings.topic("alerts")
        self._fhir_alerts = settings.topic("alerts.fhir")
        self._dead = settings.topic("deadletter")
        self._topics = Topics(
            self._events,
            changelog,
            settings.topic("audit"),
            settings.topic("audit.identity"),
            settings.topic("patients.now"),
        )

    def recognise(self, events_id: str, changelog_id: str) -> None:
        """Commit offsets as those of ``events``, and follow the changelog, that have these ids in the cluster."""
        self._topics = replace(self._topics, events_id=events_id)
        self._changelog_id = changelog_id

    async def start(self) -> None:
        """Connect to the broker."""
        self._outputs = kafka.producer(self._settings)
        await self._outputs.start()
        self._remotes.start()

    async def open(self, partitions: Iterable[int]) -> None:
        """Take over partitions: fence their former owner, then restore their records."""
        await self.release()
        wanted = sorted(partitions)
        shards = {partition: self._shard(partition) for partition in wanted}
        try:
            await asyncio.gather(*(shard.claim() for shard in shards.values()))
            await restore(self._settings, self._store, self._topics.changelog, self._changelog_id, wanted)
            for shard in shards.values():
                shard.resume()
                self._seat(shard)
        except BaseException:
            await asyncio.gather(*(shard.close() for shard in shards.values()), return_exceptions=True)
            raise
        self._shards = shards
        self._alarms = {partition: Alarms() for partition in wanted}
        for partition in wanted:
            self._begin_recall(partition)
        await self.heartbeat()
        _LOG.info("partitions.taken", partitions=wanted)

    async def release(self) -> None:
        """Give all partitions back, each with a last checkpoint."""
        self._remotes.forget()
        async with self._deciding:  # the record in hand is said whole and durable: the next owner need not say it again
            shards, self._shards, self._alarms = self._shards, {}, {}
        for recalling in self._recalling.values():
            recalling.cancel()
        results = await asyncio.gather(*(shard.checkpoint() for shard in shards.values()), return_exceptions=True)
        for shard, result in zip(shards.values(), results, strict=True):
            if isinstance(result, BaseException):
                _LOG.warning("checkpoint.lost", partition=shard.partition, error=type(result).__name__)
        await asyncio.gather(*(shard.close() for shard in shards.values()), return_exceptions=True)

    async def close(self) -> None:
        """Give the partitions back and stop."""
        await self.release()
        await self._remotes.close()
        await self._outputs.stop()

    def stopped(self) -> dict[tuple[str, ...], float]:
        """What is stopped on this worker's partitions: kind and ward, ``all`` for every one."""
        stops = [one for shard in list(self._shards.values()) for one in shard.roster.stops]
        return {(one.kind or "all", one.ward or "all"): 1.0 for one in stops}

    async def checkpoint(self) -> None:
        """Make the decisions so far durable, one partition after the other, which takes a second.

        A transaction keeps the broker busy for as long as some ten records do: all at once would hold up what comes in.
        """
        shards = list(self._shards.items())
        for partition, shard in shards:
            if self._shards.get(partition) is shard:
                await shard.checkpoint()
            await asyncio.sleep(_CHECKPOINT_S / len(shards))
        if not shards:
            await asyncio.sleep(_CHECKPOINT_S)

    async def heartbeat(self) -> None:
        """Tell the readers of ``alerts`` that each partition of this worker is awake."""
        for shard in list(self._shards.values()):
            await self._beat(shard)

    async def _beat(self, shard: Shard) -> None:
        beat = {"heartbeat": True, "live": self._settings.live, "partition": shard.partition, "at": _now()}
        if shard.roster != NEW:
            beat["roster"] = orjson.Fragment(shard.roster.store())
        await self._outputs.send(self._alerts, orjson.dumps(beat), HEARTBEAT_KEY, partition=shard.partition)

    async def tick(self) -> None:
        """Write a tick for each patient for whom time alone changes something by now. Only when live."""
        if not self._settings.live:
            return
        now = self._clock.now()
        for partition, alarms in list(self._alarms.items()):
            for patient, instant in alarms.take(now):
                item = {"type": "tick", "patient": patient, "at": render(instant), "origin": "vagt"}
                sent = await self._outputs.send(self._events, orjson.dumps(item), patient.encode(), partition=partition)
                metrics.TICKS.add()
                shard = self._shards.get(partition)
                if shard is not None:
                    shard.sent(sent)

    async def handle(self, source: Source) -> None:
        """Decide one record.

        Raises:
            KafkaError: the broker did not take what is to be said. The shard has then failed, and so must the worker:
                a record that was passed over would be lost.
        """
        async with self._deciding:
            shard = self._shards.get(source.partition)
            if shard is None or (shard.decided is not None and source.offset < shard.decided):
                return
            if shard.decided is not None and source.offset > shard.decided:
                self.gaps.append((source.partition, shard.decided, source.offset))
            try:
                if shard.pending >= _MOST_PENDING:
                    await shard.checkpoint()
                await self._decide(shard, source)
            except BaseException:
                shard.fail()
                raise

    async def _decide(self, shard: Shard, source: Source) -> None:
        """Say all that follows from a record, then advance past it."""
        trace = None if self._traces is None else self._traces.taken(source)
        outputs = self._outputs if trace is None else trace.through(self._outputs)
        began = time.perf_counter()
        decider, bundles = self._seats[shard.partition]
        judged = judge(self._terms, decider, source, shard.record, _new_subject)
        took = time.perf_counter() - began
        metrics.decided(judged, source.timestamp, took)
        if trace is not None:
            trace.decided(took, judged)
        if judged.moved_to is not None:
            await self._rekey(shard, source, judged.moved_to)
        said = await self._say(outputs, shard, judged, source.timestamp, bundles)
        await self._send(outputs, shard, judged.sends)
        await self._set_aside(shard, source, judged.refusals)
        entry = audit.body(shard.audited + 1, source, judged, self._release_digest, said, decider.roster_digest)
        roster = None if judged.change is None else judged.change.roster
        shard.advance(source.offset, entry, judged.patient, judged.record, judged.scores, judged.alerts, roster)
        if trace is not None:
            trace.end()
            shard.traced(trace)
        if roster is not None and roster != decider.roster:
            await self._change(shard, ends=roster.stops != decider.roster.stops)
        # The partition may have been given back meanwhile: then its next owner sets the alarm.
        alarms = self._alarms.get(source.partition)
        if alarms is not None and judged.patient is not None:
            wakes = None if judged.record is None else wakes_at(decider, judged.record)
            alarms.put(judged.patient, wakes)
            if judged.record is not None and self._settings.live:
                self._remotes.put((source.partition, judged.patient), judged.record, judged.questions)

    async def _answered(self, whom: tuple[int, str], item: Mapping[str, Any]) -> None:
        """Write to ``events`` what a model that runs elsewhere answered, if the patient is still this worker's."""
        partition, patient = whom
        shard = self._shards.get(partition)
        if shard is not None:
            value = orjson.dumps(item)
            shard.sent(await self._outputs.send(self._events, value, patient.encode(), partition=partition))

    def _seat(self, shard: Shard) -> None:
        """Let those models speak on a partition that its roster names.

        Raises:
            RosterError: one of them is not loaded: what cannot be decided as before is not decided here.
        """
        try:
            decider = replace(self._decider, roster=shard.roster)
        except RosterError as error:
            _LOG.critical("roster.model_missing", partition=shard.partition, error=str(error))
            raise
        self._seats[shard.partition] = decider, Bundles(foreseen(decider.scorers), self._settings.patient_system)

    async def _change(self, shard: Shard, *, ends: bool) -> None:
        """A control record changed the roster: tell the boards; where it ``ends`` alerts, see that ticks do so now."""
        self._seat(shard)
        _LOG.warning("roster.changed", partition=shard.partition, roster=shard.roster.digest())
        await self._beat(shard)
        if ends:
            self._begin_recall(shard.partition)

    async def _say(self, outputs: "Outputs", shard: Shard, judged: Judged, timestamp: int, bundles: Bundles) -> str:
        """Alerts first: they are what somebody waits for. Returns the hash of all that is said."""
        said = spoken(judged)
        key, emitted = (judged.patient or "").encode(), _now().encode()
        for value in said.alerts:
            sent = await outputs.send(self._alerts, at(value, emitted), key, partition=shard.partition)
            shard.sent(sent)
            metrics.acknowledged(sent, timestamp)
        for alert in judged.alerts:
            told, head = bundles.of(alert), [("alert", alert.id.encode()), ("sequence", b"%d" % alert.sequence)]
            sent = await outputs.send(self._fhir_alerts, told, key, partition=shard.partition, headers=head)
            shard.sent(sent)
        if said.scores:
            value = b"[" + b",".join(at(one, emitted) for one in said.scores) + b"]"
            shard.sent(await outputs.send(self._scores, value, key, partition=shard.partition))
        return said.digest

    async def _send(self, outputs: "Outputs", shard: Shard, sends: Iterable[Send]) -> None:
        """Write what concerns another patient to ``events``, where that patient's partition takes it up."""
        for send in sends:
            key = send.patient.encode()
            written = await outputs.send(
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
            metrics.DEADLETTERS.add(refused.reason)
            _LOG.info("deadletter", reason=refused.reason, partition=source.partition, offset=source.offset, item=item)

    async def _rekey(self, shard: Shard, source: Source, right: int) -> None:
        """Send a record that is not on its key's partition there."""
        moved = await self._outputs.send(
            self._events,
            source.value,
            source.key,
            partition=right,
            timestamp_ms=source.timestamp,
            headers=[*source.headers, (REKEYED, b"1")],
        )
        shard.sent(moved)
        metrics.REKEYED.add()
        _LOG.warning("record.rekeyed", partition=source.partition, offset=source.offset, to=right)

    def _begin_recall(self, partition: int) -> None:
        if partition in self._recalling:
            self._recalling[partition].cancel()
        self._recalling[partition] = asyncio.create_task(self._recall(partition))

    async def _recall(self, partition: int) -> None:
        """Set the alarms of a partition's patients, and ask again what nobody answered."""
        shard, alarms = self._shards.get(partition), self._alarms.get(partition)
        if not self._settings.live or shard is None or alarms is None:
            return
        decider, _ = self._seats[partition]
        for patient in dict.fromkeys([*shard.unsaved, *self._store.patients(partition)]):
            try:
                record = shard.record(patient)
            except ValueError as error:
                _LOG.error("record.unreadable", partition=partition, error=where(error))
            else:
                alarms.put(patient, wakes_at(decider, record))
                self._remotes.put((partition, patient), record, waiting(decider.running(record), record))
            await asyncio.sleep(0)

    def _shard(self, partition: int) -> Shard:
        return Shard(
            partition=partition,
            topics=self._topics,
            group=self._settings.group,
            release=self._release,
            store=self._store,
            analytes=self._decider.catalogue.analytes,
            producer=kafka.producer(self._settings, f"{self._settings.group}-{partition}"),
            traces=self._traces,
        )


def _now() -> str:
    return render(time.time_ns() // 1_000_000)


def _new_subject() -> str:
    return secrets.token_hex(16)

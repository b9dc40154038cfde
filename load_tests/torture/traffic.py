"""What goes in while the service is tortured, and what is seen to come out: a process of its own.

Every record is sent until the broker has it. Alerts that appear are answered, as people would.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from random import Random
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from features.instants import HOUR, MINUTE, parse, render
from load_tests.torture.probes import PREFIX, probe_of, probes
from load_tests.torture.ward import Planned, ward
from streams.partitioner import partition_of
from streams.settings import Settings
from streams.topics import ALERTS, EVENTS, SCORES

_AGAIN_S: Final = 0.5
_LOOK_MS: Final = 200
#: Of the changes of alerts, this part is answered.
_ANSWERED: Final = 0.3


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent: ``rate`` records a second beside the probes, with or without bursts."""

    seed: int
    seconds: int
    rate: float
    bursts: bool = True


@dataclass(slots=True)
class Seen:
    """What was sent and seen. ``sent`` and ``seen`` of a probe (partition, second) are in seconds since the epoch."""

    records: int = 0
    answers: int = 0
    sends_repeated: int = 0
    sent: dict[tuple[int, int], float] = field(default_factory=dict)
    alerts: dict[tuple[int, int], float] = field(default_factory=dict)
    scores: dict[tuple[int, int], float] = field(default_factory=dict)


def traffic(settings: Settings, load: Load, ready: Event, over: Event) -> Seen:
    """Send the run's records when they are due, none of them once it is ``over``, and watch what comes until then."""
    return asyncio.run(_Traffic(settings, load).run(ready, over))


class _Traffic:
    def __init__(self, settings: Settings, load: Load) -> None:
        self._settings = settings
        self._load = load
        self._events = settings.topic(EVENTS)
        self._seen = Seen()
        self._known: set[tuple[str, int]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._producer: AIOKafkaProducer

    async def run(self, ready: Event, over: Event) -> Seen:
        bootstrap = self._settings.kafka_bootstrap
        planned = _planned(self._load, self._settings.partitions)
        async with (
            AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True) as self._producer,
            AIOKafkaConsumer(
                bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="earliest", fetch_max_wait_ms=50
            ) as consumer,
        ):
            names = self._settings.topic(ALERTS), self._settings.topic(SCORES)
            consumer.assign([TopicPartition(name, n) for name in names for n in range(self._settings.partitions)])
            watching = asyncio.create_task(self._watch(consumer))
            ready.set()
            await self._send(planned, over)
            while not over.is_set():
                await asyncio.sleep(0.2)
                if watching.done():
                    watching.result()
            watching.cancel()
            for task in self._tasks:
                task.cancel()
        return self._seen

    async def _send(self, planned: Sequence[Planned], over: Event) -> None:
        start = time.time()
        for one in planned:
            if over.is_set():
                return
            await asyncio.sleep(max(0.0, start + one.due - time.time()))
            if (probe := _probe_sent(one)) is not None:
                self._seen.sent[probe] = start + one.due
            self._spawn(self._deliver(one))
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, one: Planned) -> None:
        key = one.patient.encode()
        partition = partition_of(key, self._settings.partitions) if one.partition is None else one.partition
        while True:
            try:
                await self._producer.send_and_wait(self._events, one.value, key, partition=partition)
            except KafkaError:
                self._seen.sends_repeated += 1
                await asyncio.sleep(_AGAIN_S)
            else:
                self._seen.records += 1
                return

    async def _watch(self, consumer: AIOKafkaConsumer) -> None:
        heard: dict[str, Callable[[Any, float], None]] = {
            self._settings.topic(ALERTS): self._hear_alert,
            self._settings.topic(SCORES): self._hear_scores,
        }
        while True:
            try:
                batches = await consumer.getmany(timeout_ms=_LOOK_MS)
            except KafkaError:
                await asyncio.sleep(_AGAIN_S)
                continue
            now = time.time()
            for tp, records in batches.items():
                for record in records:
                    heard[tp.topic](orjson.loads(record.value), now)

    def _hear_scores(self, scores: Any, now: float) -> None:
        if (probe := _probe_answered(scores[0])) is not None:
            self._seen.scores.setdefault(probe, now)

    def _hear_alert(self, alert: Any, now: float) -> None:
        if "kind" not in alert:
            return
        if (probe := _probe_answered(alert)) is not None:
            self._seen.alerts.setdefault(probe, now)
        change = alert["id"], alert["sequence"]
        if change in self._known or alert["patient"].startswith(PREFIX):
            return
        self._known.add(change)
        chance = Random(f"{self._load.seed}/{change}")
        if chance.random() < _ANSWERED:
            self._seen.answers += 1
            self._spawn(self._answer(alert, chance))

    async def _answer(self, alert: Any, chance: Random) -> None:
        """Somebody's feedback a little later, now and then twice, too late, or of an alert that is over."""
        await asyncio.sleep(chance.uniform(0.0, 6.0))
        now = parse(alert["at"]) + chance.randrange(1, 30) * MINUTE
        action = chance.choice(("acknowledge", "acknowledge", "snooze", "dismiss", "reopen", "comment"))
        item = {
            "type": "feedback",
            "id": f"{alert['id']}-{alert['sequence']}-{action}",
            "alert": alert["id"],
            "patient": alert["patient"],
            "action": action,
            "by": "nurse/4711",
            "reason": "expected" if action == "dismiss" else None,
            "until": render(now + chance.randrange(1, 6) * HOUR) if action == "snooze" else None,
            "at": render(now),
        }
        one = Planned(0.0, alert["patient"], orjson.dumps(item))
        await self._deliver(one)
        if chance.random() < 0.15:
            await self._deliver(one)


def _planned(load: Load, partitions: int) -> list[Planned]:
    known = ward(load.seed, load.seconds, load.rate, partitions, bursts=load.bursts)
    return sorted([*known, *probes(load.seed, load.seconds, partitions)], key=lambda one: one.due)


def _probe_sent(one: Planned) -> tuple[int, int] | None:
    if not one.patient.startswith(PREFIX):
        return None
    item = orjson.loads(one.value)
    return probe_of(item["id"]) if isinstance(item, dict) else None


def _probe_answered(output: Any) -> tuple[int, int] | None:
    items = output["trigger"]["items"]
    return probe_of(items[0]["id"]) if items else None

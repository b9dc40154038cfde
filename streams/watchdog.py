"""Ends a worker that has fallen silent: the process exits with status 1, and a line of its log says why.

Faust and its Kafka client can stop without an error (issues 175, 640, 523, 532, 549, 306). What a worker says of itself
is then worth nothing, so the watchdog asks elsewhere: a thread with a Kafka client of its own compares what the log
holds with what the group has committed, and asks the worker's loop whether it still turns.

An orderly end would go through the very parts that hang, and gains nothing: what was not made durable is decided again.
"""

import asyncio
import faulthandler
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from faust.exceptions import ConsumerNotStarted

from streams import kafka
from streams.log import logger
from streams.settings import Settings

_LOG = logger(__name__)

#: Nothing of a partition was made durable for so long although records wait. A member of the group that does not
#: answer may hold up a rebalance for 60 s, and a request may take 30 s: only what lasts longer is a stall.
STALL_S: Final = 90.0
#: The loop did not turn for so long. Decisions take milliseconds, and without heartbeats the group has long given the
#: worker's partitions to others.
STUCK_S: Final = 30.0
LISTEN_EVERY_S: Final = 1.0
LOOK_EVERY_S: Final = 5.0
#: A broker that does not answer in this time is away: then nobody can say whether the worker stalls.
_ANSWER_S: Final = 10.0
#: The watchdog itself did not run for so long: the whole process was stopped (SIGSTOP, a machine that slept), and what
#: stood still meanwhile is no stall.
_STOPPED_S: Final = 25.0


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of a partition: the group's next offset, the log's end, and how far its records are restored."""

    committed: int
    end: int
    restored: int | None = None


class Stalls:
    """For how long each partition has not moved although records wait in it. Instants are monotonic seconds."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._since: dict[TopicPartition, tuple[Sight, float]] = {}
        self._looked: float | None = None

    def look(self, now: float, sights: Mapping[TopicPartition, Sight]) -> list[TopicPartition]:
        """The partitions that have stood still for longer than the patience, given what is seen now."""
        stopped = self._looked is not None and now - self._looked > _STOPPED_S
        before = {} if stopped else self._since
        self._looked = now
        self._since = {}
        for tp, sight in sights.items():
            was, since = before.get(tp, (sight, now))
            moved = (was.committed, was.restored) != (sight.committed, sight.restored)
            if sight.committed < sight.end:
                self._since[tp] = sight, now if moved else since
        return [tp for tp, (_, since) in self._since.items() if now - since > self._patience_s]

    def longest(self) -> float:
        """For how long the partition has stood still that moved least lately, at the last look."""
        return max((self._looked - since for _, since in self._since.values()), default=0.0) if self._looked else 0.0

    def forget(self) -> None:
        """Start again: nothing is known of the time up to now."""
        self._since = {}


class Turns:
    """For how long an event loop has not answered. Instants are monotonic seconds."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._asked: float | None = None
        self._listened: float | None = None

    def stuck(self, now: float, loop: asyncio.AbstractEventLoop) -> bool:
        """Ask for a sign of life; whether one has been owed for longer than the patience."""
        if self._listened is not None and now - self._listened > _STOPPED_S:
            self._asked = None
        self._listened = now
        asked = self._asked  # the answer may come at any instant
        if asked is not None:
            return now - asked > self._patience_s
        self._asked = now
        with suppress(RuntimeError):  # it was closed just now: the worker stops
            loop.call_soon_threadsafe(self._turned)
        return False

    def _turned(self) -> None:
        """The loop's answer, from its own thread."""
        self._asked = None


class Watchdog(threading.Thread):
    """Watches over one worker until its loop is closed; ``restored`` says how far a partition's records are.

    ``sees`` is told at each look the time (s since the epoch), how many records wait in each partition that is held,
    and for how long the one that moved least lately has stood still.
    """

    def __init__(
        self,
        app: faust.App,
        settings: Settings,
        restored: Callable[[int], int | None],
        sees: Callable[[float, Mapping[TopicPartition, int], float], None] = lambda *_: None,
        stall_s: float = STALL_S,
        stuck_s: float = STUCK_S,
    ) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._app = app
        self._settings = settings
        self._restored = restored
        self._sees = sees
        self._stall_s = stall_s
        self._stuck_s = stuck_s

    def run(self) -> None:
        """Watch; what stops the watchdog itself ends the worker too."""
        try:
            # uvloop, which the process has for its other loops, brings it down with a segmentation fault when its
            # thread still waits while the interpreter is taken apart.
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._watch())
        except BaseException as error:
            if not self._app.loop.is_closed():
                _end("watchdog.failed", error=type(error).__name__)
        finally:
            faulthandler.cancel_dump_traceback_later()

    async def _watch(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._look())

    async def _listen(self) -> None:
        turns = Turns(self._stuck_s)
        while True:
            # Python's own timer ends the process when not even this thread runs: a call that keeps the interpreter.
            faulthandler.dump_traceback_later(2 * self._stuck_s, exit=True)
            if turns.stuck(time.monotonic(), self._app.loop):
                _end("worker.stuck", seconds=self._stuck_s)
            await asyncio.sleep(LISTEN_EVERY_S)

    async def _look(self) -> None:
        stalls, blind = Stalls(self._stall_s), False
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                async with self._reader(group_id=self._settings.group) as reader:
                    while True:
                        await self._look_once(reader, stalls)
                        blind = False
                        await asyncio.sleep(LOOK_EVERY_S)
            except (KafkaError, OSError, TimeoutError) as error:
                stalls.forget()
                if not blind:
                    _LOG.warning("watchdog.blind", error=type(error).__name__)
                blind = True

    async def _look_once(self, reader: AIOKafkaConsumer, stalls: Stalls) -> None:
        async with asyncio.timeout(_ANSWER_S):
            sights = await _sights(reader, await self._held())
        for tp in stalls.look(time.monotonic(), sights):
            sight = sights[tp]
            async with asyncio.timeout(_ANSWER_S):
                waits = await self._waits(tp, sight)
            if waits:
                _end("worker.stalled", seconds=self._stall_s, topic=tp.topic, partition=tp.partition, **_told(sight))
            sights[tp] = Sight(sight.end, sight.end)
        self._sees(time.time(), {tp: max(0, one.end - one.committed) for tp, one in sights.items()}, stalls.longest())

    async def _held(self) -> dict[TopicPartition, int | None]:
        """The partitions that the worker holds, and how far each is restored: asked in the worker's own loop."""
        answer = asyncio.run_coroutine_threadsafe(self._ask_worker(), self._app.loop)
        return await asyncio.wrap_future(answer)

    async def _ask_worker(self) -> dict[TopicPartition, int | None]:
        app = self._app
        if app._consumer is None:
            return {}
        try:
            held = app._consumer.assignment()
        except ConsumerNotStarted:
            return {}
        inputs = [tp for tp in held if tp.topic not in app.tables.changelog_topics]
        return {TopicPartition(tp.topic, tp.partition): self._reached(tp.partition) for tp in inputs}

    def _reached(self, partition: int) -> int | None:
        try:
            return self._restored(partition)
        except Exception:  # RocksDB's own kind: the partition is being closed, or is not open yet
            return None

    async def _waits(self, tp: TopicPartition, sight: Sight) -> bool:
        """Whether a record waits: all that is left may be the marks that transactions leave."""
        async with self._reader(auto_offset_reset="earliest") as reader:
            reader.assign([tp])
            reader.seek(tp, sight.committed)
            while await reader.position(tp) < sight.end:
                if (await reader.getmany(tp, timeout_ms=500)).get(tp):
                    return True
        return False

    def _reader(self, **more: Any) -> AIOKafkaConsumer:
        return kafka.consumer(self._settings, **more)


async def _sights(reader: AIOKafkaConsumer, held: Mapping[TopicPartition, int | None]) -> dict[TopicPartition, Sight]:
    if not held:
        return {}
    tps = list(held)
    committed = await asyncio.gather(*(reader.committed(tp) for tp in tps))
    firsts, ends = await reader.beginning_offsets(tps), await reader.end_offsets(tps)
    return {tp: Sight(max(firsts[tp], done or 0), ends[tp], held[tp]) for tp, done in zip(tps, committed, strict=True)}


def _told(sight: Sight) -> dict[str, int]:
    return {"committed": sight.committed, "end": sight.end}


def _end(why: str, **details: object) -> NoReturn:
    _LOG.critical(why, **details)
    faulthandler.dump_traceback()
    os._exit(1)

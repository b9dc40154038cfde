"""One run: brokers, workers, traffic and faults, then the verdict."""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Final

import orjson
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from features.instants import render
from load_tests.child import SPAWN, Child
from load_tests.torture import cluster, logs
from load_tests.torture.crew import Crew
from load_tests.torture.oracle import expect
from load_tests.torture.plan import Fault, Kind, plan
from load_tests.torture.recovery import Mark, Recovery, recoveries
from load_tests.torture.traffic import Load, Seen, traffic
from load_tests.torture.verdict import Found, Verdict, judge, judge_audit
from load_tests.torture.ward import START
from streams import topics
from streams.broker import Broker, BrokerError
from streams.partitioner import partition_of
from streams.settings import Settings
from streams.terms import Terms
from streams.topics import ALERTS, AUDIT, CHANGELOG, DEADLETTER, EVENTS, FHIR_ALERTS, NOW, SCORES

_READY_S: Final = 120.0
_SETTLE_S: Final = 600.0
_QUIET_S: Final = 3.0
_ANSWER_MS: Final = 10_000
_LOOK_S: Final = 0.1


class TortureError(RuntimeError):
    """The run could not be made or finished; the message is one sentence."""


@dataclass(slots=True)
class Outcome:
    """What a run showed; ``started`` and the journal's times in seconds since the epoch."""

    load: Load
    build: str | None
    verdict: Verdict
    recoveries: list[Recovery]
    seen: Seen
    events: int
    started: float
    journal: list[tuple[float, str, str]]


@dataclass(frozen=True, slots=True)
class _Act:
    """Half of a fault, done at ``at`` seconds from the start; without a name it marks itself when its turn comes."""

    at: float
    what: str | None
    do: Callable[[], None]
    fault: int


class _Torturer:
    """Does what the plan says, and keeps the journal."""

    def __init__(self, broker: Broker, settings: Settings, crew: Crew, load: Load) -> None:
        self._broker = broker
        self._crew = crew
        self._topics = [one.name for one in topics.topics(settings.partitions, settings.topic_prefix)]
        self._chance = Random(f"leaders/{load.seed}")
        self._threads: list[threading.Thread] = []
        self._one_at_a_time = threading.Lock()
        self._ended = threading.Event()
        self._over = threading.Event()
        self.marks: list[Mark] = []

    def torture(self, faults: Sequence[Fault], seconds: float, progress: Callable[[float], None]) -> None:
        """Do all of it, for so many seconds."""
        acts = sorted((act for number, fault in enumerate(faults) for act in self._acts(number, fault)), key=_when)
        start = time.monotonic()
        while (now := time.monotonic() - start) < seconds:
            while acts and acts[0].at <= now:
                act = acts.pop(0)
                if act.what is not None:
                    self._mark(act.what, act.fault)
                act.do()
            self._crew.look()
            progress(now / seconds)
            time.sleep(_LOOK_S)
        self._ended.set()
        for thread in self._threads:
            while thread.is_alive():
                thread.join(_LOOK_S)
                self._crew.look()

    def close(self) -> None:
        """Do nothing more: brokers that are down stay so."""
        self._ended.set()
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _acts(self, number: int, fault: Fault) -> list[_Act]:
        crew, who, ends = self._crew, fault.target, fault.at + fault.lasts
        own = self._of_brokers(number, fault)
        if own is not None:
            return [_Act(fault.at, None, lambda: self._beside(own, number), number)]

        def back() -> None:
            crew.start(who, fresh=fault.fresh)

        match fault.kind:
            case Kind.KILL:
                first, later, second = (lambda: crew.kill(who)), "worker back after a kill", back
            case Kind.PAUSE:
                first, later, second = (lambda: crew.pause(who)), "worker woken", (lambda: crew.wake(who))
            case Kind.LEAVE:
                first, later, second = (lambda: crew.leave(who)), "worker back after leaving", back
            case _ if fault.rough:
                first, later, second = back, "third worker killed", (lambda: crew.kill(who))
            case _:
                first, later, second = back, "third worker left", (lambda: crew.leave(who))
        return [_Act(fault.at, fault.kind.value, first, number), _Act(ends, later, second, number)]

    def _of_brokers(self, number: int, fault: Fault) -> Callable[[], None] | None:
        """What a fault does to the brokers, ``None`` for one of the workers."""

        def restart(how: signal.Signals) -> None:
            self._mark(fault.kind.value, number)
            cluster.end(self._broker, fault.target, how)
            if not self._over.wait(fault.lasts):
                cluster.revive(self._broker)
                self._mark("broker back", number)

        def move_leaders() -> None:
            self._mark(fault.kind.value, number)
            cluster.move_leaders(self._broker, self._topics, self._chance)

        match fault.kind:
            case Kind.BROKER_STOP:
                return lambda: restart(signal.SIGTERM)
            case Kind.BROKER_KILL:
                return lambda: restart(signal.SIGKILL)
            case Kind.LEADERS:
                return move_leaders
        return None

    def _beside(self, work: Callable[[], None], fault: int) -> None:
        """Do what takes long in a thread, one at a time, and only while all replicas are in sync.

        What did not get its turn before the end is left out.
        """

        def guarded() -> None:
            with self._one_at_a_time:
                try:
                    cluster.wait_in_sync(self._broker, self._topics, self._ended)
                    if not self._ended.is_set():
                        work()
                except (BrokerError, KafkaError, OSError) as error:
                    self._mark(f"broker fault failed ({type(error).__name__})", fault)

        self._threads.append(threading.Thread(target=guarded))
        self._threads[-1].start()

    def _mark(self, what: str, fault: int) -> None:
        self.marks.append(Mark(time.time(), what, fault))


def run(
    broker: Broker,
    settings: Settings,
    load: Load,
    build: str | None,
    kinds: frozenset[Kind],
    progress: Callable[[str, float], None],
) -> Outcome:
    """Torture the service on a cluster that runs, and judge it; ``progress`` hears (what goes on, part done).

    Raises:
        TortureError, ChildError, KafkaError: the run could not be made.
    """
    topics.ensure(
        settings.kafka_bootstrap, topics.topics(settings.partitions, settings.topic_prefix), settings.replication
    )
    journal: list[tuple[float, str, str]] = []
    crew = Crew(settings, build, lambda what, who: journal.append((time.time(), what, who)))
    torturer = _Torturer(broker, settings, crew, load)
    ready, over = SPAWN.Event(), SPAWN.Event()
    try:
        progress("starting", 0.0)
        crew.look()
        greet(settings)
        settle(settings, crew)
        with Child(traffic, settings, load, ready, over) as sender:
            if not ready.wait(_READY_S):
                sender.result(0)
            started = time.time()
            torturer.torture(plan(load.seed, load.seconds, kinds), load.seconds, lambda part: progress("torture", part))
            crew.only(range(2))
            progress("settling", 0.0)
            settle(settings, crew)
            over.set()
            seen = sender.result(_READY_S)
        # An answer takes its time, and may have come since all was quiet.
        settle(settings, crew)
    finally:
        torturer.close()
        crew.close()
    progress("verdict", 0.0)
    verdict, found = verdict_of(settings)
    marks = sorted(torturer.marks, key=lambda mark: mark.at)
    journal = sorted([*journal, *((mark.at, mark.what, f"fault {mark.fault}") for mark in marks)])
    silences = recoveries(marks, seen.sent, seen.alerts, settings.partitions)
    return Outcome(load, build, verdict, silences, seen, len(found.events), started, journal)


def verdict_of(settings: Settings) -> tuple[Verdict, Found]:
    """Compare the topics, as they are now, with the pure step over ``events``."""
    found = Found(
        logs.read(settings, EVENTS, settings.partitions),
        logs.read(settings, ALERTS, settings.partitions),
        logs.read(settings, SCORES, settings.partitions),
        logs.read(settings, DEADLETTER, 1),
        logs.read(settings, CHANGELOG, settings.partitions, committed=True),
        logs.read(settings, NOW, settings.partitions, committed=True),
        logs.read(settings, FHIR_ALERTS, settings.partitions),
        logs.read(settings, AUDIT, settings.partitions, committed=True),
    )
    terms = Terms.of(settings)
    verdict = judge(expect(terms.decider(), settings, found.events), found)
    judge_audit(verdict, terms, found)
    return verdict, found


def greet(settings: Settings) -> None:
    """Send each partition a first record: once it is decided, the workers are there."""
    producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all")
    for partition in range(settings.partitions):
        patient = next(name for name in map("first-{}".format, count()) if _home(name, settings) == partition)
        tick = {"type": "tick", "patient": patient, "at": render(START)}
        producer.send(settings.topic(EVENTS), orjson.dumps(tick), patient.encode(), partition=partition)
    producer.flush()
    producer.close()


def _home(patient: str, settings: Settings) -> int:
    return partition_of(patient.encode(), settings.partitions)


def settle(settings: Settings, crew: Crew) -> None:
    """Wait until all of ``events`` is decided and durable, and nothing more comes.

    Raises:
        TortureError: that takes longer than ten minutes.
    """
    parts = [TopicPartition(settings.topic(EVENTS), number) for number in range(settings.partitions)]
    consumer = KafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap, group_id=settings.group, enable_auto_commit=False
    )
    try:
        began = settled = time.monotonic()
        before: dict[TopicPartition, int] = {}
        state = ""
        while time.monotonic() - settled < _QUIET_S:
            crew.look()
            try:
                ends = consumer.end_offsets(parts, timeout_ms=_ANSWER_MS)
                behind = {part.partition: end - _committed(consumer, part) for part, end in ends.items()}
            except KafkaError as error:
                state, settled = f"the brokers do not answer ({error})", time.monotonic()
            else:
                state = f"events is behind by {behind}"
                if any(behind.values()) or ends != before:
                    settled = time.monotonic()
                before = ends
            if time.monotonic() - began > _SETTLE_S:
                raise TortureError(f"After {_SETTLE_S:.0f} s without faults, {state}.")
            time.sleep(_LOOK_S)
    finally:
        consumer.close()


def _committed(consumer: KafkaConsumer, part: TopicPartition) -> int:
    return consumer.committed(part, timeout_ms=_ANSWER_MS) or 0


def _when(act: _Act) -> float:
    return act.at

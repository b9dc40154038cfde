"""The service under test: real workers as processes of their own, on a real Kafka, under a prefix of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from features.catalogue import catalogue
from features.record import Record
from models.registry import shipped
from models.step import Decider, Place, step
from streams import intake, topics
from streams.desk import HEARTBEAT_KEY
from streams.settings import Settings

PARTITIONS = 4
#: What may differ between two runs over the same events.
_VOLATILE_TRIGGER = ("partition", "offset")


@dataclass
class Service:
    """One deployment: its topics, its workers, and what came out of it."""

    bootstrap: str
    prefix: str
    folder: Path
    live: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """The settings that its workers have."""
        return Settings(
            kafka_bootstrap=self.bootstrap, topic_prefix=self.prefix, partitions=PARTITIONS, live=self.live
        )

    def create_topics(self) -> None:
        """Create the deployment's topics."""
        topics.ensure(self.bootstrap, topics.topics(PARTITIONS, self.prefix))

    def start(self, name: str = "w1") -> subprocess.Popen[bytes]:
        """Start a worker."""
        environment = {
            **os.environ,
            "VAGT_KAFKA_BOOTSTRAP": self.bootstrap,
            "VAGT_TOPIC_PREFIX": self.prefix,
            "VAGT_PARTITIONS": str(PARTITIONS),
            "VAGT_DATA_DIR": str(self.folder),
            "VAGT_LIVE": "true" if self.live else "false",
            **self.environment,
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", "streams.cli", "worker", "--name", name]
            self.workers[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        return self.workers[name]

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> int:
        """End a worker with a signal and wait for it; its exit status."""
        worker = self.workers.pop(name)
        worker.send_signal(how)
        return worker.wait(30)

    def close(self) -> None:
        """End all workers."""
        for name in list(self.workers):
            self.stop(name, signal.SIGKILL)

    def log(self) -> str:
        """What all workers logged."""
        return "".join(file.read_text() for file in sorted(self.folder.glob("*.log")))

    def send(self, records: Iterable[tuple[str | None, Any]], topic: str = "events", **extra: Any) -> None:
        """Send (key, value) pairs; a value that is neither bytes nor None is sent as JSON."""
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, max_request_size=34 * 1024 * 1024)
        for key, value in records:
            raw = value if value is None or isinstance(value, bytes) else orjson.dumps(value)
            producer.send(self.prefix + topic, raw, key.encode() if key is not None else None, **extra)
        producer.flush()
        producer.close()

    def settle(self, topic: str = "events", timeout: float = 120.0) -> None:
        """Wait until every record of ``topic`` is decided and its outputs are with the broker."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap, group_id=self.settings.group, enable_auto_commit=False
        )
        try:
            parts = [TopicPartition(self.prefix + topic, number) for number in range(PARTITIONS)]
            deadline = time.monotonic() + timeout
            while True:
                ends = consumer.end_offsets(parts)
                behind = {p.partition: ends[p] - (consumer.committed(p) or 0) for p in parts}
                if not any(behind.values()):
                    return
                if time.monotonic() > deadline:
                    raise AssertionError(f"{topic} is behind by {behind}\n{self.log()[-4000:]}")
                time.sleep(0.2)
        finally:
            consumer.close()

    def read(self, topic: str) -> list[ConsumerRecord]:
        """Everything that is on a topic now, heartbeats aside, by partition and offset."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap, enable_auto_commit=False, fetch_max_wait_ms=50
        )
        try:
            found: list[ConsumerRecord] = []
            for number in sorted(consumer.partitions_for_topic(self.prefix + topic) or ()):
                part = TopicPartition(self.prefix + topic, number)
                consumer.assign([part])
                consumer.seek_to_beginning(part)
                end = consumer.end_offsets([part])[part]
                while consumer.position(part) < end:
                    for records in consumer.poll(timeout_ms=200).values():
                        found += [one for one in records if one.key != HEARTBEAT_KEY]
            return found
        finally:
            consumer.close()

    def scores(self) -> dict[str, list[Any]]:
        """The scores of each patient in order, exact repeats left out, without what may differ between runs."""
        return _by_patient(self.read("risk.scores"))

    def alerts(self) -> dict[str, list[Any]]:
        """The alerts' changes of each patient in order, exact repeats left out, without what may differ."""
        return _by_patient(self.read("alerts"))

    def dead(self) -> list[dict[str, str]]:
        """The dead letters' headers."""
        return [{name: text.decode() for name, text in record.headers} for record in self.read("deadletter")]


@contextmanager
def running(service: Service, *names: str) -> Iterator[Service]:
    """The service with those workers started; all of them ended afterwards."""
    service.create_topics()
    try:
        for name in names:
            service.start(name)
        yield service
    finally:
        service.close()


def oracle(records: Sequence[tuple[str, Any]]) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """The scores and the alerts that the pure step gives for (key, value) pairs: what must come out."""
    decider = Decider(catalogue(), shipped())
    patients: dict[str, Record] = {}
    scores: dict[str, list[Any]] = defaultdict(list)
    alerts: dict[str, list[Any]] = defaultdict(list)
    for number, (key, value) in enumerate(records):
        taken = intake.read(orjson.dumps(value), key, 1 << 20)
        events = [event for _, event in taken.events]
        decision = step(decider, patients.get(key, Record()), key, events, Place("events", 0, number))
        patients[key] = decision.record
        if decision.scores:
            scores[key].append(_stable(orjson.loads(orjson.dumps(decision.scores))))
        alerts[key] += [_stable(orjson.loads(orjson.dumps(alert))) for alert in decision.alerts]
    return dict(scores), {key: found for key, found in alerts.items() if found}


def _by_patient(records: Iterable[ConsumerRecord]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    seen: set[str] = set()
    for record in records:
        value = _stable(orjson.loads(record.value))
        text = json.dumps(value)
        if text not in seen:
            seen.add(text)
            found[record.key.decode()].append(value)
    return dict(found)


def _stable(value: Any) -> Any:
    """The value without ``emitted``, the trigger's place, and the topic's prefix."""
    if isinstance(value, list):
        return [_stable(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: {**{k: v for k, v in one.items() if k not in _VOLATILE_TRIGGER}, "topic": "events"}
        if name == "trigger"
        else _stable(one)
        for name, one in value.items()
        if name != "emitted"
    }

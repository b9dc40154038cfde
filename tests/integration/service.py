"""The service under test: real workers as processes of their own, on a real Kafka, under a prefix of their own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from kafka import KafkaAdminClient
from typer.testing import CliRunner

from features.catalogue import catalogue
from features.record import Record
from models import outputs
from models.registry import shipped
from models.step import Decider, Place, step
from streams import intake, topics
from streams.cli import app
from streams.desk import HEARTBEAT_KEY
from streams.kafka import MAX_REQUEST
from streams.now import News, encode, now
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
        return Settings(kafka_bootstrap=self.bootstrap, topic_prefix=self.prefix, partitions=PARTITIONS, live=self.live)

    def create_topics(self) -> None:
        """Create the deployment's topics."""
        topics.ensure(self.bootstrap, topics.topics(PARTITIONS, self.prefix, self._doors))

    def delete_topic(self, topic: str) -> None:
        """Delete a topic under the running service."""
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        admin.delete_topics([self.prefix + topic])
        admin.close()

    @property
    def _doors(self) -> tuple[str, ...]:
        return Settings(doors=self.environment.get("VAGT_DOORS", "")).door_topics

    @property
    def _variables(self) -> dict[str, str]:
        return {
            "VAGT_KAFKA_BOOTSTRAP": self.bootstrap,
            "VAGT_TOPIC_PREFIX": self.prefix,
            "VAGT_PARTITIONS": str(PARTITIONS),
            "VAGT_DATA_DIR": str(self.folder),
            "VAGT_LIVE": "true" if self.live else "false",
            "PYTHONFAULTHANDLER": "1",
            **self.environment,
        }

    def vagt(self, *arguments: str, said: str | None = None) -> tuple[int, str]:
        """Run a command of the deployment, with ``said`` on standard input: its exit status and what it prints."""
        result = CliRunner().invoke(app, arguments, input=said, env=self._variables)
        return result.exit_code, result.output

    def start(self, name: str = "w1") -> subprocess.Popen[bytes]:
        """Start a worker."""
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", "streams.cli", "worker", "--name", name]
            self.workers[name] = subprocess.Popen(command, env=os.environ | self._variables, stdout=log, stderr=log)
        return self.workers[name]

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> int:
        """End a worker with a signal and wait for it; its exit status."""
        worker = self.workers[name]
        worker.send_signal(how)
        try:
            return worker.wait(30)
        except subprocess.TimeoutExpired:
            worker.send_signal(signal.SIGABRT)  # it writes where it stands
            worker.wait()
            raise AssertionError(f"{name} does not end\n{self.log()[-8000:]}") from None
        finally:
            del self.workers[name]

    def close(self) -> None:
        """End all workers."""
        for name in list(self.workers):
            self.stop(name, signal.SIGKILL)

    def log(self) -> str:
        """What all workers logged."""
        return "".join(file.read_text() for file in sorted(self.folder.glob("*.log")))

    def send(self, records: Iterable[tuple[str | None, Any]], topic: str = "events", **extra: Any) -> None:
        """Send (key, value) pairs; a value that is neither bytes nor None is sent as JSON."""

        async def sending() -> None:
            async with AIOKafkaProducer(bootstrap_servers=self.bootstrap, max_request_size=MAX_REQUEST) as producer:
                for key, value in records:
                    raw = value if value is None or isinstance(value, bytes) else orjson.dumps(value)
                    await producer.send(self.prefix + topic, raw, None if key is None else key.encode(), **extra)

        asyncio.run(sending())

    def settle(self, topic: str = "events", timeout: float = 120.0) -> None:
        """Wait until every record of ``topic`` is decided and its outputs are with the broker."""

        async def settling() -> None:
            parts = self._parts(topic)
            async with AIOKafkaConsumer(
                bootstrap_servers=self.bootstrap, group_id=self.settings.group, enable_auto_commit=False
            ) as consumer:
                consumer.assign(parts)
                deadline = time.monotonic() + timeout
                while True:
                    ends = await consumer.end_offsets(parts)
                    behind = {p.partition: ends[p] - (await consumer.committed(p) or 0) for p in parts}
                    if not any(behind.values()):
                        return
                    if time.monotonic() > deadline:
                        raise AssertionError(f"{topic} is behind by {behind}\n{self.log()[-4000:]}")
                    await asyncio.sleep(0.1)

        asyncio.run(settling())

    def read(self, topic: str, since: Mapping[int, int] | None = None) -> list[ConsumerRecord[bytes, bytes]]:
        """What is on a topic now (from those offsets on), heartbeats aside, by partition and offset."""

        async def reading() -> list[ConsumerRecord[bytes, bytes]]:
            async with AIOKafkaConsumer(
                bootstrap_servers=self.bootstrap,
                group_id=None,
                fetch_max_wait_ms=50,
                max_partition_fetch_bytes=MAX_REQUEST,
            ) as consumer:
                parts = self._parts(topic)
                consumer.assign(parts)
                ends = await consumer.end_offsets(parts)
                for part in parts:
                    consumer.seek(part, (since or {}).get(part.partition, 0))
                found: list[ConsumerRecord[bytes, bytes]] = []
                while [part for part in parts if await consumer.position(part) < ends[part]]:
                    for records in (await consumer.getmany(timeout_ms=200)).values():
                        found += [one for one in records if one.key != HEARTBEAT_KEY]
                return sorted(found, key=lambda one: (one.partition, one.offset))

        return asyncio.run(reading())

    def ends(self, topic: str) -> dict[int, int]:
        """Where each partition of a topic ends now."""

        async def asking() -> dict[int, int]:
            async with AIOKafkaConsumer(bootstrap_servers=self.bootstrap, group_id=None) as consumer:
                ends = await consumer.end_offsets(self._parts(topic))
                return {part.partition: end for part, end in ends.items()}

        return asyncio.run(asking())

    def _parts(self, topic: str) -> list[TopicPartition]:
        number = 1 if topic in ("deadletter", "audit.access", "model.watch", "model.watch.state") else PARTITIONS
        return [TopicPartition(self.prefix + topic, one) for one in range(number)]

    def scores(self) -> dict[str, list[Any]]:
        """The scores of each patient in order, exact repeats left out, without what may differ between runs."""
        return _by_patient(self.read("risk.scores"))

    def alerts(self) -> dict[str, list[Any]]:
        """The alerts' changes of each patient in order, exact repeats left out, without what may differ."""
        return _by_patient(self.read("alerts"))

    def shown(self) -> dict[str, Any]:
        """What ``patients.now`` has of each patient at its end, without where the record lies."""
        found = {one.key.decode(): one.value and orjson.loads(one.value) for one in self.read("patients.now")}
        return {
            patient: _stable({name: part for name, part in value.items() if name != "record"})
            for patient, value in found.items()
            if value is not None
        }

    def dead(self, since: Mapping[int, int] | None = None) -> list[dict[str, str]]:
        """The headers of the dead letters (from those offsets on)."""
        letters = self.read("deadletter", since)
        return [{name: text.decode() for name, text in record.headers} for record in letters]


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
            scores[key].append(_stable(orjson.loads(outputs.encode(decision.scores))))
        alerts[key] += [_stable(orjson.loads(outputs.encode(alert))) for alert in decision.alerts]
    return dict(scores), {key: found for key, found in alerts.items() if found}


def shown(records: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """What ``patients.now`` must have at its end after these (key, value) pairs."""
    decider = Decider(catalogue(), shipped())
    patients: dict[str, Record] = {}
    news: dict[str, News] = defaultdict(News)
    for number, (key, value) in enumerate(records):
        events = [event for _, event in intake.read(orjson.dumps(value), key, 1 << 20).events]
        decision = step(decider, patients.get(key, Record()), key, events, Place("events", 0, number))
        patients[key] = decision.record
        news[key].hear(decision.record, decision.scores, decision.alerts)
    found = {key: now(None, key, record, news[key], decider.catalogue.analytes) for key, record in patients.items()}
    return {
        key: _stable({name: part for name, part in orjson.loads(encode(one)).items() if name != "record"})
        for key, one in found.items()
        if one is not None
    }


def _by_patient(records: Iterable[ConsumerRecord[bytes, bytes]]) -> dict[str, list[Any]]:
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

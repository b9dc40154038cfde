"""The service under load: its topics, one real `vagt worker`, and patients with a history."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import orjson
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from load_tests import patients
from load_tests.channels import Channels, patient
from load_tests.plan import Target
from streams import topics
from streams.settings import Settings
from streams.topics import EVENTS, Topic

_SETTLE_S = 300.0
_STOP_S = 20.0


class ServiceError(RuntimeError):
    """The service is not fit for a run; the message is one sentence and the end of the worker's log."""


@contextmanager
def channels(settings: Settings) -> Iterator[None]:
    """The topics of a run, which are gone afterwards."""
    own = Channels.of(settings)
    echoes = [Topic(name, settings.partitions) for name in (own.inputs[Target.ECHO], own.echoed)]
    wanted = [*topics.topics(settings.partitions, settings.topic_prefix), *echoes]
    topics.ensure(settings.kafka_bootstrap, wanted, settings.replication)
    try:
        yield
    finally:
        admin = KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
        admin.delete_topics([topic.name for topic in wanted])
        admin.close()


@contextmanager
def worker(settings: Settings) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker with these settings, which is gone afterwards."""
    own = {
        "VAGT_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "VAGT_TOPIC_PREFIX": settings.topic_prefix,
        "VAGT_PARTITIONS": str(settings.partitions),
        "VAGT_DATA_DIR": str(settings.data_dir),
        "VAGT_LIVE": "true",
        "VAGT_DOORS": "",
    }
    if settings.models is not None:
        own |= {"VAGT_MODELS": str(settings.models), "VAGT_MODEL_KEYS": str(settings.model_keys)}
    command = [sys.executable, "-m", "streams.cli", "worker", "--parent", str(os.getpid())]
    with _log(settings).open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **own}, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def admit(settings: Settings, run: str, count: int, seed: int) -> None:
    """Send the history of so many patients of a run."""
    now = time.time_ns() // 1_000_000
    producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all", linger_ms=10)
    for number in range(count):
        name = patient(run, number)
        for value in patients.history(name, now, Random(f"{seed}/{number}")):
            producer.send(settings.topic(EVENTS), orjson.dumps(value), name.encode())
    producer.flush()
    producer.close()


def settle(settings: Settings, worker: "subprocess.Popen[bytes]", patience_s: float = _SETTLE_S) -> None:
    """Wait until every record of ``events`` is decided and durable.

    Raises:
        ServiceError: the worker ended, or is not done in so many seconds.
    """
    consumer = KafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap, group_id=settings.group, enable_auto_commit=False
    )
    try:
        parts = [TopicPartition(settings.topic(EVENTS), number) for number in range(settings.partitions)]
        deadline = time.monotonic() + patience_s
        while True:
            ends = consumer.end_offsets(parts)
            if all((consumer.committed(part) or 0) >= end for part, end in ends.items()):
                return
            if worker.poll() is not None:
                raise ServiceError(f"The worker ended with status {worker.returncode}.\n{_tail(settings)}")
            if time.monotonic() > deadline:
                raise ServiceError(f"The worker did not settle within {patience_s:.0f} s.\n{_tail(settings)}")
            time.sleep(0.2)
    finally:
        consumer.close()


def said(settings: Settings) -> str:
    """What the worker logged."""
    return _log(settings).read_text(errors="replace")


def _log(settings: Settings) -> Path:
    return settings.data_dir / "worker.log"


def _tail(settings: Settings) -> str:
    return said(settings)[-2000:]

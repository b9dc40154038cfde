"""Writing records from a program without a loop, each known to be with the broker at the end."""

from collections.abc import Iterable
from typing import NamedTuple

from streams import kafka
from streams.settings import Settings


class Outgoing(NamedTuple):
    """A record to be written: its topic's whole name; without a partition, Kafka's own partitioner chooses."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def write_all(settings: Settings, records: Iterable[Outgoing]) -> list[int]:
    """Write the records in their order, wait until the broker has each, and say at which offsets.

    Raises:
        KafkaError, SecurityError: the cluster does not answer, does not let this client in, or does not take a record.
    """
    producer = kafka.sender(settings)
    try:
        waiting = [
            producer.send(one.topic, one.value, one.key, headers=list(one.headers), partition=one.partition)
            for one in records
        ]
        return [sent.get(timeout=60).offset for sent in waiting]
    finally:
        producer.close()

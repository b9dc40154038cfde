"""Reading a topic from its first record to where it ends now."""

from collections.abc import Iterator
from typing import Any

from kafka import TopicPartition

from streams import kafka
from streams.kafka import MAX_REQUEST
from streams.settings import Settings
from streams.topics import CHANGELOG, OWN_KEY


def read_all(settings: Settings, name: str, partition: int | None = None, since: int = 0) -> Iterator[Any]:
    """The committed records of a topic of this deployment, each partition in its order; or those of one partition.

    Those before the offset ``since`` are left out.

    Raises:
        KafkaError, SecurityError: the cluster does not answer, or does not let this client in.
    """
    topic = settings.topic(name)
    reader = kafka.reader(
        settings,
        fetch_max_bytes=2 * MAX_REQUEST,
        max_partition_fetch_bytes=2 * MAX_REQUEST,
        isolation_level="read_committed",
    )
    try:
        there = sorted(reader.partitions_for_topic(topic) or ())
        tps = [TopicPartition(topic, number) for number in there if partition in (None, number)]
        reader.assign(tps)
        ends = reader.end_offsets(tps)
        for tp, begin in reader.beginning_offsets(tps).items():
            reader.seek(tp, max(begin, since))
        while any(reader.position(tp) < ends[tp] for tp in tps):
            for tp, records in reader.poll(timeout_ms=500).items():
                yield from (record for record in records if record.offset < ends[tp])
    finally:
        reader.close()


def newest(settings: Settings, name: str) -> dict[bytes, bytes]:
    """The newest value of each key of a compacted topic; keys whose newest record has none are left out.

    Raises:
        KafkaError, SecurityError: as ``read_all``.
    """
    found = {record.key: record.value for record in read_all(settings, name)}
    return {key: value for key, value in found.items() if key and value is not None}


def patients(settings: Settings) -> dict[str, bytes]:
    """The stored record of each patient, as the changelog has it now.

    Raises:
        KafkaError, SecurityError: as ``read_all``.
    """
    return {key.decode(): value for key, value in newest(settings, CHANGELOG).items() if not key.startswith(OWN_KEY)}

"""Reading a topic from its first record to where it ends now."""

from collections.abc import Iterator
from typing import Any

from kafka import TopicPartition

from streams import kafka
from streams.kafka import MAX_REQUEST
from streams.settings import Settings


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

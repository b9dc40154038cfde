"""Reading a topic from its first record to where it ends now."""

from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from streams.kafka import MAX_REQUEST
from streams.settings import Settings


def read_all(settings: Settings, name: str) -> Iterator[Any]:
    """The committed records of a topic of this deployment, each partition in its order.

    Raises:
        KafkaError: the cluster does not answer.
    """
    topic = settings.topic(name)
    reader = KafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=None,
        fetch_max_bytes=2 * MAX_REQUEST,
        max_partition_fetch_bytes=2 * MAX_REQUEST,
    )
    try:
        tps = [TopicPartition(topic, number) for number in sorted(reader.partitions_for_topic(topic) or ())]
        reader.assign(tps)
        ends = reader.end_offsets(tps)
        reader.seek_to_beginning()
        while any(reader.position(tp) < ends[tp] for tp in tps):
            for tp, records in reader.poll(timeout_ms=500).items():
                yield from (record for record in records if record.offset < ends[tp])
    finally:
        reader.close()

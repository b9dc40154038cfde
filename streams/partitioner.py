"""Which partition a key belongs to: murmur2, as Java, aiokafka and kafka-python have it."""

from aiokafka.partitioner import murmur2


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key among so many."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions

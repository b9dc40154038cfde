"""How far behind a worker is, in records and in seconds, from what the watchdog sees and the worker takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from streams import metrics
from streams.metrics.meters import Labels


@dataclass(slots=True)
class Lag:
    """The partitions that a worker holds; ``prefix`` is that of the deployment's topics.

    How old the oldest waiting record is, is not asked for: a broker would send it whole. It is younger than the last
    one taken before it, and than the last look at which none waited.
    """

    prefix: str
    #: For how long the partition that moved least lately has stood still although records wait.
    stands_s: float = 0.0
    _taken: dict[TopicPartition, float] = field(default_factory=dict)
    _clear: dict[TopicPartition, float] = field(default_factory=dict)

    def took(self, topic: str, partition: int, timestamp_ms: int) -> None:
        """The record with this Kafka timestamp was taken from a topic (its whole name)."""
        self._taken[TopicPartition(topic, partition)] = timestamp_ms / 1000
        metrics.took(topic.removeprefix(self.prefix), timestamp_ms)

    def look(self, now: float, waiting: Mapping[TopicPartition, int], stands_s: float) -> None:
        """So many records wait at ``now`` (s since the epoch) in each partition that is held."""
        self.stands_s = stands_s
        self._taken = {tp: self._taken[tp] for tp in waiting if tp in self._taken}
        clear = {tp: now for tp, count in waiting.items() if not count}
        self._clear = {tp: self._clear[tp] for tp in waiting if tp in self._clear} | clear
        records: dict[Labels, float] = {}
        seconds: dict[Labels, float] = {}
        for tp, count in waiting.items():
            topic = tp.topic.removeprefix(self.prefix)
            records[topic, str(tp.partition)] = count
            # Nothing is known of a partition that came with waiting records, until one is taken.
            known = [since[tp] for since in (self._taken, self._clear) if tp in since]
            if known:
                seconds[topic,] = max(seconds.get((topic,), 0.0), now - max(known) if count else 0.0)
        metrics.LAG_RECORDS.replace(records)
        metrics.LAG_SECONDS.replace(seconds)
        metrics.LOOKED.set(now)

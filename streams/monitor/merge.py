"""Records of many partitions in the order of the time that they tell of, however far some were behind."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from models.monitor.facts import Fact

_POLL_MS: Final = 500
_AT_ONCE: Final = 2000
#: A partition of which so many records wait for those of others is read no further meanwhile.
_AHEAD: Final = 10_000


class Heard(NamedTuple):
    """A record's place, and the facts that it tells; ``at`` is the earliest of them, 0 where there is none."""

    at: int
    partition: TopicPartition
    offset: int
    facts: tuple[Fact, ...]


async def merged(
    reader: AIOKafkaConsumer, starts: Mapping[TopicPartition, int], facts: Callable[[Any], tuple[Fact, ...]]
) -> AsyncIterator[Heard | None]:
    """All records from these offsets on, as ``facts`` reads them, and ``None`` now and then when there is none.

    A record waits until each other partition has one too, or is read to its end: so a backlog is heard as it would have
    been heard then, and no partition's age pushes another's records into a past that is closed.

    Raises:
        KafkaError: the cluster does not answer.
    """
    tps = sorted(starts)
    reader.assign(tps)
    begins = await reader.beginning_offsets(tps)
    for tp in tps:
        reader.seek(tp, max(starts[tp], begins[tp]))
    ends = await reader.end_offsets(tps)
    waiting: dict[TopicPartition, deque[Heard]] = {tp: deque() for tp in tps}
    while True:
        for tp, records in (await reader.getmany(timeout_ms=_POLL_MS, max_records=_AT_ONCE)).items():
            for record in records:
                told = facts(record)
                at = min((fact.at for fact in told), default=0)
                waiting[tp].append(Heard(at, tp, record.offset, told))
        behind = any([not waiting[tp] and await _more(reader, tp, ends[tp]) for tp in tps])
        while not behind and (heads := [queue[0] for queue in waiting.values() if queue]):
            tp = min(heads).partition
            yield waiting[tp].popleft()
            behind = not waiting[tp] and await _more(reader, tp, ends[tp])
        for tp in tps:
            (reader.pause if len(waiting[tp]) > _AHEAD else reader.resume)(tp)
        yield None


async def _more(reader: AIOKafkaConsumer, tp: TopicPartition, end: int) -> bool:
    """Whether a partition has records that were not fetched yet; ``end`` is where it ended when reading began."""
    return bool(await reader.position(tp) < max(end, reader.highwater(tp) or 0))

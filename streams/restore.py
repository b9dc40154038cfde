"""Bring a partition's records on this disk up to its changelog."""

from aiokafka import TopicPartition

from streams.kafka import changelog_reader
from streams.log import logger
from streams.settings import Settings
from streams.store import PatientStore

_LOG = logger(__name__)


async def restore(
    settings: Settings, store: PatientStore, changelog: str, identity: str, partitions: list[int]
) -> None:
    """Read each partition's changelog from where this disk stands to its last committed record.

    A disk that followed another changelog than that of this ``identity`` (the cluster's id of the topic), or claims to
    be ahead of it, belongs to the past: it is emptied first.
    """
    if not partitions:
        return
    reader = changelog_reader(settings)
    await reader.start()
    try:
        tps = [TopicPartition(changelog, partition) for partition in partitions]
        reader.assign(tps)
        first = await reader.beginning_offsets(tps)
        ends = await reader.end_offsets(tps)
        for tp in tps:
            reached, followed = store.reached(tp.partition), store.follows(tp.partition)
            if (reached is not None and reached >= ends[tp]) or followed not in (None, identity):
                _LOG.warning("state.foreign", partition=tp.partition, reached=reached, end=ends[tp])
                store.forget(tp.partition)
                reached = None
            store.follow(tp.partition, identity)
            reader.seek(tp, max(first[tp], 0 if reached is None else reached + 1))
        waiting = [tp for tp in tps if await reader.position(tp) < ends[tp]]
        restored = 0
        while waiting:
            batches = await reader.getmany(*waiting, timeout_ms=500)
            for tp, records in batches.items():
                if records:
                    store.write(tp.partition, ((one.key, one.value) for one in records), records[-1].offset)
                    restored += len(records)
            waiting = [tp for tp in waiting if await reader.position(tp) < ends[tp]]
        _LOG.info("state.restored", partitions=len(partitions), records=restored)
    finally:
        await reader.stop()

"""Where a worker goes on in a partition: at the committed offset, unless that means nothing in the log as it now is.

Each partition is sought, also where nothing is committed yet: aiokafka's ``seek_to_committed`` passes over those, and
what was fetched of them before a rebalance would be lost.

A checkpoint commits the offset of ``events`` together with the id that the cluster gave that topic. So an offset of a
topic that was deleted and made again is known for one, however long the new topic has become.
"""

import asyncio
from collections.abc import Mapping, Set
from typing import Any

from faust.types import TP

from streams import kafka
from streams.log import logger
from streams.lookout import say_lost
from streams.settings import Settings

_LOG = logger(__name__)

_ANSWER_S = 10.0


async def correct(settings: Settings, consumer: Any, inputs: Set[TP], topics: Mapping[str, str]) -> None:
    """Seek the partitions, and say why where one cannot go on at its offset. ``topics`` has the topics' ids.

    A topic that was made again is read from its first record. One that lost its end (its leader came back without the
    newest records) goes on at its end: what is before it was decided. Where the oldest records were removed
    before they were read, it goes on at the oldest that is left.

    Raises:
        KafkaError: the cluster does not answer.
    """
    if not inputs:
        return
    first, end = await consumer.earliest_offsets(*inputs), await consumer.highwaters(*inputs)
    committed = await asyncio.to_thread(_committed, settings)
    for tp in inputs:
        goes_on = first[tp]
        if (tp.topic, tp.partition) in committed:
            offset, identity = committed[tp.topic, tp.partition]
            where = {"topic": tp.topic, "partition": tp.partition, "committed": offset}
            known = identity and identity == topics.get(tp.topic)
            if known and offset > end[tp]:
                _LOG.error("events.truncated", **where, end=end[tp])
                goes_on = end[tp]
            elif not known and (identity or offset > end[tp]):
                _LOG.error("events.restarted", **where, first=first[tp], end=end[tp])
            elif offset < first[tp]:
                say_lost(tp.partition, offset, first[tp])
            else:
                goes_on = offset
        await consumer.seek(tp, goes_on)


def _committed(settings: Settings) -> dict[tuple[str, int], tuple[int, str]]:
    """Of each partition, the group's offset and what it was committed with."""
    admin = kafka.admin(settings, _ANSWER_S)
    try:
        found = admin.list_group_offsets(settings.group)[settings.group]
    finally:
        admin.close()
    return {(tp.topic, tp.partition): (one.offset, one.metadata or "") for tp, one in found.items() if one.offset >= 0}

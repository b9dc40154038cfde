"""Where a worker goes on in a partition whose committed offset means nothing in the log as it now is.

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
    """Seek the partitions that cannot go on at their committed offset, and say why. ``topics`` has the topics' ids.

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
        if (tp.topic, tp.partition) not in committed:
            continue
        offset, identity = committed[tp.topic, tp.partition]
        where = {"topic": tp.topic, "partition": tp.partition, "committed": offset}
        if identity and identity == topics.get(tp.topic):
            if offset > end[tp]:
                _LOG.error("events.truncated", **where, end=end[tp])
                await consumer.seek(tp, end[tp])
                continue
        elif identity or offset > end[tp]:
            _LOG.error("events.restarted", **where, first=first[tp], end=end[tp])
            await consumer.seek(tp, first[tp])
            continue
        if offset < first[tp]:
            say_lost(tp.partition, offset, first[tp])
            await consumer.seek(tp, first[tp])


def _committed(settings: Settings) -> dict[tuple[str, int], tuple[int, str]]:
    """Of each partition, the group's offset and what it was committed with."""
    admin = kafka.admin(settings, _ANSWER_S)
    try:
        found = admin.list_group_offsets(settings.group)[settings.group]
    finally:
        admin.close()
    return {(tp.topic, tp.partition): (one.offset, one.metadata or "") for tp, one in found.items() if one.offset >= 0}

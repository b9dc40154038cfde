"""The generator: a process that sends each record at its planned instant, whatever comes back."""

import asyncio
import gc
import selectors
import time
from dataclasses import dataclass

from load_tests.channels import Channels, records
from load_tests.child import precede
from load_tests.plan import SECOND, Planner
from streams import kafka
from streams.settings import Settings

#: Until the start, in ns: the records, which hold their instants, are written down meanwhile.
_HEAD_START = 2 * SECOND
_EACH_ITEM = 40_000


@dataclass(frozen=True, slots=True)
class Sent:
    """When the run started, and when each planned record was handed to the producer; ns since the epoch."""

    start: int
    at: list[int]


def generate(settings: Settings, run: str, planner: Planner) -> Sent:
    """Send the whole plan; returns when the broker has all of it.

    Raises:
        KafkaError: the broker did not take a record.
    """
    precede()
    # select() waits to the microsecond, epoll to the millisecond only: with it every record would be late.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        return runner.run(_generate(settings, run, planner))


async def _generate(settings: Settings, run: str, planner: Planner) -> Sent:
    planned = planner()
    topics = Channels.of(settings).inputs
    producer = kafka.producer(settings)
    await producer.start()
    try:
        for topic in topics.values():
            await producer.partitions_for(topic)
        start = time.time_ns() + _HEAD_START + _EACH_ITEM * sum(len(one.items) for one in planned)
        messages = records(run, planned, start)
        gc.collect()
        gc.freeze()  # a collection over all these records would hold the next ones up
        at: list[int] = []
        acknowledged = []
        for one, (key, value) in zip(planned, messages, strict=True):
            due = start + one.due
            await asyncio.sleep(max(0, due - time.time_ns()) / SECOND)
            at.append(time.time_ns())
            acknowledged.append(await producer.send(topics[one.target], value, key))
        await asyncio.gather(*acknowledged)
        return Sent(start, at)
    finally:
        await producer.stop()

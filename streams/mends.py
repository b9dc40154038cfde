"""What faust-streaming 0.15.3 gets wrong for this service, mended in one place through its public settings.

Each mend names the hole; docs/faust.md has the provocations, and tests/integration/test_faust_holes.py shows each on
plain Faust. When a later Faust has it right, that test fails, and the mend goes.

- *Fetch wait*: the consumer asks for ``fetch_max_wait_ms=1500``, so a quiet partition delays a busy one, which
  nobody asks for meanwhile. Here a request waits long only when it asks for all partitions.
- *Recovery loses input* (issue 596): partitions are resumed before the consumer seeks to the committed offsets; what is
  read in between is thrown away, and commits crawl. Here nothing flows until the partitions are taken, restored and
  sought.
- *Recovery stalls*: a step that takes longer than its timeout counts as "stopped", and the worker keeps its partitions
  for ever without reading them. Here it ends the worker.
- *Recovery goes on in the next rebalance*: what it resumes then, others may hold already. Here a revocation ends it.
- *Changelogs* (issues 176, 651): they are read uncommitted, from an offset that may be gone, and a record of a
  partition that was given back is applied to the table read before. Here ``streams.restore`` reads them.
- *Commits of events*: offsets would be committed apart from the state that they stand for. Here the desk's checkpoints
  commit them, and Faust commits the doors' alone.
- *Failed commits* (issue 316) count as done. Here they are owed, and tried again.
- *Concurrency* (issue 606): with several actors, a commit passes over a record that one of them still works on. Here an
  agent has one.
- *Each record on its own*: four tasks, a sensor's look and an acknowledgement cost as much as a decision. Here what a
  fetch brought of a partition of ``events`` comes to the agent as one event, a list of records.
- *A thread for the consumer*: it keeps sending heartbeats while the worker's loop stands, and each fetch waits for the
  interpreter on the way there and back. Here the consumer is on the worker's loop.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import faust
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.subscription_state import Assignment
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service
from mode.utils.futures import maybe_async

#: The version whose holes these are; a test fails when another one is installed.
MENDS = "0.15.3"
_FETCH_WAIT_MS = 10
_FETCH_ALL_WAIT_MS = 250


class Partitions(Protocol):
    """Who takes partitions over and gives them back."""

    async def open_partitions(self, partitions: set[int]) -> None:
        """Take over exactly these partitions of ``events``."""

    async def check_positions(self, inputs: set[TP]) -> None:
        """See that each partition goes on where its committed offset still means something."""

    async def settle_doors(self) -> None:
        """Wait until the broker has all that the doors sent."""


class MendedApp(faust.App):  # type: ignore[misc]
    """A Faust app with the mends in, an owner of its partitions, and a watchdog."""

    owner: Partitions
    ordered_topic: str
    watchdog: threading.Thread

    def agent(self, *args: Any, concurrency: int = 1, **options: Any) -> Any:
        """An agent as Faust has it, with one actor.

        Raises:
            ValueError: it shall have several.
        """
        if concurrency != 1:
            raise ValueError("an agent with several actors loses records: take more partitions and workers instead")
        return super().agent(*args, **options)

    async def on_start(self) -> None:
        """Start, watched."""
        self.watchdog.start()
        await super().on_start()

    async def _on_partitions_revoked(self, revoked: set[TP]) -> None:
        await self.tables.recovery.abandon()
        await super()._on_partitions_revoked(revoked)


class _Fetcher(Fetcher):  # type: ignore[misc]
    """A request that asks for every partition may wait long: nothing can come that it does not bring."""

    def _get_actions_per_node(self, assignment: Assignment) -> Any:
        left_out = any(tp in self._records or assignment.state_value(tp).paused for tp in assignment.tps)
        self._fetch_max_wait_ms = _FETCH_WAIT_MS if left_out else _FETCH_ALL_WAIT_MS
        return super()._get_actions_per_node(assignment)


class _Here(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Faust's consumer thread without a thread: what it does, it does on the worker's loop."""

    wait_for_shutdown = False
    start = Service.start
    maybe_start = Service.maybe_start
    stop = Service.stop
    crash = Service.crash
    set_shutdown = Service.set_shutdown
    _stopped_set = Service._stopped_set
    _stop_children = Service._stop_children
    _stop_futures = Service._stop_futures
    _stop_exit_stacks = Service._stop_exit_stacks

    async def on_start(self) -> None:
        """Join the group."""
        await super().on_start()
        self._consumer._fetcher.__class__ = _Fetcher  # aiokafka makes its own, and takes no other

    async def on_stop(self) -> None:
        """Leave the group."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call it here and now."""
        return await maybe_async(fun(*args, **kwargs))


class MendedConsumer(driver.Consumer):  # type: ignore[misc]
    """A consumer that commits the doors' offsets alone, and owes what could not be committed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._owed: dict[TP, int] = {}

    def _new_consumer_thread(self) -> _Here:
        return _Here(self, loop=self.loop, thread_loop=self.loop, beacon=self.beacon)

    async def _wait_next_records(self, timeout: float) -> tuple[Any, Any]:  # noqa: ASYNC109 (Faust's own)
        records, active = await super()._wait_next_records(timeout)
        for tp in [tp for tp in records or () if tp.topic == self.app.ordered_topic]:
            # To Faust it is one record, the last of them.
            records[tp] = [replace(records[tp][-1], key=None, value=records[tp], headers=())]
        return records, active

    async def perform_seek(self) -> None:
        """Seek to the committed offsets: what is owed beyond them is read again."""
        self._owed.clear()
        await super().perform_seek()

    def _filter_committable_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
        return {**self._owed, **super()._filter_committable_offsets(tps)}

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        self._owed.update(offsets)
        done: bool = await super()._commit_offsets(offsets, start_new_transaction)
        if done:
            self._owed = {tp: offset for tp, offset in self._owed.items() if offset > offsets.get(tp, -1)}
        return done

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        doors = {tp: offset for tp, offset in offsets.items() if tp.topic != self.app.ordered_topic}
        if not doors:
            return True
        await self.app.owner.settle_doors()
        done: bool = await super()._commit(doors)
        return done


class MendedTransport(driver.Transport):  # type: ignore[misc]
    """The aiokafka transport with the mended consumer."""

    Consumer = MendedConsumer


class _Recovery(Recovery):  # type: ignore[misc]
    _taking: asyncio.Future[None] | None = None

    @Service.task
    async def _restart_recovery(self) -> None:
        while not await self.wait_for_stopped(self.signal_recovery_start):
            self.signal_recovery_start.clear()
            await self.abandon()
            # What it raises ends the worker.
            self._taking = self.add_future(self._take_over())

    @Service.task
    async def _slurp_changelogs(self) -> None:
        """The changelog is read by ``streams.restore``; nothing of it comes through Faust's consumer."""

    async def abandon(self) -> None:
        """Take nothing over any more: the partitions are about to be somebody else's."""
        if self._taking is not None and not self._taking.done():
            self._taking.cancel()
            await asyncio.wait([self._taking])

    async def _take_over(self) -> None:
        """Take over the assigned partitions, then let them flow.

        Raises:
            TimeoutError: the broker did not say what is committed.
        """
        app, consumer = self.app, self.app.consumer
        consumer.stop_flow()
        app.flow_control.suspend()
        assignment = consumer.assignment()
        inputs = {tp for tp in assignment if not self._is_changelog_tp(tp)}
        consumer.pause_partitions(assignment)
        await app.owner.open_partitions({tp.partition for tp in inputs if tp.topic == app.ordered_topic})
        if inputs:
            async with asyncio.timeout(app.conf.broker_request_timeout):
                await consumer.perform_seek()
                await app.owner.check_positions(inputs)
        await app.on_rebalance_complete.send()
        await app._fetcher.maybe_start()
        # No await from here on: a revocation finds all of this undone or done.
        consumer.resume_partitions(inputs)
        app.flow_control.resume()  # what was read before the seek is thrown away here
        consumer.resume_flow()
        self._set_recovery_ended()
        self.completed.set()
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()


class MendedTableManager(TableManager):  # type: ignore[misc]
    """A table manager with the mended recovery."""

    _recovery: _Recovery | None = None

    @property
    def recovery(self) -> _Recovery:
        """The recovery service."""
        if self._recovery is None:
            self._recovery = _Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

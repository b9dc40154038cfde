"""What faust-streaming 0.15.3 gets wrong for this service, mended in one place through its public settings.

Each mend names the fault; when a later Faust has it right, the mend goes.

- *Fetch wait*: the consumer asks for ``fetch_max_wait_ms=1500``, so a quiet partition delays a busy one.
- *Recovery*: partitions are resumed before the consumer seeks to the committed offsets, so records are skipped and then
  marked as processed (issue 596); changelogs are read uncommitted; an unknown changelog record is applied to the table
  read before. Here nothing flows until the partitions are taken, restored and sought.
- *Commits*: offsets of ``events`` would be committed apart from the state that they stand for. Here the desk's
  checkpoints commit them, and Faust commits the doors' alone.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import faust
from aiokafka import AIOKafkaConsumer
from faust.tables.manager import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service

MENDS = "0.15.3"
_FETCH_WAIT_MS = 10


class Partitions(Protocol):
    """Who takes partitions over and gives them back."""

    async def open_partitions(self, partitions: set[int]) -> None:
        """Take over exactly these partitions of ``events``."""

    async def settle_doors(self) -> None:
        """Wait until the broker has all that the doors sent."""


class MendedApp(faust.App):  # type: ignore[misc]
    """A Faust app with the mends in, and an owner of its partitions."""

    owner: Partitions
    ordered_topic: str


class _Thread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS
        return consumer


class _Consumer(driver.Consumer):  # type: ignore[misc]
    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        doors = {tp: offset for tp, offset in offsets.items() if tp.topic != self.app.ordered_topic}
        if not doors:
            return True
        await self.app.owner.settle_doors()
        done: bool = await super()._commit(doors)
        return done


class MendedTransport(driver.Transport):  # type: ignore[misc]
    """The aiokafka transport with the mended consumer."""

    Consumer = _Consumer


class _Recovery(Recovery):  # type: ignore[misc]
    @Service.task
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start):
                break
            self.signal_recovery_start.clear()
            try:
                await self._take_over(self._generation_id)
            except RebalanceAgain:
                continue
            except ServiceStopped:
                break

    @Service.task
    async def _slurp_changelogs(self) -> None:
        """The changelog is read by ``streams.restore``; nothing of it comes through Faust's consumer."""

    async def _take_over(self, generation: int) -> None:
        app, consumer = self.app, self.app.consumer
        assignment = consumer.assignment()
        inputs = {tp for tp in assignment if not self._is_changelog_tp(tp)}
        consumer.pause_partitions(assignment)
        wanted = {tp.partition for tp in inputs if tp.topic == app.ordered_topic}
        await self._wait(app.owner.open_partitions(wanted))
        if app.consumer_generation_id != generation:
            return
        if inputs:
            await self._wait(consumer.perform_seek(), timeout=app.conf.broker_request_timeout)
        await app.on_rebalance_complete.send()
        consumer.resume_partitions(inputs)
        self._set_recovery_ended()
        self.completed.set()
        app.flow_control.resume()
        consumer.resume_flow()
        await app._fetcher.maybe_start()
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

"""The Faust app: one agent on ``events``, one table, and an agent for each door. A thin shell around the desk.

An agent whose body raised would be started again past the record that it was at, and lose it. So all that a record can
hold is dealt with in the desk and the doors, and what does raise (the broker is gone) ends the worker.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import faust
from faust.types import TP, EventT, StreamT
from mode.supervisors import CrashingSupervisor

from models.step import Decider
from streams import security
from streams.deadletter import Source
from streams.desk import Desk
from streams.doors import Doors
from streams.mends import MendedApp, MendedTableManager, MendedTransport
from streams.metrics.lag import Lag
from streams.positions import correct
from streams.settings import Settings
from streams.store import PatientTable
from streams.watchdog import Watchdog

if TYPE_CHECKING:
    from streams.traces import Traces

#: Records that a fetch brings, and fetches of ``events`` that may wait: no more is held than is soon decided.
_FETCHED = 200
_FETCHES = 8
#: Bytes that a fetch brings of a partition: all of them are decided before the next partition's turn.
_TURN_BYTES = 32 * 1024
_HEARTBEAT_SECONDS = 10.0
_TICK_SECONDS = 1.0


class VagtApp(MendedApp):
    """The app of one worker; it owns the desk and the doors."""

    desk: Desk
    doors: Doors
    deployment: Settings
    lag: Lag
    #: Whether the partitions are assigned, their records restored, and records flow.
    flowing = False
    #: The cluster's own ids of the topics.
    topic_ids: Mapping[str, str] = MappingProxyType({})

    async def open_partitions(self, partitions: set[int]) -> None:
        """Take over exactly these partitions of ``events``."""
        await self.desk.open(partitions)

    async def check_positions(self, inputs: set[TP]) -> None:
        """See that each partition goes on where its committed offset still means something."""
        await correct(self.deployment, self.consumer, inputs, self.topic_ids)

    async def settle_doors(self) -> None:
        """Wait until the broker has all that the doors sent."""
        await self.doors.settle()

    def on_rebalance_end(self) -> None:
        """Records flow."""
        super().on_rebalance_end()
        self.flowing = True

    async def _on_partitions_revoked(self, revoked: set[TP]) -> None:
        self.flowing = False
        await super()._on_partitions_revoked(revoked)

    async def on_start(self) -> None:
        """Connect, then read."""
        await self.desk.start()
        await super().on_start()

    async def on_stop(self) -> None:
        """Stop reading, make all decisions durable, then let go."""
        await super().on_stop()
        await self.doors.close()
        await self.desk.close()


def build(settings: Settings, decider: Decider, worker_dir: Path, traces: "Traces | None" = None) -> VagtApp:
    """The app of one worker, its table under ``worker_dir``. Topics must exist before it starts."""
    app = VagtApp(
        settings.group,
        broker=f"kafka://{settings.kafka_bootstrap}",
        broker_credentials=security.for_faust(settings),
        datadir=worker_dir,
        store="rocksdb://",
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=settings.partitions,
        table_standby_replicas=0,
        broker_session_timeout=8.0,
        broker_heartbeat_interval=0.3,
        broker_request_timeout=30.0,
        broker_commit_interval=0.5,
        broker_max_poll_records=_FETCHED,
        consumer_max_fetch_size=_TURN_BYTES,
        producer_request_timeout=30.0,
        consumer_auto_offset_reset="earliest",
        TableManager=MendedTableManager,
    )
    app.transport = MendedTransport(app.conf.broker_consumer, app)
    app.ordered_topic = settings.topic("events")
    app.owner = app
    app.deployment = settings
    app.lag = Lag(settings.topic_prefix)
    table = PatientTable(
        app,
        name="patients",
        partitions=settings.partitions,
        key_type=bytes,
        value_type=bytes,
    )
    app.tables.add(table)
    app.desk = Desk(settings, decider, table.data, table.changelog_topic.get_topic_name(), traces)
    app.doors = Doors(settings, traces)
    app.watchdog = Watchdog(app, settings, table.data.reached, app.lag.look)

    events = _raw_topic(app, app.ordered_topic, acks=False, maxsize=_FETCHES)

    @app.agent(events, name="decide", supervisor_strategy=CrashingSupervisor)
    async def decide(stream: StreamT) -> None:
        async for event in stream.events():
            for record in event.message.value:
                source = Source.of(record)
                app.lag.took(source.topic, source.partition, source.timestamp)
                await app.desk.handle(source)
                # What was said goes out now, and not when all that was fetched is decided.
                await asyncio.sleep(0)

    @app.on_partitions_revoked.connect
    async def give_back(*_: Any, **__: Any) -> None:
        # Before the next owner takes over, so that it need not decide anything again.
        await app.desk.release()

    for name, form in settings.door_forms.items():
        _add_door(app, name, form)

    _repeat(app, 0, app.desk.checkpoint)
    _repeat(app, _HEARTBEAT_SECONDS, app.desk.heartbeat)
    _repeat(app, _TICK_SECONDS, app.desk.tick)
    return app


def _repeat(app: VagtApp, pause: float, what: Callable[[], Awaitable[None]]) -> None:
    """Do something again and again with a pause between; what it raises ends the worker."""

    @app.task
    async def repeat() -> None:
        while not app.should_stop:
            await app.sleep(pause)
            await what()


def _add_door(app: VagtApp, topic: str, form: str) -> None:
    @app.agent(_raw_topic(app, topic), name=f"door-{topic}", supervisor_strategy=CrashingSupervisor)
    async def door(stream: StreamT) -> None:
        async for event in stream.events():
            source = _source(event)
            app.lag.took(source.topic, source.partition, source.timestamp)
            await app.doors.handle(source, form)


def _raw_topic(app: faust.App, name: str, **options: Any) -> Any:
    """A topic whose bytes reach the agent as they are: nothing that a sender does can raise before it."""
    return app.topic(name, key_serializer="raw", value_serializer="raw", allow_empty=True, internal=False, **options)


def _source(event: EventT) -> Source:
    message = event.message
    headers = message.headers or ()
    pairs = headers.items() if isinstance(headers, dict) else headers
    return Source(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp=round(message.timestamp * 1000),
        key=message.key,
        value=message.value,
        headers=tuple(pairs),
    )

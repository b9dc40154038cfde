"""A small Faust app for the tests of Faust's holes: plain, or with this service's mends; run as a process of its own.

    python -m tests.integration.plain_faust '{"bootstrap": …, "prefix": …, "scenario": …, "mended": false}'

Its agent reads ``numbers`` (one partition), counts in the table ``seen``, and sends each number on to ``out``. A trial
provokes: what is otherwise a race or an accident happens each time. What happened is told on standard output.
"""

import asyncio
import json
import logging
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any

import faust
from faust.tables.manager import TableManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from faust.worker import Worker
from mode.supervisors import CrashingSupervisor

from streams.mends import MendedApp, MendedConsumer, MendedTableManager, MendedTransport
from streams.settings import Settings
from streams.watchdog import Watchdog

#: How many numbers a test sends before it starts the app.
NUMBERS = 200
#: The least that a broker allows, so that a timeout is soon over.
REQUEST_TIMEOUT_S = 6.5
WATCHED_S = 5.0


@dataclass(frozen=True)
class Trial:
    """What the process is told."""

    bootstrap: str
    prefix: str
    scenario: str = "nothing"
    mended: bool = False
    watched: bool = False
    reset: str = "earliest"

    @property
    def settings(self) -> Settings:
        """As the watchdog wants them."""
        return Settings(kafka_bootstrap=self.bootstrap, topic_prefix=self.prefix)


def tell(what: str) -> None:
    """A line for the test."""
    os.write(1, f"{what}\n".encode())


class _Provoked:
    """The provocations in the consumer; they change when something happens, or whether the broker does it."""

    trial: Trial
    sought = False
    failed = False

    async def perform_seek(self) -> None:
        if self.trial.scenario == "slow-seek":
            await super().perform_seek()  # type: ignore[misc]
            await asyncio.sleep(2.0)
            self.sought = True
        elif self.trial.scenario == "endless-seek":
            try:
                await asyncio.Event().wait()
            finally:
                tell("seek-abandoned")
        else:
            await super().perform_seek()  # type: ignore[misc]

    def resume_flow(self) -> None:
        super().resume_flow()  # type: ignore[misc]
        if self.sought:
            tell("flows")

    async def _commit(self, offsets: Any) -> bool:
        if self.trial.scenario == "failed-commit" and not self.failed and NUMBERS in offsets.values():
            self.failed = True
            tell("commit-failed")
            return False  # what the driver returns when the group has rebalanced
        done: bool = await super()._commit(offsets)  # type: ignore[misc]
        return done


class _PlainConsumer(_Provoked, driver.Consumer):  # type: ignore[misc]
    pass


class _MendedConsumer(_Provoked, MendedConsumer):
    pass


class _PlainTransport(driver.Transport):  # type: ignore[misc]
    Consumer = _PlainConsumer


class _MendedTransport(MendedTransport):
    Consumer = _MendedConsumer


class _Owner:
    """Owns no partitions: Faust commits this app's offsets."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._opened = 0
        self.failed = False

    async def open_partitions(self, partitions: set[int]) -> None:
        self._opened += 1
        if self._trial.scenario == "claim-fails":
            raise ConnectionError("the claim of a partition failed")
        if self._trial.scenario == "slow-claim" and self._opened == 1:
            tell("claiming")
            try:
                await asyncio.Event().wait()
            finally:
                tell("claim-abandoned")

    async def check_positions(self, inputs: set[TP]) -> None:
        pass

    async def settle_doors(self) -> None:
        if self.failed:  # as the doors say it
            raise ConnectionError("not all that was read has been sent")


def build(trial: Trial) -> faust.App:
    """The app of a trial."""
    _Provoked.trial = trial
    app = (MendedApp if trial.mended else faust.App)(
        trial.settings.group,
        broker=f"kafka://{trial.bootstrap}",
        datadir=tempfile.mkdtemp(),
        store="memory://",
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=1,
        table_standby_replicas=0,
        broker_session_timeout=6.0,
        broker_heartbeat_interval=0.5,
        broker_request_timeout=REQUEST_TIMEOUT_S,
        broker_commit_interval=0.3,
        consumer_auto_offset_reset=trial.reset,
        TableManager=MendedTableManager if trial.mended else TableManager,
    )
    app.transport = (_MendedTransport if trial.mended else _PlainTransport)(app.conf.broker_consumer, app)
    if trial.mended:
        app.ordered_topic = "none"
        app.owner = _Owner(trial)
        patience = WATCHED_S if trial.watched else 1000.0
        app.watchdog = Watchdog(app, trial.settings, lambda _: None, stall_s=patience, stuck_s=patience)
    _fill(app, trial)
    return app


def _fall_silent(app: faust.App, scenario: str) -> None:
    if scenario == "block-worker":
        time.sleep(1000)
    elif scenario == "keep-interpreter":
        re.match("(a+)+$", "a" * 64 + "b")  # never lets another thread run


def _fill(app: faust.App, trial: Trial) -> None:
    seen = app.Table(trial.prefix + "seen", partitions=1, default=int, key_type=str, value_type=int)
    other = app.Table(trial.prefix + "other", partitions=1, default=int, key_type=str, value_type=int)
    out = app.topic(trial.prefix + "out", value_type=int)
    options: dict[str, Any] = {"supervisor_strategy": CrashingSupervisor} if trial.mended else {}
    if trial.scenario == "concurrency" and not trial.mended:
        options["concurrency"] = 2

    @app.agent(app.topic(trial.prefix + "numbers", value_type=int), name="count", **options)
    async def count(stream: Any) -> None:
        async for number in stream:
            if trial.scenario == "slow-seek":
                await asyncio.sleep(0.02)
            if trial.scenario in {"concurrency", "hang"} and number == 0:
                tell("held")
                await asyncio.Event().wait()
            if number == 0:
                _fall_silent(app, trial.scenario)
            if trial.scenario == "raise" and number == 5:
                tell("raised")
                if trial.mended:
                    app.owner.failed = True
                raise ConnectionError("the broker was away")
            seen[str(number)] += 1
            await out.send(value=number)

    if trial.scenario == "stray-change":

        @app.task
        async def stray() -> None:
            # As after a rebalance: a change of a partition that is not this worker's any more is still in the queue.
            for table, partition, key in ((seen, 0, '"mine"'), (other, 7, '"stray"')):
                channel = app.tables._channels[table]
                topic = table.changelog_topic.get_topic_name()
                message = Message(
                    topic, partition, 10_000, time.time(), 0, {}, key.encode(), b"1", None, tp=TP(topic, partition)
                )
                await app.tables.changelog_queue.put(await channel.decode(message))
            await asyncio.sleep(2.0)
            app.tables.recovery.flush_buffers()
            tell(f"seen {json.dumps(sorted(seen.keys()))}")

    @app.on_rebalance_complete.connect
    async def ready(*_: Any, **__: Any) -> None:
        tell("ready")


def main() -> None:
    """Run until a signal."""
    trial = Trial(**json.loads(sys.argv[1]))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    worker = Worker(build(trial), loop=loop, loglevel=logging.INFO, override_logging=False, redirect_stdouts=False)
    worker.spinner = None
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()

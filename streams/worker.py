"""Run one worker: topics first, then the Faust app, until a signal ends it."""

import asyncio
import fcntl
import gc
import logging
from dataclasses import asdict
from pathlib import Path

import uvloop
from faust.worker import Worker

from features.catalogue import catalogue
from models.registry import shipped
from models.step import Decider
from streams import topics
from streams.app import build
from streams.log import logger
from streams.settings import Settings

_LOG = logger(__name__)


class WorkerError(RuntimeError):
    """The worker cannot run; the message is one sentence for the person who started it."""


def run(settings: Settings, name: str) -> None:
    """Run the worker called ``name`` (its state lies under that name) until SIGINT or SIGTERM.

    It ends the process: with status 0 after a signal, with 1 when the app could not go on.

    Raises:
        TopicError: the cluster does not answer, or refuses a topic.
        WorkerError: a worker of that name runs on this disk.
    """
    folder = Path(settings.data_dir) / "workers" / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkerError(
                f"A worker called {name} already runs in {folder}: give this one another --name."
            ) from None
        _run(settings, name, folder)


def _run(settings: Settings, name: str, folder: Path) -> None:
    wanted = topics.topics(settings.partitions, settings.topic_prefix, settings.door_topics)
    for difference in topics.ensure(settings.kafka_bootstrap, wanted, settings.replication):
        _LOG.warning("topic.differs", **asdict(difference))
    decider = Decider(catalogue(), shipped(settings.critical_results), settings.max_skew_ms)
    # Faust's consumer has a loop of its own in a thread: the policy serves both.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    _calm_the_collector()
    app = build(settings, decider, folder)
    worker = Worker(app, loop=loop, loglevel=logging.WARNING, override_logging=False, redirect_stdouts=False)
    worker.spinner = None
    _LOG.info("worker.starts", worker=name, models=[one.model.name for one in decider.scorers])
    worker.execute_from_commandline()


def _calm_the_collector() -> None:
    """Records are many and hold no cycles: look at them seldom, and at what was loaded at the start never."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)

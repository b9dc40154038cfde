"""Run one worker: topics first, then the Faust app, until a signal ends it.

A worker that loses its cluster waits for it and starts afresh in the same process: see ``streams.away``.
"""

import asyncio
import fcntl
import gc
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop
from faust.worker import Worker
from kafka.errors import (
    AuthorizationError,
    CoordinatorNotAvailableError,
    GroupIdNotFoundError,
    KafkaError,
    SaslAuthenticationFailedError,
)

from models.step import Decider
from streams import kafka, metrics, topics
from streams.app import build
from streams.away import Falls, afresh, kind, passes, wait
from streams.health import WorkerHealth
from streams.log import logger
from streams.lookout import Lookout, identities
from streams.metrics.endpoint import serving
from streams.settings import Settings
from streams.terms import Terms, shelf
from streams.topics import Difference, Topic, TopicError

if TYPE_CHECKING:
    from streams.traces import Traces

_LOG = logger(__name__)

#: How long the cluster is asked for its topics before the worker says that it is away.
_ANSWER_S: Final = 10.0


class WorkerError(RuntimeError):
    """The worker cannot run; the message is one sentence for the person who started it."""


def run(settings: Settings, name: str) -> None:
    """Run the worker called ``name`` (its state lies under that name) until SIGINT or SIGTERM.

    It ends the process: with status 0 after a signal, with 1 when the app could not go on for a reason that no waiting
    mends.

    Raises:
        TopicError: the cluster refuses a topic.
        SecurityError: the cluster and this worker do not trust each other.
        WorkerError: a worker of that name runs on this disk, a model or a rule cannot be read, or the topics were cut
            into another number of partitions or have lost the patients' records.
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
        health = WorkerHealth()
        with serving(settings, "worker", health):
            _run(settings, name, folder, health)


def _run(settings: Settings, name: str, folder: Path, health: WorkerHealth) -> None:
    began, falls = time.monotonic(), Falls.before()
    decider, traces = _decider(settings), _traces(settings)
    wanted = topics.topics(settings.partitions, settings.topic_prefix, settings.door_topics, settings.retention)
    known = wait(lambda: _ready(settings, wanted), _waited_for, falls)
    # Faust's consumer has a loop of its own in a thread: the policy serves both.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    _calm_the_collector()
    app = build(settings, decider, folder, traces)
    app.topic_ids = known
    app.desk.recognise(known[settings.topic(topics.EVENTS)], known[settings.topic(topics.CHANGELOG)])
    worker = Worker(app, loop=loop, loglevel=logging.WARNING, override_logging=False, redirect_stdouts=False)
    worker.spinner = None

    def end() -> None:
        """After the app: afresh when it failed for want of a cluster and nobody asked it to stop."""
        failure = app.crash_reason
        if failure is not None and worker._signal_stop_time is None and passes(failure):
            afresh(falls.next(time.monotonic() - began, lookout.away.since), failure)

    lookout = Lookout(app, loop, settings, known, app.desk.gaps, lambda: _over(end))
    lookout.start()
    health.runs(app, loop, lookout)
    metrics.of_worker(decider.loaded, falls.number, folder, lambda: lookout.away.since is None)
    metrics.STOPPED.follow(app.desk.stopped)
    _LOG.info("worker.starts", worker=name, models=[one.model.name for one in decider.loaded])
    try:
        worker.execute_from_commandline()
    except SystemExit:
        end()
        if app.crash_reason is not None:
            _LOG.critical("worker.failed", error=kind(app.crash_reason))
        raise


def _decider(settings: Settings) -> Decider:
    """All that decides.

    Raises:
        WorkerError: a part of it is not there or not what it should be: nothing is decided with less.
    """
    try:
        return Terms.of(settings).decider(shelf(settings))
    except (OSError, ValueError) as error:
        where = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
        raise WorkerError(
            f"A model or a rule cannot be read{where}: {error}. The worker does not run without it."
        ) from error


def _traces(settings: Settings) -> "Traces | None":
    """What tells a collector of the records that their senders trace; ``None`` where nobody wants to know.

    Raises:
        WorkerError: OpenTelemetry is not installed.
    """
    if settings.otel_endpoint is None:
        return None
    try:
        from streams.traces import Traces
    except ImportError:
        raise WorkerError("VAGT_OTEL_ENDPOINT needs OpenTelemetry: pip install 'vagt[otel]'.") from None
    return Traces.exported(settings.otel_endpoint)


def _ready(settings: Settings, wanted: Sequence[Topic]) -> dict[str, str]:
    """The ids of the topics, once all exist and have leaders.

    Raises:
        WorkerError: the patients' topics have another number of partitions, or their records are gone.
    """
    _check_changelog(settings)
    for difference in topics.ensure(settings, wanted, settings.replication, _ANSWER_S, _created):
        if difference.setting == "partitions":
            raise WorkerError(_cut_otherwise(difference))
        _LOG.warning("topic.differs", **asdict(difference))
    return identities(settings, [topic.name for topic in wanted])


def _check_changelog(settings: Settings) -> None:
    """See that no changelog is made again where there was one: its workers would take every patient for a new one.

    Raises:
        WorkerError: it is gone.
        KafkaError: the cluster does not answer.
    """
    changelog = settings.topic(topics.CHANGELOG)
    admin = kafka.admin(settings, _ANSWER_S)
    try:
        if changelog in admin.list_topics():
            return
        committed = admin.list_group_offsets(settings.group)[settings.group]
    except (CoordinatorNotAvailableError, GroupIdNotFoundError):  # the first on a cluster that never had a group
        return
    finally:
        admin.close()
    if any(one.offset > 0 for one in committed.values()):
        raise WorkerError(
            f"The topic {changelog} is gone, and with it the patients' records as of what was decided so far: "
            "docs/operations.md says how to get them back."
        )


def _created(name: str) -> None:
    _LOG.warning("topic.created", topic=name)


def _cut_otherwise(difference: Difference) -> str:
    return (
        f"The topic {difference.topic} has {difference.have} partitions and VAGT_PARTITIONS says {difference.want}: "
        "patients would lose their history. Set it to what the topics have, or see `vagt repartition`."
    )


def _waited_for(error: Exception) -> str | None:
    """The kind of a failure for which a cluster is waited, ``None`` for one that no waiting mends."""
    cause = error.__cause__ if isinstance(error, TopicError) else error
    if not isinstance(cause, KafkaError) or isinstance(cause, (AuthorizationError, SaslAuthenticationFailedError)):
        return None
    return kind(cause)


def _over(end: Callable[[], None]) -> None:
    """The app failed and does not end: its clients still wait for a cluster that is away."""
    end()
    os._exit(1)


def _calm_the_collector() -> None:
    """Records are many and hold no cycles: look at them seldom, and at what was loaded at the start never."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)

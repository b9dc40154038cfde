"""Looks out for the cluster while a worker runs: that it answers, and that its topics are those it started with.

A thread with a client of its own, since Kafka's clients wait for up to 30 s before they fail, and an idle one notices
nothing. It says at once when the cluster is away, and ends the app when it stays away, or when a topic was deleted or
made again: offsets of the old one mean nothing in the new one.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import faust
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError

from streams import kafka, metrics
from streams.away import Away, BrokerAwayError, TopicChangedError, kind
from streams.log import logger
from streams.secret import SecurityError
from streams.settings import Settings

_LOG = logger(__name__)

_LOOK_EVERY_S: Final = 2.0
#: A cluster that needs longer for an answer is away.
_ANSWER_S: Final = 5.0
#: An app that failed and has not ended after so long never will: its clients wait for a cluster that is away.
_END_S: Final = 10.0
#: A cluster that is away for longer is waited for without the app, whose clients would go on asking for it thousands of
#: times a second. A broker that is only started anew is back before.
_PATIENCE_S: Final = 15.0

#: A partition, and the offsets between which records were expected and none came.
Gap = tuple[int, int, int]


def identities(settings: Settings, names: Sequence[str], timeout_s: float = _ANSWER_S) -> dict[str, str]:
    """The cluster's own ids of topics: one that is made again has another.

    Raises:
        KafkaError: the cluster does not answer, or a topic has no leaders.
        SecurityError: it and this client do not trust each other.
    """
    admin = kafka.admin(settings, timeout_s)
    try:
        return _identities(admin, names)
    finally:
        admin.close()


def _identities(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, str]:
    return {one["name"]: str(one["topic_id"]) for one in admin.describe_topics(list(names)) if not one["error_code"]}


class Lookout(threading.Thread):
    """Looks out for one app until its ``loop`` is closed. ``over`` is called when the app failed and cannot end."""

    def __init__(
        self,
        app: faust.App,
        loop: asyncio.AbstractEventLoop,
        settings: Settings,
        topics: Mapping[str, str],
        gaps: "deque[Gap]",
        over: Callable[[], None],
    ) -> None:
        super().__init__(name="lookout", daemon=True)
        self.away = Away()
        self._app = app
        # An app asked for its loop by another thread, before it has started, would make itself one.
        self._loop = loop
        self._settings = settings
        self._topics = topics
        self._gaps = gaps
        self._over = over
        self._changed: str | None = None
        self._ended = False

    def run(self) -> None:
        """Look out."""
        admin: KafkaAdminClient | None = None
        failed: float | None = None
        while not self._loop.is_closed():
            if self._app.crashed:
                failed = failed or time.monotonic()
                if time.monotonic() - failed > _END_S:
                    self._over()
            try:
                admin = admin or kafka.admin(self._settings, _ANSWER_S)
                self._look(admin)
            except (KafkaError, SecurityError, OSError) as error:
                self.away.missed(kind(error))
                if self.away.since is not None and time.monotonic() - self.away.since > _PATIENCE_S:
                    self._end(BrokerAwayError(kind(error)))
                if admin is not None:
                    admin.close()
                    admin = None
            else:
                self.away.answered()
            time.sleep(_LOOK_EVERY_S)

    def _look(self, admin: KafkaAdminClient) -> None:
        found = _identities(admin, list(self._topics))
        changed = next((name for name, identity in self._topics.items() if found.get(name) != identity), None)
        # Twice in a row: a broker that has just started may not know all topics yet.
        if changed is not None and changed == self._changed and not self._ended:
            _LOG.error("topic.changed", topic=changed, now="made again" if changed in found else "gone")
            self._end(TopicChangedError(changed))
        self._changed = changed
        if self._gaps:
            self._explain(admin, [self._gaps.popleft() for _ in range(len(self._gaps))])

    def _end(self, failure: Exception) -> None:
        """End the app, once, for this reason."""
        if not self._ended:
            self._ended = True
            asyncio.run_coroutine_threadsafe(self._app.crash(failure), self._loop)

    def _explain(self, admin: KafkaAdminClient, gaps: Sequence[Gap]) -> None:
        """Say what of ``events`` was removed before it was read: other gaps are marks that transactions leave."""
        events = self._settings.topic("events")
        asked = {TopicPartition(events, partition): OffsetSpec.EARLIEST for partition, _, _ in gaps}
        first = {tp.partition: one.offset for tp, one in admin.list_partition_offsets(asked).items()}
        for partition, start, end in gaps:
            if first[partition] >= end:
                say_lost(partition, start, end)


def say_lost(partition: int, start: int, end: int) -> None:
    """The records of ``events`` from one offset up to another were removed before they were decided."""
    metrics.LOST.add(by=end - start)
    _LOG.error("events.lost", partition=partition, first=start, next=end, records=end - start)

"""Run one watch until SIGINT or SIGTERM. A second one on the same cluster fences the first off, which then ends."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Final

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from features.catalogue import catalogue
from models.boosted import Boosted
from models.monitor.facts import Fact
from models.monitor.monitor import Monitor
from models.monitor.notices import Notice
from models.monitor.state import State
from models.monitor.units import ways
from models.registry import foreseen
from models.scorer import Scorer
from streams import kafka, metrics, security, topics
from streams.log import logger
from streams.metrics.endpoint import serving
from streams.metrics.probes import stuck
from streams.monitor.hearing import Hearing
from streams.monitor.merge import Heard, merged
from streams.monitor.stops import RuleError, Rules, rules
from streams.monitor.store import Store, load
from streams.settings import Settings
from streams.supervise import UpError
from streams.terms import Terms, shelf

_LOG = logger(__name__)

_ANSWER_S: Final = 10.0
_AGAIN_S: Final = 5.0
_HEARD: Final = (topics.EVENTS, topics.SCORES, topics.ALERTS)
_WRITTEN: Final = (topics.WATCH, topics.WATCH_STATE)


def serve(settings: Settings) -> None:
    """Watch until a signal.

    Raises:
        TopicError, KafkaError, SecurityError: the cluster does not answer or refuses a topic or this client.
        ArtefactError: a model must not be loaded.
        UpError: another watch has begun, or VAGT_WATCH_STOPS names what is not there.
    """
    security.check(settings)
    every = topics.topics(settings.partitions, settings.topic_prefix, settings.door_topics, settings.retention)
    own = {settings.topic(name) for name in (*_HEARD, *_WRITTEN)}
    topics.ensure(settings, [one for one in every if one.name in own], settings.replication, _ANSWER_S)
    scorers = Terms.of(settings).decider(shelf(settings)).scorers
    try:
        stopping = rules(settings.watch_stopping, scorers)
    except RuleError as error:
        raise UpError(str(error)) from None
    health = MonitorHealth()
    with serving(settings, "monitor", health):
        asyncio.run(_run(settings, scorers, stopping, health))


class MonitorHealth:
    """How the watch is. One that its cluster does not answer lives, and waits."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self.hears = False

    def begins(self) -> None:
        """The loop runs from now on."""
        self._loop = asyncio.get_running_loop()

    def dead(self) -> str | None:
        """Why the process had better be started again."""
        return None if self._loop is None else stuck(self._loop)

    def unready(self) -> str | None:
        """Why it does not watch now."""
        return None if self.hears else "It does not hear the cluster."


async def _run(settings: Settings, scorers: tuple[Scorer, ...], own: Rules, health: MonitorHealth) -> None:
    health.begins()
    metrics.BROKER.follow(lambda: {(): float(health.hears)})
    task = asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, lambda: task.cancel() if task else None)
    with suppress(asyncio.CancelledError):
        while True:
            try:
                await _watch(settings, scorers, own, health)
            except ProducerFenced:
                raise UpError("Another `vagt monitor` has begun on this cluster: one is enough.") from None
            except KafkaError as error:
                _LOG.warning("monitor.away", error=type(error).__name__)
                health.hears = False
                await asyncio.sleep(_AGAIN_S)
    _LOG.info("monitor.ended")


async def _watch(settings: Settings, scorers: tuple[Scorer, ...], own: Rules, health: MonitorHealth) -> None:
    """Go on where the last watch stopped, until cancelled."""
    reader, store = kafka.consumer(settings), Store(settings, own)
    await reader.start()
    try:
        await store.start()
        watch = watching(scorers)
        places = {
            TopicPartition(settings.topic(name), number): 0 for name in _HEARD for number in range(settings.partitions)
        }
        try:
            stored = await asyncio.to_thread(load, settings)
        except msgspec.MsgspecError:
            _LOG.warning("monitor.begins-anew")  # another release's state: what is usual is learnt again
            stored = None
        if stored is not None:
            watch.state = stored.state
            for tp in places:
                places[tp] = stored.offsets.get(tp.topic, {}).get(tp.partition, 0)
        _LOG.info("monitor.begins", stored=stored is not None)
        heard = merged(reader, dict(places), _facts(settings, scorers))
        await _follow(heard, watch, store, places, health)
    finally:
        await store.stop()
        await reader.stop()


def _facts(settings: Settings, scorers: tuple[Scorer, ...]) -> Callable[[Any], tuple[Fact, ...]]:
    """How a record is read."""
    names = frozenset(one.model.name for one in scorers if one.kind in foreseen(scorers))
    hearing = Hearing(catalogue(), names, settings.max_event_bytes, settings.pseudonymous)

    def facts(record: Any) -> tuple[Fact, ...]:
        topic = record.topic.removeprefix(settings.topic_prefix)
        return tuple(hearing.facts(topic, record.key, record.value))

    return facts


async def _follow(
    records: AsyncIterator[Heard | None],
    watch: Monitor,
    store: Store,
    places: dict[TopicPartition, int],
    health: MonitorHealth,
) -> None:
    async for heard in records:
        health.hears = True
        if heard is None:
            _tell(watch)
            continue
        closes = watch.state.closes
        notices = [notice for fact in heard.facts for notice in watch.hear(fact)]
        places[heard.partition] = heard.offset + 1
        if notices or watch.state.closes != closes:
            await store.put(notices, places, watch.state)
            for notice in notices:
                _say(notice)


def watching(scorers: tuple[Scorer, ...]) -> Monitor:
    """A watch that has heard nothing yet, over these models."""
    models = [one for one in scorers if one.kind in foreseen(scorers)]
    readers: dict[str, tuple[str, ...]] = {}
    for one in models:
        for analyte in one.inputs:
            readers[analyte] = (*readers.get(analyte, ()), one.model.name)
    cards = {}
    for one in models:
        stated = one.manifest.metrics.get("auroc") if isinstance(one, Boosted) else None
        if stated is not None and not isinstance(stated, float):
            cards[one.model.name] = stated.low
    return Monitor(ways(catalogue()), readers, cards, State())


def _say(notice: Notice) -> None:
    metrics.NOTICES.add(notice.type, notice.state)
    _LOG.warning("monitor.notice", type=notice.type, state=notice.state, text=notice.text.en)


def _tell(watch: Monitor) -> None:
    counts = Counter(about.type for about in watch.state.notices.open)
    metrics.NOTICES_OPEN.replace({(kind,): float(count) for kind, count in counts.items()})
    metrics.WATCH_LATE.set(watch.state.late)
    if watch.time is not None:
        metrics.WATCH_TIME.set(watch.time / 1000)

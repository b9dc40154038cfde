"""Where the watch has come to: its state and the offsets it stands for, in one record of a compacted topic."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition

from models.monitor.notices import Notice
from models.monitor.state import State
from streams import kafka
from streams.control import everywhere
from streams.monitor.stops import Rules, stops
from streams.reading import newest
from streams.settings import Settings
from streams.topics import WATCH, WATCH_STATE

KEY: Final = b"state"
#: The key of notices about what comes in, which is no one model's.
INPUTS: Final = b"_inputs"

encode: Final = msgspec.json.Encoder().encode


class Stored(msgspec.Struct, frozen=True):
    """A state, and for each topic (its whole name) the offset of each partition up to which it was heard."""

    offsets: dict[str, dict[int, int]]
    state: State
    #: Another number is another way to learn: such a state is not gone on from.
    learning: Literal[3]


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Stored).decode


def load(settings: Settings) -> Stored | None:
    """What was stored last, if anything.

    Raises:
        KafkaError, SecurityError: the cluster does not answer, or does not let this client in.
        msgspec.MsgspecError: another version stored it.
    """
    found = newest(settings, WATCH_STATE).get(KEY)
    return None if found is None else _decode(found)


class Store:
    """Writes notices, the stops that follow and state together, in a transaction that a later watch's fences off."""

    def __init__(self, settings: Settings, own: Rules) -> None:
        self._settings, self._rules = settings, own
        self._producer: AIOKafkaProducer = kafka.producer(
            settings, transactional_id=f"{settings.group}-monitor", compression_type="gzip"
        )

    async def start(self) -> None:
        """Fence off whoever watched before."""
        await self._producer.start()

    async def stop(self) -> None:
        """Let the producer go."""
        await self._producer.stop()

    async def put(self, notices: Iterable[Notice], offsets: Mapping[TopicPartition, int], state: State) -> None:
        """Say what there is to say, and note how far everything was heard: both or neither.

        Raises:
            KafkaError: the cluster does not take it, or another watch has begun.
            TopicError: a stop would not be said everywhere, as VAGT_PARTITIONS is not what the cluster has.
        """
        told = list(notices)
        items = [item for notice in told for item in stops(self._rules, notice)]
        controls = await asyncio.to_thread(lambda: list(everywhere(self._settings, items))) if items else []
        places: dict[str, dict[int, int]] = {}
        for tp, offset in offsets.items():
            places.setdefault(tp.topic, {})[tp.partition] = offset
        sends: list[tuple[str, bytes, Any]] = [
            (WATCH, notice.model.encode() if notice.model else INPUTS, encode(notice)) for notice in told
        ]
        async with self._producer.transaction():
            for topic, key, value in (*sends, (WATCH_STATE, KEY, _encode(Stored(places, state, 3)))):
                await self._producer.send(self._settings.topic(topic), value, key)
            for one in controls:
                await self._producer.send(one.topic, one.value, one.key, one.partition)

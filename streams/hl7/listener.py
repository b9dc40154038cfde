"""The listener for MLLP: a frame in, the message to Kafka, an acknowledgement out; one message of a sender at a time.

What a sender can do is bounded: the size of a frame, the time that it takes, how many connections there are. The bytes
of a frame are the sender's until Kafka has them: whatever ends before that was not acknowledged.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from aiokafka.errors import KafkaError

from features.catalogue import Refused
from streams import metrics
from streams.hl7 import er7
from streams.hl7.answer import ACCEPTED, AGAIN, REFUSED, answer
from streams.hl7.er7 import END, START, Message
from streams.hl7.keeper import Keeper
from streams.hl7.sending import kind
from streams.log import logger

_LOG = logger(__name__)

_LINE_ENDS: Final = b"\r\n"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a sender may do. Times in seconds: between frames, for one frame or answer, and until Kafka has it."""

    connections: int = 100
    idle_s: float = 3600.0
    frame_s: float = 30.0
    kafka_s: float = 10.0


class FrameError(ValueError):
    """What came is no frame; the connection ends."""


class Listener:
    """The connections of one listener. Not thread-safe: all calls come from one loop."""

    def __init__(self, keeper: Keeper, limits: Limits) -> None:
        self._keeper = keeper
        self._limits = limits
        self._open: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Task[None]] = set()
        self._ends = False
        #: Whether Kafka took the newest message.
        self.kept = True
        metrics.CONNECTIONS.follow(lambda: {(): len(self._open)})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one sender until it, or the service, ends. ``reader`` holds no more than a frame may have."""
        me, peer = asyncio.current_task(), writer.get_extra_info("peername")[0]
        assert me is not None
        if self._ends or len(self._open) >= self._limits.connections:
            _LOG.warning("mllp.turned-away", peer=peer, connections=len(self._open))
            writer.close()
            return
        self._open.add(me)
        try:
            while not self._ends and (frame := await self._frame(me, reader)) is not None:
                await self._write(writer, await self._taken(frame, peer))
        except asyncio.LimitOverrunError:
            refused = Refused("too-large", "a frame is larger than VAGT_MAX_EVENT_BYTES allows")
            _LOG.warning("mllp.refused", peer=peer, reason=refused.reason)
            await self._last(writer, answer(await reader.read(4096), REFUSED, refused))
        except (FrameError, TimeoutError, asyncio.IncompleteReadError) as error:
            _LOG.warning("mllp.broken-off", peer=peer, error=type(error).__name__)
        except (OSError, asyncio.CancelledError):
            pass  # the sender is gone, or the service ends
        finally:
            self._open.discard(me)
            writer.close()

    async def close(self) -> None:
        """Take no more; what was begun is answered."""
        self._ends = True
        for task in self._waiting:
            task.cancel()
        if self._open:
            await asyncio.wait(self._open, timeout=self._limits.kafka_s + self._limits.frame_s)

    async def _frame(self, me: "asyncio.Task[None]", reader: asyncio.StreamReader) -> bytes | None:
        """The content of the next frame; ``None`` when the sender has no more.

        Raises:
            FrameError, TimeoutError, IncompleteReadError, LimitOverrunError: there is no whole frame.
        """
        self._waiting.add(me)
        try:
            async with asyncio.timeout(self._limits.idle_s):
                while (first := await reader.read(1)) and first in _LINE_ENDS:
                    pass
            if not first:
                return None
            if first != START:
                raise FrameError
            async with asyncio.timeout(self._limits.frame_s):
                return (await reader.readuntil(END))[:-1]
        finally:
            self._waiting.discard(me)

    async def _taken(self, frame: bytes, peer: str) -> bytes:
        """The answer to a message, once Kafka has it: a refused one too, since the door makes a dead letter of it."""
        refused: Refused | None = None
        sender = peer.encode()
        try:
            message = er7.read(frame)
            sender = _sender(message)
            kind(message)
        except Refused as why:
            refused = why
            _LOG.info("mllp.refused", peer=peer, reason=why.reason)
        try:
            if not await self._keeper.keep(frame, sender, self._limits.kafka_s):
                _LOG.info("mllp.repeated", peer=peer)
        except (TimeoutError, KafkaError) as error:
            _LOG.warning("mllp.kafka-away", peer=peer, error=type(error).__name__)
            self.kept = False
            metrics.MESSAGES.add(AGAIN)
            return answer(frame, AGAIN, Refused("unavailable", "the message could not be stored; send it again"))
        self.kept = True
        code = REFUSED if refused else ACCEPTED
        metrics.MESSAGES.add(code)
        return answer(frame, code, refused)

    async def _write(self, writer: asyncio.StreamWriter, reply: bytes) -> None:
        writer.write(START + reply + END + b"\r")
        async with asyncio.timeout(self._limits.frame_s):
            await writer.drain()

    async def _last(self, writer: asyncio.StreamWriter, reply: bytes) -> None:
        with suppress(OSError):
            await self._write(writer, reply)


def _sender(message: Message) -> bytes:
    """Who sent it (MSH-3 and MSH-4): the key, so that the messages of a sender stay in their order."""
    return "|".join(message.header.text(field) or "" for field in (3, 4)).encode()

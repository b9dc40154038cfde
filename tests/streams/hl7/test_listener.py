"""The listener on a real port: acknowledged is only what is kept, and nobody can hold it up. Kafka is a stand-in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from aiokafka.errors import KafkaError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.hl7 import er7
from streams.hl7.er7 import END, START
from streams.hl7.listener import Limits, Listener
from tests.streams.hl7.messages import report

PATIENCE_S = 30.0
LARGEST = 64 * 1024
MESSAGE = report().encode()


@dataclass
class Kept:
    """In place of Kafka: what was kept, in order; ``fault`` is raised, and nothing is kept before ``free``."""

    messages: list[bytes] = field(default_factory=list)
    senders: list[bytes] = field(default_factory=list)
    fault: Exception | None = None
    free: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def keep(self, data: bytes, sender: bytes, patience_s: float) -> bool:
        self.asked.set()
        async with asyncio.timeout(patience_s):
            await self.free.wait()
        if self.fault is not None:
            raise self.fault
        self.messages.append(data)
        self.senders.append(sender)
        return True


@dataclass
class Port:
    """The listener under test."""

    number: int
    kept: Kept
    listener: Listener

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.number)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def says(self, raw: bytes) -> bytes:
        """All that comes back until the listener ends the connection, or an answer."""
        async with self.connected() as (reader, writer):
            writer.write(raw)
            return await answered(reader)


async def answered(reader: asyncio.StreamReader) -> bytes:
    """The next answer without its frame; what there was before the end of the connection."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return (await reader.readuntil(END + b"\r")).strip(START + END + b"\r")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except ConnectionError:
        return b""


@asynccontextmanager
async def listening(free: bool = True, **limits: float) -> AsyncIterator[Port]:
    kept = Kept()
    if free:
        kept.free.set()
    listener = Listener(kept, Limits(**limits))  # type: ignore[arg-type]
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0, limit=LARGEST)
    try:
        yield Port(server.sockets[0].getsockname()[1], kept, listener)
    finally:
        server.close()
        kept.free.set()
        await listener.close()


def code(answer: bytes) -> tuple[str | None, str | None]:
    """MSA-1 and MSA-2."""
    msa = er7.read(answer).segments[1]
    return msa.text(1), msa.text(2)


def framed(message: bytes) -> bytes:
    return START + message + END + b"\r"


@pytest.mark.req("VAGT-IN-15")
async def test_a_message_is_acknowledged_once_it_is_kept_and_not_before():
    async with listening(free=False) as port, port.connected() as (reader, writer):
        writer.write(framed(MESSAGE))
        waiting = asyncio.create_task(answered(reader))
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done
        port.kept.free.set()
        assert code(await waiting) == ("AA", "M1")
        assert port.kept.messages == [MESSAGE]
        assert port.kept.senders == [b"LABKA|OUH"]


@pytest.mark.req("VAGT-IN-15")
@pytest.mark.parametrize("fault", [KafkaError("gone"), TimeoutError()])
async def test_what_kafka_does_not_take_is_to_be_sent_again(fault):
    async with listening() as port, port.connected() as (reader, writer):
        port.kept.fault = fault
        writer.write(framed(MESSAGE))
        assert code(await answered(reader)) == ("AE", "M1")
        port.kept.fault = None
        writer.write(framed(MESSAGE))
        assert code(await answered(reader)) == ("AA", "M1")
        assert port.kept.messages == [MESSAGE]


async def test_what_takes_kafka_too_long_is_to_be_sent_again():
    async with listening(free=False, kafka_s=0.05) as port:
        assert code(await port.says(framed(MESSAGE))) == ("AE", "M1")


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (report(kind="ORM^O01").encode(), ("AR", "M1")),
        (report(version="3").encode(), ("AR", "M1")),
        (report(processing="T").encode(), ("AR", "M1")),
        (report(charset="8859/1").encode() + b"PID|\xff", ("AA", "M1")),
        (report(charset="UNICODE UTF-8").encode() + b"PID|\xff", ("AR", "M1")),
        (MESSAGE[:80] + START + MESSAGE, ("AR", "M1")),
        (b"hello", ("AR", None)),
        (b"", ("AR", None)),
    ],
)
async def test_what_is_no_message_of_ours_is_kept_and_refused(message, answer):
    """It is kept for the door, which makes a dead letter of it: what a sender sent is not lost."""
    async with listening() as port:
        assert code(await port.says(framed(message))) == answer
        assert port.kept.messages == [message]


async def test_messages_that_come_at_once_are_kept_and_answered_in_their_order():
    messages = [report(control=f"M{number}").encode() for number in range(50)]
    async with listening() as port, port.connected() as (reader, writer):
        writer.write(b"\r\n".join(framed(message) for message in messages))
        answers = [code(await answered(reader)) for _ in messages]
        assert answers == [("AA", f"M{number}") for number in range(50)]
        assert port.kept.messages == messages


@pytest.mark.parametrize(
    "raw", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", END, b"MSH|^~\\&|" + END + b"\r", b"\x00" * 2000]
)
async def test_what_is_no_frame_ends_the_connection_and_is_no_message(raw):
    async with listening() as port:
        assert await port.says(raw) == b""
        assert port.kept.messages == []
        assert code(await port.says(framed(MESSAGE)))[0] == "AA"


@pytest.mark.req("VAGT-IN-15")
async def test_a_frame_that_is_cut_off_is_no_message():
    async with listening() as port:
        for length in (1, 2, 40, len(MESSAGE)):
            async with port.connected() as (reader, writer):
                writer.write((START + MESSAGE)[:length])
                writer.write_eof()
                assert await answered(reader) == b""
        assert port.kept.messages == []


async def test_a_frame_without_end_is_refused_when_it_is_too_large_and_nothing_of_it_is_kept():
    async with listening() as port, port.connected() as (reader, writer):
        with suppress(ConnectionError):
            writer.write(START + MESSAGE + b"x" * (4 * LARGEST))
        reply = er7.read(await answered(reader))
        assert (reply.segments[1].text(1), reply.segments[1].text(2)) == ("AR", "M1")
        assert "too-large" in (reply.segments[1].text(3) or "")
        assert port.kept.messages == []


async def test_the_largest_frame_is_taken():
    fits = MESSAGE + b"NTE|1||" + b"x" * (LARGEST - len(MESSAGE) - 7)
    async with listening() as port:
        assert code(await port.says(framed(fits)))[0] == "AA"
        assert code(await port.says(framed(fits + b"x")))[0] == "AR"


async def test_a_sender_that_is_too_slow_holds_its_connection_no_longer():
    async with listening(frame_s=0.1) as port, port.connected() as (reader, writer):
        for byte in START + MESSAGE:
            with suppress(ConnectionError):
                writer.write(bytes([byte]))
                await writer.drain()
            await asyncio.sleep(0.005)
        assert await answered(reader) == b""
        assert port.kept.messages == []


async def test_a_connection_on_which_nothing_comes_ends():
    async with listening(idle_s=0.1) as port:
        assert await port.says(b"") == b""


async def test_a_sender_that_does_not_read_its_answers_holds_up_nobody():
    async with listening(frame_s=0.5) as port, port.connected() as (_, writer):
        writer.write(framed(MESSAGE) * 20_000)
        for _ in range(3):
            assert code(await port.says(framed(MESSAGE)))[0] == "AA"


async def test_one_connection_too_many_is_turned_away_and_a_place_is_free_again():
    async with listening(connections=2) as port:
        async with port.connected() as (first, writer), port.connected() as (second, other):
            for reader, to in ((first, writer), (second, other)):
                to.write(framed(MESSAGE))
                assert code(await answered(reader))[0] == "AA"
            assert await port.says(framed(MESSAGE)) == b""
        answers = [await port.says(framed(MESSAGE)) for _ in range(20)]
        assert code(answers[-1])[0] == "AA"


@pytest.mark.req("VAGT-IN-15")
async def test_who_stops_answers_what_was_begun_and_takes_nothing_more():
    async with listening(free=False) as port, port.connected() as (reader, writer), port.connected() as (idle, _):
        writer.write(framed(MESSAGE) + framed(report(control="M2").encode()))
        await asyncio.wait_for(port.kept.asked.wait(), PATIENCE_S)
        closing = asyncio.create_task(port.listener.close())
        assert await answered(idle) == b""
        port.kept.free.set()
        assert code(await answered(reader)) == ("AA", "M1")
        assert await answered(reader) == b""
        await closing
        assert port.kept.messages == [MESSAGE]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=40) | st.sampled_from([START, END, framed(MESSAGE), MESSAGE, b"\r"]), max_size=8))
def test_whatever_bytes_come_the_next_sender_is_served(pieces):
    async def trying() -> None:
        async with listening() as port:
            async with port.connected() as (reader, writer):
                with suppress(ConnectionError):
                    writer.write(b"".join(pieces))
                    writer.write_eof()
                while await answered(reader):
                    pass
            assert code(await port.says(framed(MESSAGE)))[0] == "AA"

    asyncio.run(trying())

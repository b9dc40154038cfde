"""A worker that gives its partitions back has said each of its records whole, or not at all."""

import asyncio
from typing import Any

import orjson
import pytest

from features.catalogue import catalogue
from features.record import Record
from models.registry import shipped
from models.step import Decider
from streams.deadletter import Source
from streams.desk import Desk
from streams.settings import Settings


class Producer:
    """A producer that takes nothing until it is let go."""

    def __init__(self) -> None:
        self.asked, self.free = asyncio.Event(), asyncio.Event()

    async def send(self, *_: Any, **__: Any) -> "asyncio.Future[Any]":
        self.asked.set()
        await self.free.wait()
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


class Shard:
    """A partition that notes what is done to it."""

    partition, decided, pending, audited = 2, None, 0, 0

    def __init__(self) -> None:
        self.done: list[str] = []

    def record(self, patient: str) -> Record:
        return Record()

    def sent(self, output: object) -> None:
        self.done.append("said")

    def advance(self, *_: object) -> None:
        self.done.append("decided")

    async def checkpoint(self) -> None:
        self.done.append("made durable")

    async def close(self) -> None:
        self.done.append("given back")


@pytest.mark.req("VAGT-OPS-10")
async def test_partitions_are_not_given_back_while_a_record_is_being_said():
    decider = Decider(catalogue(), shipped())
    desk = Desk(Settings(), decider, None, "changelog")  # type: ignore[arg-type]
    producer, shard = Producer(), Shard()
    desk._outputs, desk._shards[2] = producer, shard  # type: ignore[assignment]
    desk._seats[2] = decider, None  # type: ignore[assignment]
    item = {"type": "nothing", "patient": "p"}
    saying = asyncio.create_task(desk.handle(Source("events", 2, 0, 0, b"p", orjson.dumps(item), ())))
    await producer.asked.wait()
    giving_back = asyncio.create_task(desk.release())
    await asyncio.sleep(0)
    producer.free.set()
    await asyncio.gather(saying, giving_back)
    assert shard.done == ["said", "decided", "made durable", "given back"]

"""The Kafka of a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from aiokafka import TopicPartition
from rich.console import Console

from streams import kafka
from streams.broker import Broker, free_port
from streams.settings import Settings

#: The option of every command that can use a Kafka that runs.
Bootstrap = Annotated[
    str | None, typer.Option(envvar="VAGT_KAFKA_BOOTSTRAP", help="A Kafka that runs. [default: one of its own]")
]

#: The option of every command that can write its figures.
Out = Annotated[Path | None, typer.Option(help="Where a JSON file goes.")]


@contextmanager
def one_node(bootstrap: str | None, folder: Path, console: Console) -> Iterator[str]:
    """The address of the Kafka to use: the one that is named, or one that lives as long as the block."""
    if bootstrap:
        yield bootstrap
        return
    own = Broker(folder, free_port())
    try:
        own.start(console.print)
        yield own.bootstrap
    finally:
        own.stop()


async def ends(settings: Settings, topic: str) -> dict[TopicPartition, int]:
    """Where each partition of a topic (its full name) ends."""
    parts = [TopicPartition(topic, number) for number in range(settings.partitions)]
    async with kafka.consumer(settings) as consumer:
        found: dict[TopicPartition, int] = await consumer.end_offsets(parts)
        return found

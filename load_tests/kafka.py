"""The Kafka of a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from streams.broker import Broker, free_port


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

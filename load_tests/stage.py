"""What a run needs around it: its deployment, with the echo beside it, and a bar that shows how far it is."""

import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from load_tests import service
from load_tests.child import SPAWN, Child, ChildError
from load_tests.echo import echo
from load_tests.kafka import one_node
from load_tests.service import ServiceError
from streams.commands.plain import fail, plain_failures
from streams.settings import Settings

_READY_S = 60.0


@contextmanager
def deployment(bootstrap: str | None, console: Console) -> Iterator[Settings]:
    """The settings of a live deployment under a prefix of its own, on the Kafka that is named or on one of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="vagt-load-") as folder,
        one_node(bootstrap, Path(folder), console) as kafka,
    ):
        prefix = f"load-{uuid.uuid4().hex[:8]}."
        yield Settings(kafka_bootstrap=kafka, topic_prefix=prefix, data_dir=Path(folder), doors="", live=True)


@contextmanager
def command(bootstrap: str | None) -> Iterator[tuple[Settings, Console]]:
    """A deployment and the terminal, for the whole of a command; what can be expected to fail is told in a sentence."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    try:
        with plain_failures(), deployment(bootstrap, console) as settings:
            yield settings, console
    except (ServiceError, ChildError) as error:
        fail(error)


@contextmanager
def standing(settings: Settings) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker, with its topics and an echo that runs beside it; all are gone afterwards.

    Raises:
        ChildError: the echo failed.
    """
    ready, stop = SPAWN.Event(), SPAWN.Event()
    with service.channels(settings), service.worker(settings) as worker, Child(echo, settings, ready, stop) as echoing:
        if not ready.wait(_READY_S):
            echoing.result(0)
        yield worker
        stop.set()
        echoing.result(_READY_S)


@contextmanager
def bar(console: Console, label: str) -> Iterator[Callable[[float], None]]:
    """A bar; what is yielded takes the part that is done, 0 to 1."""
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(label, total=1.0)
        yield lambda part: shown.update(task, completed=part)

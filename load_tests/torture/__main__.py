"""`python -m load_tests.torture`: kill, stop and move everything for a while, then compare with the pure step."""

import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from load_tests import machine
from load_tests.child import ChildError
from load_tests.torture import cluster, report
from load_tests.torture.broken import BUILDS
from load_tests.torture.plan import NODES, Kind
from load_tests.torture.run import TortureError, run
from load_tests.torture.traffic import Load
from streams.broker import Broker, free_port
from streams.commands.plain import FAILED, fail, plain_failures
from streams.settings import Settings

_PARTITIONS = 4
#: Columns of a table in a file.
_WIDE = 140


def torture(
    seed: Annotated[int, typer.Option(help="Of the events and the faults; the same seed plans the same.")] = 1,
    minutes: Annotated[float, typer.Option(min=0.5, help="How long.")] = 20.0,
    rate: Annotated[float, typer.Option(min=1, help="Records a second on average, beside the probes.")] = 10.0,
    build: Annotated[str | None, typer.Option(help=f"A broken build: {', '.join(BUILDS)}.")] = None,
    only: Annotated[str, typer.Option(help="Of the kinds of faults only these, by name.")] = "",
    folder: Annotated[Path | None, typer.Option(help="Where brokers and workers live, and their logs stay.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the JSON report goes.")] = None,
) -> None:
    """Torture two workers on three brokers of their own, and compare all that came out with the pure step.

    Exits with 1 when anything was lost, doubled, or differs.
    """
    if build is not None and build not in BUILDS:
        raise typer.BadParameter(f"{build!r} is none of {', '.join(BUILDS)}")
    named = {name.strip().upper().replace("-", "_") for name in only.split(",") if name.strip()}
    if unknown := named - set(Kind.__members__):
        raise typer.BadParameter(f"{', '.join(unknown)}: not of {', '.join(Kind.__members__)}")
    kinds = frozenset(Kind[name] for name in named) or frozenset(Kind)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    load = Load(seed, round(minutes * 60), rate)
    try:
        with plain_failures(), _place(folder) as place, _cluster(place, console) as broker:
            settings = Settings(
                kafka_bootstrap=broker.bootstrap,
                topic_prefix=f"torture-{seed}.",
                replication=NODES,
                partitions=_PARTITIONS,
                data_dir=place,
                doors="",
                live=False,
            )
            about = machine.describe(settings)
            with _bar(console) as progress:
                outcome = run(broker, settings, load, build, kinds, progress)
    except (TortureError, ChildError) as error:
        fail(error)
    console.print(report.shown(outcome))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(report.document(outcome, about))
    if not outcome.verdict.sound:
        raise typer.Exit(FAILED)


@contextmanager
def _bar(console: Console) -> Iterator[Callable[[str, float], None]]:
    """A bar for what goes on at a terminal, and a line for each stage elsewhere."""
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task, told = bar.add_task("", total=1.0), set[str]()

        def progress(what: str, part: float) -> None:
            bar.update(task, description=what, completed=part)
            if what not in told and not console.is_terminal:
                console.print(f"{time.strftime('%H:%M:%S')} {what}")
            told.add(what)

        yield progress


@contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    """The folder that was named, or one that is gone afterwards."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="vagt-torture-", ignore_cleanup_errors=True) as temporary:
        yield Path(temporary)


@contextmanager
def _cluster(place: Path, console: Console) -> Iterator[Broker]:
    """Three brokers that live as long as the block."""
    broker = Broker(place, free_port(NODES), NODES)
    try:
        cluster.revive(broker, console.print)
        yield broker
    finally:
        broker.stop()


if __name__ == "__main__":
    typer.run(torture)

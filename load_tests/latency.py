"""`python -m load_tests.latency`: event-to-alert latency beside a bare echo's, on one broker, in one run."""

import os
import signal
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from load_tests import machine, report, service
from load_tests.child import SPAWN, Child
from load_tests.echo import echo
from load_tests.patients import watched
from load_tests.plan import Load
from load_tests.run import Outcome, run
from models.registry import shipped
from streams.broker import Broker, free_port
from streams.settings import Settings

_READY_S = 60.0
_FAILED = 1


def latency(
    rates: Annotated[str, typer.Option(help="Observations a second, one run for each.")] = "100,500",
    seconds: Annotated[
        int, typer.Option(min=1, help="Seconds that count, for the echo and for the service.")
    ] = 60,
    warmup: Annotated[int, typer.Option(min=0, help="Seconds before them that do not count, for each.")] = 10,
    patients: Annotated[int, typer.Option(min=1, help="Patients, admitted anew for each rate.")] = 500,
    alert_every: Annotated[int, typer.Option(min=1, help="Every such observation changes an alert.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the plan; the same seed gives the same plan.")] = 1,
    bootstrap: Annotated[
        str | None,
        typer.Option(envvar="VAGT_KAFKA_BOOTSTRAP", help="A Kafka that runs. [default: one of its own]"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where JSON and histogram files go.")] = None,
) -> None:
    """Measure how long an event takes to become a score and an alert, beside a bare echo.

    Exits with 1 when a run is invalid: the generator was late, an answer did not come, or turns overlapped.
    """
    try:
        wanted = [float(rate) for rate in rates.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{rates!r} is not a list of numbers with commas between") from None
    if min(wanted) <= 0:
        raise typer.BadParameter("a rate is greater than 0")
    loads = [
        Load(rate, seconds, warmup, patients=patients, alert_every=alert_every, seed=seed) for rate in wanted
    ]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    busy = machine.disturbed()
    outcomes: list[Outcome] = []
    with (
        tempfile.TemporaryDirectory(prefix="vagt-load-") as folder,
        _kafka(bootstrap, Path(folder), console) as kafka,
    ):
        settings = Settings(
            kafka_bootstrap=kafka,
            topic_prefix=f"load-{uuid.uuid4().hex[:8]}.",
            data_dir=Path(folder),
            doors="",
            live=True,
        )
        about = machine.describe(settings)
        console.print(_sentence(about))
        if busy:
            console.print(f"[bold yellow]Disturbed: {busy}.")
        about["disturbed"] = busy
        ready, stop = SPAWN.Event(), SPAWN.Event()
        with service.running(settings) as worker, Child(echo, settings, ready, stop) as echoing:
            if not ready.wait(_READY_S):
                echoing.result(0)
            for load in loads:
                with _progress(console) as bar:
                    task = bar.add_task(f"{load.rate:g} a second", total=1.0)
                    outcomes.append(
                        run(
                            settings,
                            worker,
                            load,
                            watched(shipped()),
                            partial(_show, bar, bar.add_task(f"{load.rate:g} a second", total=1.0)),
                        )
                    )
                console.print(report.table(outcomes[-1]))
            stop.set()
            echoing.result(_READY_S)
    if out is not None:
        report.write(out, about, outcomes)
    if any(outcome.faults for outcome in outcomes):
        raise typer.Exit(_FAILED)


@contextmanager
def _kafka(bootstrap: str | None, folder: Path, console: Console) -> Iterator[str]:
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


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console, transient=True
    )


def _sentence(about: dict[str, object]) -> str:
    return (
        f"Apache Kafka {about['kafka']} ({about['brokers']} node, replication {about['replication']}, "
        f"{about['partitions']} partitions, acks=all), everything on this machine: {about['cores']} cores "
        f"({about['processor']}), {about['memory_gib']} GiB, Python {about['python']}, models {about['models']}, "
        f"load average before {about['load_average']}."
    )


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    typer.run(latency)

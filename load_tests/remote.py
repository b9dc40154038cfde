"""`python -m load_tests.remote`: what a model that runs elsewhere and hangs costs the others, by turns."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from hdrh.histogram import HdrHistogram
from rich.table import Table

from load_tests import machine, plugin, stage
from load_tests.kafka import Bootstrap
from load_tests.outcome import PERCENTILES, histogram, milliseconds
from load_tests.patients import watched
from load_tests.plan import Load
from load_tests.run import Outcome, run
from load_tests.service import said
from models.registry import shipped
from streams.commands.plain import FAILED
from streams.settings import Settings

#: The part by which the 99th percentile of the others may grow.
_MOST = 0.10


@dataclass(slots=True)
class _Side:
    """The runs of one kind: the 99th percentile of each (ms), all latencies from event to scores (µs), and faults."""

    p99: list[float] = field(default_factory=list)
    all: HdrHistogram = field(default_factory=histogram)
    faults: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.p99.append(milliseconds(outcome.scores.latency, 99.0))
        self.all.add(outcome.scores.latency)
        self.faults += outcome.faults


def remote(
    rate: Annotated[float, typer.Option(min=1, help="Observations a second.")] = 100,
    rounds: Annotated[int, typer.Option(min=1, help="Runs without the model, and as many with it, by turns.")] = 3,
    seconds: Annotated[int, typer.Option(min=5, help="Seconds of each run that count.")] = 30,
    warmup: Annotated[int, typer.Option(min=0, help="Seconds before them that do not count.")] = 10,
    patients: Annotated[int, typer.Option(min=1, help="Patients of each run.")] = 200,
    bootstrap: Bootstrap = None,
) -> None:
    """Measure the time from event to scores while a model that runs elsewhere takes questions and answers none.

    Exits with 1 when the 99th percentile grows by more than a tenth, or a run is invalid.
    """
    busy = machine.disturbed()
    sides = {"without": _Side(), "with a model that hangs": _Side()}
    with stage.command(bootstrap) as (settings, console), _hanging() as url:
        if busy:
            console.print(f"[bold yellow]Disturbed: {busy}.")
        models = plugin.put(settings.data_dir, plugin.manifest(url))
        for number in range(rounds):
            for name, side in sides.items():
                hangs = name != "without"
                own = _own(settings, f"{number}-{'hangs' if hangs else 'without'}.", models if hangs else {})
                load = Load(rate, seconds, warmup, patients=patients, seed=number + 1)
                with stage.standing(own) as worker, stage.bar(console, f"{number + 1}: {name}") as progress:
                    side.add(run(own, worker, load, watched(shipped()), progress))
                if hangs and "remote.left_alone" not in said(own):
                    side.faults.append("the model was not asked")
    before, after = (milliseconds(side.all, 99.0) for side in sides.values())
    console.print(_table(sides, rate))
    console.print(f"The 99th percentile changed by {(after / before - 1) * 100:+.1f} %.")
    faults = [fault for side in sides.values() for fault in side.faults]
    for fault in faults:
        console.print(f"[bold red]INVALID: {fault}.")
    if faults or after > before * (1 + _MOST):
        raise typer.Exit(FAILED)


def _table(sides: dict[str, _Side], rate: float) -> Table:
    table = Table(title=f"{rate:g} observations a second; event to scores, ms from the intended instant")
    for name in ("", "count", "median", "90 %", "99 %", "99.9 %", "99 % of each run"):
        table.add_column(name, justify="right" if name else "left")
    for name, side in sides.items():
        figures = [f"{milliseconds(side.all, p):.2f}" for p in PERCENTILES]
        table.add_row(name, str(side.all.get_total_count()), *figures, ", ".join(f"{one:.2f}" for one in side.p99))
    return table


def _own(settings: Settings, name: str, models: dict[str, Path]) -> Settings:
    """The settings of a run: topics and a disk of its own."""
    folder = settings.data_dir / name.strip(".")
    folder.mkdir()
    return settings.model_copy(update={"topic_prefix": f"{settings.topic_prefix}{name}", "data_dir": folder, **models})


@contextmanager
def _hanging() -> Iterator[str]:
    """The address of somebody who takes a connection, and says nothing for ever."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


if __name__ == "__main__":
    typer.run(remote)

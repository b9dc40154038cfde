"""`python -m load_tests.latency`: event-to-alert latency beside a bare echo's, on one broker, in one run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from load_tests import machine, page, report, stage
from load_tests.kafka import Bootstrap
from load_tests.patients import watched
from load_tests.plan import Load
from load_tests.run import Outcome, run
from models.registry import shipped
from streams.commands.plain import FAILED
from streams.settings import Settings


def latency(
    rates: Annotated[str, typer.Option(help="Observations a second, one run for each.")] = "100,500",
    seconds: Annotated[int, typer.Option(min=1, help="Seconds that count, for the echo and for the service.")] = 60,
    warmup: Annotated[int, typer.Option(min=0, help="Seconds before them that do not count, for each.")] = 20,
    patients: Annotated[int, typer.Option(min=1, help="Patients, admitted anew for each rate.")] = 500,
    alert_every: Annotated[int, typer.Option(min=1, help="Every such observation changes an alert.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the plan; the same seed gives the same plan.")] = 1,
    bootstrap: Bootstrap = None,
    out: Annotated[Path | None, typer.Option(help="Where JSON, histogram files and an HTML page go.")] = None,
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
    loads = [Load(rate, seconds, warmup, patients=patients, alert_every=alert_every, seed=seed) for rate in wanted]
    busy = machine.disturbed()
    with stage.command(bootstrap) as (settings, console):
        about = {**machine.describe(settings), "disturbed": busy}
        console.print(machine.sentence(about))
        if busy:
            console.print(f"[bold yellow]Disturbed: {busy}.")
        outcomes: list[Outcome] = []
        for outcome in _measure(settings, loads, console):
            console.print(report.table(outcome))
            outcomes.append(outcome)
            if out is not None:
                report.write(out, about, outcomes)
                page.write(out)
    if any(outcome.faults for outcome in outcomes):
        raise typer.Exit(FAILED)


def _measure(settings: Settings, loads: list[Load], console: Console) -> Iterator[Outcome]:
    """A run for each load, one after the other, on the same worker and echo."""
    measures = watched(shipped())
    with stage.standing(settings) as worker:
        for load in loads:
            with stage.bar(console, f"{load.rate:g} a second") as progress:
                yield run(settings, worker, load, measures, progress)


if __name__ == "__main__":
    typer.run(latency)

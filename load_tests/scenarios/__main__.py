"""`python -m load_tests.scenarios`: a scenario from a file, for a bare echo and then for the service, in one run."""

from pathlib import Path
from typing import Annotated

import typer

from load_tests import machine, page, report, stage
from load_tests.kafka import Bootstrap
from load_tests.scenario import ScenarioError, names, read
from load_tests.scenarios.play import play, write
from streams.commands.plain import FAILED, fail


def scenarios(
    scenario: Annotated[str, typer.Option(help=f"A TOML file of yours, or one of {', '.join(names())}.")],
    rate: Annotated[float, typer.Option(min=0.1, help="Observations a second where the curve is 1.")] = 100.0,
    seed: Annotated[int, typer.Option(help="Of the plan; the same seed gives the same plan.")] = 1,
    carries: Annotated[
        float | None,
        typer.Option(min=1, help="Records a second that one worker carries. [default: the most that it answers]"),
    ] = None,
    bootstrap: Bootstrap = None,
    out: Annotated[Path | None, typer.Option(help="Where JSON, histogram files and an HTML page go.")] = None,
) -> None:
    """Play a scenario for an echo and for the service: latencies, what was lost, and how long they took to catch up.

    Exits with 1 when the run is invalid: the generator was late, an answer did not come, or the turns overlapped.
    """
    busy = machine.disturbed()
    try:
        found = read(scenario)
    except ScenarioError as error:
        fail(error)
    with stage.command(bootstrap) as (settings, console):
        about = {**machine.describe(settings), "disturbed": busy}
        console.print(machine.sentence(about))
        if busy:
            console.print(f"[bold yellow]Disturbed: {busy}.")
        with stage.standing(settings) as worker, stage.bar(console, found.title) as progress:
            played = play(settings, worker, Path(scenario).stem, found, rate, seed, carries, progress)
    console.print(report.table(played.outcome))
    for one in played.sentences:
        console.print(one)
    if out is not None:
        write(out, about, played)
        console.print(f"Written: {page.write(out)}")
    if played.outcome.faults:
        raise typer.Exit(FAILED)


if __name__ == "__main__":
    typer.run(scenarios)

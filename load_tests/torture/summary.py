"""`python -m load_tests.torture.summary REPORT...`: several runs side by side, from their JSON reports."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final

import orjson
import typer
from rich.console import Console
from rich.table import Table

_WIDE: Final = 140


def summary(reports: Annotated[list[Path], typer.Argument(help="What runs wrote with --out.")]) -> None:
    """Print a line for each run, and the recovery times of all of them together."""
    runs = [orjson.loads(report.read_bytes()) for report in reports]
    console = Console()
    console = console if console.is_terminal else Console(width=_WIDE)
    console.print(figures(runs), times(runs))


def figures(runs: Iterable[dict[str, Any]]) -> Table:
    """What was compared in each run, and what was not 0."""
    table = Table(title="What must be 0")
    for name in ("seed", "minutes", "build", "events", "faults", "alerts", "scores", "repeated alerts", "not 0"):
        table.add_column(name, justify="left" if name == "not 0" else "right")
    for run in runs:
        wrong = ", ".join(f"{count} {name}" for name, count in run["figures"].items() if count)
        table.add_row(
            str(run["load"]["seed"]),
            f"{run['load']['seconds'] / 60:g}",
            run["build"] or "",
            str(run["events"]),
            str(len(run["recoveries"])),
            str(run["compared"]["alerts"]),
            str(run["compared"]["scores"]),
            str(run["repeated"]["alerts"]),
            wrong or "nothing",
            style="" if run["sound"] else "bold red",
        )
    return table


def times(runs: Iterable[dict[str, Any]]) -> Table:
    """Recovery in seconds after each kind of fault: of those that came alone, and of all."""
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        for one in run["recoveries"]:
            kinds[one["after"]].append(one)
    table = Table(title="Seconds until every partition answered again")
    for name in ("after", "times", "alone", "median", "max", "max of all", "longest silence"):
        table.add_column(name, justify="left" if name == "after" else "right")
    for what, ones in sorted(kinds.items()):
        every = [one["recovered"] for one in ones if one["recovered"] is not None]
        alone = [one["recovered"] for one in ones if one["alone"] and one["recovered"] is not None]
        table.add_row(
            what,
            str(len(ones)),
            str(len(alone)),
            _shown([median(alone)] if alone else []),
            _shown(alone),
            _shown(every),
            _shown([one["silence"] for one in ones]),
        )
    return table


def _shown(seconds: Sequence[float]) -> str:
    return f"{max(seconds):.1f}" if seconds else ""


if __name__ == "__main__":
    typer.run(summary)

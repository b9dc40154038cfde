"""`python -m load_tests.sizing`: how many workers, how much memory and disk some people need.

What they send is assumed, what a worker does is measured: `sizing.toml` has both, and a file of yours takes its place.
Every observation counts as a record of its own, which is the dearest way to send it.
"""

from math import ceil
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console
from rich.table import Table

from load_tests import document
from streams.commands.plain import fail

FILE: Final = Path(__file__).with_name("sizing.toml")
_DAY_S: Final = 24 * 3600
_YEAR_DAYS: Final = 365
#: A worker is planned to be busy for half of its time at the peak.
_BUSY: Final = 0.5
#: Partitions for each worker: enough to share them out anew among twice as many.
_PARTITIONS: Final = 4
_FEWEST_PARTITIONS: Final = 12

_Positive = Annotated[float, Field(gt=0)]
_Part = Annotated[float, Field(gt=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class People(_Strict):
    """What people send; the file names the units."""

    beds_per_1000: _Positive
    occupied: _Part
    intensive: _Part
    ward_signs: _Positive
    intensive_signs: _Positive
    bed_results: _Positive
    outside_results: _Positive
    known: _Part
    peak: Annotated[float, Field(ge=1)]


class Measured(_Strict):
    """What a worker does; the file names the units."""

    carried: _Positive
    stored: _Positive
    stored_seldom: _Positive
    restored: _Positive
    start: _Positive
    logged: _Positive


class Basis(_Strict):
    """All that is reckoned with."""

    people: People
    measured: Measured


class Size(_Strict):
    """What so many people need: observations of a day and a second, GB, seconds."""

    beds: int
    a_day: float
    at_peak: float
    workers: int
    partitions: int
    state_gb: float
    restart_s: float
    log_gb_a_day: float


def size(basis: Basis, population: float) -> Size:
    """What so many people need."""
    people, measured = basis.people, basis.measured
    beds = population * people.beds_per_1000 / 1000 * people.occupied
    steady = beds * people.intensive * people.intensive_signs
    rounds = beds * ((1 - people.intensive) * people.ward_signs + people.bed_results)
    rounds += population * people.outside_results / _YEAR_DAYS
    at_peak = (steady + rounds * people.peak) / _DAY_S
    workers = max(2, ceil(at_peak / (measured.carried * _BUSY)))
    state = beds * measured.stored + population * people.known * measured.stored_seldom
    return Size(
        beds=round(beds),
        a_day=steady + rounds,
        at_peak=at_peak,
        workers=workers,
        partitions=max(_FEWEST_PARTITIONS, workers * _PARTITIONS),
        state_gb=state / 1e9,
        restart_s=measured.start + state / workers / measured.restored,
        log_gb_a_day=(steady + rounds) * measured.logged / 1e9,
    )


def sizing(
    people: Annotated[str, typer.Option(help="How many, with commas between.")] = "1200000,5900000,100000000",
    file: Annotated[Path, typer.Option(help="What is reckoned with.")] = FILE,
) -> None:
    """Work out what a region, a country and 100 million people need."""
    try:
        basis = document.read(file, Basis)
        populations = [float(one) for one in people.split(",")]
    except ValueError as error:
        fail(error)
    table = Table(title="What they need")
    columns = ("people", "beds in use", "observations a day", "a second at the peak", "workers (cores)", "partitions")
    for name in (*columns, "state, GB", "restart, s", "log, GB a day"):
        table.add_column(name, justify="right")
    for population in populations:
        one = size(basis, population)
        table.add_row(
            f"{population:,.0f}",
            f"{one.beds:,}",
            f"{one.a_day:,.0f}",
            f"{one.at_peak:,.0f}",
            str(one.workers),
            str(one.partitions),
            f"{one.state_gb:,.1f}",
            f"{one.restart_s:,.0f}",
            f"{one.log_gb_a_day:,.0f}",
        )
    Console().print(table)


if __name__ == "__main__":
    typer.run(sizing)

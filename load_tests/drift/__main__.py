"""How soon the watch over models and sources finds a change in simulated hospitals, and what it says on quiet days.

``python -m load_tests.drift`` prints what comes of each hospital, then a table; ``--validate`` takes the seeds on which
limits are chosen.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Annotated, Final

import typer

from features.catalogue import catalogue
from features.instants import DAY, HOUR, parse
from load_tests.drift.hospital import START, Change, Kind, hospital
from models.monitor.monitor import Monitor
from models.monitor.notices import Notice
from models.monitor.state import decode, encode
from models.monitor.units import ways

#: Seeds that measure, and seeds on which limits are chosen: none is both.
MEASURED: Final = tuple(range(113, 123))
VALIDATED: Final = tuple(range(1, 11))
LEARNING: Final = 7
QUIET: Final = 30
#: For how many days after a change it is looked for.
LOOKED: Final = 5

#: What finds each change, and how the table calls it.
_FINDS: Final[dict[Kind, tuple[tuple[str, ...], str]]] = {
    "potassium": (("step", "unit", "drift"), "potassium × 1.1 in the laboratory"),
    "fahrenheit": (("unit",), "one ward's temperatures in °F under °C"),
    "silence": (("silence",), "the laboratory silent for an hour"),
    "missing": (("missing",), "twice as many values left out"),
    "mix": (("drift",), "twice as many ill among those who come, eight years older"),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was raised in a hospital with one change or none: the type, and the hours since the change.

    What is said without the change too, at the same time, is not about it and is left out.
    """

    kind: Kind
    seed: int
    raised: tuple[tuple[float, str, str], ...]

    @property
    def found(self) -> tuple[float, str] | None:
        """Hours and type of the first notice that tells of the change."""
        finds = _FINDS[self.kind][0]
        return next(((hours, type_) for hours, type_, _ in self.raised if type_ in finds), None)


def run(seed: int) -> list[Outcome]:
    """One hospital, quiet, and with each change, which comes between 7 and 17 o'clock of the ninth day."""
    at = START + (LEARNING + 1) * DAY + (7 + seed * 3 % 10) * HOUR
    known = ways(catalogue())

    def raised(notices: list[Notice]) -> Iterator[tuple[float, str, str]]:
        return (((parse(one.at) - at) / HOUR, one.type, one.text.en) for one in notices if one.state == "raised")

    quiet, notices = Monitor(known), []
    before, stored = 0, b""
    for number, fact in enumerate(hospital(seed, LEARNING + QUIET)):
        if fact.at >= at and not stored:
            before, stored = number, encode(quiet.state)
        notices += quiet.hear(fact)
    anyway = tuple(raised(notices))
    outcomes = [Outcome("quiet", seed, anyway)]
    for kind in _FINDS:
        watch = Monitor(known, state=decode(stored))
        facts = islice(hospital(seed, LEARNING + 1 + LOOKED, Change(kind, at)), before, None)
        told = raised([notice for fact in facts for notice in watch.hear(fact)])
        outcomes.append(Outcome(kind, seed, tuple(one for one in told if one not in anyway)))
    return outcomes


def table(outcomes: list[Outcome]) -> Iterator[str]:
    """The lines of a table in Markdown."""
    yield "| change | found | hours until told: median (least to most) | what told it first |"
    yield "| --- | --- | --- | --- |"
    for kind, (_, title) in _FINDS.items():
        own = [one.found for one in outcomes if one.kind == kind]
        hours = sorted(one[0] for one in own if one is not None)
        told = Counter(one[1] for one in own if one is not None)
        spread = f"{median(hours):.1f} ({hours[0]:.1f} to {hours[-1]:.1f})" if hours else "-"
        said = ", ".join(f"{name} {count}" for name, count in told.most_common())
        yield f"| {title} | {len(hours)} of {len(own)} | {spread} | {said} |"


def main(
    validate: Annotated[bool, typer.Option("--validate", help="The seeds on which limits are chosen.")] = False,
    seeds: Annotated[int, typer.Option(min=1, max=10, help="How many hospitals.")] = 10,
    processes: Annotated[int, typer.Option(min=1, help="How many at once.")] = 2,
) -> None:
    """Measure the watch on simulated hospitals."""
    chosen = (VALIDATED if validate else MEASURED)[:seeds]
    outcomes: list[Outcome] = []
    with ProcessPoolExecutor(processes) as pool:
        for done in as_completed([pool.submit(run, seed) for seed in chosen]):
            for one in done.result():
                outcomes.append(one)
                for hours, type_, text in one.raised:
                    typer.echo(f"{one.seed} {one.kind}: after {hours:.1f} h {type_}: {text}")
    for line in table(outcomes):
        typer.echo(line)
    quiet = [one for one in outcomes if one.kind == "quiet"]
    false = sum(len(one.raised) for one in quiet)
    typer.echo(f"\nQuiet: {false} notices in {len(quiet)} hospitals of {QUIET} days.")


if __name__ == "__main__":
    typer.run(main)

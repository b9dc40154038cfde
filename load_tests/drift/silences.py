"""Which hour's silence the watch finds, by how many messages usually come in it: every source, every hour of a day.

``python -m load_tests.drift.silences`` takes the hospitals that measure the watch; ``--validate`` those on which limits
are chosen. On each of some days after the learning each source is silent for each hour once, by itself.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Annotated, Final

import typer

from features.catalogue import catalogue
from features.instants import DAY, HOUR, MINUTE, parse
from load_tests.drift.__main__ import LEARNING, MEASURED, VALIDATED
from load_tests.drift.hospital import LABORATORY, START, hospital
from models.monitor.facts import Fact, Value
from models.monitor.monitor import Monitor
from models.monitor.state import decode, encode
from models.monitor.units import ways

#: The first of so many days comes a day after the learning.
DAYS: Final = 3
#: An hour's silence is told within it, or not: so long after its beginning the source has spoken again.
_LOOKED: Final = HOUR + 30 * MINUTE
_EXPECTED: Final = (0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 15.0, float("inf"))
_HOURS: Final = (3, 10, 13, 20)


@dataclass(frozen=True, slots=True)
class Trial:
    """A source that said nothing for an hour: how many messages usually come in it, and the minutes until told."""

    source: str
    hour: int
    expected: float
    minutes: float | None


def run(seed: int) -> list[Trial]:
    """One hospital."""
    watch, facts = Monitor(ways(catalogue())), list(hospital(seed, LEARNING + 2 + DAYS))
    begin, trials, place = START + (LEARNING + 1) * DAY, list[Trial](), 0
    for at in range(begin, begin + DAYS * DAY, HOUR):
        while facts[place].at < at:
            watch.hear(facts[place])
            place += 1
        stored, end = encode(watch.state), place
        while facts[end].at < at + _LOOKED:
            end += 1
        for name, source in sorted(watch.state.sources.items()):
            told = _told(name, at, facts[place:end], stored)
            trials.append(Trial(name, (at % DAY) // HOUR, source.expected(at, at + HOUR), told))
    return trials


def _told(source: str, at: int, facts: list[Fact], stored: bytes) -> float | None:
    watch = Monitor(ways(catalogue()), state=decode(stored))
    for fact in facts:
        if isinstance(fact, Value) and fact.source == source and fact.at < at + HOUR:
            continue
        for notice in watch.hear(fact):
            if (notice.type, notice.source, notice.state) == ("silence", source, "raised"):
                return (parse(notice.at) - at) / MINUTE
    return None


def table(trials: list[Trial]) -> Iterator[str]:
    """The lines of a table in Markdown: by how many messages were expected, and the laboratory's by the hour."""
    laboratory = [one for one in trials if one.source == LABORATORY]
    yield "| messages that usually come in the hour | found | of the laboratory's | minutes until told, median |"
    yield "| --- | --- | --- | --- |"
    for low, high in pairwise(_EXPECTED):
        every, own = ([one for one in some if low <= one.expected < high] for some in (trials, laboratory))
        title = f"{low:g} to {high:g}" if high < _EXPECTED[-1] else f"{low:g} and more"
        yield f"| {title} | {_share(every)} | {_share(own)} | {_minutes(every)} |"
    for hour in _HOURS:
        own = [one for one in laboratory if one.hour == hour]
        usual = median(one.expected for one in own)
        yield f"| the laboratory at {hour} o'clock: {usual:.1f} | | {_share(own)} | {_minutes(own)} |"


def _share(own: list[Trial]) -> str:
    return f"{sum(one.minutes is not None for one in own)} of {len(own)}"


def _minutes(own: list[Trial]) -> str:
    minutes = [one.minutes for one in own if one.minutes is not None]
    return f"{median(minutes):.0f}" if minutes else "-"


def main(
    validate: Annotated[bool, typer.Option("--validate", help="The seeds on which limits are chosen.")] = False,
    seeds: Annotated[int, typer.Option(min=1, max=10, help="How many hospitals.")] = 10,
    processes: Annotated[int, typer.Option(min=1, help="How many at once.")] = 2,
) -> None:
    """Measure which silences the watch finds in simulated hospitals."""
    with ProcessPoolExecutor(processes) as pool:
        found = list(pool.map(run, (VALIDATED if validate else MEASURED)[:seeds]))
    for line in table([one for trials in found for one in trials]):
        typer.echo(line)


if __name__ == "__main__":
    typer.run(main)

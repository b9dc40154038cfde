"""What the watch says of real patients: visits of the MIMIC-IV demo, drawn again and again to fill a hospital's beds.

``python -m load_tests.drift.patients PATH``, with the demo in ``PATH`` (see ``vagt replay``). Each visit is moved by
whole days, so the hours of the day are its own. When results came is not in the set: each comes as it is taken.
"""

import heapq
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from typing import Annotated, Final

import typer

from features.catalogue import catalogue
from features.instants import DAY, HOUR, parse
from load_tests.drift.__main__ import LEARNING, QUIET
from load_tests.drift.hospital import LABORATORY, START, Change
from models.datasets.mimic_demo import MimicDemo
from models.monitor.facts import Fact, Move, Value
from models.monitor.monitor import Monitor
from models.monitor.notices import Notice
from models.monitor.units import ways
from streams.monitor.hearing import Hearing
from streams.topics import EVENTS
from streams.ward import BLOOD

BEDS: Final = 120
#: A day after the learning, at 10 o'clock.
_AT: Final = START + (LEARNING + 1) * DAY + 10 * HOUR
_KINDS: Final = ("potassium", "silence")


def visits(path: Path) -> list[list[Fact]]:
    """The facts of each visit; one that nobody ends is over when nothing is said for a day."""
    hearing = Hearing(catalogue(), frozenset(), 10**8, pseudonymous=False)
    found: list[list[Fact]] = []
    for stay in MimicDemo(path):
        known, inside = 0, False
        for record in stay.records:
            for fact in hearing.facts(EVENTS, stay.patient.encode(), json.dumps(record.items).encode()):
                comes = isinstance(fact, Move) and fact.ward is not None
                inside = inside and fact.at - known <= DAY
                if comes and not inside:
                    found.append([])
                inside, known = inside or comes, fact.at
                if inside:
                    found[-1].append(fact)
                inside = inside and not (isinstance(fact, Move) and fact.ward is None)
    return [visit for visit in found if any(isinstance(fact, Value) for fact in visit)]


def hospital(known: list[list[Fact]], seed: int, days: int, change: Change) -> Iterator[Fact]:
    """The facts of so many days in which drawn visits fill the beds."""
    beds = [_bed(known, f"{seed}/{bed}", START + days * DAY, change) for bed in range(BEDS)]
    return heapq.merge(*beds, key=lambda fact: fact.at)


def _bed(known: list[list[Fact]], name: str, end: int, change: Change) -> Iterator[Fact]:
    chance, count = Random(name), 0
    free = START - int(chance.uniform(0, 8) * DAY)
    while free < end:
        visit = chance.choice(known)
        shift, patient, count = -((visit[0].at - free) // DAY) * DAY, f"{name}/{count}", count + 1
        for fact in visit:
            moved = _moved(fact, shift, patient, change)
            if moved is not None and moved.at < end and (moved.at >= START or isinstance(moved, Move)):
                yield moved
        free = visit[-1].at + shift + HOUR
        if free < end:
            yield Move(free, patient, f"{patient}/out", None, None)


def _moved(fact: Fact, shift: int, patient: str, change: Change) -> Fact | None:
    at, name = fact.at + shift, f"{patient}/{fact.id}" if isinstance(fact, Move | Value) else ""
    if not isinstance(fact, Value):
        return fact._replace(at=at, patient=patient, id=name) if isinstance(fact, Move) else None
    source = LABORATORY if fact.analyte in BLOOD else "EPJ"
    if source == LABORATORY and change.holds("silence", at) and at < change.at + HOUR:
        return None
    higher = fact.analyte == "potassium" and change.holds("potassium", at)
    value = round(fact.value * 1.1, 1) if higher else fact.value
    return Value(at, patient, name, fact.analyte, source, value, fact.effective + shift)


def run(known: list[list[Fact]], seed: int) -> tuple[list[Notice], dict[str, list[Notice]], float]:
    """Notices on quiet days, those that each change adds, and the laboratory's usual messages in the silent hour."""

    def raised(days: int, change: Change) -> tuple[Monitor, list[Notice]]:
        watch = Monitor(ways(catalogue()))
        told = [one for fact in hospital(known, seed, days, change) for one in watch.hear(fact)]
        return watch, [one for one in told if one.state == "raised"]

    watch, quiet = raised(LEARNING + QUIET, Change())
    more = {}
    for kind in _KINDS:
        _, told = raised(LEARNING + 3, Change(kind, _AT))
        more[kind] = [one for one in told if one.id not in {other.id for other in quiet}]
    return quiet, more, watch.state.sources[LABORATORY].expected(_AT, _AT + HOUR)


def main(
    path: Path, seeds: Annotated[int, typer.Option(min=1)] = 4, processes: Annotated[int, typer.Option(min=1)] = 2
) -> None:
    """Let the watch hear real patients."""
    known = visits(path)
    typer.echo(f"{len(known)} visits")
    with ProcessPoolExecutor(processes) as pool:
        for seed, (quiet, more, usual) in enumerate(pool.map(partial(run, known), range(1, seeds + 1)), 1):
            typer.echo(f"{seed}: the laboratory's messages in the hour: {usual:.1f}; quiet: {len(quiet)}")
            typer.echo(f"  {Counter(one.type for one in quiet)}")
            for kind, told in {"quiet": quiet, **more}.items():
                for one in told:
                    typer.echo(f"  {kind}: after {(parse(one.at) - _AT) / HOUR:.1f} h {one.type}: {one.text.en}")


if __name__ == "__main__":
    typer.run(main)

"""`python -m load_tests.rolling`: a rolling restart of three workers under load, as an update does it.

While records flow, each worker is ended gracefully, started again and awaited ready (`/readyz`) before the next one's
turn; the whole of it twice. All that came out is then compared with the pure step over the same `events`, as the
torture run does. Nothing may be lost, and nothing be said twice.

Silence is the time in which a record waited and nothing came out, from output to output by Kafka's timestamps.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Annotated, Final
from urllib.error import URLError
from urllib.request import urlopen

import orjson
import typer
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from load_tests import machine, service, stage
from load_tests.child import SPAWN, Child
from load_tests.kafka import Bootstrap, Out
from load_tests.service import ServiceError
from load_tests.silence import Answer, first_answers, longest
from load_tests.torture.crew import Crew
from load_tests.torture.run import greet, settle, verdict_of
from load_tests.torture.traffic import Load, traffic
from load_tests.torture.verdict import Verdict
from streams.broker import free_port
from streams.commands.plain import FAILED
from streams.settings import Settings

_WORKERS: Final = range(3)
_ROUNDS: Final = 2
_READY_S: Final = 300.0
_LOOK_S: Final = 0.05
#: The flow before the first worker goes and after the last one is back.
_CALM_S: Final = 10.0
#: More is planned than a run takes: the flow ends with it.
_PLANNED_S: Final = 3600
_WELL: Final = {"worker started", "worker left, status 0"}


@dataclass(frozen=True, slots=True)
class Step:
    """A worker's turn: when it was told to end (seconds since the epoch), was gone, and was ready again."""

    worker: int
    told: float
    gone: float
    ready: float


def rolling(
    rate: Annotated[float, typer.Option(min=1, help="Records a second on average, beside four probes.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Of the events; the same seed plans the same.")] = 1,
    bootstrap: Bootstrap = None,
    out: Out = None,
) -> None:
    """Restart three workers one after the other, twice, under load.

    Exits with 1 when anything was lost, differs or was said twice, or a worker did not leave in good order.
    """
    with stage.command(bootstrap) as (live, console):
        settings = live.model_copy(update={"live": False})
        about = machine.describe(settings)
        with service.channels(settings):
            steps, trouble = _roll(settings, Load(seed, _PLANNED_S, rate, bursts=False), console)
            verdict, found = verdict_of(settings)
    answers = first_answers(found.events, [*found.alerts, *found.scores])
    console.print(_shown(steps, answers, verdict, trouble))
    if out is not None:
        figures = {
            "machine": about,
            "rate": rate,
            "steps": [asdict(step) for step in steps],
            "silence": _longest(answers, steps[0].told, float("inf")),
            "records": len(found.events),
            "trouble": trouble,
            **asdict(verdict),
        }
        out.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))
    if trouble or not verdict.sound or any(verdict.repeated.values()):
        raise typer.Exit(FAILED)


def _roll(settings: Settings, load: Load, console: Console) -> tuple[list[Step], list[str]]:
    """Do it; returns each worker's turns, and what a worker did that it was not told to."""
    told: list[str] = []
    port = free_port(len(_WORKERS))
    crew = Crew(settings, None, lambda what, who: told.append(f"{who}: {what}"), port)
    flowing, over = SPAWN.Event(), SPAWN.Event()
    try:
        crew.only(_WORKERS)
        for worker in _WORKERS:
            _await(crew, lambda worker=worker: _is_ready(port + worker))
        greet(settings)
        settle(settings, crew)
        with Child(traffic, settings, load, flowing, over) as sender:
            if not flowing.wait(_READY_S):
                sender.result(0)
            time.sleep(_CALM_S)
            steps = []
            for round_ in range(_ROUNDS):
                for worker in _WORKERS:
                    steps.append(_restart(crew, worker, port + worker))
                    console.print(f"round {round_ + 1}, worker {worker}: ready again")
            time.sleep(_CALM_S)
            over.set()
            sender.result(_READY_S)
        settle(settings, crew)
        return steps, [one for one in told if one.partition(": ")[2] not in _WELL]
    finally:
        crew.close()


def _restart(crew: Crew, worker: int, port: int) -> Step:
    told = time.time()
    crew.leave(worker)
    _await(crew, lambda: not crew.there(worker))
    gone = time.time()
    crew.start(worker)
    _await(crew, lambda: _is_ready(port))
    return Step(worker, told, gone, time.time())


def _await(crew: Crew, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _READY_S
    while not done():
        if time.monotonic() > deadline:
            raise ServiceError(f"A worker was not ready, or not gone, within {_READY_S:.0f} s.")
        crew.look()
        time.sleep(_LOOK_S)


def _is_ready(port: int) -> bool:
    with suppress(URLError, OSError), urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10):
        return True
    return False


def _shown(steps: Sequence[Step], answers: Sequence[Answer], verdict: Verdict, trouble: Sequence[str]) -> Group:
    table = Table(title="Seconds of each worker's turn, and the longest silence until the next one's")
    for name in ("worker", "gone after", "ready after", "a partition was silent", "all were"):
        table.add_column(name, justify="right")
    for number, step in enumerate(steps):
        until = steps[number + 1].told if number + 1 < len(steps) else float("inf")
        longest = (f"{one:.1f}" for one in _longest(answers, step.told, until))
        table.add_row(str(step.worker), f"{step.gone - step.told:.1f}", f"{step.ready - step.gone:.1f}", *longest)
    faults = [f"{name} {count}" for name, count in verdict.figures.items() if count]
    repeated = [f"{count} {name}" for name, count in verdict.repeated.items() if count]
    return Group(
        table,
        Text(f"Compared: {', '.join(f'{count} {name}' for name, count in verdict.compared.items())}."),
        Text(f"Lost, or otherwise than it had to be: {', '.join(faults) or 'nothing'}."),
        Text(f"Said twice: {', '.join(repeated) or 'nothing'}."),
        *(Text(f"{name}: {case}") for name, cases in verdict.examples.items() for case in cases),
        *map(Text, trouble),
    )


def _longest(answers: Sequence[Answer], since: float, until: float) -> tuple[float, float]:
    """The longest silence of one partition, and of all at once, that ended between two instants."""
    each = [[one for one in answers if one.partition == number] for number in {one.partition for one in answers}]
    return longest(each, since, until), longest([answers], since, until)


if __name__ == "__main__":
    typer.run(rolling)

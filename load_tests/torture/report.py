"""A run for people (tables) and for programs (JSON)."""

from dataclasses import asdict
from typing import Any

import orjson
from rich.console import Group
from rich.table import Table
from rich.text import Text

from load_tests.torture.recovery import by_kind
from load_tests.torture.run import Outcome


def shown(outcome: Outcome) -> Group:
    """The figures that must be 0, then the recovery times."""
    verdict, load, seen = outcome.verdict, outcome.load, outcome.seen
    figures = Table(title=f"Seed {load.seed}, {load.seconds / 60:g} minutes, build {outcome.build or 'as it is'}")
    figures.add_column("must be 0")
    figures.add_column("is", justify="right")
    for name, count in verdict.figures.items():
        figures.add_row(name, str(count), style="bold red" if count else "")
    times = Table(title="Seconds until every partition answered again")
    for name in ("after", "times", "alone", "median", "max", "max of all", "longest silence"):
        times.add_column(name, justify="left" if name == "after" else "right")
    for what, one in sorted(by_kind(outcome.recoveries).items()):
        times.add_row(what, str(one["count"]), str(one["alone"]), *map(_seconds, list(one.values())[3:]))
    compared = ", ".join(f"{count} {what}" for what, count in verdict.compared.items())
    repeated = ", ".join(f"{count} {what}" for what, count in verdict.repeated.items())
    examples = [Text(f"{figure}: {case}") for figure, cases in verdict.examples.items() for case in cases]
    return Group(
        figures,
        times,
        Text(f"{outcome.events} records on events ({seen.answers} answers to alerts). Compared: {compared}."),
        Text(f"Repeated: {repeated}."),
        *examples,
    )


def document(outcome: Outcome, machine: dict[str, Any]) -> bytes:
    """All of it as JSON, times in seconds from the start."""
    start = outcome.started
    return orjson.dumps(
        {
            "machine": machine,
            "load": asdict(outcome.load),
            "build": outcome.build,
            "sound": outcome.verdict.sound,
            **asdict(outcome.verdict),
            "events": outcome.events,
            "answers": outcome.seen.answers,
            "recovery_s": by_kind(outcome.recoveries),
            "recoveries": [
                {
                    "at": round(one.mark.at - start, 2),
                    "after": one.mark.what,
                    "recovered": one.recovered,
                    "silence": one.silence,
                    "alone": one.alone,
                }
                for one in outcome.recoveries
            ],
            "journal": [{"at": round(at - start, 2), "what": what, "who": who} for at, what, who in outcome.journal],
        },
        option=orjson.OPT_INDENT_2,
    )


def _seconds(value: float | int | None) -> str:
    return "" if value is None else f"{value:.1f}"

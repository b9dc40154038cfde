"""A run for people (a table), for programs (JSON) and for HdrHistogram's own tools (a log of histograms)."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogWriter
from rich.console import Group
from rich.table import Table
from rich.text import Text

from features.instants import render
from load_tests.outcome import PERCENTILES, Timing, milliseconds
from load_tests.run import Outcome

_ROWS = (("echo", "echo"), ("event to scores", "scores"), ("event to alert", "alerts"))


def table(outcome: Outcome) -> Group:
    """Latencies in ms, the ratios to the echo, and what makes the run invalid."""
    load = outcome.load
    columns = Table(title=f"{load.rate:g} observations a second, {load.seconds} s each; ms from the intended instant")
    for name in ("", "count", "median", "90 %", "99 %", "99.9 %", "max", "median ÷ echo", "99 % ÷ echo"):
        columns.add_column(name, justify="left" if not name else "right")
    for label, name in _ROWS:
        timing: Timing = getattr(outcome, name)
        figures = [f"{milliseconds(timing.latency, p):.2f}" for p in PERCENTILES]
        most = f"{timing.latency.get_max_value() / 1000:.1f}"
        ratios = [f"{value:.2f}" for value in _ratios(outcome, timing)] if name != "echo" else ["", ""]
        columns.add_row(label, str(timing.latency.get_total_count()), *figures, most, *ratios)
    columns.add_section()
    for label, name in _ROWS:
        timing = getattr(outcome, name)
        for part, found in (("until produced", timing.to_made), ("from there", timing.from_made)):
            columns.add_row(
                f"  {label}, {part}", "", *(f"{milliseconds(found, p):.0f}" for p in PERCENTILES), style="dim"
            )
    late = ", ".join(f"{p:g} %: {milliseconds(outcome.lateness, p):.2f}" for p in PERCENTILES)
    lines = [
        f"Generator's lateness in ms, {late}; max {outcome.lateness.get_max_value() / 1000:.1f}.",
        f"Scored again: {outcome.scores.repeated}.",
        "Scores by band, warm-up included: " + ", ".join(f"{n} {band}" for band, n in outcome.bands.items()) + ".",
    ]
    faults = [Text(f"INVALID: {fault}.", style="bold red") for fault in outcome.faults]
    return Group(columns, *(Text(line) for line in lines), *faults)


def document(machine: dict[str, Any], outcomes: Sequence[Outcome]) -> bytes:
    """Everything as JSON; times in ms."""
    return orjson.dumps(
        {"machine": machine, "runs": [figures(outcome) for outcome in outcomes]}, option=orjson.OPT_INDENT_2
    )


def write(folder: Path, machine: dict[str, Any], outcomes: Sequence[Outcome]) -> None:
    """`latency.json`, and for each rate `latency-<rate>.hlog` with tagged histograms in µs."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.joinpath("latency.json").write_bytes(document(machine, outcomes))
    for outcome in outcomes:
        histograms(folder / f"latency-{outcome.load.rate:g}.hlog", outcome)


def histograms(path: Path, outcome: Outcome) -> None:
    """A log with a run's tagged histograms in µs."""
    with path.open("w") as file:
        log = HistogramLogWriter(file)
        log.output_log_format_version()
        log.output_legend()
        for name, found in _histograms(outcome):
            file.write(f"Tag={name},")  # the format has tags, its Python writer has not
            log.output_interval_histogram(found, outcome.started / 1000, outcome.ended / 1000)


def _histograms(outcome: Outcome) -> Iterator[tuple[str, HdrHistogram]]:
    yield from (
        ("echo", outcome.echo.latency),
        ("scores", outcome.scores.latency),
        ("alerts", outcome.alerts.latency),
        ("generator-lateness", outcome.lateness),
    )


def figures(outcome: Outcome) -> dict[str, Any]:
    """A run's figures; times in ms."""
    return {
        "load": asdict(outcome.load),
        "started": render(outcome.started),
        "valid": not outcome.faults,
        "faults": outcome.faults,
        "generator_lateness_ms": _figures(outcome.lateness),
        "scores_by_band": outcome.bands,
        **{name: _timing(outcome, getattr(outcome, name)) for _, name in _ROWS},
    }


def _timing(outcome: Outcome, timing: Timing) -> dict[str, Any]:
    median, tail = _ratios(outcome, timing)
    return {
        "expected": timing.expected,
        "lost": timing.lost,
        "repeated": timing.repeated,
        "behind": timing.behind,
        "latency_ms": _figures(timing.latency),
        "until_produced_ms": _figures(timing.to_made),
        "from_produced_ms": _figures(timing.from_made),
        "median_over_echo": median,
        "p99_over_echo": tail,
    }


def _figures(found: HdrHistogram) -> dict[str, float]:
    return {
        "count": found.get_total_count(),
        **{f"p{p:g}": milliseconds(found, p) for p in PERCENTILES},
        "max": found.get_max_value() / 1000,
        "mean": found.get_mean_value() / 1000,
    }


def _ratios(outcome: Outcome, timing: Timing) -> tuple[float, float]:
    """Median over the echo's median, and 99th percentile over the echo's."""
    median, tail = (
        round(milliseconds(timing.latency, p) / max(milliseconds(outcome.echo.latency, p), 0.001), 3)
        for p in (50.0, 99.0)
    )
    return median, tail

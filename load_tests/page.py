"""`python -m load_tests.page RESULTS`: a folder of results as one page, which loads nothing from anywhere.

It shows every run of ``latency.json``, ``scenario-*.json`` and ``throughput.json``; the curves come from the histogram
files beside them.
"""

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from load_tests import machine, svg
from load_tests.outcome import histogram, milliseconds
from load_tests.svg import Axis
from streams.commands.plain import fail

NAME: Final = "report.html"
_ANSWERS: Final = {"echo": "echo", "scores": "event to score", "alerts": "event to alert"}
_PERCENTILES: Final = (0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99)
_TICKS: Final = {100 / (100 - one): f"{one:g} %" for one in (0, 50, 90, 99, 99.9, 99.99)}
_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: .8rem 0; } td, th { padding: .15rem .8rem; text-align: right; }
th:first-child, td:first-child { text-align: left; } thead { border-bottom: 1px solid #888; }
svg { width: 32rem; max-width: 100%; margin: .4rem; font: 11px system-ui, sans-serif; }
.title { font-weight: bold; } .grid { stroke: #ddd; } .invalid { color: #b00020; font-weight: bold; }
"""


class PageError(RuntimeError):
    """There is nothing to show; the message is one sentence."""


def write(folder: Path) -> Path:
    """Write the page of a folder into it.

    Raises:
        PageError: it holds no results.
    """
    parts = [part for shown in (_latency, _scenarios, _throughput) for part in shown(folder)]
    if not parts:
        raise PageError(f"{folder} holds no results of a load test")
    page = folder / NAME
    page.write_text(
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Load test</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>Load test</h1>\n" + "\n".join(parts) + "\n</body></html>\n",
        encoding="utf-8",
    )
    return page


def _latency(folder: Path) -> Iterator[str]:
    path = folder / "latency.json"
    if not path.exists():
        return
    found = orjson.loads(path.read_bytes())
    yield "<h2>Latency</h2>"
    yield from _machine(found["machine"])
    for run in found["runs"]:
        name = f"{run['load']['rate']:g}"
        yield f"<h3>{name} observations a second</h3>"
        yield from _run(run, folder / f"latency-{name}.hlog")


def _scenarios(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("scenario-*.json")):
        found = orjson.loads(path.read_bytes())
        run, load = found["run"], found["run"]["load"]
        rate, seed = f"{load['rate']:g}", load["seed"]
        yield f"<h2>{escape(found['title'])}</h2>"
        yield from _machine(found["machine"])
        yield f"<p>Scenario {escape(found['scenario'])} at {rate} observations a second, seed {seed}.</p>"
        yield from (f"<p>{escape(one)}</p>" for one in found["sentences"])
        yield from _run(run, path.with_suffix(".hlog"))
        yield from _course(found["over_time"])


def _throughput(folder: Path) -> Iterator[str]:
    path = folder / "throughput.json"
    if not path.exists():
        return
    found = orjson.loads(path.read_bytes())
    yield "<h2>Throughput of one worker</h2>"
    yield from _machine(found["machine"])
    head = ["observations a record", "echo", "worker", "÷ echo", "Quix Streams"]
    yield "<p>Records a second, each alone with the broker.</p>"
    yield _table(
        head,
        [
            [
                str(one["panel"]),
                f"{one['echo']:,.0f}",
                f"{one['service']:,.0f}",
                f"{one['service'] / one['echo']:.2f}",
                f"{one['quix']:,.0f}" if one.get("quix") else "",
            ]
            for one in found["runs"]
        ],
    )


def _machine(about: dict[str, Any]) -> Iterator[str]:
    yield f"<p>{escape(machine.sentence(about))}</p>"
    if about.get("disturbed"):
        yield f'<p class="invalid">Disturbed: {escape(about["disturbed"])}.</p>'


def _run(run: Mapping[str, Any], log: Path) -> Iterator[str]:
    yield from (f'<p class="invalid">Invalid: {escape(one)}.</p>' for one in run["faults"])
    head = ["ms from the intended instant", "count", "median", "90 %", "99 %", "99.9 %", "max"]
    rows = []
    for key, label in _ANSWERS.items():
        one = run[key]
        figures = [f"{one['latency_ms'][name]:.2f}" for name in ("p50", "p90", "p99", "p99.9", "max")]
        ratios = ["", ""] if key == "echo" else [f"{one['median_over_echo']:.2f}", f"{one['p99_over_echo']:.2f}"]
        rows.append([label, str(one["latency_ms"]["count"]), *figures, *ratios, str(one["lost"]), str(one["repeated"])])
    yield _table([*head, "median ÷ echo", "99 % ÷ echo", "lost", "repeated"], rows)
    curves = {
        _ANSWERS[tag]: [(100 / (100 - one), max(milliseconds(found, one), 0.001)) for one in _PERCENTILES]
        for tag, found in _histograms(log).items()
        if tag in _ANSWERS and found.get_total_count()
    }
    yield svg.lines("Latency by percentile", curves, Axis("percentile", True, _TICKS), Axis("ms", log=True))


def _course(over_time: Mapping[str, list[dict[str, Any]]]) -> Iterator[str]:
    across = Axis("s")
    due = {"due": [(one["second"], one["due"]) for one in over_time["scores"]]}
    plots: tuple[tuple[str, str, dict[str, list[tuple[float, float]]], Axis], ...] = (
        ("Throughput", "answered", due, Axis("records a second")),
        ("Waiting at the end of each second", "waiting", {}, Axis("records")),
        ("99th percentile of those due in each second", "p99_ms", {}, Axis("ms", log=True)),
    )
    for title, key, more, up in plots:
        series = {
            _ANSWERS[name]: [(float(one["second"]), float(one[key])) for one in found if one[key] is not None]
            for name, found in over_time.items()
        }
        yield svg.lines(title, series | more, across, up)


def _table(head: list[str], rows: list[list[str]]) -> str:
    top = "".join(f"<th>{escape(one)}</th>" for one in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(one)}</td>' for one in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _histograms(path: Path) -> dict[str, HdrHistogram]:
    """The tagged histograms of a log; none when it is missing."""
    if not path.exists():
        return {}
    log = HistogramLogReader(str(path), histogram())
    found: dict[str, HdrHistogram] = {}
    while (one := log.get_next_interval_histogram()) is not None:
        found[one.get_tag()] = one
    log.close()
    return found


def page(folder: Annotated[Path, typer.Argument(help="What --out of the load tests named.")]) -> None:
    """Write a folder of results as one HTML page into it."""
    try:
        typer.echo(write(folder))
    except PageError as error:
        fail(error)


if __name__ == "__main__":
    typer.run(page)

"""How far a replay is: a bar on a terminal, else a line now and then, and a summary at the end."""

import asyncio
import time
from contextlib import nullcontext

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from models.datasets.native import Source
from streams.replay import Tally, replay
from streams.settings import Settings

_LINE_EVERY_S = 10.0
_REASONS_SHOWN = 6


async def shown(
    settings: Settings, source: Source, console: Console, speed: float | None = None, limit: int | None = None
) -> None:
    """Replay, and show on the console how far it is. Raises what ``replay`` raises."""
    tally, began = Tally(), time.monotonic()

    def elapsed() -> float:
        return time.monotonic() - began

    async def line_by_line() -> None:
        while not console.is_terminal:
            await asyncio.sleep(_LINE_EVERY_S)
            say(console, f"Replay: {_so_far(tally, elapsed())}")

    lines = asyncio.create_task(line_by_line())
    bar = Live(console=console, get_renderable=lambda: _bar(tally, limit, elapsed()), transient=True)
    try:
        with bar if console.is_terminal else nullcontext():
            await replay(settings, source, tally, speed, limit)
    finally:
        lines.cancel()
    say(console, summary(tally, elapsed()))


def say(console: Console, text: str) -> None:
    """Print a line as it is, above the bar if there is one."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def summary(tally: Tally, seconds: float) -> str:
    """What was sent and what was not, in a line."""
    skipped = ", ".join(f"{reason} {count:,}" for reason, count in tally.skipped.most_common(_REASONS_SHOWN))
    if others := tally.skipped.total() - sum(count for _, count in tally.skipped.most_common(_REASONS_SHOWN)):
        skipped += f", for other reasons {others:,}"
    return (
        f"Replayed {tally.stays:,} stays: {tally.records:,} records with {tally.observations:,} observations "
        f"in {seconds:.1f} s; skipped: {skipped or 'nothing'}."
    )


def _so_far(tally: Tally, seconds: float) -> str:
    if tally.expected is not None:
        of = f"{tally.records:,} of {tally.expected:,} records"
    else:
        of = f"{tally.records:,} records"
    return f"{tally.stays:,} stays, {of}, {tally.records / max(seconds, 0.1):,.0f}/s"


def _bar(tally: Tally, limit: int | None, seconds: float) -> Table:
    done, total = (tally.stays, limit) if tally.expected is None else (tally.records, tally.expected)
    row = Table.grid(padding=1)
    row.add_row(ProgressBar(total, done, width=30, pulse=total is None), _so_far(tally, seconds))
    return row

"""`vagt up`: all in one, from the command line."""

import os
from pathlib import Path
from typing import Annotated

import typer

from streams.commands.plain import FAILED, fail, plain_failures, settings
from streams.commands.replay import Limit, Speed, speed_of

_DEFAULT_PORT = 9092


def up(
    replay: Annotated[bool, typer.Option("--replay", help="Workers for replays of the past: not live.")] = False,
    demo: Annotated[
        bool, typer.Option("--demo", help="Play a ward of simulated patients and show the alerts.")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(exists=True, help="Replay the data set at this path, of whichever kind, and show the alerts."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many worker processes.")] = 1,
    speed: Speed = "max",
    limit: Limit = None,
    port: Annotated[int, typer.Option(min=1024, max=65_000, help="Where the embedded broker listens.")] = _DEFAULT_PORT,
    board: Annotated[
        int | None, typer.Option(min=1024, max=65_535, help="Where the board listens.", show_default="8080")
    ] = None,
) -> None:
    """Run all in one until Ctrl-C: workers, board, monitor, and the broker unless VAGT_KAFKA_BOOTSTRAP names one."""
    pace = speed_of(speed)
    own = settings()
    elsewhere = "VAGT_KAFKA_BOOTSTRAP" in os.environ
    changes: dict[str, object] = {} if elsewhere else {"kafka_bootstrap": f"127.0.0.1:{port}"}
    if replay or data is not None:
        changes["live"] = False
    with plain_failures():
        from rich.console import Console

        from streams.up import Plan
        from streams.up import up as run

        plan = Plan(
            workers=workers,
            port=None if elsewhere else port,
            board=board or own.board_port,
            alerts=demo or data is not None,
            data=data,
            speed=pace,
            limit=limit,
        )
        try:
            run(own.model_copy(update=changes), plan, Console())
        except ValueError as error:
            fail(error, FAILED)

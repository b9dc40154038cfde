"""`vagt worker`: one worker from the command line."""

import os
import signal
import time
from threading import Thread
from typing import Annotated

import typer

from streams.commands.plain import plain_failures, settings

_LOOK_EVERY_S = 1.0


def worker(
    name: Annotated[
        str, typer.Option(help="The worker's name: its state on disk lies under it.", metavar="NAME")
    ] = "worker-1",
    parent: Annotated[int | None, typer.Option(hidden=True, help="End when this parent process does.")] = None,
) -> None:
    """Run one worker until Ctrl-C or SIGTERM; start as many as there are partitions to share."""
    own = settings()
    with plain_failures():
        from streams import log
        from streams.worker import run

        log.configure()
        if parent is not None:
            Thread(target=_end_with, args=(parent,), daemon=True).start()
        run(own, name)


def _end_with(parent: int) -> None:
    """End this process in good order once its parent is gone, even when that was killed."""
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)

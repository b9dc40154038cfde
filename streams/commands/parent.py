"""A process that another one started, and that ends with it, even when that was killed."""

import os
import signal
import time
from threading import Thread
from typing import Annotated

import typer

_LOOK_EVERY_S = 1.0

Parent = Annotated[int | None, typer.Option(hidden=True, help="End when this parent process does.")]


def end_with(parent: int | None) -> None:
    """End this process in good order once its parent is gone; ``None``: nobody started it but a person."""
    if parent is not None:
        Thread(target=_wait, args=(parent,), daemon=True).start()


def _wait(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)

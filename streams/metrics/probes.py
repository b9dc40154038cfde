"""What ``/livez`` and ``/readyz`` ask a process."""

import asyncio
import threading
from contextlib import suppress
from typing import Final, Protocol

#: A loop answers in milliseconds.
ANSWER_S: Final = 5.0


class Health(Protocol):
    """What a process knows of itself. An answer is a sentence, without a word of a patient; ``None``: all is well."""

    def dead(self) -> str | None:
        """Why this process had better be started again."""

    def unready(self) -> str | None:
        """Why it does not do its work now."""


def stuck(loop: asyncio.AbstractEventLoop) -> str | None:
    """Whether a loop that runs answers no more; asked from another thread."""
    if not loop.is_running():
        return None
    turned = threading.Event()
    with suppress(RuntimeError):  # it was closed just now: the process ends
        loop.call_soon_threadsafe(turned.set)
    return None if turned.wait(ANSWER_S) else f"Its loop has not turned for {ANSWER_S:g} s."

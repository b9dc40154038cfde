"""A process of the load test itself: it does one thing and hands back the result."""

import logging
import os
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, ParamSpec, TypeVar

SPAWN = get_context("spawn")
_END_S = 10.0

_P = ParamSpec("_P")
_T = TypeVar("_T")


class ChildError(RuntimeError):
    """A process of the load test failed; the message is its traceback or how it ended."""


class Child(Generic[_T]):
    """``work(*args)`` in a fresh process. It ends with the ``with`` block at the latest."""

    def __init__(self, work: Callable[_P, _T], *args: _P.args, **extra: _P.kwargs) -> None:
        self._name = work.__name__
        self._results, far = SPAWN.Pipe(duplex=False)
        self._process = SPAWN.Process(target=_do, args=(far, work, args, extra), name=self._name, daemon=True)
        self._process.start()
        far.close()

    def __enter__(self) -> "Child[_T]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join(_END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._results.close()

    def done(self, wait: float = 0.0) -> bool:
        """Whether the work is finished, well or not, within so many seconds."""
        return self._results.poll(wait)

    def result(self, timeout: float) -> _T:
        """What the work returned.

        Raises:
            ChildError: it raised, ended without a result, or takes longer than ``timeout`` seconds.
        """
        if not self.done(timeout):
            raise ChildError(f"{self._name} was not done within {timeout:.0f} s")
        try:
            good, value = self._results.recv()
        except EOFError:
            raise ChildError(f"{self._name} ended without a result") from None
        if not good:
            raise ChildError(f"{self._name} failed:\n{value}")
        found: _T = value
        return found


def precede() -> None:
    """Give this process precedence where that is allowed: an instrument that waits measures its own waiting."""
    with suppress(OSError):
        os.nice(-10)
        Path("/proc/self/autogroup").write_text("-10")  # on a desktop kernel, sessions compete first


def _do(results: Connection, work: Callable[..., Any], args: tuple[Any, ...], extra: dict[str, Any]) -> None:
    os.setsid()  # Ctrl-C is for the parent, which then ends this process; and it competes as one of its own
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.basicConfig(level=logging.CRITICAL)  # aiokafka calls a new group an error
    try:
        answer = True, work(*args, **extra)
    except Exception:
        answer = False, traceback.format_exc()
    results.send(answer)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)

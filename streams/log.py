"""Structured logs: JSON lines unless on a terminal, and never a patient's identifier, name or value."""

import logging
import re
import sys
import time
import traceback
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

#: Modules whose classes Faust logs for, at every start and stop.
_SPEAK_FOR_FAUST = ("streams.app", "streams.mends", "streams.store")

_OWN = frozenset({"streams", "models", "features"})
#: Lines of libraries that begin alike, numbers aside, come once in so many seconds.
_SPARE_S = 10.0
_ALIKE = 80
_MOST_KINDS = 1_000
_NUMBER = re.compile(r"\d[\d.]*")


def configure(level: int = logging.INFO) -> None:
    """Send all logs, the libraries' too, to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_message,
    ]
    on_terminal = sys.stderr.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer() if on_terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(_shows_no_bytes)
    handler.addFilter(Sparing())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in sorted(_OWN):
        logging.getLogger(name).setLevel(level)
    for name in _SPEAK_FOR_FAUST:
        logging.getLogger(name).setLevel(logging.WARNING)


class Sparing(logging.Filter):
    """Lets each line of a library through once in a while, but for its numbers.

    While a cluster is away aiokafka logs more than two thousand lines a second.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is the service's own, or the library has not said so lately."""
        if record.name.partition(".")[0] in _OWN and record.name not in _SPEAK_FOR_FAUST:
            return True
        now, key = self._clock(), (record.name, _NUMBER.sub("#", str(record.msg))[:_ALIKE])
        if now - self._seen.get(key, -_SPARE_S) < _SPARE_S:
            return False
        if len(self._seen) > _MOST_KINDS:
            self._seen.clear()
        self._seen[key] = now
        return True


def logger(name: str) -> Any:
    """The logger of a module; its first argument names what happened, the others say where."""
    return structlog.stdlib.get_logger(name)


def _shows_no_bytes(record: logging.LogRecord) -> bool:
    """Whatever level somebody asks for: a library's lines for debugging show what it sends and reads, patients too."""
    return record.levelno > logging.DEBUG or record.name.split(".")[0] in _OWN


def _without_message(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An exception as its kind and the lines that it came through: its message may quote a patient's data."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)
        event["exception"] = type(error).__name__
        event["through"] = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
    return event

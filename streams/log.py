"""Structured logs: JSON lines unless on a terminal, and never a patient's identifier, name or value."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

#: Modules whose classes Faust logs for, at every start and stop.
_SPEAK_FOR_FAUST = ("streams.app", "streams.mends", "streams.store")


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
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("streams", "models", "features"):
        logging.getLogger(name).setLevel(level)
    for name in _SPEAK_FOR_FAUST:
        logging.getLogger(name).setLevel(logging.WARNING)


def logger(name: str) -> Any:
    """The logger of a module; its first argument names what happened, the others say where."""
    return structlog.stdlib.get_logger(name)


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

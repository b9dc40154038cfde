"""Who looked at whom, when, in what role: ``audit.access``. A view that cannot be written down is still given."""

import time
from typing import Any

import orjson
from aiokafka.errors import KafkaError

from features.instants import render
from streams.board.outlet import Outlet
from streams.log import logger
from streams.topics import ACCESS

_LOG = logger(__name__)


class Access:
    """Writes views down."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet

    async def saw(self, user: str, role: str, what: str, patients: list[str]) -> None:
        """Somebody was shown these patients, on the page ``what``."""
        view: dict[str, Any] = {
            "user": user,
            "role": role,
            "page": what,
            "patients": patients,
            "at": render(time.time_ns() // 1_000_000),
        }
        try:
            await self._outlet.send(ACCESS, orjson.dumps(view), user.encode())
        except (KafkaError, OSError) as error:
            # A nurse who needs the page now must have it; that the book has a gap is told where it is watched.
            _LOG.error("access.unwritten", error=type(error).__name__)

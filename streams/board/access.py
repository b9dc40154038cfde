"""Who looked at whom, when, in what role: ``audit.access``. A view that cannot be written down is still given."""

import time
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from features.instants import render
from streams import kafka
from streams.log import logger
from streams.settings import Settings
from streams.topics import ACCESS

_LOG = logger(__name__)


class Access:
    """Writes views down."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None

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
            if self._producer is None:
                producer = kafka.producer(self._settings, request_timeout_ms=5_000)
                await producer.start()
                self._producer = producer
            await self._producer.send(self._settings.topic(ACCESS), orjson.dumps(view), user.encode())
        except (KafkaError, OSError) as error:
            # A nurse who needs the page now must have it; that the book has a gap is told where it is watched.
            _LOG.error("access.unwritten", error=type(error).__name__)

    async def close(self) -> None:
        """Let go of the broker."""
        if self._producer is not None:
            await self._producer.stop()

"""The board's port: uvicorn's own protocol, that waits so long for a request and takes so much of its head."""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Address and headers together, in bytes.
MOST_HEAD: Final = 32 * 1024
#: From the first byte, or from the connection's beginning, until a request's head is whole.
HEAD_S: Final = 10.0


class Protocol(HttpToolsProtocol):
    """Ends connections that dawdle, and refuses heads that grow."""

    _head = 0
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._have()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request; what belongs to no whole head is counted."""
        super().data_received(data)
        if self.transport.is_closing() or (self.cycle is not None and not self.cycle.response_complete):
            return
        self._head += len(data)
        if self._head > MOST_HEAD:
            self.send_400_response("The request's head is too large.")
        elif self._waiting is None:
            self._wait()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._have()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MOST_HEAD:
            raise ValueError("the head is too large")  # httptools makes a refused request of it
        super().on_headers_complete()

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(HEAD_S, self.transport.close)

    def _have(self) -> None:
        self._head = 0
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

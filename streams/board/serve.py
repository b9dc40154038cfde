"""Run one board until SIGINT or SIGTERM."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from streams import metrics
from streams.board.web import Board
from streams.metrics.endpoint import serving
from streams.settings import Settings

#: Open streams never end by themselves.
_GRACE_S = 3


class _Server(uvicorn.Server):
    """Ends with status 0 where somebody asked it to end; uvicorn's own would kill itself with the signal once more."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.handle_exit)
        yield


def serve(settings: Settings, port: int) -> None:
    """Serve the board."""
    board = Board(settings)
    config = uvicorn.Config(
        board.app,
        host=settings.board_host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    metrics.BROKER.follow(lambda: {(): float(board.health.lost is None)})
    with serving(settings, "board", board.health):
        _Server(config).run()

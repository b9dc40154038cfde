"""Run one board until SIGINT or SIGTERM."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import uvicorn

from streams import metrics
from streams.board.web import Board
from streams.board.wire import Protocol
from streams.metrics.endpoint import serving
from streams.settings import Settings

#: Open streams never end by themselves.
_GRACE_S = 3
#: Of all together; beyond them the answer is 503.
_MOST_CONNECTIONS = 2_000


class _Server(uvicorn.Server):
    """Ends with status 0 where somebody asked it to end; uvicorn's own would kill itself with the signal once more."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.handle_exit)
        yield


def serve(settings: Settings, port: int) -> None:
    """Serve the board.

    Raises:
        SystemExit: 1, a part of it failed that the others cannot do without.
    """
    board = Board(settings)
    config = uvicorn.Config(
        board.app,
        host=settings.board_host,
        port=port,
        http=Protocol,
        # Who asks is what the proxies say, and nobody else.
        proxy_headers=bool(settings.board_proxies),
        forwarded_allow_ips=settings.board_proxies,
        limit_concurrency=_MOST_CONNECTIONS,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = _Server(config)
    board.stop = partial(setattr, server, "should_exit", True)
    metrics.BROKER.follow(lambda: {(): float(board.health.lost is None)})
    with serving(settings, "board", board.health):
        server.run()
    if board.broken:
        raise SystemExit(1)

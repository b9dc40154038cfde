"""What a process says of itself over HTTP: ``/metrics`` for Prometheus, ``/livez`` and ``/readyz`` for who runs it.

It answers from a thread of its own: a process whose loop stands still is asked all the same, and says so.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from importlib.metadata import version
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app

from streams import metrics
from streams.log import logger
from streams.metrics.meters import Collected
from streams.metrics.probes import Health
from streams.settings import Settings

_LOG = logger(__name__)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    timeout = 10.0  # who connects and says nothing holds a thread

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(settings: Settings, part: str, health: Health) -> Iterator[None]:
    """Answer, where ``VAGT_METRICS_PORT`` says, with the metrics of ``vagt PART``; without it nobody listens.

    A port that is taken is said in the log and no more: patients are watched all the same.
    """
    metrics.BUILD.set(1, version("vagt"))
    metrics.BROKER.set(0)
    metrics.READY.follow(lambda: {(): float(health.unready() is None)})
    server = _listening(settings, part, health)
    if server is None:
        yield
        return
    thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _listening(settings: Settings, part: str, health: Health) -> _Server | None:
    if settings.metrics_port is None:
        return None
    try:
        answer = _answers(part, health)
        return make_server(settings.metrics_host, settings.metrics_port, answer, _Server, _Silent)
    except OSError as error:
        _LOG.error("metrics.unheard", host=settings.metrics_host, port=settings.metrics_port, error=error.strerror)
        return None


def _answers(part: str, health: Health) -> WSGIApplication:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collected(metrics.PARTS[part]))
    ProcessCollector(registry=registry)
    scraped = make_wsgi_app(registry)

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return scraped(environ, start)  # type: ignore[no-any-return]
        if path not in {"/livez", "/readyz"}:
            status, text = HTTPStatus.NOT_FOUND, "There are /metrics, /livez and /readyz."
        else:
            wrong = health.dead() if path == "/livez" else health.unready()
            status, text = (HTTPStatus.OK, "yes") if wrong is None else (HTTPStatus.SERVICE_UNAVAILABLE, wrong)
        start(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{text}\n".encode()]

    return answer

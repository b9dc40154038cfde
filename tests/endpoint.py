"""An HTTP endpoint for tests that answers just the bytes that it is told to, late ones and none at all too."""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

#: From what was asked to the bytes of the whole answer, head and all; empty: the connection is closed.
Reply = Callable[[dict[str, Any]], bytes]


@dataclass
class Endpoint:
    """What was asked so far; ``over`` is set when the test ends, for who hangs until then."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def hang(self, _: dict[str, Any]) -> bytes:
        """Answer nobody."""
        self.over.wait()
        return b""


def said(body: Any, status: str = "200 OK", *head: str) -> bytes:
    """A whole answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", *head, "", ""]).encode() + data


@contextmanager
def serving(reply: Reply | None = None) -> Iterator[Endpoint]:
    """An endpoint on this machine; without a reply it hangs."""
    endpoint = Endpoint()
    answer = reply or endpoint.hang

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = 0
            while (line := self.rfile.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if length:
                endpoint.asked.append(json.loads(self.rfile.read(length)))
                self.wfile.write(answer(endpoint.asked[-1]))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Who asked went away."""

    with Server(("127.0.0.1", 0), Handler) as server:
        endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/score"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.over.set()
            server.shutdown()
            thread.join()

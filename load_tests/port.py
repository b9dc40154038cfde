"""`python -m load_tests.port`: bytes that are no requests, on the port of a board in a process of its own.

Its Kafka is away; it answers all the same. Each word is made from the seed and its number. The board must answer or
close within the time, complain of nothing, and still be alive in the end.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Annotated, Final
from urllib.error import URLError

import typer

from streams.broker import free_port

HEALTH: Final = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST: Final = b"POST /answer HTTP/1.1\r\nHost: 127.0.0.1\r\n"
_PARTS: Final = (
    HEALTH,
    POST,
    b"\r\n",
    b"0\r\n\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: 3\r\nContent-Length: 4\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Type: multipart/form-data; boundary=x\r\n",
    b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n',
    b"Cookie: vagt=",
    b"Connection: upgrade\r\nUpgrade: websocket\r\n",
)
_PATIENCE_S = 120.0


def main(
    minutes: Annotated[float, typer.Option(min=0.01, help="For how long.")] = 10.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same words.")] = 1,
) -> None:
    """Send words that are no requests; an assertion fails where the board does not bear it."""
    number, answers = 0, Counter[int]()
    with TemporaryDirectory() as folder, board(Path(folder) / "log.txt") as port:
        end = time.monotonic() + minutes * 60
        while time.monotonic() < end:
            answers.update(statuses(said(port, word(seed, number))))
            number += 1
    typer.echo(f"{number} words; answers by status: {dict(sorted(answers.items()))}; the board lives")


def word(seed: int, number: int) -> bytes:
    """Parts of requests and garbage, in any order."""
    dice = Random(f"{seed}/{number}")
    parts = (dice.choice((*_PARTS, dice.randbytes(dice.randrange(60)))) for _ in range(dice.randrange(12)))
    return b"".join(parts)


@contextmanager
def board(log: Path) -> Iterator[int]:
    """The port at which it listens; in the end it must end well and have complained of nothing."""
    port = free_port()
    variables = os.environ | {"VAGT_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "board", "--port", str(port)], env=variables, stdout=out, stderr=out
        )
    try:
        _wait(port, process, log)
        yield port
        assert is_alive(port)
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
    assert status == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    assert "exception" not in log.read_text()


def _wait(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with suppress(URLError, OSError):
            if is_alive(port):
                return
        time.sleep(0.2)
    raise AssertionError(f"the board does not answer\n{log.read_text()}")


def is_alive(port: int) -> bool:
    """Whether the board answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30) as answer:
        return bool(answer.read() == b"alive")


def said(port: int, told: bytes, end: bool = True, patience: float = 60.0) -> bytes:
    """What the board answers to these bytes until it closes; with ``end`` nothing more comes from here."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as line:
        with suppress(ConnectionError):
            line.sendall(told)
            if end:
                line.shutdown(socket.SHUT_WR)
        found = b""
        with suppress(ConnectionError):
            while part := line.recv(65536):
                found += part
        return found


def statuses(answer: bytes) -> list[int]:
    """Of each answer in what was said."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


if __name__ == "__main__":
    typer.run(main)

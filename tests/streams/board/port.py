"""A board of its own process on a real port, whose Kafka is away; and raw words with it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError

from streams.broker import free_port

_PATIENCE_S = 120.0


@contextmanager
def board(log: Path) -> Iterator[int]:
    """The port at which one listens; in the end it must end well and have complained of nothing."""
    port = free_port()
    variables = os.environ | {"VAGT_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "board", "--port", str(port)], env=variables, stdout=out, stderr=out
        )
    try:
        wait_for(port, process, log)
        yield port
        assert is_alive(port)
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
    assert status == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    assert "exception" not in log.read_text()


def wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with suppress(URLError, OSError):
            if is_alive(port):
                return
        time.sleep(0.2)
    raise AssertionError(f"the board does not answer\n{log.read_text()}")


def is_alive(port: int) -> bool:
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

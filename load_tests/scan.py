"""`python -m load_tests.scan`: the board against its own OpenAPI document, by schemathesis.

Two boards of made-up patients listen in turn, one without a login and one with a nurse's session. What would go to
Kafka goes nowhere, nobody is logged out, and the limits on how often somebody may ask are lifted: else little but their
answer would be seen. The streams, which never end, are left out.
"""

import asyncio
import os
import subprocess
import sys
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Annotated, Any, Final
from unittest.mock import patch
from urllib.error import URLError

import orjson
import typer
import uvicorn
from itsdangerous import TimestampSigner
from oidc_provider_mock import run_server_in_thread

from features.instants import render
from models.outputs import Alert, Text, Trigger
from streams import log
from streams.board import limits, web
from streams.board.viewer import SESSION_S
from streams.board.web import Board
from streams.board.wire import Protocol
from streams.broker import free_port
from streams.now import Now
from streams.settings import Settings

_HOOKS: Final = Path(__file__).with_name("scan_hooks.py")
_PATIENT: Final = "p-1"
_ALERT: Final = "0" * 32
_SESSION: Final = "scanned"
_NO_LIMIT: Final = limits.Limit(10**9, 10**9)
_LOGIN: Final = {
    "oidc_client_id": "scan",
    "board_secret": "scan",
}


def main(
    examples: Annotated[int, typer.Option(min=1, help="Requests of each kind, for each operation.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed gives the same requests.")] = 1,
) -> None:
    """Ask the board for all that its document allows, and for what it does not. 1: an answer is not as documented."""
    log.configure()
    held = [holds(login, examples, seed) for login in (False, True)]
    raise typer.Exit(0 if all(held) else 1)


def holds(login: bool, examples: int, seed: int) -> bool:
    """Whether a board, with a login or without, answers as its document says, and still answers in the end."""
    with _board(login) as (board, port), TemporaryDirectory() as folder:
        typer.echo(f"{'With' if login else 'Without'} a login")
        held = _scan(board, port, examples, seed, Path(folder))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30) as answer:
            return held and answer.read() == b"alive"


def _scan(board: Board, port: int, examples: int, seed: int, folder: Path) -> bool:
    told = {"id": _SESSION, "name": "scan", "role": "nurse", "until": time.time() + SESSION_S}
    headers = {"Cookie": f"vagt={_signed(board, told)}", "X-Vagt-Token": board._names.token(_SESSION)}
    handle = board._names.handle(_SESSION, _PATIENT)
    settings = folder / "schemathesis.toml"
    settings.write_text(f'hooks = "{_HOOKS}"\n[parameters]\n"path.handle" = "{handle}"\n', encoding="utf-8")
    command = [
        *(sys.executable, "-m", "schemathesis.cli", f"--config-file={settings}", "run"),
        *("--exclude-path", "/stream", "--max-examples", str(examples), "--seed", str(seed), "--no-color"),
        *("--phases", "examples,coverage,fuzzing", "--checks", "all", "--generation-database", "none"),
        *("--generation-with-security-parameters", "false"),
        *(part for name, value in headers.items() for part in ("--header", f"{name}: {value}")),
        f"http://127.0.0.1:{port}/openapi.json",
    ]
    known = os.environ | {"SCANNED_HANDLE": handle, "SCANNED_ALERT": _ALERT}
    return subprocess.run(command, check=False, cwd=folder, env=known).returncode == 0


def _signed(board: Board, session: dict[str, Any]) -> str:
    (key,) = [one.kwargs["secret_key"] for one in board.app.user_middleware if "secret_key" in one.kwargs]
    return TimestampSigner(key).sign(b64encode(orjson.dumps(session))).decode()


@contextmanager
def _board(login: bool) -> Iterator[tuple[Board, int]]:
    port = free_port()
    with (
        run_server_in_thread() as provider,
        patch.object(limits, "ADDRESS", _NO_LIMIT),
        patch.object(web, "LIMITS", dict.fromkeys(limits.LIMITS, _NO_LIMIT)),
    ):
        issuer = f"http://localhost:{provider.server_port}"
        fields = _LOGIN | {"oidc_issuer": issuer, "board_url": f"http://127.0.0.1:{port}"} if login else {}
        board = Board(Settings.model_validate({"kafka_bootstrap": "127.0.0.1:1", **fields}))
        board.health.part = 1.0
        board._sessions.end = lambda _: None  # type: ignore[method-assign]  # or the first request to leave is the last
        board._feed.run = _rest  # type: ignore[method-assign]
        board._outlet.send = _nowhere  # type: ignore[method-assign]
        board.house.hear_now(_PATIENT, _shown())
        server = uvicorn.Server(uvicorn.Config(board.app, port=port, http=Protocol, log_config=None, access_log=False))
        thread = Thread(target=server.run)
        thread.start()
        try:
            _wait(port)
            yield board, port
        finally:
            server.should_exit = True
            thread.join()


async def _rest() -> None:
    await asyncio.Event().wait()


async def _nowhere(*_: Any, **__: Any) -> "asyncio.Future[Any]":
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done


def _wait(port: int) -> None:
    for _ in range(600):
        with suppress(URLError, OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
            return
        time.sleep(0.1)
    raise RuntimeError("the board does not answer")


def _shown() -> Now:
    at = render(time.time_ns() // 1_000_000)
    text = Text("Potassium 7.2 mmol/L", "Kalium 7,2 mmol/L")
    alert = Alert(
        id=_ALERT,
        sequence=1,
        state="raised",
        kind="critical-result",
        severity="critical",
        patient=_PATIENT,
        encounter="e-1",
        ward="M2",
        at=at,
        title=text,
        score=None,
        evidence=(),
        trigger=Trigger("events", 0, 0, ()),
        emitted=at,
    )
    return Now(patient=_PATIENT, at=at, ward="M2", encounter="e-1", alerts=(alert,), since={alert.id: at})


if __name__ == "__main__":
    typer.run(main)

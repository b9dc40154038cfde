"""Processes of the product: started, started again when they die, and stopped with whoever started them."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from streams.settings import Settings

_LOG = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.2
_PAUSE_S = 2.0
#: Between two tries of what nobody needs.
_REST_S = 60.0
#: So many deaths within a minute are no accident.
_MOST_DEATHS = 4
_OFTEN_S = 60.0
_STOP_TIMEOUT_S = 20.0


class UpError(RuntimeError):
    """What was started cannot run or go on; the message is one sentence for the person who started it."""


class Supervised:
    """One `vagt` command in a process of its own, so that signals reach it only through its supervisor.

    Where the processes say how they are (``VAGT_METRICS_PORT``), each has a port of its own: the ``number`` from there.
    One that is not ``needed`` takes nobody else with it when it dies again and again: it is tried again each minute.
    """

    def __init__(self, settings: Settings, name: str, *command: str, number: int = 0, needed: bool = True) -> None:
        self.name = name
        self._needed = needed
        self._command = command
        self.log = Path(settings.data_dir) / "logs" / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = os.environ | {
            "VAGT_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
            "VAGT_DATA_DIR": str(settings.data_dir),
            "VAGT_LIVE": str(settings.live).lower(),
        }
        if settings.metrics_port is not None:
            self._environment["VAGT_METRICS_PORT"] = str(settings.metrics_port + number)

    async def run(self, tell: Callable[[str], None]) -> None:
        """Keep the process alive until this is cancelled; then stop it.

        Raises:
            UpError: it is needed, and dies again and again.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
        deaths: deque[float] = deque(maxlen=_MOST_DEATHS)
        pause = _PAUSE_S
        try:
            while True:
                began = time.monotonic()
                self._process = self._spawn()
                status = await self._ended(self._process)
                died = time.monotonic()
                if died - began > _OFTEN_S:
                    pause = _PAUSE_S
                if len(deaths) == _MOST_DEATHS and died - deaths[0] < _OFTEN_S and pause != _REST_S:
                    said = f"{self.name} dies again and again: {self.log} says why."
                    if self._needed:
                        raise UpError(said)
                    said += " Alerts go on without it."
                    _LOG.warning(said)
                    tell(said)
                    pause = _REST_S
                elif pause != _REST_S:
                    tell(f"{self.name} ended with status {status} and is started again; {self.log} says why")
                deaths.append(died)
                await asyncio.sleep(pause)
        finally:
            await self._stop()

    def kill(self) -> None:
        """End the process at once. Nothing is lost: what it had not made durable is decided again."""
        if self._process is not None:
            self._process.kill()

    def _spawn(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-P", "-m", "streams.cli", *self._command, "--parent", str(os.getpid())]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=self._environment,
            )

    async def _stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._ended(self._process), _STOP_TIMEOUT_S)
        except TimeoutError:
            self._process.kill()
            self._process.wait()

    @staticmethod
    async def _ended(process: "subprocess.Popen[bytes]") -> int:
        while True:
            if (status := process.poll()) is not None:
                return status
            await asyncio.sleep(_LOOK_EVERY_S)

"""A service whose processes say how they are over HTTP."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

from streams.broker import free_port
from tests.integration.service import Service


def get(url: str) -> tuple[int, str]:
    """Status and text; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def until(done: Callable[[], bool], told: Callable[[], object], timeout: float = 120.0) -> None:
    """Wait until it is so; ``told`` says what is the matter where that takes too long."""
    deadline = time.monotonic() + timeout
    while not done():
        assert time.monotonic() < deadline, told()
        time.sleep(0.2)


class Watched(Service):
    """A service with one worker, and a board and a monitor where wanted."""

    @property
    def port(self) -> int:
        """Where the worker answers."""
        return int(self.environment.setdefault("VAGT_METRICS_PORT", str(free_port())))

    def ask(self, path: str) -> tuple[int, str]:
        """What the worker answers."""
        return get(f"http://127.0.0.1:{self.port}{path}")

    def wait_for(self, path: str, status: int, text: str = "") -> None:
        """Wait until the worker answers so."""
        until(
            lambda: (found := self.ask(path))[0] == status and text in found[1],
            lambda: f"{path}: {self.ask(path)}\n{self.log()[-3000:]}",
        )

    def start_board(self, port: int, metrics_port: int) -> None:
        """Start a board; it ends with the workers."""
        self._start("board", metrics_port, "--port", str(port))

    def start_monitor(self, metrics_port: int) -> None:
        """Start a monitor; it ends with the workers."""
        self._start("monitor", metrics_port)

    def _start(self, name: str, metrics_port: int, *options: str) -> None:
        environment = os.environ | self._variables | {"VAGT_METRICS_PORT": str(metrics_port)}
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", "streams.cli", name, *options]
            self.workers[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def samples(self, name: str, label: str = "") -> Counter[str]:
        """The samples of a metric, summed by a label."""
        families = text_string_to_metric_families(self.ask("/metrics")[1])
        found: Counter[str] = Counter()
        for sample in (one for family in families for one in family.samples if one.name == name):
            found[sample.labels.get(label, "")] += int(sample.value)
        return found

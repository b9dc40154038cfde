"""A hospital with a board that is open in a real Chromium: Kafka, a worker, the board's process, and pages."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from features.instants import HOUR, render
from load_tests.chromium import launched
from streams.broker import Broker, free_port
from tests.integration.service import Service

_PATIENCE_S = 180.0


@dataclass
class Hospital:
    """A live deployment with one worker and a board."""

    service: Service
    broker: Broker
    port: int
    log: Path
    #: More variables of the board's.
    login: dict[str, str] = field(default_factory=dict)
    board: "subprocess.Popen[bytes] | None" = None
    _sent: int = field(default=0)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open_board(self) -> None:
        """Start the board and wait until it has read everything."""
        command = [sys.executable, "-m", "streams.cli", "board", "--port", str(self.port)]
        with self.log.open("ab") as log:
            variables = os.environ | self.service._variables | self.login
            self.board = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            assert self.board.poll() is None, self.log.read_text()
            with suppress(URLError, OSError), urllib.request.urlopen(f"{self.address}/readyz", timeout=5):
                return
            time.sleep(0.2)
        raise AssertionError(f"the board is not ready\n{self.log.read_text()}")

    def close(self) -> None:
        self.service.close()
        self.close_board()

    def close_board(self) -> None:
        if self.board is not None:
            self.board.send_signal(signal.SIGTERM)
            assert self.board.wait(30) == 0, self.log.read_text()

    def admit(
        self, patient: str, ward: str = "M2", bed: str = "1", name: str | None = None, hours: float = 0.0
    ) -> None:
        """An admission that became known so many hours from now."""
        item = {"type": "encounter", "action": "admit", "ward": ward, "bed": bed, "name": name, "unitType": "ward"}
        person = {"birthDate": "1951-05-02", "sex": "female", "encounter": f"e-{patient}"}
        self._send(patient, [{**item, **person, "at": now(-5), "issued": now(hours)}])

    def measure(self, patient: str, potassium: float, hours: float = 0.0) -> None:
        """A potassium, so many hours from now."""
        code = {"system": "http://npu-terminology.org", "code": "NPU03230"}
        item = {"type": "observation", "version": 1, "status": "final", "code": code}
        known = {"effective": now(hours), "issued": now(hours)}
        self._send(patient, [{**item, "value": potassium, "unit": "mmol/L", **known}])

    def withdraw(self, patient: str) -> None:
        """The potassium sent last is taken back."""
        code = {"system": "http://npu-terminology.org", "code": "NPU03230"}
        item = {"type": "observation", "version": 2, "status": "entered-in-error", "code": code, "effective": now()}
        self._apart(
            self.service.send,
            [(patient, [{**item, "id": f"sent-{self._sent}", "patient": patient, "issued": now()}])],
        )

    def settle(self) -> None:
        """Wait until everything is decided and stored."""
        self._apart(self.service.settle)

    def _send(self, patient: str, items: list[dict[str, Any]]) -> None:
        named = []
        for item in items:
            self._sent += 1
            named.append({"id": f"sent-{self._sent}", "patient": patient, "issued": now(), **item})
        self._apart(self.service.send, [(patient, named)])

    @staticmethod
    def _apart(work: Callable[..., None], *given: Any) -> None:
        """Playwright has this thread's event loop, and the service's helpers need one of their own."""
        with ThreadPoolExecutor(1) as other:
            other.submit(work, *given).result()


def now(hours: float = 0.0) -> str:
    return render(time.time_ns() // 1_000_000 + round(hours * HOUR))


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("hospital")
    broker = Broker(folder / "broker", free_port())
    broker.start()
    found = Hospital(Service(broker.bootstrap, "", folder, live=True), broker, free_port(), folder / "board.txt")
    try:
        found.service.create_topics()
        found.service.start()
        found.open_board()
        yield found
    finally:
        found.close()
        broker.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser


class Faults(list[str]):
    """What a page complained of: errors of its script, of its security policy, and requests to other hosts."""

    def watch(self, page: Page, address: str) -> None:
        page.on("pageerror", lambda error: self.append(str(error)))
        page.on("console", lambda told: self.append(told.text) if told.type == "error" else None)
        page.on("request", lambda asked: None if asked.url.startswith((address, "data:")) else self.append(asked.url))


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def page(hospital: Hospital, chromium: Browser, faults: Faults) -> Iterator[Page]:
    """The ward's page, open; whatever it complains of fails the test."""
    context = chromium.new_context(locale="da-DK", timezone_id="Europe/Copenhagen")
    opened = context.new_page()
    faults.watch(opened, hospital.address)
    opened.goto(f"{hospital.address}/ward")
    yield opened
    context.close()
    assert faults == []

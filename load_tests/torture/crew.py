"""The workers of the run: real processes, started again when they die."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from streams.settings import Settings

#: A worker that ends by itself (fenced, or the broker took too long) is started again after so many seconds.
_AGAIN_S: Final = 2.0
_LEAVES_S: Final = 40.0

Tell = Callable[[str, str], None]


@dataclass(slots=True)
class Place:
    """A place for a worker; ``process`` is ``None`` while nobody has it, ``due`` when the next one starts."""

    number: int
    disk: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    due: float | None = None
    paused: bool = False
    leaves: float | None = None

    @property
    def name(self) -> str:
        """The worker's name, and that of its disk."""
        return f"w{self.number}-{self.disk}"


class Crew:
    """Two places and a third for a guest. ``look`` must be called often; ``tell`` hears (what, who) of each change.

    The worker in place *n* answers probes at the *n*th port from ``probed``, counted from 0; without one nobody does.
    """

    def __init__(self, settings: Settings, build: str | None, tell: Tell, probed: int | None = None) -> None:
        module = ["load_tests.torture.broken", build] if build else ["streams.cli"]
        self._command = [sys.executable, "-m", *module, "worker", "--parent", str(os.getpid())]
        self._settings = settings
        self._tell = tell
        self._probed = probed
        self._places = [Place(0, due=0.0), Place(1, due=0.0), Place(2)]

    def look(self) -> None:
        """Start who is due, and see who ended."""
        now = time.monotonic()
        for place in self._places:
            if place.process is not None and (status := place.process.poll()) is not None:
                place.process, place.paused = None, False
                if place.leaves is None:
                    self._tell(f"worker ended by itself with status {status}", place.name)
                    place.due = now + _AGAIN_S
                else:
                    self._tell(f"worker left, status {status}", place.name)
                place.leaves = None
            if place.process is not None and place.leaves is not None and now > place.leaves + _LEAVES_S:
                self._tell(f"worker did not leave in {_LEAVES_S:.0f} s: killed", place.name)
                place.process.kill()
                place.leaves = now
            if place.process is None and place.due is not None and now >= place.due:
                place.process, place.due = self._start(place), None
                self._tell("worker started", place.name)

    def kill(self, number: int) -> None:
        """End a worker with SIGKILL."""
        place = self._places[number]
        place.due = None
        if place.process is not None:
            place.process.kill()
            place.process.wait()
            place.process, place.paused, place.leaves = None, False, None

    def leave(self, number: int) -> None:
        """Ask a worker with SIGTERM to end."""
        place = self._places[number]
        place.due = None
        if place.process is not None:
            place.process.send_signal(signal.SIGTERM)
            place.leaves = time.monotonic()

    def start(self, number: int, *, fresh: bool = False) -> None:
        """Start a worker as soon as its place is free, with an empty disk if ``fresh``."""
        place = self._places[number]
        place.disk += fresh
        place.due = time.monotonic()

    def pause(self, number: int) -> None:
        """Stop a worker where it is."""
        place = self._places[number]
        if place.process is not None:
            place.process.send_signal(signal.SIGSTOP)
            place.paused = True

    def wake(self, number: int) -> None:
        """Let a paused worker go on."""
        place = self._places[number]
        if place.process is not None and place.paused:
            place.process.send_signal(signal.SIGCONT)
            place.paused = False

    def there(self, number: int) -> bool:
        """Whether a worker is in this place."""
        return self._places[number].process is not None

    def only(self, numbers: range) -> None:
        """Have just these workers, all awake."""
        for place in self._places:
            self.wake(place.number)
            if place.number not in numbers:
                self.leave(place.number)
            elif place.process is None and place.due is None:
                place.due = time.monotonic()

    def close(self) -> None:
        """End all."""
        for place in self._places:
            self.kill(place.number)

    def _start(self, place: Place) -> "subprocess.Popen[bytes]":
        settings = self._settings
        own = {
            "VAGT_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
            "VAGT_TOPIC_PREFIX": settings.topic_prefix,
            "VAGT_PARTITIONS": str(settings.partitions),
            "VAGT_REPLICATION": str(settings.replication),
            "VAGT_DATA_DIR": str(settings.data_dir),
            "VAGT_LIVE": "true" if settings.live else "false",
            "VAGT_DOORS": "",
        }
        if self._probed is not None:
            own["VAGT_METRICS_PORT"] = str(self._probed + place.number)
        command = [*self._command, "--name", place.name]
        with (settings.data_dir / f"{place.name}.log").open("ab") as log:
            return subprocess.Popen(command, env={**os.environ, **own}, stdout=log, stderr=log, start_new_session=True)

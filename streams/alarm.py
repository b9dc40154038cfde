"""When time alone will change a patient's alerts: the instants at which the service writes a tick for somebody.

Ticks are all that the machine's clock is asked for. What a tick says is decided by the instant that it carries, so a
clock that jumps can only bring ticks early or late; ``Clock`` keeps it from doing so.
"""

import heapq
import time
from collections.abc import Callable
from typing import Final

from streams.log import logger

_LOG = logger(__name__)

#: A difference up to this is one that time servers mend.
_DRIFT_MS: Final = 2_000
#: Who sets a clock right leaves it so; a jump that was undone by then never happened.
_BELIEVED_MS: Final = 15 * 60_000

#: Instants in the queue that nobody waits for any more, for each that somebody does, before it is made anew.
_MOST_STALE = 3
_FEW = 64


class Alarms:
    """The next instant (ms since the epoch) of each patient of a partition."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}
        self._queue: list[tuple[int, str]] = []

    def put(self, patient: str, instant: int | None) -> None:
        """Set a patient's alarm in place of the one before; ``None`` for none."""
        if instant is None:
            self._next.pop(patient, None)
        elif self._next.get(patient) != instant:
            self._next[patient] = instant
            heapq.heappush(self._queue, (instant, patient))
            if len(self._queue) > _MOST_STALE * len(self._next) + _FEW:
                self._queue = [(at, who) for who, at in self._next.items()]
                heapq.heapify(self._queue)

    def __contains__(self, patient: str) -> bool:
        return patient in self._next

    def take(self, now: int) -> list[tuple[str, int]]:
        """The alarms up to ``now``, each once, the earliest first."""
        rung = []
        while self._queue and self._queue[0][0] <= now:
            instant, patient = heapq.heappop(self._queue)
            if self._next.get(patient) == instant:
                del self._next[patient]
                rung.append((patient, instant))
        return rung


class Clock:
    """The time of day in ms since the epoch, as the machine's clock has it unless that jumps.

    A tick that came early would end alerts that are still true, and a log keeps it for ever. So a jump counts only when
    it has stood for fifteen minutes; until then time goes on from where it was, by a clock that nobody can set.
    """

    def __init__(self, day: Callable[[], int] | None = None, steady: Callable[[], int] | None = None) -> None:
        self._day = day or (lambda: time.time_ns() // 1_000_000)
        self._steady = steady or _since_boot
        self._ahead = self._day() - self._steady()
        self._jumped: int | None = None

    def now(self) -> int:
        """The time of day."""
        steady, ahead = self._steady(), self._day() - self._steady()
        if abs(ahead - self._ahead) <= _DRIFT_MS:
            if self._jumped is not None:
                _LOG.warning("clock.returned")
            self._ahead, self._jumped = ahead, None
        elif self._jumped is None:
            self._jumped = steady
            _LOG.error("clock.jumped", seconds=round((ahead - self._ahead) / 1000))
        elif steady - self._jumped > _BELIEVED_MS:
            _LOG.warning("clock.believed", seconds=round((ahead - self._ahead) / 1000))
            self._ahead, self._jumped = ahead, None
        return steady + self._ahead


def _since_boot() -> int:
    # A machine that sleeps wakes to the right time: that is no jump, where the system can tell.
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    return time.monotonic_ns() // 1_000_000

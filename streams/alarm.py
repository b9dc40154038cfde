"""When time alone will change a patient's alerts: the instants at which the service writes a tick for somebody."""

import heapq


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

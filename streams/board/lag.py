"""How long what was said to the service has waited for it."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

_MOST: Final = 20_000


@dataclass(slots=True)
class Lag:
    """Of each partition of ``events``: where it ended when, as long as that is not decided. Clocks are in seconds."""

    _ends: dict[int, deque[tuple[float, int]]] = field(default_factory=dict)

    def note(self, partition: int, end: int, decided: int, clock: float) -> None:
        """The partition ends at ``end``, and all before ``decided`` is decided."""
        ends = self._ends.setdefault(partition, deque(maxlen=_MOST))
        if not ends or ends[-1][1] < end:
            ends.append((clock, end))
        while ends and ends[0][1] <= decided:
            ends.popleft()

    def seconds(self, partition: int, clock: float) -> float:
        """For how long the oldest record that waits has been seen to wait; 0 where none does."""
        ends = self._ends.get(partition)
        return clock - ends[0][0] if ends else 0.0

    def longest(self, clock: float) -> float:
        """The longest of all partitions."""
        return max((self.seconds(partition, clock) for partition in self._ends), default=0.0)

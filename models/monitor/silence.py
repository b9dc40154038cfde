"""A source that has gone quiet, by how many records it usually sends at this time of day."""

import msgspec

from features.instants import DAY, HOUR, MINUTE
from models.monitor.limits import Limits

#: Shorter silences are not remembered while it is learnt how long they are.
_REMEMBERED = 10 * MINUTE


class Source(msgspec.Struct):
    """One source: its records by hour of the day (UTC), the newest, and its silences while it is learnt."""

    first: int
    last: int
    learnt: list[int] = msgspec.field(default_factory=lambda: [0] * 24)
    gaps: list[tuple[int, int]] = []
    usual: tuple[float, ...] | None = None
    #: How many records its longest silence kept back.
    longest: float = 0.0

    def hear(self, at: int, limits: Limits) -> None:
        """A record became known at this instant."""
        if self.usual is None:
            self.learnt[at % DAY // HOUR] += 1
            if at - self.last >= _REMEMBERED:
                self.gaps.append((self.last, at))
            if at - self.first >= limits.learning.days * DAY:
                self._freeze((at - self.first) / DAY)
        self.last = max(self.last, at)

    def _freeze(self, days: float) -> None:
        self.usual = tuple(count / days for count in self.learnt)
        self.longest = max((self.expected(*gap) for gap in self.gaps), default=0.0)
        self.gaps = []

    def expected(self, start: int, end: int) -> float:
        """How many records usually come between two instants; 0 before it is known."""
        if self.usual is None:
            return 0.0
        total, at = (end - start) // DAY * sum(self.usual), end - (end - start) % DAY
        while at < end:
            until = min(end, (at // HOUR + 1) * HOUR)
            total += self.usual[at % DAY // HOUR] * (until - at) / HOUR
            at = until
        return total

    def silent(self, since: int, now: int, limits: Limits) -> float | None:
        """How many records should have come by now; ``None`` where it is nothing to tell.

        ``since`` is the newest record, or when others spoke again after everybody was silent.
        """
        if now - since < limits.silence.minutes * MINUTE:
            return None
        awaited = self.expected(since, now)
        least = max(limits.silence.records, limits.silence.longest * self.longest)
        return awaited if awaited >= least else None

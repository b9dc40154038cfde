"""A source that has gone quiet: how improbable that is, by how often it usually speaks at this time of day."""

from typing import Final

import msgspec

from features.instants import DAY, HOUR, MINUTE
from models.monitor.limits import Limits

#: For how long a source is taken to speak evenly.
QUARTER: Final = 15 * MINUTE
_QUARTERS: Final = DAY // QUARTER
#: Shorter silences are not remembered while it is learnt how long they are.
_REMEMBERED: Final = 10 * MINUTE


class Source(msgspec.Struct):
    """One source: its messages by quarters of an hour, its silences while these are learnt, and its newest record.

    A message is what it says of one patient within five minutes: the values of one specimen come together.
    """

    first: int
    last: int
    #: The messages of the newest quarters of an hour, and when the last of them ended.
    counts: list[int] = []
    until: int = 0
    gaps: list[tuple[int, int]] = []
    #: Messages by quarter of an hour of the day (UTC).
    usual: tuple[float, ...] | None = None
    #: The variance of a quarter of an hour's messages over that of independent ones, at least 1.
    dispersion: float = 1.0
    #: How improbable its longest silence was, in nats.
    longest: float = 0.0

    def hear(self, at: int) -> None:
        """A record became known at this instant."""
        if self.usual is None and at - self.last >= _REMEMBERED:
            self.gaps.append((self.last, at))
        self.last = max(self.last, at)

    def learn(self, messages: int, start: int, limits: Limits) -> None:
        """So many messages came in the quarter of an hour that began at ``start``."""
        until = self.until or -(-self.first // QUARTER) * QUARTER  # the first whole one
        if start < until:
            return
        missed = [0] * ((start - until) // QUARTER)
        self.counts = [*self.counts, *missed, messages][-_QUARTERS * max(limits.silence.days, limits.learning.days) :]
        self.until = start + QUARTER
        if self.usual is None and len(self.counts) >= _QUARTERS * limits.learning.days:
            self._renew()
            self.longest = max((self.expected(*gap) for gap in self.gaps), default=0.0) / self.dispersion
            self.gaps = []
        elif self.usual is not None and self.until // DAY > until // DAY:
            self._renew()

    def _renew(self) -> None:
        begin = self.until // QUARTER - len(self.counts)
        days = [self.counts[(quarter - begin) % _QUARTERS :: _QUARTERS] for quarter in range(_QUARTERS)]
        self.usual = tuple(sum(counts) / len(counts) for counts in days)
        heard = [(count, mean) for counts, mean in zip(days, self.usual, strict=True) for count in counts if mean]
        free = len(heard) - sum(map(bool, self.usual))
        chi_squared = sum((count - mean) ** 2 / mean for count, mean in heard)
        self.dispersion = max(1.0, chi_squared / free) if free else 1.0

    def expected(self, start: int, end: int) -> float:
        """How many messages usually come between two instants; 0 before it is known."""
        if self.usual is None:
            return 0.0
        total, at = (end - start) // DAY * sum(self.usual), end - (end - start) % DAY
        while at < end:
            until = min(end, (at // QUARTER + 1) * QUARTER)
            total += self.usual[at % DAY // QUARTER] * (until - at) / QUARTER
            at = until
        return total

    def nats(self, start: int, end: int) -> float:
        """How improbable it is that none came, as minus the logarithm (Poisson, widened by the dispersion).

        On a day with fewer messages than usual (fewer patients, a Sunday) so many fewer are awaited.
        """
        usual = sum(self.usual or ())
        level = min(1.0, sum(self.counts[-_QUARTERS:]) / usual) if usual else 0.0
        return level * self.expected(start, end) / self.dispersion

    def silent(self, since: int, now: int, limits: Limits) -> float | None:
        """How many messages should have come by now; ``None`` where it is nothing to tell.

        ``since`` is the newest record, or when others spoke again after everybody was silent.
        """
        if now - since < limits.silence.minutes * MINUTE:
            return None
        least = max(limits.silence.nats + limits.silence.hourly * (now - since) / HOUR, self.longest)
        return self.expected(since, now) if self.nats(since, now) >= least else None

"""What a run showed: for every record that counts, the instant of its answer minus its *intended* instant."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from hdrh.histogram import HdrHistogram

from load_tests.generator import Sent
from load_tests.plan import SECOND, Planned, Target
from load_tests.receiver import Received

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
#: A generator that is later than this (ms, 99th percentile) did not send what the plan says.
MOST_LATE_MS = 5.0

_MICROSECOND = 1000
_LONGEST_US = 600_000_000
_DIGITS = 3


def histogram() -> HdrHistogram:
    """An empty histogram of 1 µs to 10 min, three digits exact."""
    return HdrHistogram(1, _LONGEST_US, _DIGITS)


@dataclass(slots=True)
class Timing:
    """The answers on one output topic. All histograms are in µs.

    ``latency``: from intended to received. ``to_made`` and ``from_made``: the parts before and after the
    answer was handed to its producer, by Kafka's own timestamp, whose resolution is 1 ms. ``behind``: answers
    that came only after the next turn had begun.
    """

    expected: int
    answered: int = 0
    repeated: int = 0
    behind: int = 0
    latency: HdrHistogram = field(default_factory=histogram)
    to_made: HdrHistogram = field(default_factory=histogram)
    from_made: HdrHistogram = field(default_factory=histogram)

    @property
    def lost(self) -> int:
        """Records that were not answered."""
        return self.expected - self.answered


def time(planned: Sequence[Planned], sent: Sent, received: Iterable[Received], expected: Iterable[int]) -> Timing:
    """The timing of one topic; ``expected`` are the numbers of the records that must be answered there.

    Of repeated answers the first counts. Answers that nobody expected are timed too, and warm-up never is.
    """
    open_ = {number for number in expected if planned[number].counts}
    turn_ends = _turn_ends(planned, sent.start)
    timing = Timing(expected=len(open_))
    seen: set[int] = set()
    for one in received:
        record = planned[one.number]
        if not record.counts:
            continue
        if one.number in seen:
            timing.repeated += 1
            continue
        seen.add(one.number)
        timing.answered += one.number in open_
        due = sent.start + record.due
        made = one.made * (SECOND // 1000)
        _note(timing.latency, one.at - due)
        _note(timing.to_made, made - due)
        _note(timing.from_made, one.at - made)
        timing.behind += one.at > turn_ends[record.turn]
    return timing


def lateness(planned: Sequence[Planned], sent: Sent) -> HdrHistogram:
    """How late the generator handed over the records that count, in µs."""
    found = histogram()
    for one, at in zip(planned, sent.at, strict=True):
        if one.counts:
            _note(found, at - sent.start - one.due)
    return found


def asked(planned: Sequence[Planned], target: Target, alerts: bool = False) -> Iterator[int]:
    """The numbers of the records sent to a target; only those by which an alert changes with ``alerts``."""
    return (number for number, one in enumerate(planned) if one.target is target and (one.alerts or not alerts))


def milliseconds(found: HdrHistogram, percentile: float) -> float:
    """A percentile of a histogram, in ms."""
    return float(found.get_value_at_percentile(percentile)) / 1000


def _note(found: HdrHistogram, nanoseconds: int) -> None:
    found.record_value(min(max(nanoseconds // _MICROSECOND, 1), _LONGEST_US))


def _turn_ends(planned: Sequence[Planned], start: int) -> dict[int, float]:
    """When the turn after each begins (its first record); the last turn has no end."""
    begins: dict[int, int] = {}
    for one in planned:
        begins.setdefault(one.turn, start + one.due)
    return {turn: begins.get(turn + 1, float("inf")) for turn in begins}

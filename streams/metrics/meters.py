"""What counts and measures: dictionaries while the service works, Prometheus' own families when somebody asks.

A counter of ``prometheus_client`` takes a lock for each step, which costs three times as much; so the library only
writes the answer. Each meter is written by one thread. Readers are in another, and copy before they look.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

#: Seconds, from a decision's half a millisecond to a cluster that was away for minutes; 0.5 is the goal.
BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
#: The label of all names beyond those that are kept apart.
OTHER: Final = "other"

Labels = tuple[str, ...]


@dataclass(eq=False, slots=True)
class Counter:
    """Only ever grows; its name ends in ``_total``."""

    name: str
    help: str
    labels: Labels = ()
    _values: dict[Labels, int] = field(default_factory=dict)
    kind: str = "counter"

    def __post_init__(self) -> None:
        if not self.labels:
            self._values[()] = 0

    def add(self, *labels: str, by: int = 1) -> None:
        """Count ``by`` more under these labels' values."""
        self._values[labels] = self._values.get(labels, 0) + by

    def family(self) -> Metric:
        """As Prometheus has it."""
        found = CounterMetricFamily(self.name, self.help, labels=self.labels)
        for labels, value in self._values.copy().items():
            found.add_metric(labels, value)
        return found


@dataclass(eq=False, slots=True)
class Gauge:
    """Goes up and down: set, or asked of somebody when it is read."""

    name: str
    help: str
    labels: Labels = ()
    _values: dict[Labels, float] = field(default_factory=dict)
    _ask: Callable[[], Mapping[Labels, float]] | None = None
    kind: str = "gauge"

    def set(self, value: float, *labels: str) -> None:
        """It has this value from now on."""
        self._values[labels] = value

    def rise(self, value: float, *labels: str) -> None:
        """It has at least this value."""
        if value > self._values.get(labels, float("-inf")):
            self._values[labels] = value

    def follow(self, ask: Callable[[], Mapping[Labels, float]]) -> None:
        """Whoever reads it asks for its values, in the reader's thread."""
        self._ask = ask

    def replace(self, values: Mapping[Labels, float]) -> None:
        """It has these values from now on, and no others."""
        self._values = dict(values)

    def family(self) -> Metric:
        """As Prometheus has it."""
        found = GaugeMetricFamily(self.name, self.help, labels=self.labels)
        for labels, value in (self._values.copy() if self._ask is None else self._ask()).items():
            found.add_metric(labels, value)
        return found


@dataclass(eq=False, slots=True)
class _Heap:
    """How many values fell into each bucket, the last one without a bound."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    sum: float = 0.0


@dataclass(eq=False, slots=True)
class Histogram:
    """How long something takes, in seconds."""

    name: str
    help: str
    labels: Labels = ()
    _heaps: dict[Labels, _Heap] = field(default_factory=dict)
    kind: str = "histogram"

    def observe(self, seconds: float, *labels: str) -> None:
        """It took so long; a clock that went back makes it 0."""
        heap = self._heaps.get(labels)
        if heap is None:
            heap = self._heaps[labels] = _Heap()
        seconds = max(0.0, seconds)
        heap.counts[bisect_left(BUCKETS, seconds)] += 1
        heap.sum += seconds

    def family(self) -> Metric:
        """As Prometheus has it."""
        found = HistogramMetricFamily(self.name, self.help, labels=self.labels)
        bounds = [*map(str, BUCKETS), "+Inf"]
        for labels, heap in self._heaps.copy().items():
            counted = accumulate(heap.counts.copy())
            found.add_metric(labels, list(zip(bounds, counted, strict=True)), heap.sum)
        return found


Meter = Counter | Gauge | Histogram


@dataclass(eq=False, slots=True)
class Names:
    """Names that senders choose, such as wards: the first ``most`` of them are labels, all others are one."""

    most: int
    _known: set[str] = field(default_factory=set)

    def label(self, name: str | None) -> str:
        """The label of a name; an empty one for none."""
        if not name or name in self._known:
            return name or ""
        if len(self._known) >= self.most:
            return OTHER
        self._known.add(name)
        return name


@dataclass(frozen=True, slots=True)
class Collected:
    """Meters, as ``prometheus_client`` collects them."""

    meters: Iterable[Meter]

    def collect(self) -> Iterable[Metric]:
        """All of them, as they are now."""
        return [one.family() for one in self.meters]

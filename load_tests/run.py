"""One run at one rate: the processes in their order, and what came of it."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hdrh.histogram import HdrHistogram

from load_tests import outcome, service
from load_tests.channels import Channels
from load_tests.child import SPAWN, Child
from load_tests.generator import Sent, generate
from load_tests.outcome import MOST_LATE_MS, Timing, asked, milliseconds
from load_tests.patients import Measure
from load_tests.plan import SECOND, Load, Planned, Planner, Target, plan
from load_tests.receiver import PATIENCE_S, Receipts, receive
from streams.settings import Settings

_READY_S = 60.0
#: Beyond the plan's own length: connecting, writing the records down, and waiting for the last answers.
_SPARE_S = 120.0
_LOOK_S = 0.5

Progress = Callable[[float], None]


@dataclass(slots=True)
class Outcome:
    """What a run showed, and from when to when (ms since the epoch).

    ``lateness`` is the generator's, in µs; ``bands`` counts scores by kind and band.
    """

    load: Load
    started: int
    ended: int
    echo: Timing
    scores: Timing
    alerts: Timing
    lateness: HdrHistogram
    bands: dict[str, int]

    @property
    def faults(self) -> list[str]:
        """Why the figures do not count; none for a valid run."""
        late = milliseconds(self.lateness, 99.0)
        found = [f"the generator was late by {late:.1f} ms (99th percentile)"] if late > MOST_LATE_MS else []
        for name, timing in (("echo", self.echo), ("scores", self.scores), ("alerts", self.alerts)):
            if timing.lost:
                found.append(f"{timing.lost} of {timing.expected} {name} did not come")
            if timing.behind:
                found.append(f"{timing.behind} {name} came after their turn: they disturbed the next one")
        return found


def run(
    settings: Settings,
    worker: "subprocess.Popen[bytes]",
    load: Load,
    measures: tuple[Measure, ...],
    progress: Progress,
) -> Outcome:
    """Admit this run's patients, let their history settle, and measure; ``progress`` is told the part done.

    The echo must run already.

    Raises:
        ServiceError, ChildError, KafkaError: the run could not be made.
    """
    name = f"{settings.topic_prefix}{load.rate:g}"
    service.admit(settings, name, load.patients, load.seed)
    service.settle(settings, worker)
    return judged(load, Channels.of(settings), *send(settings, name, partial(plan, load, measures), progress))


def send(settings: Settings, name: str, planner: Planner, progress: Progress) -> tuple[list[Planned], Sent, Receipts]:
    """Send a plan under a run's name, and receive what comes of it; the patients must be there already.

    Raises:
        ChildError: the generator or the receiver failed.
    """
    planned = planner()
    length = planned[-1].due / SECOND
    ready, over = SPAWN.Event(), SPAWN.Event()
    with Child(receive, settings, name, ready, over) as receiver:
        if not ready.wait(_READY_S):
            receiver.result(0)
        with Child(generate, settings, name, planner) as generator:
            began = time.monotonic()
            while not generator.done(_LOOK_S) and time.monotonic() - began < length + _SPARE_S:
                progress(min(1.0, (time.monotonic() - began) / length))
            sent = generator.result(0)
        over.set()
        receipts = receiver.result(PATIENCE_S + _SPARE_S)
    return planned, sent, receipts


def judged(load: Load, channels: Channels, planned: list[Planned], sent: Sent, receipts: Receipts) -> Outcome:
    """What a run showed, by the plan and what was received."""
    received = receipts.by_topic
    return Outcome(
        load,
        sent.start * 1000 // SECOND,
        sent.at[-1] * 1000 // SECOND,
        echo=outcome.time(planned, sent, received[channels.echoed], asked(planned, Target.ECHO)),
        scores=outcome.time(planned, sent, received[channels.scores], asked(planned, Target.SERVICE)),
        alerts=outcome.time(planned, sent, received[channels.alerts], asked(planned, Target.SERVICE, alerts=True)),
        lateness=outcome.lateness(planned, sent),
        bands=dict(sorted(receipts.bands.items())),
    )

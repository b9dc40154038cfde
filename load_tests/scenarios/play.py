"""One scenario played for the echo and then for the service, and how long each took to catch up."""

import subprocess
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from load_tests import report, service
from load_tests.channels import Channels
from load_tests.course import Way, alone, caught_up, most_carried, most_waiting, seconds, ways
from load_tests.plan import SECOND, Load, Target
from load_tests.run import Outcome, Progress, judged, send
from load_tests.scenario import PAUSE, Scenario, plan
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class After:
    """After the heavy part: what had waited at most before and since, and the seconds until caught up (or never)."""

    calm: int
    most: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Played:
    """What a scenario showed. ``carries``: records a second of the service, ``given`` or the most that it answered."""

    name: str
    scenario: Scenario
    outcome: Outcome
    echo: list[Way]
    scores: list[Way]
    carries: float
    given: bool

    def after(self, found: list[Way]) -> After | None:
        """How these ways caught up; ``None`` where the scenario has no heavy part."""
        if self.scenario.heavy is None:
            return None
        begin, end = self.scenario.heavy
        calm = max(1, most_waiting(found, self.scenario.warm_up, begin))
        return After(calm, most_waiting(found, begin, float("inf")), caught_up(found, end, calm))

    @property
    def arithmetic(self) -> After | None:
        """What arithmetic says of the service: the same records, each taking its part of a second."""
        return self.after(alone(self.scores, self.carries))

    @property
    def sentences(self) -> list[str]:
        """What a person wants to know beside the latencies."""
        lost = self.outcome.scores.lost
        found = [f"Of {self.outcome.scores.expected} records that count, {lost} were lost."]
        if self.scenario.heavy is None:
            return found
        whence = "as given" if self.given else "the most in 2 s of this run, so it may be more"
        found.append(f"The service carries {self.carries:,.0f} records a second ({whence}).")
        for who, after in (("echo", self.after(self.echo)), ("service", self.after(self.scores))):
            assert after is not None
            found.append(
                f"The {who}: at most {after.calm} records waited before, then {after.most}; {_caught_up(after)}."
            )
        assert self.arithmetic is not None
        found.append(f"Arithmetic for the service: {self.arithmetic.most} waiting; {_caught_up(self.arithmetic)}.")
        return found


def play(
    settings: Settings,
    worker: "subprocess.Popen[bytes]",
    name: str,
    scenario: Scenario,
    rate: float,
    seed: int,
    carries: float | None,
    progress: Progress,
) -> Played:
    """Admit the patients, let their history settle, and play it; the echo must run already.

    Raises:
        ServiceError, ChildError, KafkaError: the run could not be made.
    """
    run = f"{settings.topic_prefix}{rate:g}"
    service.admit(settings, run, scenario.patients, seed)
    service.settle(settings, worker)
    planned, sent, receipts = send(settings, run, partial(plan, scenario, rate, seed), progress)
    load = Load(
        rate,
        seconds=round(scenario.seconds - scenario.warm_up),
        warmup=round(scenario.warm_up),
        patients=scenario.patients,
        alert_every=scenario.alert_every,
        seed=seed,
    )
    channels = Channels.of(settings)
    echo, scores = (
        ways(planned, sent, receipts.by_topic[topic], target, number * round((scenario.seconds + PAUSE) * SECOND))
        for number, (topic, target) in enumerate(((channels.echoed, Target.ECHO), (channels.scores, Target.SERVICE)))
    )
    measured = carries if carries is not None else most_carried(scores)
    outcome = judged(load, channels, planned, sent, receipts)
    return Played(name, scenario, outcome, echo, scores, measured, carries is not None)


def write(folder: Path, about: dict[str, Any], played: Played) -> None:
    """``scenario-<name>-<rate>.json`` and the histogram log of that name."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"scenario-{played.name}-{played.outcome.load.rate:g}.json"
    document = {
        "machine": about,
        "scenario": played.name,
        "title": played.scenario.title,
        "sentences": played.sentences,
        "run": report.figures(played.outcome),
        "carries": {"records_a_second": played.carries, "given": played.given},
        "after_heavy": {
            who: after and asdict(after)
            for who, after in (
                ("echo", played.after(played.echo)),
                ("scores", played.after(played.scores)),
                ("arithmetic", played.arithmetic),
            )
        },
        "over_time": {
            who: [one._asdict() for one in seconds(found)]
            for who, found in (("echo", played.echo), ("scores", played.scores))
        },
    }
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    report.histograms(path.with_suffix(".hlog"), played.outcome)


def _caught_up(after: After) -> str:
    if after.seconds is None:
        return "it did not catch up"
    return f"caught up {after.seconds:.1f} s after the end of the heavy part"

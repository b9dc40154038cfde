"""`python -m load_tests.switching`: models promoted, shadowed, rolled back and stopped while events flow.

The second version is the release's own infection model under another version and the load test's key: it scores the
same, and costs the same. What was lost, and who scored, is counted afterwards from the topics.
"""

import asyncio
import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import sleep
from typing import Annotated, Any, Final

import numpy as np
import orjson
import typer
from aiokafka import TopicPartition

from features.events import ModelControl, parse_control
from features.instants import parse
from load_tests import machine, service, stage
from load_tests.child import Child
from load_tests.generator import generate
from load_tests.kafka import Bootstrap, Out, ends
from load_tests.plan import Planned, Target
from load_tests.scenario import Kind, Scenario, Stream, plan
from models import signing
from models.artefact import MANIFEST, put_signature
from models.registry import FOLDERS, shipped
from models.roster import NEW, apply
from models.scorer import Scorer
from streams import audit, rosters
from streams.audit import Entry
from streams.commands.plain import FAILED
from streams.judge import CONTROL_KEY
from streams.reading import read_all
from streams.settings import Settings
from streams.terms import Terms, shelf
from streams.topics import AUDIT, EVENTS, SCORES

_VERSION: Final = "trial"
_SEED: Final = 1
_PATIENCE_S: Final = 120.0
_SPARE_S: Final = 600.0
_LOOK_S: Final = 0.2
#: What is said in each round, in this order.
_COURSE: Final = ("shadow", "promote", "rollback", "promote", "stop", "resume", "rollback")
#: The goal: within so many ms of its control record, at the 99th percentile.
_GOAL_MS: Final = 1_000.0


@dataclass(slots=True)
class Found:
    """What the topics show; ``sent`` and ``lost`` are observations.

    ``switched`` are ms from a control record to the first scores under the roster after it.
    """

    sent: int = 0
    lost: int = 0
    scored: int = 0
    twice: int = 0
    otherwise: int = 0
    switched: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def p99(self) -> float:
        """The 99th percentile of all switches, in ms."""
        return float(np.percentile([one for some in self.switched.values() for one in some], 99))


def switching(
    rate: Annotated[float, typer.Option(min=1, help="Observations a second.")] = 500,
    observations: Annotated[int, typer.Option(min=1, max=12, help="Observations in a record.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="How often all of it is done.")] = 4,
    pause: Annotated[float, typer.Option(min=0, help="Seconds between one change and the next.")] = 2.0,
    seconds: Annotated[int, typer.Option(min=5, help="Seconds for which events flow.")] = 90,
    patients: Annotated[int, typer.Option(min=1, help="Patients of the run.")] = 500,
    bootstrap: Bootstrap = None,
    out: Out = None,
) -> None:
    """Change which models speak under load, and count what was lost and who scored.

    Exits with 1 when a record was lost, two live versions or the wrong one scored, the flow ended before the changes
    did, or a change took longer than a second at the 99th percentile.
    """
    busy = machine.disturbed()
    with stage.command(bootstrap) as (found, console):
        if busy:
            console.print(f"[bold yellow]Disturbed: {busy}.")
        settings = found.model_copy(update=_second_version(found.data_dir))
        about = machine.describe(settings)
        streams = (Stream(of=Kind.BOTH, observations=observations),)
        planner = partial(
            _plan, Scenario(title="Models that change", seconds=seconds, patients=patients, streams=streams), rate
        )
        run = settings.topic_prefix
        with service.channels(settings), service.worker(settings) as worker:
            service.admit(settings, run, patients, _SEED)
            service.settle(settings, worker)
            quiet = _ends(settings)
            with Child(generate, settings, run, planner) as generator:
                while not generator.done(_LOOK_S) and _ends(settings) == quiet:
                    pass
                faults = list(_changes(settings, rounds, pause))
                if generator.done():
                    faults.append("the flow ended before the last change")
                generator.result(seconds + _SPARE_S)
            service.settle(settings, worker)
            figures = _counted(settings, run, sum(len(one.items) for one in planner()))
    for name, times in figures.switched.items():
        console.print(f"{name}: {len(times)} changes, median {np.median(times):.0f} ms, longest {max(times):.0f} ms")
    console.print(
        f"{figures.sent} observations at {rate:g} a second, {observations} in a record: {figures.lost} lost, "
        f"{figures.scored} records scored by the kind, "
        f"{figures.twice} by two live versions, {figures.otherwise} by another than the log says; "
        f"99th percentile of a change {figures.p99:.0f} ms"
    )
    if out is not None:
        numbers = {"lost": figures.lost, "twice": figures.twice, "otherwise": figures.otherwise, "p99_ms": figures.p99}
        changes = {
            "rate": rate,
            "observations": observations,
            "sent": figures.sent,
            "switched_ms": dict(figures.switched),
            "faults": faults,
        }
        out.write_bytes(orjson.dumps({"machine": about, "disturbed": busy} | changes | numbers))
    for fault in faults:
        console.print(f"[bold red]INVALID: {fault}.")
    if faults or figures.lost or figures.twice or figures.otherwise or figures.p99 > _GOAL_MS:
        raise typer.Exit(FAILED)


def _plan(scenario: Scenario, rate: float) -> list[Planned]:
    """The service's turn alone, from the beginning."""
    planned = [one for one in plan(scenario, rate, _SEED) if one.target is Target.SERVICE]
    first = planned[0].due
    return [one._replace(due=one.due - first) for one in planned]


def _second_version(folder: Path) -> Mapping[str, Path]:
    """A folder with the infection model under another version, signed, and that of the key, as settings name them."""
    model, key = folder / "models" / _VERSION, folder / "keys" / "load.key"
    shutil.copytree(FOLDERS[0], model)
    signing.new_key(key)
    described = json.loads(model.joinpath(MANIFEST).read_bytes())
    model.joinpath(MANIFEST).write_text(json.dumps({**described, "version": _VERSION}))
    put_signature(model, key)
    return {"models": model.parent, "model_keys": key.parent}


def _ends(settings: Settings) -> Mapping[TopicPartition, int]:
    """Where the scores end: they grow once the flow has begun."""
    return asyncio.run(ends(settings, settings.topic(SCORES)))


def _loaded(settings: Settings) -> tuple[Scorer, ...]:
    return Terms.of(settings).decider(shelf(settings)).loaded


def _changes(settings: Settings, rounds: int, pause: float) -> Iterator[str]:
    """Say all of it so many times; what did not go as it must."""
    model = rosters.named(f"infection@{_VERSION}", _loaded(settings))
    for _ in range(rounds):
        for action in _COURSE:
            sleep(pause)
            if action in ("stop", "resume"):
                item = rosters.of_stop(action, model.kind, None, "load", "a trial")
            else:
                item = rosters.of_model(action, model, "load", "a trial")
            answers = dict(rosters.say(settings, item, _PATIENCE_S))
            if set(answers.values()) != {None} or len(answers) != settings.partitions:
                yield f"{action} was answered {answers}"


def _counted(settings: Settings, run: str, sent: int) -> Found:
    """What the topics show of a run."""
    found = Found(sent=sent)
    values = [one.value for one in read_all(settings, AUDIT)]
    decided = {item for one in _entries(values) for _, item, _ in one.fields["items"] if item.startswith(f"{run}/")}
    found.lost = sent - len(decided)
    loaded = _loaded(settings)
    controls = _controls(settings)
    said: dict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
    for record in read_all(settings, SCORES):
        scores = orjson.loads(record.value)
        said[record.partition].setdefault(scores[0]["trigger"]["offset"], scores)
    for partition, spoken in said.items():
        _follow(found, controls[partition], sorted(spoken.items()), loaded)
    return found


def _entries(values: Iterable[bytes]) -> Iterator[Entry]:
    return (one for value in values for one in audit.unpack([value]) if isinstance(one, Entry))


def _controls(settings: Settings) -> Mapping[int, list[tuple[int, int, ModelControl]]]:
    """Of each partition the control records: offset, Kafka's timestamp (ms), and what it says."""
    found: dict[int, list[tuple[int, int, ModelControl]]] = defaultdict(list)
    for one in read_all(settings, EVENTS):
        if one.key == CONTROL_KEY:
            control = parse_control(orjson.loads(one.value))
            assert isinstance(control, ModelControl)
            found[one.partition].append((one.offset, one.timestamp, control))
    return found


def _follow(
    found: Found,
    controls: Sequence[tuple[int, int, ModelControl]],
    spoken: Sequence[tuple[int, Any]],
    loaded: tuple[Scorer, ...],
) -> None:
    """Go through a partition's scores beside its control records."""
    kind, roster, waits = shipped()[0].kind, NEW, list(controls)
    for offset, scores in spoken:
        while waits and waits[0][0] < offset:
            _, at, control = waits.pop(0)
            roster = apply(roster, control, loaded)
            found.switched[control.action].append(parse(scores[0]["emitted"]) - at)
        speaks = Counter(one["model"]["version"] for one in scores if one["kind"] == kind and not one["shadow"])
        found.scored += bool(speaks)
        found.twice += speaks.total() > 1
        live = roster.live(kind, loaded)
        right = set() if roster.stops or live is None else {live.version}
        found.otherwise += not speaks.keys() <= right


if __name__ == "__main__":
    typer.run(switching)

"""What the load test relies on: each observation is scored, and those meant to change an alert do."""

import time
from random import Random
from typing import Any

import orjson

from features.catalogue import catalogue
from features.record import Record
from load_tests.channels import number_of, patient, records
from load_tests.patients import RESPIRATION, SIGNS, history, watched
from load_tests.plan import Load, Target, plan
from models.outputs import encode
from models.registry import shipped
from models.rules.news2 import News2
from models.step import Decider, Decision, Place, step
from streams import intake

LOAD = Load(40, seconds=10, warmup=0, patients=5)
RUN = "load-1.40"


class Ward:
    """The patients of a run, decided without Kafka."""

    def __init__(self) -> None:
        self.decider = Decider(catalogue(), shipped())
        self.known: dict[str, Record] = {}
        for number in range(LOAD.patients):
            name = patient(RUN, number)
            for value in history(name, time.time_ns() // 1_000_000, Random(number)):
                self.decide(name, orjson.dumps(value))

    def decide(self, name: str, value: bytes) -> Decision:
        taken = intake.read(value, name, 1 << 20)
        events = [event for _, event in taken.events]
        decision = step(self.decider, self.known.get(name, Record()), name, events, Place("events", 0, 0))
        assert not taken.refusals
        assert not decision.refusals
        self.known[name] = decision.record
        return decision


def test_a_history_is_used_whole_and_opens_no_news2_alert():
    ward = Ward()
    for record in ward.known.values():
        assert sum(len(series.entries) for series in record.series.values()) == 51
        assert "news2" not in record.alerts


def test_every_observation_is_scored_once_and_every_turn_changes_the_news2_alert():
    ward = Ward()
    planned = plan(LOAD, watched(shipped()))
    written = records(RUN, planned, time.time_ns())
    for number, (one, (key, value)) in enumerate(zip(planned, written, strict=True)):
        if one.target is Target.ECHO:
            continue
        decision = ward.decide(key.decode(), value)
        said: list[Any] = [decision.scores, *decision.alerts]
        assert decision.scores
        assert [number_of(RUN, encode(output)) for output in said] == [number] * len(said)
        assert [alert.kind for alert in decision.alerts].count("news2") == one.alerts


def test_only_what_some_scorer_reads_is_sent():
    assert set(watched([News2()])) == {one for one in SIGNS if one.code not in {"8478-0", "8462-4"}}
    assert RESPIRATION not in watched(shipped())


def test_heartbeats_histories_and_other_runs_are_not_taken_for_answers():
    assert number_of(RUN, orjson.dumps({"heartbeat": True})) is None
    assert number_of(RUN, orjson.dumps({"id": "load-1.40-p3-5-8867-4"})) is None
    assert number_of(RUN, orjson.dumps({"id": "load-1.500/3"})) is None
    assert number_of(RUN, orjson.dumps([{"trigger": {"items": []}}])) is None
    assert number_of(RUN, orjson.dumps({"id": f"{RUN}/3"})) == 3

"""Alerts to be told to a record system: of every kind, state and severity, and as a ward brings them."""

from collections.abc import Iterator
from itertools import product
from typing import Any, get_args

from msgspec.structs import replace

from features.catalogue import catalogue
from models.outputs import (
    Alert,
    Answer,
    Escalation,
    Evidence,
    Item,
    ModelRef,
    Reason,
    Score,
    Severity,
    State,
    Suppressed,
    Text,
    Trigger,
)
from models.registry import foreseen, shipped
from models.step import Decider
from streams.bundle import Bundles
from streams.pseudonym import Pseudonyms
from tests.builders import PATIENT, at, encounter, feedback, observation
from tests.world import World

DECIDER = Decider(catalogue(), shipped())
FORESEEN = foreseen(DECIDER.scorers)
KINDS = tuple(scorer.kind for scorer in DECIDER.scorers)
STATES: tuple[State, ...] = get_args(State)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
BUNDLES = Bundles(FORESEEN)


def alert(kind: str = "infection-risk", **changes: Any) -> Alert:
    """A change of an alert with all that one can have."""
    trigger = Trigger("events", 1, 7, (Item("crp-1", 2), Item("hr-9", 1)))
    score = Score(
        id="5c" * 16,
        patient=PATIENT,
        encounter="e-5521",
        at=at(10),
        model=ModelRef(kind, "1.2.0", "ab" * 32),
        kind=kind,
        score=0.134,
        band="high",
        abstained=False,
        shadow=False,
        interval=(0.09, 0.19),
        reasons=(Reason("crp_last", 120.0, "mg/L", 30, 0.6, "rising", Text("CRP 120 mg/L", "CRP 120 mg/L, stigende")),),
        trigger=trigger,
    )
    whole = Alert(
        id="a1" * 16,
        sequence=1,
        state="raised",
        kind=kind,
        severity="warning",
        patient=PATIENT,
        encounter="e-5521",
        ward="OUH-M2",
        at=at(10),
        title=Text("Possible infection", "Mulig infektion"),
        score=score,
        evidence=(Evidence("crp-1", 2, "NPU19748", 120.0, "mg/L", at(9)),),
        trigger=trigger,
        role="on-call",
        escalates=Escalation("nurse-in-charge", at(10.5)),
    )
    return replace(whole, **changes)


def every_shape() -> Iterator[Alert]:
    """Every kind, every state and severity of a model's and of a rule's, and what may be missing or strange."""
    answer = Answer("fb-1", "acknowledge", "nurse/4711", "already-treated", at(11), None)
    held = Suppressed("lockout", at(12))
    for kind, state in product(("aki-risk", "aki"), STATES):
        yield alert(kind, state=state, sequence=1 + (state != "raised"))
    for severity in SEVERITIES:
        yield alert("aki", severity=severity)
        yield alert("aki", severity=severity, sequence=2, state="updated", suppressed=held)
    whole = alert().score
    assert whole is not None
    for kind in ("aki-risk", "aki"):
        yield alert(kind, state="acknowledged", sequence=2, answer=answer)
        yield alert(kind, state="expired", sequence=3, score=None, evidence=(), encounter=None, ward=None, role=None)
        yield alert(kind, escalates=None)
        yield alert(kind, escalates=Escalation("on-call", at(9)))
        yield alert(kind, score=replace(whole, abstained=True, reasons=()))
        yield alert(kind, score=replace(whole, score=1.2e-9, reasons=(Reason("x", None, None, None, 0.0),)))
        yield alert(kind, patient="010157-5011 æ/ø?")
        yield alert(kind, ward=" \x00<script>&\n", title=Text("<b>&", "<b>&\x07 “ø”"), encounter="\t")
        pseudonyms = Pseudonyms([bytes(32)])
        name = pseudonyms.name(PATIENT)
        yield alert(kind, patient=name, sealed=pseudonyms.seal(PATIENT, name))


def of_a_course() -> list[Alert]:
    """What is said of a patient who falls ill, is answered for, gets well, and whose potassium was wrong."""
    world = World(DECIDER)
    world.see(encounter("admit", 0, ward="OUH-M2", unitType="ward", encounter="e-1"))
    for hour, (breaths, saturation, pulse) in enumerate(((18, 97, 80), (26, 92, 112), (30, 88, 135), (32, 86, 140))):
        world.see(
            observation("respiratory_rate", breaths, hour),
            observation("spo2", saturation, hour),
            observation("heart_rate", pulse, hour),
        )
    (news,) = {one.id for one in world.alerts[PATIENT] if one.kind == "news2"}
    world.see(feedback(news, "snooze", 3.2, until=3.5), feedback(news, "acknowledge", 3.6))
    world.see(observation("potassium", 7.1, 4), observation("potassium", 4.1, 4, version=2, issued=4.5))
    for hour in (5, 6):
        world.see(
            observation("respiratory_rate", 16, hour),
            observation("spo2", 97, hour),
            observation("heart_rate", 78, hour),
            observation("temperature", 37.0, hour),
            observation("systolic_pressure", 125.0, hour),
            observation("consciousness", "A", hour),
            observation("oxygen_flow", 0.0, hour),
        )
    return world.alerts[PATIENT]

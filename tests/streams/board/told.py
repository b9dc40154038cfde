"""What the topics say of made-up patients, for tests of the board."""

from typing import Any

from models.outputs import Alert, Answer, ModelRef, Reason, Score, Text, Trigger
from streams.now import Now, Standing
from tests.builders import at

PATIENT = "p-1"
TRIGGER = Trigger("events", 0, 1, ())


def reason(feature: str = "lactate_last", en: str = "Lactate 3.1 mmol/L, rising", **fields: Any) -> Reason:
    da = en.replace("Lactate 3.1", "Laktat 3,1").replace("rising", "stigende")
    given = {"value": 3.1, "unit": "mmol/L", "age_minutes": 30, "contribution": 0.6, "trend": "rising", **fields}
    return Reason(feature, text=Text(en, da), **given)


def score(kind: str = "infection-risk", value: float = 0.34, hour: float = 1.0, **fields: Any) -> Score:
    given: dict[str, Any] = {
        "patient": PATIENT,
        "encounter": "e-1",
        "band": "raised",
        "abstained": False,
        "shadow": False,
        "interval": (value, value),
        "reasons": (),
        **fields,
    }
    model = ModelRef(kind, "1.0.0", "0" * 64)
    return Score(id=f"{kind}-{hour}", at=at(hour), model=model, kind=kind, score=value, trigger=TRIGGER, **given)


def alert(
    state: str = "raised", sequence: int = 1, hour: float = 1.0, kind: str = "infection-risk", **fields: Any
) -> Alert:
    given: dict[str, Any] = {
        "id": f"{kind}-a",
        "severity": "warning",
        "patient": PATIENT,
        "encounter": "e-1",
        "ward": "M2",
        "title": Text("Possible infection", "Mulig infektion"),
        "score": None,
        "evidence": (),
        **fields,
    }
    return Alert(sequence=sequence, state=state, kind=kind, at=at(hour), trigger=TRIGGER, **given)  # type: ignore[arg-type]


def answer(action: str = "acknowledge", hour: float = 2.0, **fields: Any) -> Answer:
    given = {"by": "nurse/anna", "reason": None, "until": None, **fields}
    return Answer(id="fb-1", action=action, at=at(hour), **given)


def shown(hour: float = 1.0, patient: str = PATIENT, **fields: Any) -> Now:
    return Now(**{"patient": patient, "at": at(hour), "ward": "M2", "bed": "12", **fields})


def standing(kind: str = "infection-risk", value: float = 0.34, hour: float = 1.0, **fields: Any) -> Standing:
    return Standing.of(score(kind, value, hour, **fields))

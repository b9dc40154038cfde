"""Outcomes of stays with known answers."""

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

from features.instants import HOUR
from models.evaluation.critical import Critical
from models.evaluation.run import FOLLOWED, Change, Outcome
from tests.builders import START

KIND = "infection-risk"


def change(hour: float, state: str = "raised", **fields: Any) -> Change:
    """A change of an alert so many hours after the start; told as a warning unless said otherwise."""
    given = {"kind": KIND, "id": "a", "severity": "warning", "held": None, "title": "Possible infection", **fields}
    return Change(at=START + round(hour * HOUR), state=state, **given)  # type: ignore[arg-type]


def stay(
    patient: str = "p-1",
    hours: int = 72,
    onset: int | None = None,
    scores: Mapping[str, Sequence[float]] | None = None,
    changes: Sequence[Change] = (),
    **fields: Any,
) -> Outcome:
    """A stay of so many hours, septic from 6 h before the onset (an hour) on."""
    first = None if onset is None else onset - 6
    results = dict.fromkeys(FOLLOWED, ()) | fields.pop("results", {})
    given: dict[str, Any] = {
        "abstained": {},
        "critical": Critical(),
        "sex": "female",
        "age": 60,
        "ward": "MICU",
        **fields,
    }
    return Outcome(
        patient=patient,
        start=START,
        hours=tuple(range(1, hours + 1)),
        labels=tuple(int(first is not None and hour >= first) for hour in range(1, hours + 1)),
        scores={kind: tuple(found) for kind, found in (scores or {KIND: [nan] * hours}).items()},
        changes=tuple(changes),
        results=results,
        **given,
    )

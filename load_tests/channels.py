"""The topics that a run uses, and the names of what it sends."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from load_tests.patients import observation
from load_tests.plan import SECOND, Planned, Target
from streams.settings import Settings
from streams.topics import ALERTS, EVENTS, SCORES

_ECHO_IN, _ECHO_OUT = "echo.in", "echo.out"


@dataclass(frozen=True, slots=True)
class Channels:
    """Full topic names."""

    inputs: dict[Target, str]
    scores: str
    alerts: str
    echoed: str

    @classmethod
    def of(cls, settings: Settings) -> "Channels":
        """Those of a deployment."""
        inputs = {Target.ECHO: settings.topic(_ECHO_IN), Target.SERVICE: settings.topic(EVENTS)}
        return cls(inputs, settings.topic(SCORES), settings.topic(ALERTS), settings.topic(_ECHO_OUT))

    @property
    def outputs(self) -> tuple[str, ...]:
        """What is received."""
        return self.echoed, self.scores, self.alerts


def patient(run: str, number: int) -> str:
    """The patient's name; each run has patients of its own, so that all start from the same history."""
    return f"{run}-p{number}"


def records(run: str, planned: Sequence[Planned], start: int) -> list[tuple[bytes, bytes]]:
    """Key and value of each planned record; ``start`` in ns since the epoch. The ids in it hold its number."""
    return [
        (name.encode(), orjson.dumps(_value(name, f"{run}/{number}", one, start)))
        for number, one in enumerate(planned)
        for name in (patient(run, one.patient),)
    ]


def _value(name: str, id_: str, one: Planned, start: int) -> "dict[str, Any] | list[dict[str, Any]]":
    known = (start + one.due - one.age) * 1000 // SECOND
    found = [
        observation(name, f"{id_}.{place}", measure.code, measure.unit, value, known)
        for place, (measure, value) in enumerate(one.items)
    ]
    return found if len(found) > 1 else found[0]


def number_of(run: str, value: bytes) -> int | None:
    """Which planned record of a run an output answers; ``None`` for histories and other runs."""
    document = orjson.loads(value)
    first = document[0] if isinstance(document, list) else document
    if "trigger" in first:
        items = first["trigger"]["items"]
        id_ = items[0]["id"] if items else ""
    else:
        id_ = first.get("id", "")
    name, _, number = id_.rpartition("/")
    return int(number.partition(".")[0]) if name == run else None

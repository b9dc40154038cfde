"""All that the watch knows, as it is stored."""

from typing import Final

import msgspec

from features.instants import DAY, HOUR
from models.monitor.distribution import Distribution
from models.monitor.hour import Hour
from models.monitor.newcomers import Newcomers
from models.monitor.notices import Notices
from models.monitor.outcomes import Outcomes
from models.monitor.rate import Rate
from models.monitor.silence import Source

#: How old a patient's value may be and still stand for the patient.
FRESH: Final = DAY
#: Values of one stretch are represented by the newest, and so many stretches are kept.
_STRETCH: Final = 12 * HOUR
_KEPT: Final = 4 * _STRETCH


class Point(msgspec.Struct, frozen=True, array_like=True):
    """A patient's value, or a model's score of it, and the ward where that was."""

    at: int
    value: float
    ward: str


class Place(msgspec.Struct, frozen=True):
    """Where a patient is, and since when in the hospital (ms)."""

    ward: str
    came: int


class Told(msgspec.Struct):
    """A model's scores whose outcomes are known: two CUSUMs and since when they are above 0, and the newest of them."""

    sums: tuple[float, float, int] = (0.0, 0.0, 0)
    recent: list[tuple[float, bool]] = []


class State(msgspec.Struct):
    """What a watch goes on from. Keys: of values analyte and source, then ward (empty: all), of scores the model."""

    #: The three patients that are furthest in time, the start of the hour that closes next, and when it last looked.
    ahead: dict[str, int] = {}
    closes: int | None = None
    looked: int = 0
    #: Since when facts have come without a break.
    awake: int = 0
    late: int = 0
    hours: dict[int, Hour] = {}
    places: dict[str, Place] = {}
    newcomers: dict[tuple[str, str], Newcomers] = {}
    values: dict[tuple[str, str], dict[str, list[Point]]] = {}
    scores: dict[str, dict[str, Point]] = {}
    #: The day on which a model last scored a patient, by model and patient.
    days: dict[tuple[str, str], int] = {}
    inputs: dict[tuple[str, str, str], Distribution] = {}
    spreads: dict[tuple[str, str], Distribution] = {}
    rates: dict[tuple[str, str, str, str], Rate] = {}
    told: dict[str, Told] = {}
    sources: dict[str, Source] = {}
    outcomes: Outcomes = msgspec.field(default_factory=Outcomes)
    notices: Notices = msgspec.field(default_factory=Notices)

    def ward(self, patient: str) -> str:
        """Where a patient is; empty where nobody said."""
        place = self.places.get(patient)
        return "" if place is None else place.ward

    def put(self, analyte: str, source: str, patient: str, point: Point) -> None:
        """A patient's newest value of its stretch."""
        points = self.values.setdefault((analyte, source), {}).setdefault(patient, [])
        if points and points[-1].at // _STRETCH == point.at // _STRETCH:
            points.pop()
        points.append(point)

    def first_today(self, model: str, patient: str, at: int) -> bool:
        """Whether a model has not scored a patient on this day yet; from now on it has."""
        known, self.days[model, patient] = self.days.get((model, patient)), at // DAY
        return known != at // DAY

    def forget(self, end: int) -> None:
        """Let go of what is too old to stand for anybody."""
        for patients in self.values.values():
            for patient in [one for one, points in patients.items() if points[-1].at <= end - FRESH]:
                del patients[patient]
            for points in patients.values():
                while points[0].at <= end - _KEPT:
                    points.pop(0)
        for scores in self.scores.values():
            for patient in [one for one, point in scores.items() if point.at <= end - FRESH]:
                del scores[patient]
        self.days = {one: day for one, day in self.days.items() if day >= (end - FRESH) // DAY}

    def erase(self, patient: str) -> None:
        """Hold nothing of a patient any more; what was learnt from many stays."""
        for hour in self.hours.values():
            hour.forget(patient)
        for patients in (*self.values.values(), *self.scores.values()):
            patients.pop(patient, None)  # type: ignore[attr-defined]
        for one in (*self.inputs.values(), *self.spreads.values()):
            one.days.pop(patient, None)
        self.places.pop(patient, None)
        self.ahead.pop(patient, None)
        self.days = {one: day for one, day in self.days.items() if one[1] != patient}
        self.outcomes.forget(patient)


def day_before(points: list[Point]) -> Point | None:
    """The patient's value about a day before the newest, at least a stretch apart from it."""
    newest = points[-1].at // _STRETCH
    return next((point for point in reversed(points) if point.at // _STRETCH <= newest - 2), None)


encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(State).decode

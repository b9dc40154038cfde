"""Made-up streams for the watch: patients on two wards, measured by the hour."""

from collections.abc import Callable, Iterable, Iterator
from random import Random

from features.catalogue import catalogue
from features.instants import DAY, HOUR
from models.monitor.facts import Fact, Move, Value
from models.monitor.limits import Limits, limits
from models.monitor.monitor import Monitor
from models.monitor.notices import Notice
from models.monitor.units import ways

START = 20_000 * DAY
WARDS = ("M1", "M2")
#: A day teaches enough of what is as even as this.
_LEARNING = limits().learning.model_copy(update={"days": 1, "occasions": 40})
QUICK: Limits = limits().model_copy(update={"learning": _LEARNING})
WAYS = ways(catalogue())


def monitor(**more: object) -> Monitor:
    return Monitor(WAYS, limits=QUICK, **more)  # type: ignore[arg-type]


def as_it_is(value: Value) -> Value | None:
    return value


def stream(
    hours: int, patients: int = 48, changed: Callable[[Value], Value | None] = as_it_is, seed: int = 1
) -> Iterator[Fact]:
    """Each patient's potassium and temperature, once an hour; ``changed`` may change a value or leave it out."""
    chance = Random(seed)
    own = [(chance.gauss(4.1, 0.4), chance.gauss(37.0, 0.4)) for _ in range(patients)]
    for number in range(patients):
        yield Move(START, f"p{number}", "in", WARDS[number % 2], 60.0 + number % 20)
    for hour in range(hours):
        for number, (potassium, warm) in enumerate(own):
            at = START + hour * HOUR + number * HOUR // patients
            for analyte, source, value in (("potassium", "LAB", potassium), ("temperature", "EPJ", warm)):
                draw, noise = chance.random(), chance.gauss(0, 0.05)
                if draw < 0.9:
                    id_ = f"p{number}/{analyte}/{hour}"
                    fact = changed(Value(at, f"p{number}", id_, analyte, source, round(value + noise, 2), at))
                    if fact is not None:
                        yield fact


def said(facts: Iterable[Fact], one: Monitor | None = None) -> list[Notice]:
    """What the watch says of a stream."""
    watch = one or monitor()
    return [notice for fact in facts for notice in watch.hear(fact)]

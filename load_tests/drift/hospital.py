"""A hospital for the watch: wards with rounds, an intensive care unit, one laboratory, patients who come and leave.

Made up, and kinder than a real one: signs are normal, and days alike. It yields facts in the order in which they
become known, and the same ones for the same seed up to the change that is tried.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from math import exp
from random import Random
from typing import Final, Literal

from features.instants import DAY, HOUR, MINUTE
from models.monitor.facts import Alerted, Fact, Move, Scored, Value
from streams.ward import BLOOD, GAS, VITALS, Course, Sign

Kind = Literal["quiet", "potassium", "fahrenheit", "silence", "missing", "mix"]
#: Midnight UTC.
START: Final = 20_454 * DAY
MODEL: Final = "made-up-risk"

#: What the service refuses never reaches a model.
_PLAUSIBLE: Final = {"temperature": 45.0}
_LEFT_OUT: Final = 0.06
#: How often a patient has a specimen taken by day, besides rounds. With it a patient has two a day, and a third of them
#: come from the laboratory between 9 and 17 o'clock; in the MIMIC-IV demo (ODbL 1.0) 2.4 and 36 %.
_BY_DAY: Final = 0.75
_ROUNDS: Final = (6.5, 12.0, 17.5, 22.0)
LABORATORY, _GAS, _BEDSIDE, _MONITORS = "LAB", "ABL", "EPJ", "MON"


@dataclass(frozen=True, slots=True)
class Change:
    """What changes in the hospital at an instant (ms); a silence lasts an hour."""

    kind: Kind = "quiet"
    at: int = 2**62

    def holds(self, kind: Kind, at: int) -> bool:
        """Whether it is of this kind and has come."""
        return self.kind == kind and at >= self.at


@dataclass(frozen=True, slots=True)
class Ward:
    """A ward: beds, how many days a patient stays as a median, and the hours between sets of vital signs; 0: rounds."""

    name: str
    beds: int
    days: float
    every: float = 0.0


WARDS: Final = (
    Ward("M1", 24, 3.5),
    Ward("M2", 24, 3.5),
    Ward("K1", 24, 2.5),
    Ward("O1", 20, 4.0),
    Ward("AKUT", 16, 0.6, every=2.0),
    Ward("ITA", 12, 2.5, every=1.0),
)


def hospital(seed: int, days: int, change: Change = Change()) -> Iterator[Fact]:
    """The facts of so many days, after a few in which the beds fill."""
    beds = [(ward, number) for ward in WARDS for number in range(ward.beds)]
    streams = [_bed(ward, number, seed, change, START + days * DAY) for ward, number in beds]
    return heapq.merge(*streams, key=lambda fact: fact.at)


def _bed(ward: Ward, number: int, seed: int, change: Change, end: int) -> Iterator[Fact]:
    chance = Random(f"{seed}/{ward.name}/{number}")
    at, count = START - int(chance.uniform(0, 2 * ward.days) * DAY), 0
    while at < end:
        count += 1
        leaves = at + int(ward.days * DAY * exp(chance.gauss(0, 0.6)))
        stay = _Stay(
            f"{ward.name}-{number}-{count}", ward, at, leaves, change, Random(f"{seed}/{ward.name}/{number}/{count}")
        )
        facts = sorted(stay.facts(), key=lambda fact: fact.at)
        yield from (
            fact for fact in stay.scored(facts) if fact.at < end and (fact.at >= START or isinstance(fact, Move))
        )
        at = leaves + int(chance.uniform(1, 6) * HOUR)


class _Stay:
    """One patient's stay, with a course of illness or none."""

    def __init__(self, patient: str, ward: Ward, at: int, leaves: int, change: Change, chance: Random) -> None:
        self.patient, self.ward, self.at, self.leaves, self.change, self.chance = (
            patient,
            ward,
            at,
            leaves,
            change,
            chance,
        )
        mixed = change.holds("mix", at)
        ill = (0.35, 0.15) if ward.name == "ITA" else (0.2, 0.08)
        infected, injured = (share * (2 if mixed else 1) for share in ill)
        draw = chance.random()
        illness = "infection" if draw < infected else "kidney" if draw < infected + injured else "none"
        onset, rise = at - int(chance.uniform(0, 12) * HOUR), int(chance.uniform(4, 12) * HOUR)
        hold, fall = int(chance.uniform(12, 48) * HOUR), int(chance.uniform(24, 96) * HOUR)
        self.course = Course(illness, onset, rise, hold, fall, chance.uniform(0.3, 0.95))
        self.age = min(101.0, max(18.0, chance.gauss(76 if mixed else 68, 14)))
        self.own = {name: chance.gauss(0, 1) for name in (*VITALS, *BLOOD, *GAS)}

    def facts(self) -> Iterator[Fact]:
        """What becomes known of the patient, but what a model makes of it."""
        yield Move(self.at, self.patient, "in", self.ward.name, round(self.age, 1))
        yield Move(self.leaves, self.patient, "out", None, None)
        bedside = _MONITORS if self.ward.name == "ITA" else _BEDSIDE
        for taken in self._sets():
            yield from self._measured(VITALS, bedside, taken, taken)
        for taken in self._specimens():
            yield from self._measured(BLOOD, LABORATORY, taken, taken + int(self.chance.uniform(45, 100) * MINUTE))
        if self.ward.name == "ITA" or self.course.severity("infection", self.at + 6 * HOUR) > 0.4:
            taken = self.at + 20 * MINUTE
            while taken < self.leaves:
                yield from self._measured(GAS, _GAS, taken, taken + 4 * MINUTE)
                taken += int(self.chance.uniform(4, 8) * HOUR)

    def _ill(self, at: int) -> float:
        return max(self.course.severity(illness, at) for illness in ("infection", "kidney"))

    def _sets(self) -> Iterator[int]:
        at = self.at + int(self.chance.uniform(5, 30) * MINUTE)
        while at < self.leaves:
            yield at
            if self.ward.every or self._ill(at) > 0.5:
                at += int((self.ward.every or 2.0) * self.chance.uniform(0.9, 1.1) * HOUR)
            else:
                hour = at % DAY / HOUR
                next_round = next((one for one in _ROUNDS if one > hour + 1), _ROUNDS[0] + 24)
                at += int((next_round - hour + self.chance.uniform(-0.75, 0.75)) * HOUR)

    def _specimens(self) -> Iterator[int]:
        yield self.at + int(self.chance.uniform(20, 60) * MINUTE)
        day = self.at // DAY + 1
        while day * DAY < self.leaves:
            ill = self._ill(day * DAY)
            hours = [6.5] * (self.chance.random() < 0.75 or ill > 0.3) + [18.0] * (self.ward.name == "ITA" or ill > 0.6)
            for hour in hours:
                taken = day * DAY + int((hour + self.chance.uniform(-0.5, 1.5)) * HOUR)
                if taken < self.leaves:
                    yield taken
            ordered = day * DAY + int(self.chance.uniform(8.5, 19) * HOUR)
            if self.chance.random() < _BY_DAY and ordered < self.leaves:
                yield ordered
            day += 1

    def _measured(self, signs: dict[str, Sign], source: str, taken: int, issued: int) -> Iterator[Value]:
        infection, kidney = (self.course.severity(illness, taken) for illness in ("infection", "kidney"))
        silent = self.change.kind == "silence" and self.change.at <= issued < self.change.at + HOUR
        left_out = _LEFT_OUT * (2 if self.change.holds("missing", issued) else 1)
        for name, sign in signs.items():
            noise, draw = self.chance.gauss(0, 1), self.chance.random()
            if draw < left_out or (silent and source == LABORATORY):
                continue
            value = sign.value(self.own[name], noise, infection, kidney)
            if name == "potassium" and self.change.holds("potassium", issued):
                value = round(value * 1.1, 1)
            if name == "temperature" and self.ward.name == "M2" and self.change.holds("fahrenheit", issued):
                value = round(value * 1.8 + 32, 1)
            yield Value(issued, self.patient, f"{self.patient}/{name}/{taken}", name, source, value, taken)

    def scored(self, facts: list[Fact]) -> Iterator[Fact]:
        """The same facts, and after each set of vital signs what a model says of them."""
        newest: dict[str, Value] = {}
        alerted = -DAY
        for position, fact in enumerate(facts):
            yield fact
            if not isinstance(fact, Value):
                continue
            if fact.value <= _PLAUSIBLE.get(fact.analyte, fact.value):
                newest[fact.analyte] = fact
            last = position + 1 == len(facts) or facts[position + 1].at > fact.at
            if not last or fact.source not in (_BEDSIDE, _MONITORS):
                continue
            crp = newest.get("crp")
            knows = crp is not None and fact.at - crp.at <= DAY and "heart_rate" in newest and "temperature" in newest
            rate, warm = (newest[name].value if name in newest else 0.0 for name in ("heart_rate", "temperature"))
            odds = exp(-3.5 + 0.05 * (rate - 76) + 0.6 * (warm - 36.9) + 0.008 * ((crp.value if crp else 0.0) - 14))
            score = odds / (1 + odds) if knows else 0.5
            yield Scored(fact.at, self.patient, f"s/{self.patient}/{fact.at}", MODEL, round(score, 4), not knows)
            if knows and score > 0.5 and fact.at - alerted > DAY:
                alerted = fact.at
                yield Alerted(fact.at, self.patient, f"a/{self.patient}/{fact.at}", MODEL, refuted=False)
                if self.chance.random() < 0.1:
                    yield Alerted(fact.at, self.patient, f"a/{self.patient}/{fact.at}", MODEL, refuted=True)

"""What the watch hears, fact by fact; instants in ms since the epoch, values in the catalogue's canonical units.

``id`` is that of the object which says it, so that what is said twice counts once.
"""

from typing import NamedTuple


class Value(NamedTuple):
    """A number that became known ``at``; also one that the catalogue holds for implausible."""

    at: int
    patient: str
    id: str
    analyte: str
    source: str
    value: float
    effective: int


class Move(NamedTuple):
    """A patient is on a ward; ``None``: on none any more. ``age`` (years) where it is told."""

    at: int
    patient: str
    id: str
    ward: str | None
    age: float | None


class Scored(NamedTuple):
    """A model's score of a patient."""

    at: int
    patient: str
    id: str
    model: str
    score: float
    abstained: bool


class Alerted(NamedTuple):
    """A model's or a rule's alert was raised and shown, or, where it is ``refuted``, dismissed as not fitting or
    wrongly measured.
    """

    at: int
    patient: str
    id: str
    model: str
    refuted: bool


class Erased(NamedTuple):
    """A patient is to be forgotten."""

    at: int
    patient: str


Fact = Value | Move | Scored | Alerted | Erased

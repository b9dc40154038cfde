"""A rule's table as it lies beside it: the medicine as data, its source, and the questions that its owner decides."""

import tomllib
from abc import ABC, abstractmethod
from hashlib import sha256
from importlib.resources import files
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from features.record import Record
from models.lifecycle import Level, Policy
from models.outputs import ModelRef, Severity
from models.scorer import Scored


class Line(BaseModel):
    """A part of a table; what is not declared is a mistake in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Question(Line):
    """What the source leaves open, what the service does until it is decided, and who decides."""

    question: str
    until_then: str
    decision: str


class _Level(Line):
    severity: Severity
    raise_at: float
    clear_below: float


class Applies(Line):
    """For whom the rule speaks; an unknown age is an adult's, but on a children's ward."""

    minimum_age_years: float = 0
    not_for_flags: tuple[str, ...] = ()


class Table(Line):
    """What every rule's table has. ``levels`` are those of its alert, the mildest first; none: it only scores."""

    name: str
    version: str
    source: str
    owner: str
    switched_on: bool = True
    applies: Applies = Applies()
    questions: tuple[Question, ...] = ()
    levels: tuple[_Level, ...] = ()


T = TypeVar("T", bound=Table)


class Rule(ABC, Generic[T]):
    """A rule of the decision step: a table, and a pure function of the record that reads it.

    A subclass names its kind, its file and the inputs that it reads, and writes ``judge``.
    """

    kind: ClassVar[str]
    file: ClassVar[str]
    shape: type[T]
    inputs: frozenset[str]

    def __init__(self) -> None:
        text = files(__package__).joinpath(self.file).read_bytes()
        self.table = self.shape.model_validate(tomllib.loads(text.decode()))
        self.model = ModelRef(self.table.name, self.table.version, sha256(text).hexdigest())
        self.switched_on = self.table.switched_on
        self.policy = Policy(tuple(Level(one.severity, one.raise_at, one.clear_below) for one in self.table.levels))

    def score(self, record: Record) -> Scored | None:
        """The result at the record's now; ``None`` where the rule does not apply to this patient."""
        applies, stay = self.table.applies, record.stay
        age = stay.age_years(record.now)
        child = stay.unit_type == "paediatric" if age is None else age < applies.minimum_age_years
        if child and applies.minimum_age_years > 0:
            return None
        if not set(stay.flags).isdisjoint(applies.not_for_flags):
            return None
        return self.judge(record)

    @abstractmethod
    def judge(self, record: Record) -> Scored | None:
        """The result for a patient to whom the rule applies."""

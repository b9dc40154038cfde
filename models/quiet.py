"""When an alert is held back and when it ends: ``quiet.toml``, by kind of alert."""

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from features.encounter import Stay
from features.instants import HOUR
from features.record import Record
from features.series import Entry
from features.treatment import courses
from models.lifecycle import Policy, Quiet, is_open

_NEVER = 2**62


class _Lines(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    expires_hours: float = Field(gt=0)
    lockout_hours: float = Field(ge=0)
    repeat_hours: float = Field(ge=0)
    remind_hours: float = Field(ge=0)
    told_as: tuple[str, ...]
    held_by_flags: tuple[str, ...]
    held_by_treatments: tuple[str, ...]
    treated_hours: float = Field(gt=0)
    info_in_units: tuple[str, ...]
    after_discharge: bool


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    owner: str
    version: str
    default: _Lines
    kinds: dict[str, _Lines]

    @model_validator(mode="before")
    @classmethod
    def _kinds_build_on_the_default(cls, raw: dict[str, Any]) -> dict[str, Any]:
        return {**raw, "kinds": {kind: {**raw["default"], **lines} for kind, lines in raw["kinds"].items()}}


@dataclass(frozen=True, slots=True)
class Manners:
    """How one kind of alert is kept quiet."""

    quiet: Quiet
    lines: _Lines

    @classmethod
    def of(cls, lines: _Lines) -> Self:
        """From the lines of the file."""
        hours = (lines.expires_hours, lines.lockout_hours, lines.repeat_hours, lines.remind_hours)
        ms = [round(one * HOUR) for one in hours]
        return cls(Quiet(*ms), lines)

    def held(self, record: Record) -> tuple[str | None, int]:
        """Why the alert of a patient is held back at the record's now whatever it says, by a flag or a treatment.

        And when time alone ends that (ms since the epoch, 0: it does not).
        """
        flag = next((one for one in self.lines.held_by_flags if one in record.stay.flags), None)
        if flag is not None or not record.treatments or not self.lines.held_by_treatments:
            return flag, 0
        long = round(self.lines.treated_hours * HOUR)
        given = courses(record.treatments, *self.lines.held_by_treatments)
        ends = [min(one.start + long, one.stop or _NEVER) for one in given if one.start <= record.now]
        until = max(ends, default=0)
        return ("already-treated", until) if until > record.now else (None, 0)

    def policy(self, policy: Policy, stay: Stay) -> Policy:
        """The levels where the patient is: in some types of unit a warning is for information only.

        What is critical stays so.
        """
        if stay.unit_type not in self.lines.info_in_units:
            return policy
        return Policy(
            tuple(replace(one, severity="info") if one.severity == "warning" else one for one in policy.levels)
        )

    def told_elsewhere(self, record: Record, evidence: tuple[Entry, ...]) -> bool:
        """Whether an alert of another kind, not held back, rests on the same observations."""
        others = [record.alerts.get(kind) for kind in self.lines.told_as]
        return any(
            one is not None
            and is_open(one)
            and one.held is None
            and {entry.id for entry in evidence} <= {*one.evidence}
            for one in others
        )

    def ended_with(self, record: Record) -> bool:
        """Whether the patient has left, and the alert ends with that."""
        left = record.stay.discharged
        return left is not None and left <= record.now and not self.lines.after_discharge


class Quietness:
    """The manners of every kind."""

    def __init__(self) -> None:
        file = _File.model_validate(tomllib.loads(files(__package__).joinpath("quiet.toml").read_text("utf-8")))
        self._default = Manners.of(file.default)
        self._kinds = {kind: Manners.of(lines) for kind, lines in file.kinds.items()}

    def of(self, kind: str) -> Manners:
        """The manners of a kind of alert."""
        return self._kinds.get(kind, self._default)


@cache
def quietness() -> Quietness:
    """The file, read once."""
    return Quietness()

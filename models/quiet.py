"""When an alert is held back, when it ends and to whom it goes: ``quiet.toml``, by kind of alert."""

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from features.encounter import Stay
from features.instants import HOUR, MINUTE
from features.record import Record
from features.series import Entry
from features.treatment import courses
from models.cascade import Cascade
from models.lifecycle import Policy, Quiet, is_open

_NEVER = 2**62


def _ascend(minutes: tuple[float, ...]) -> tuple[float, ...]:
    if not all(one < other for one, other in pairwise((0, *minutes))):
        raise ValueError("must ascend from above 0")
    return minutes


_Minutes = Annotated[tuple[float, ...], AfterValidator(_ascend)]


class _Lines(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    expires_hours: float = Field(gt=0)
    lockout_hours: float = Field(ge=0)
    repeat_hours: float = Field(ge=0)
    remind_hours: float = Field(ge=0)
    escalate_critical_minutes: _Minutes
    escalate_warning_minutes: _Minutes
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
    roles: tuple[str, ...] = Field(min_length=1)
    default: _Lines
    kinds: dict[str, _Lines]

    @model_validator(mode="before")
    @classmethod
    def _kinds_build_on_the_default(cls, raw: dict[str, Any]) -> dict[str, Any]:
        return {**raw, "kinds": {kind: {**raw["default"], **lines} for kind, lines in raw["kinds"].items()}}

    @model_validator(mode="after")
    def _there_is_a_role_for_each_time(self) -> Self:
        for lines in (self.default, *self.kinds.values()):
            if max(len(lines.escalate_critical_minutes), len(lines.escalate_warning_minutes)) >= len(self.roles):
                raise ValueError("more times to escalate at than roles after the first")
        return self


@dataclass(frozen=True, slots=True)
class Manners:
    """How one kind of alert is kept quiet."""

    quiet: Quiet
    lines: _Lines

    @classmethod
    def of(cls, lines: _Lines, roles: tuple[str, ...]) -> Self:
        """From the lines of the file and its roles."""
        hours = (lines.expires_hours, lines.lockout_hours, lines.repeat_hours, lines.remind_hours)
        expires, lockout, repeat, remind = (round(one * HOUR) for one in hours)
        minutes = {"critical": lines.escalate_critical_minutes, "warning": lines.escalate_warning_minutes}
        after = {severity: tuple(round(one * MINUTE) for one in times) for severity, times in minutes.items()}
        return cls(Quiet(expires, lockout, repeat, remind, Cascade(roles, after)), lines)

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
    """The manners of every kind, from the text of a file.

    Raises:
        ValueError: the file does not hold what it must, or no role can follow its times.
    """

    def __init__(self, text: str) -> None:
        file = _File.model_validate(tomllib.loads(text))
        self._roles = file.roles
        self._default = Manners.of(file.default, file.roles)
        self._kinds = {kind: Manners.of(lines, file.roles) for kind, lines in file.kinds.items()}

    def of(self, kind: str) -> Manners:
        """The manners of a kind of alert."""
        return self._kinds.get(kind, self._default)

    def rank(self, role: str | None) -> int:
        """How late in the cascade a role comes: 0 for the first, for none, and for one unheard of."""
        return self._roles.index(role) if role in self._roles else 0

    def passed_on(self, state: str, role: str | None) -> bool:
        """Whether such a change of an alert only tells another role: it says nothing new of the patient."""
        return state == "escalated" and self.rank(role) > 0


@cache
def quietness() -> Quietness:
    """The shipped file, read once."""
    return Quietness(files(__package__).joinpath("quiet.toml").read_text("utf-8"))

"""From which figures on the watch gives notice: ``limits.toml``, the owner's data."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Above = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Factor = Annotated[float, Field(gt=1)]


class _Lines(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Learning(_Lines):
    """How long what is usual is learnt, and from how many at the least."""

    days: Count
    patients: Count
    occasions: Count


class Drift(_Lines):
    """When a distribution differs: population stability index, and the same in units of chance."""

    index: Above
    evidence: Above


class Newcomers(_Lines):
    """When newcomers differ: how many teach what is usual, the shift that is looked for, and the sum that tells.

    ``errors``: how many standard errors off what was learnt may be.
    """

    patients: Count
    shift: Above
    sum: Above
    errors: Above


class Unit(_Lines):
    """When a unit changed: share of values outside the usual; factor and standard errors of patients' own change."""

    hours: Count
    patients: Count
    outside: Annotated[float, Field(gt=0, le=1)]
    factor: Factor
    change_hours: Count
    errors: Above


class Rate(_Lines):
    """When a share has changed: the odds ratio that is looked for, and the sum that tells.

    ``errors``: how many standard errors off the share that was learnt may be.
    """

    odds: Factor
    sum: Above
    errors: Above


class Silence(_Lines):
    """When a source is silent: how improbable that is, more so for each hour; minutes; days that show what is usual."""

    nats: Above
    hourly: Annotated[float, Field(ge=0)]
    minutes: Count
    days: Count


class Outcome(_Lines):
    """When a model discriminates worse than its manifest states."""

    errors: Above
    events: Count


class Life(_Lines):
    """When a notice is over."""

    calm_hours: Count


class Limits(_Lines):
    """The whole file."""

    owner: str
    version: str
    learning: Learning
    drift: Drift
    newcomers: Newcomers
    unit: Unit
    rate: Rate
    silence: Silence
    outcome: Outcome
    life: Life


@cache
def limits() -> Limits:
    """The limits that ship."""
    return Limits.model_validate(tomllib.loads(files("models.monitor").joinpath("limits.toml").read_text("utf-8")))

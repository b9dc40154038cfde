"""What is said of what was found: once when it comes, when it grows (at most once a day), and when it is over."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, NamedTuple

import msgspec

from features.instants import DAY, HOUR, render
from models.monitor.units import Guess
from models.outputs import Text, identify

Type = Literal[
    "unit",
    "step",
    "drift",
    "missing",
    "silence",
    "scores",
    "abstention",
    "alerts",
    "refusals",
    "calibration",
    "discrimination",
]
#: In place of a ward: all of them.
EVERYWHERE: Final = ""


class About(NamedTuple):
    """What a notice is about, and what makes it the same one; what does not apply is empty."""

    type: Type
    model: str = ""
    analyte: str = ""
    source: str = ""
    ward: str = EVERYWHERE


class Found(msgspec.Struct, frozen=True):
    """What is amiss with one analyte or model: since when (ms), the figures, and what was done to values if known."""

    since: int
    figures: dict[str, float]
    guess: Guess | None = None


class Notice(msgspec.Struct, frozen=True):
    """A change of a notice's state; ``sequence`` counts them from 1.

    ``model`` is the one it is about, ``models`` are those that read what it is about. ``figures`` has, for each analyte
    or model, what was found; ``limits`` is the version of the limits by which it was judged.
    """

    id: str
    sequence: int
    state: Literal["raised", "updated", "resolved"]
    type: Type
    model: str | None
    models: tuple[str, ...]
    analytes: tuple[str, ...]
    source: str | None
    ward: str | None
    at: str
    since: str
    text: Text
    advice: Text
    figures: dict[str, dict[str, float]]
    guess: Guess | None
    limits: str


class Open(msgspec.Struct):
    """A notice that is not over: what was found of each subject, and since when (ms) all of it has been calm."""

    id: str
    since: int
    found: dict[str, Found]
    #: When something was said of it last.
    said: int
    sequence: int = 1
    calm: int | None = None


class Notices(msgspec.Struct):
    """The notices that are open."""

    open: dict[About, Open] = {}

    def subjects(self, about: About) -> set[str]:
        """Of which analytes or models an open notice tells; none where it is not open."""
        return set(self.open[about].found) if about in self.open else set()

    def explained(self, analyte: str, source: str) -> set[str]:
        """The wards of which another unit or a step is told."""
        streams = (one for one in self.open if (one.analyte, one.source) == (analyte, source))
        return {one.ward for one in streams if one.type in ("unit", "step")}

    def judge(
        self,
        about: About,
        over: Mapping[str, Found],
        still: bool,
        at: int,
        calm_hours: int,
        readers: Mapping[str, tuple[str, ...]],
        version: str,
    ) -> Notice | None:
        """Say what is new: subjects that are over their limit; ``still`` says that some are not within half of it."""
        known = self.open.get(about)
        if known is None:
            if not over:
                return None
            since = min(found.since for found in over.values())
            known = self.open[about] = Open(identify(tuple(about), since), since, dict(over), at)
            return _notice(about, known, "raised", at, readers, version)
        if over or still:
            known.calm = None
            new = {name: found for name, found in over.items() if name not in known.found}
            if new and at - known.said >= DAY:
                known.found |= new
                known.said = at
                known.sequence += 1
                return _notice(about, known, "updated", at, readers, version)
            return None
        known.calm = known.calm or at
        if at - known.calm < calm_hours * HOUR:
            return None
        del self.open[about]
        known.sequence += 1
        return _notice(about, known, "resolved", at, readers, version)


@cache
def _texts() -> dict[str, dict[str, str]]:
    return tomllib.loads(files("models.monitor").joinpath("texts.toml").read_text("utf-8"))


def _notice(
    about: About,
    one: Open,
    state: Literal["raised", "updated", "resolved"],
    at: int,
    readers: Mapping[str, tuple[str, ...]],
    version: str,
) -> Notice:
    names = tuple(sorted(one.found))
    guess = min((found.guess for found in one.found.values() if found.guess is not None), default=None)
    analytes = () if about.model or about.type == "silence" else names
    return Notice(
        id=one.id,
        sequence=one.sequence,
        state=state,
        type=about.type,
        model=about.model or None,
        models=tuple(sorted({model for name in analytes for model in readers.get(name, ())})),
        analytes=analytes,
        source=about.source or None,
        ward=about.ward or None,
        at=render(at),
        since=render(one.since),
        text=Text(_said(about, one, names, guess, "en"), _said(about, one, names, guess, "da")),
        advice=Text(_texts()[about.type]["do_en"], _texts()[about.type]["do_da"]),
        figures={name: {key: round(value, 4) for key, value in one.found[name].figures.items()} for name in names},
        guess=guess,
        limits=version,
    )


def _said(about: About, one: Open, names: tuple[str, ...], guess: Guess | None, tongue: str) -> str:
    texts = _texts()
    figures: dict[str, Any] = dict(one.found[names[0]].figures)
    return texts[about.type][tongue].format(
        what=", ".join(names),
        place=about.ward or texts["words"][f"all_{tongue}"],
        source=about.source or texts["words"][f"none_{tongue}"],
        guess=_guessed(guess, tongue),
        **figures,
    )


def _guessed(guess: Guess | None, tongue: str) -> str:
    how, what = ("none", "") if guess is None else (guess.how, guess.what)
    return _texts()["guess"][f"{how}_{tongue}"].format(what=what)

"""Which models speak: one is live of each kind, some score in shadow, and what is stopped.

A roster changes by control records alone, in the order of the log. An empty one is what a deployment begins with: of
each kind the first model that is loaded is live, and each further one a candidate.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final, Literal, Protocol

import msgspec
from msgspec.structs import replace

from features.catalogue import Refused
from features.events import ModelControl
from models.outputs import ModelRef
from models.scorer import Scorer

State = Literal["candidate", "shadow", "live", "retired"]


class RosterError(ValueError):
    """A roster names a model that is not loaded: nothing may be decided without it."""


class Named(Protocol):
    """A scorer by its kind and its name."""

    @property
    def kind(self) -> str:
        """The kind of its scores."""

    @property
    def model(self) -> ModelRef:
        """Name, version and hash."""


class Stop(msgspec.Struct, frozen=True):
    """A kind of scores (``None``: all) that is stopped in a ward (``None``: everywhere); since when, by whom, why."""

    kind: str | None
    ward: str | None
    at: int
    by: str
    why: str


class Roster(msgspec.Struct, frozen=True):
    """What control records changed.

    ``promoted`` has by kind the models that were promoted, the live one last: those before it are what a rollback
    returns to.
    """

    promoted: Mapping[str, tuple[ModelRef, ...]] = {}
    shadows: tuple[ModelRef, ...] = ()
    retired: tuple[ModelRef, ...] = ()
    stops: tuple[Stop, ...] = ()

    @classmethod
    def stored(cls, value: bytes) -> "Roster":
        """From its stored form."""
        return _decode(value)

    def store(self) -> bytes:
        """The stored form: the same bytes for the same roster."""
        return _encode(self)

    def digest(self) -> str:
        """A short name of it: 32 hexadecimal digits."""
        return sha256(self.store()).hexdigest()[:32]

    def needed(self) -> tuple[ModelRef, ...]:
        """The models without which nobody decides under it."""
        return (*(line[-1] for line in self.promoted.values()), *self.shadows)

    def live(self, kind: str, scorers: Iterable[Named]) -> ModelRef | None:
        """The live model of a kind among those that are loaded, the first if none was promoted."""
        if kind in self.promoted:
            return self.promoted[kind][-1]
        return next((one.model for one in scorers if one.kind == kind and one.model not in self.retired), None)

    def state(self, scorer: Named, scorers: Iterable[Named]) -> State:
        """The state of one of the scorers that are loaded."""
        if scorer.model == self.live(scorer.kind, scorers):
            return "live"
        if scorer.model in self.shadows:
            return "shadow"
        return "retired" if scorer.model in self.retired else "candidate"


class Change(msgspec.Struct, frozen=True):
    """What a control record did, on whose word and why, and the roster after it."""

    action: str
    by: str
    why: str
    at: str
    roster: Roster


NEW: Final = Roster()
_encode: Final = msgspec.json.Encoder(order="deterministic").encode
_decode: Final = msgspec.json.Decoder(Roster).decode


def stopped(stops: Iterable[Stop], kind: str, ward: str | None) -> bool:
    """Whether a kind is stopped for a patient of a ward."""
    return any(one.kind in (None, kind) and one.ward in (None, ward) for one in stops)


def apply(roster: Roster, control: ModelControl, scorers: tuple[Scorer, ...]) -> Roster:
    """The roster after a control record; one that asks for what is so already leaves it as it was.

    Raises:
        Refused: ``unknown-model``, none such is loaded; ``not-allowed``, with the reason.
    """
    if control.action in ("stop", "resume"):
        return _stopped(roster, control, scorers)
    assert control.model is not None
    wanted = ModelRef(control.model.name, control.model.version, control.model.sha256)
    scorer = next((one for one in scorers if one.model == wanted), None)
    if scorer is None:
        raise Refused("unknown-model", "model: none of this name, version and hash is loaded")
    state = roster.state(scorer, scorers)
    match control.action:
        case "promote":
            return _promoted(roster, scorer, state)
        case "shadow":
            return _shadowed(roster, wanted, state)
        case "rollback":
            return _rolled_back(roster, scorer, state, scorers)
        case _:
            return _retired(roster, scorer, state)


def seated(roster: Roster, scorers: tuple[Scorer, ...]) -> tuple[tuple[Scorer, ...], tuple[Scorer, ...]]:
    """Of the scorers that are loaded, those that are live and those in shadow, in their order.

    Raises:
        RosterError: the roster names one that is not loaded.
    """
    loaded = {one.model for one in scorers}
    for model in roster.needed():
        if model not in loaded:
            raise RosterError(
                f"{model.name} {model.version} (sha256 {model.sha256}) is in use by control records and is not loaded"
            )
    states = [(one, roster.state(one, scorers)) for one in scorers]
    live = tuple(one for one, state in states if state == "live")
    return live, tuple(one for one, state in states if state == "shadow")


def _promoted(roster: Roster, scorer: Scorer, state: State) -> Roster:
    if state == "retired":
        raise Refused("not-allowed", "a retired model speaks no more: it comes back as a new version")
    if not scorer.switched_on:
        raise Refused("not-allowed", "the model's manifest has it switched off: it would tell nobody")
    if state == "live":
        return roster
    line = tuple(one for one in roster.promoted.get(scorer.kind, ()) if one != scorer.model)
    promoted = {**roster.promoted, scorer.kind: (*line, scorer.model)}
    return replace(_without_shadow(roster, scorer.model), promoted=promoted)


def _shadowed(roster: Roster, model: ModelRef, state: State) -> Roster:
    if state in ("live", "retired"):
        raise Refused("not-allowed", f"the model is {state}: only a candidate goes into the shadow")
    return roster if state == "shadow" else replace(roster, shadows=_sorted(*roster.shadows, model))


def _rolled_back(roster: Roster, scorer: Scorer, state: State, scorers: tuple[Scorer, ...]) -> Roster:
    """One step back: what is live gives its place to the one before, and a shadow is a candidate again."""
    if state != "live":
        return _without_shadow(roster, scorer.model)
    promoted = {kind: line for kind, line in roster.promoted.items() if kind != scorer.kind}
    if before := roster.promoted.get(scorer.kind, ())[:-1]:
        promoted[scorer.kind] = before
    back = replace(roster, promoted=promoted)
    model = back.live(scorer.kind, scorers)
    if model in (None, scorer.model):
        raise Refused("not-allowed", "no other model of this kind was live before")
    if model not in {one.model for one in scorers}:
        raise Refused("unknown-model", "the model that was live before is not loaded")
    return back if model not in back.shadows else _without_shadow(back, model)


def _retired(roster: Roster, scorer: Scorer, state: State) -> Roster:
    if state == "live":
        raise Refused("not-allowed", "the model is live: promote another, roll it back or stop it first")
    if state == "retired":
        return roster
    promoted = {
        kind: tuple(one for one in line if one != scorer.model) if kind == scorer.kind else line
        for kind, line in roster.promoted.items()
    }
    without = _without_shadow(roster, scorer.model)
    return replace(without, promoted=promoted, retired=_sorted(*roster.retired, scorer.model))


def _stopped(roster: Roster, control: ModelControl, scorers: Iterable[Scorer]) -> Roster:
    """With this stop or without it; one that is repeated has its newest reason."""
    if control.kind is not None and control.kind not in {one.kind for one in scorers}:
        raise Refused("unknown-model", "kind: no model or rule of this kind is loaded")
    others = [one for one in roster.stops if (one.kind, one.ward) != (control.kind, control.ward)]
    if control.action == "stop":
        others.append(Stop(control.kind, control.ward, control.at, control.by, control.why))
    return replace(roster, stops=tuple(sorted(others, key=lambda one: (one.kind or "", one.ward or ""))))


def _without_shadow(roster: Roster, model: ModelRef) -> Roster:
    return replace(roster, shadows=tuple(one for one in roster.shadows if one != model))


def _sorted(*models: ModelRef) -> tuple[ModelRef, ...]:
    return tuple(sorted(models, key=lambda one: (one.name, one.version, one.sha256)))

"""What the records of the topics say to the watch, as facts."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from math import isfinite
from typing import Final

import msgspec

from features.catalogue import Catalogue, Refused
from features.events import Control, Encounter, Observation, parse_control
from features.instants import DAY, parse
from models.monitor.facts import Alerted, Erased, Fact, Move, Scored, Value
from models.outputs import Alert, Score
from streams import intake
from streams.desk import HEARTBEAT_KEY
from streams.judge import CONTROL_KEY
from streams.metrics.meters import Names
from streams.topics import ALERTS, EVENTS, SCORES

#: A dismissal for one of these says that the alert was wrong.
_REFUTED: Final = frozenset({"does-not-fit", "measurement-wrong"})
_YEAR: Final = 365.25 * DAY
_EPOCH: Final = date(1970, 1, 1)

_alert: Final = msgspec.json.Decoder(Alert).decode
_scores: Final = msgspec.json.Decoder(tuple[Score, ...]).decode


@dataclass(slots=True)
class Hearing:
    """Turns records into facts; ``models`` are the names of the models, whose scores alone are watched.

    A record of which nothing can be used says nothing: the workers make a dead letter of it.
    """

    catalogue: Catalogue
    models: frozenset[str]
    max_bytes: int
    pseudonymous: bool
    _sources: Names = field(default_factory=lambda: Names(200))
    _wards: Names = field(default_factory=lambda: Names(500))

    def facts(self, topic: str, key: bytes | None, value: bytes | None) -> Iterator[Fact]:
        """What a record of a topic (without its prefix) says."""
        try:
            if topic == EVENTS:
                yield from self._events(key or b"", value)
            elif topic == SCORES:
                yield from self._scores(value or b"")
            elif topic == ALERTS and key != HEARTBEAT_KEY:
                yield from self._alert(value or b"")
        except (Refused, ValueError, msgspec.MsgspecError):
            return

    def _events(self, key: bytes, value: bytes | None) -> Iterator[Fact]:
        if key == CONTROL_KEY:
            control = parse_control(intake.load(value, self.max_bytes))
            if isinstance(control, Control):
                yield Erased(control.at, control.of)
            return
        for _, event in intake.read(value, key.decode(), self.max_bytes, self.pseudonymous).events:
            if isinstance(event, Observation):
                yield from self._observation(event)
            elif isinstance(event, Encounter):
                yield from self._encounter(event)

    def _observation(self, one: Observation) -> Iterator[Value]:
        entry = self.catalogue.entries.get((one.code.system, one.code.code))
        way = None if entry is None else entry.ways.get(one.unit)
        if entry is None or way is None or one.value is None:
            return
        value = way.forward(one.value)
        if isfinite(value):
            source = self._sources.label(one.performer)
            yield Value(one.issued, one.patient, one.id, entry.analyte.name, source, value, one.effective)

    def _encounter(self, one: Encounter) -> Iterator[Move]:
        if one.action == "discharge":
            yield Move(one.issued, one.patient, one.id, None, None)
        elif one.action in ("admit", "transfer", "update") and one.ward is not None:
            age = None if one.birth_date is None else one.issued / _YEAR - (one.birth_date - _EPOCH).days / 365.25
            yield Move(one.issued, one.patient, one.id, self._wards.label(one.ward), age)

    def _scores(self, value: bytes) -> Iterator[Scored]:
        for one in _scores(value):
            if one.model.name in self.models and not one.shadow:
                yield Scored(parse(one.at), one.patient, one.id, one.model.name, one.score, one.abstained)

    def _alert(self, value: bytes) -> Iterator[Alerted]:
        one = _alert(value)
        name = one.kind if one.score is None else one.score.model.name
        raised = one.state == "raised" and one.suppressed is None
        refuted = one.state == "dismissed" and one.answer is not None and one.answer.reason in _REFUTED
        if raised or refuted:
            yield Alerted(parse(one.at), one.patient, one.id, name, refuted)

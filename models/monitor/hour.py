"""One hour of facts, in whatever order they came: what counts is the newest of each patient."""

from collections import Counter
from typing import Final

import msgspec

from features.instants import HOUR, MINUTE
from models.monitor.facts import Alerted, Fact, Move, Scored, Value

_SLOT: Final = 5 * MINUTE
#: The slots of a quarter of an hour.
_SLOTS: Final = 3
_QUARTER: Final = 0b111


class Hour(msgspec.Struct):
    """The newest value of each analyte, source and patient, the newest score of each model and patient, and so on."""

    values: dict[tuple[str, str, str], Value] = {}
    moves: dict[str, Move] = {}
    scores: dict[tuple[str, str], Scored] = {}
    alerts: dict[tuple[str, bool], Alerted] = {}
    #: In which five minutes of the hour a source spoke of a patient, as bits.
    spoken: dict[tuple[str, str], int] = {}

    def hear(self, fact: Fact) -> None:
        """Take a fact in; twice is as good as once."""
        match fact:
            case Value():
                of = fact.analyte, fact.source, fact.patient
                self.values[of] = max(fact, self.values.get(of, fact))
                who = fact.source, fact.patient
                self.spoken[who] = self.spoken.get(who, 0) | 1 << fact.at % HOUR // _SLOT
            case Move():
                known = self.moves.get(fact.patient, fact)
                self.moves[fact.patient] = max(fact, known, key=lambda one: (one.at, one.id))
            case Scored():
                said = fact.model, fact.patient
                self.scores[said] = max(fact, self.scores.get(said, fact))
            case Alerted():
                self.alerts[fact.id, fact.refuted] = fact

    @property
    def messages(self) -> tuple[Counter[str], ...]:
        """How often each source spoke of a patient, for each quarter; what it sends within five minutes counts once."""
        quarters = tuple(Counter[str]() for _ in range(4))
        for (source, _), slots in self.spoken.items():
            for number, counts in enumerate(quarters):
                counts[source] += (slots >> number * _SLOTS & _QUARTER).bit_count()
        return quarters

    def forget(self, patient: str) -> None:
        """Hold nothing of a patient."""
        self.values = {key: one for key, one in self.values.items() if one.patient != patient}
        self.scores = {key: one for key, one in self.scores.items() if one.patient != patient}
        self.alerts = {key: one for key, one in self.alerts.items() if one.patient != patient}
        self.spoken = {key: slots for key, slots in self.spoken.items() if key[1] != patient}
        self.moves.pop(patient, None)

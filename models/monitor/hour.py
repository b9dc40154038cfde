"""One hour of facts, in whatever order they came: what counts is the newest of each patient."""

import msgspec

from models.monitor.facts import Alerted, Fact, Move, Scored, Value


class Hour(msgspec.Struct):
    """The newest value of each analyte, source and patient, the newest score of each model and patient, and so on."""

    values: dict[tuple[str, str, str], Value] = {}
    moves: dict[str, Move] = {}
    scores: dict[tuple[str, str], Scored] = {}
    alerts: dict[tuple[str, bool], Alerted] = {}

    def hear(self, fact: Fact) -> None:
        """Take a fact in; twice is as good as once."""
        match fact:
            case Value():
                of = fact.analyte, fact.source, fact.patient
                self.values[of] = max(fact, self.values.get(of, fact))
            case Move():
                known = self.moves.get(fact.patient, fact)
                self.moves[fact.patient] = max(fact, known, key=lambda one: (one.at, one.id))
            case Scored():
                said = fact.model, fact.patient
                self.scores[said] = max(fact, self.scores.get(said, fact))
            case Alerted():
                self.alerts[fact.id, fact.refuted] = fact

    def forget(self, patient: str) -> None:
        """Hold nothing of a patient."""
        self.values = {key: one for key, one in self.values.items() if one.patient != patient}
        self.scores = {key: one for key, one in self.scores.items() if one.patient != patient}
        self.alerts = {key: one for key, one in self.alerts.items() if one.patient != patient}
        self.moves.pop(patient, None)

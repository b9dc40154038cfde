"""What became of those whom a model scored, once it is known: the outcomes that the models were trained on.

A patient's first score of a day is held against the results of its horizon. Who was not measured again by then says
nothing, as in the figures of the model's card.
"""

from bisect import bisect_right, insort
from collections.abc import Iterator

import msgspec

from features.instants import DAY
from models.desert.outcomes import OUTCOMES

#: As far back as the longest definition looks, and as far ahead as the longest horizon.
_KEPT = 10 * DAY

ANALYTES = frozenset(outcome.analyte for outcome in OUTCOMES.values())


class Waiting(msgspec.Struct, frozen=True):
    """A score whose outcome is not known yet."""

    at: int
    patient: str
    kind: str
    score: float


class Outcomes(msgspec.Struct):
    """Patients' results of the analytes that outcomes are of, (effective, value) in order, and the scores that wait."""

    results: dict[tuple[str, str], list[tuple[int, float]]] = {}
    waiting: dict[tuple[str, str], Waiting] = {}

    def measured(self, patient: str, analyte: str, effective: int, value: float) -> None:
        """A result became known."""
        if analyte in ANALYTES:
            insort(self.results.setdefault((patient, analyte), []), (effective, value))

    def scored(self, at: int, patient: str, kind: str, score: float) -> None:
        """A model scored a patient; the first score counts, until its outcome is known."""
        if kind in OUTCOMES and (patient, kind) not in self.waiting:
            self.waiting[patient, kind] = Waiting(at, patient, kind, score)

    def forget(self, patient: str) -> None:
        """Hold nothing of a patient."""
        self.results = {key: one for key, one in self.results.items() if key[0] != patient}
        self.waiting = {key: one for key, one in self.waiting.items() if one.patient != patient}

    def known(self, now: int) -> Iterator[tuple[str, float, bool]]:
        """Kind, score and outcome of the scores whose horizon has passed a day ago, once; the rest waits."""
        for key in sorted(self.waiting):
            one = self.waiting[key]
            if now - one.at < OUTCOMES[one.kind].horizon + DAY:
                continue
            del self.waiting[key]
            met = self._met(one)
            if met is not None:
                yield one.kind, one.score, met
        for kept in [key for key, results in self.results.items() if results[-1][0] < now - _KEPT]:
            del self.results[kept]

    def _met(self, one: Waiting) -> bool | None:
        outcome = OUTCOMES[one.kind]
        results = self.results.get((one.patient, outcome.analyte), [])
        times, values = [at for at, _ in results], [value for _, value in results]
        first, last = bisect_right(times, one.at), bisect_right(times, one.at + outcome.horizon)
        if first == last:
            return None
        return any(outcome.met(times[: end + 1], values[: end + 1]) for end in range(first, last))

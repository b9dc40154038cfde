"""Whether every critical result was delivered: told, or the repeat of what was told within a week."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from features.instants import DAY
from models.quiet import quietness
from models.scorer import Scorer
from models.step import Decision

KIND: Final = "critical-result"
_WEEK: Final = 7 * DAY
_SPOKEN: Final = frozenset({"raised", "escalated", "updated"})


@dataclass(frozen=True, slots=True)
class Critical:
    """How many findings of new results were told, were repeats of what was told within a week, and were neither."""

    told: int = 0
    repeats: int = 0
    missed: int = 0


class Delivery:
    """Follows the critical results of one patient by what was said alone, not by the service's own memory of it."""

    def __init__(self, scorers: Sequence[Scorer]) -> None:
        self.critical = Critical()
        self._scorer = next((one for one in scorers if one.kind == KIND), None)
        self._results: frozenset[str] = frozenset()
        self._told: dict[str, int] = {}

    def see(self, decision: Decision) -> None:
        """Count the findings of one decision, where it rests on results that the one before did not."""
        if self._scorer is None or not any(one.kind == KIND for one in decision.scores):
            return
        now, scored = decision.record.now, self._scorer.score(decision.record)
        if scored is None or scored.shadow:
            return
        findings = [one.name for one in scored.findings]
        said = any(
            one.kind == KIND
            and one.state in _SPOKEN
            and one.suppressed is None
            and one.severity != "info"
            and not quietness().passed_on(one.state, one.role)
            for one in decision.alerts
        )
        results = frozenset(one.id for one in scored.evidence)
        told = self._told
        repeated = [one for one in findings if one in told and now - told[one] < _WEEK]
        if said:
            told |= dict.fromkeys(findings, now)
        if results <= self._results and not said:
            return
        self._results = results
        counted = self.critical
        self.critical = Critical(
            told=counted.told + (len(findings) if said else 0),
            repeats=counted.repeats + (0 if said else len(repeated)),
            missed=counted.missed + (0 if said else len(findings) - len(repeated)),
        )

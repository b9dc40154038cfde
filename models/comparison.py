"""A model in shadow beside the live one of its kind: where they agree, and which alerts it would have raised.

Both are followed alike, by the levels of their own manifests alone: nothing is held back for either.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median

from models.lifecycle import Policy
from models.outputs import ModelRef, Score


@dataclass(slots=True)
class Side:
    """One of the two: ``alerts`` that its scores alone raise, of which ``patients``, and how often it does not know."""

    alerts: int = 0
    unsure: int = 0
    patients: set[str] = field(default_factory=set)
    _levels: dict[str, int] = field(default_factory=dict)

    def take(self, score: Score, policy: Policy) -> bool:
        """Whether the patient has an alert after this score; one that does not know leaves it as it was."""
        before = self._levels.get(score.patient, -1)
        level = before
        if score.abstained:
            self.unsure += 1
        else:
            level = max(policy.reached(score.score), policy.held(score.score, before))
        if before < 0 <= level:
            self.alerts += 1
            self.patients.add(score.patient)
        self._levels[score.patient] = level
        return level >= 0


@dataclass(slots=True)
class Comparison:
    """Records that both scored; after how many of them both had an alert, the live one alone, the shadow alone."""

    records: int = 0
    both: int = 0
    live_alone: int = 0
    shadow_alone: int = 0
    live: Side = field(default_factory=Side)
    shadow: Side = field(default_factory=Side)
    everybody: set[str] = field(default_factory=set)
    apart: list[float] = field(default_factory=list)

    @property
    def agreement(self) -> float:
        """The share of records after which both had an alert, or neither; NaN without any."""
        return 1 - (self.live_alone + self.shadow_alone) / self.records if self.records else float("nan")

    def lines(self) -> Iterable[str]:
        """The same for a person."""
        if not self.records:
            yield "No record was scored by it in shadow while another of its kind spoke."
            return
        yield f"Records that both scored: {self.records}, of {len(self.everybody)} patients"
        yield (
            f"They agree whether there is an alert after {self.agreement:.1%} of them "
            f"(both {self.both}, the live one alone {self.live_alone}, the shadow alone {self.shadow_alone})"
        )
        for name, side in (("live", self.live), ("shadow", self.shadow)):
            yield (
                f"  {name}: {side.alerts} alerts of {len(side.patients)} patients, "
                f"does not know {side.unsure / self.records:.1%}"
            )
        yield f"Live instead, it would have raised {self.shadow.alerts - self.live.alerts:+d} alerts"
        if self.apart:
            yield f"Their scores lie {median(self.apart):.3f} apart in the middle, {max(self.apart):.3f} at most"


def compare(
    model: ModelRef, said: Iterable[tuple[Score, ...]], policies: Mapping[tuple[str, str], Policy]
) -> Comparison:
    """What ``model`` scored in shadow, beside the score of its kind that spoke for the same record of ``events``.

    Args:
        model: the model in shadow.
        said: records of ``risk.scores``, each partition's in its order; those that come twice count once.
        policies: the levels of each model by its name and version; without those of one its scores are left out.
    """
    found, reached = Comparison(), dict[int, int]()
    for scores in said:
        shadow = next((one for one in scores if one.model == model and one.shadow), None)
        if shadow is None or reached.get(shadow.trigger.partition, -1) >= shadow.trigger.offset:
            continue
        reached[shadow.trigger.partition] = shadow.trigger.offset
        live = next((one for one in scores if one.kind == shadow.kind and not one.shadow), None)
        levels = [policies.get((one.model.name, one.model.version)) for one in (live, shadow) if one is not None]
        if live is None or levels[0] is None or levels[1] is None:
            continue
        alerts = found.live.take(live, levels[0]), found.shadow.take(shadow, levels[1])
        found.records += 1
        found.everybody.add(shadow.patient)
        found.both += alerts == (True, True)
        found.live_alone += alerts == (True, False)
        found.shadow_alone += alerts == (False, True)
        if not (live.abstained or shadow.abstained):
            found.apart.append(abs(live.score - shadow.score))
    return found

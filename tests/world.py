"""A deployment of the pure step: patients' records, what was said of each, and what they hand over to each other."""

import re
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from features.catalogue import catalogue
from features.events import Event, parse
from features.record import Record
from models.handover import Send
from models.lifecycle import Level, Policy
from models.outputs import Alert, ModelRef, Score, Text
from models.quiet import Quietness
from models.scorer import Scored, Scorer
from models.step import Decider, Decision, Place, step

MODEL = ModelRef("gauge", "1.0.0", "0" * 64)
POLICY = Policy((Level("info", 50, 40), Level("warning", 70, 60)))


@dataclass(frozen=True)
class Gauge:
    """A rule whose score is the newest heart rate; it could be as high as the newest respiratory rate."""

    kind: str = "gauge"
    inputs: frozenset[str] = frozenset({"heart_rate", "respiratory_rate"})
    model: ModelRef = MODEL
    policy: Policy = POLICY
    switched_on: bool = True
    shadow_in: str | None = None
    not_in: str | None = None
    needs_a_result: bool = False

    def score(self, record: Record) -> Scored | None:
        if record.stay.unit_type is not None and record.stay.unit_type == self.not_in:
            return None
        newest = {
            name: one.last(record.now)
            for name, one in record.series.items()
            if name in {"heart_rate", "respiratory_rate"}
        }
        heart, most = newest.get("heart_rate"), newest.get("respiratory_rate")
        if self.needs_a_result and heart is None:
            return None
        low = 0.0 if heart is None or heart.value is None else heart.value
        return Scored(
            score=low,
            band="low",
            abstained=False,
            low=low,
            high=max(low, 0.0 if most is None or most.value is None else most.value),
            title=Text(f"Gauge {low:g}", f"Måler {low:g}"),
            interval=(low, low),
            shadow=record.stay.unit_type is not None and record.stay.unit_type == self.shadow_in,
            evidence=() if heart is None else (heart,),
        )


def unhurried(*scorers: Scorer) -> Decider:
    """What decides where no alert goes from role to role, whatever else ships."""
    text = files("models").joinpath("quiet.toml").read_text("utf-8")
    return Decider(catalogue(), scorers, quiet=Quietness(re.sub(r"(escalate_\w+) = .*", r"\1 = []", text)))


class World:
    """Several patients under one decider. What a patient sends arrives in the order in which it was sent."""

    def __init__(self, decider: Decider) -> None:
        self.decider = decider
        self.records: dict[str, Record] = {}
        self.scores: dict[str, list[Score]] = defaultdict(list)
        self.alerts: dict[str, list[Alert]] = defaultdict(list)
        self.refusals: list[str] = []
        #: By sender: what is under way.
        self.under_way: dict[str, deque[Send]] = defaultdict(deque)
        self.sent: list[Send] = []
        self._offset = 0

    def take(self, patient: str, events: Sequence[Event]) -> Decision:
        """Decide one record of the log."""
        self._offset += 1
        decision = step(self.decider, self.record(patient), patient, events, Place("events", 0, self._offset))
        self.records[patient] = decision.record
        self.scores[patient] += decision.scores
        self.alerts[patient] += decision.alerts
        self.refusals += [refused.reason for _, refused in decision.refusals]
        self.under_way[patient] += decision.sends
        self.sent += decision.sends
        return decision

    def see(self, *events: Event) -> None:
        """Each event as a record of its own, and all that follows from it."""
        for event in events:
            self.take(event.patient, [event])
            self.settle()

    def arrive(self, sender: str) -> Decision:
        """The oldest thing that a patient sent arrives."""
        return self.deliver(self.under_way[sender].popleft())

    def deliver(self, send: Send) -> Decision:
        """Something that was sent arrives, perhaps again."""
        return self.take(send.patient, [parse(dict(send.item), send.patient)])

    def senders(self) -> list[str]:
        """The patients of whom something is under way."""
        return sorted(patient for patient, sends in self.under_way.items() if sends)

    def settle(self) -> None:
        """All that is under way arrives."""
        while senders := self.senders():
            self.arrive(senders[0])

    def record(self, patient: str) -> Record:
        """What is known of a patient."""
        return self.records.get(patient, Record())

    def states(self, patient: str) -> list[tuple[int, str]]:
        """The changes of alerts that were said of a patient."""
        return [(alert.sequence, alert.state) for alert in self.alerts[patient]]

"""What came out beside what had to: every figure of a sound service is 0."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import orjson
from msgspec import structs

from features.record import decode
from load_tests.torture.oracle import MOVED, Expected, digest, silent, state
from streams import now
from streams.deadletter import Source
from streams.rejudge import Past, Span, compare_all
from streams.terms import Terms
from streams.topics import OWN_KEY

#: Of each figure, so many cases are kept as examples.
_EXAMPLES: Final = 5

FIGURES: Final = (
    "lost alerts",
    "extra alerts",
    "differing alerts",
    "sequence gaps",
    "lost scores",
    "extra scores",
    "differing scores",
    "out of order",
    "lost dead letters",
    "unexplained dead letters",
    "lost handovers",
    "final states differing",
    "states gone back",
    "unknown states",
    "shown otherwise",
    "lost transactions",
    "differing transactions",
    "audited otherwise",
)

_Key = TypeVar("_Key", bound=Hashable)


@dataclass(slots=True)
class Verdict:
    """The figures with examples of each, and how many outputs were compared and repeated."""

    figures: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIGURES, 0))
    examples: dict[str, list[str]] = field(default_factory=dict)
    compared: dict[str, int] = field(default_factory=dict)
    repeated: dict[str, int] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Whether every figure is 0."""
        return not any(self.figures.values())

    def fault(self, figure: str, case: object) -> None:
        """Count a case."""
        self.figures[figure] += 1
        examples = self.examples.setdefault(figure, [])
        if len(examples) < _EXAMPLES:
            examples.append(str(case))


@dataclass(frozen=True, slots=True)
class Found:
    """The topics as they are in the end, each by partition and offset."""

    events: Sequence[Source]
    alerts: Sequence[Source]
    scores: Sequence[Source]
    letters: Sequence[Source]
    changelog: Sequence[Source]
    shown: Sequence[Source]
    told: Sequence[Source]
    audited: Sequence[Source]


def judge(expected: Expected, found: Found) -> Verdict:
    """Compare all that came out with what had to."""
    verdict = Verdict()
    alerts = [
        (one, (alert["patient"], alert["id"], alert["sequence"]), silent(alert))
        for one in found.alerts
        if "kind" in (alert := orjson.loads(one.value or b"null"))
    ]
    scores = [
        (one, (one.partition, score["trigger"]["offset"], score["id"]), silent(score))
        for one in found.scores
        for score in orjson.loads(one.value or b"null")
    ]
    _compare(verdict, "alerts", expected.alerts, alerts)
    _compare(verdict, "scores", expected.scores, scores)
    _judge_sequences(verdict, {(alert, sequence) for _, (_, alert, sequence), _ in alerts})
    _judge_letters(verdict, expected, found)
    _judge_written(verdict, expected, found.events)
    _judge_states(verdict, expected, found.changelog)
    _judge_shown(verdict, expected, found.shown)
    _judge_told(verdict, expected, found.told)
    return verdict


def _compare(
    verdict: Verdict, what: str, expected: Mapping[_Key, Any], found: Iterable[tuple[Source, _Key, Any]]
) -> None:
    """Lost, extra and differing outputs; those whose first appearance is behind a later event's are out of order."""
    seen: dict[_Key, Any] = {}
    newest: dict[int, int] = {}
    repeated = 0
    for source, key, output in found:
        if key in seen:
            repeated += 1
            if output != seen[key]:
                verdict.fault(f"differing {what}", key)
            continue
        seen[key] = output
        if key not in expected:
            verdict.fault(f"extra {what}", key)
        elif output != expected[key]:
            verdict.fault(f"differing {what}", key)
        offset = output["trigger"]["offset"]
        if offset < newest.get(source.partition, 0):
            verdict.fault("out of order", (what, key))
        newest[source.partition] = max(offset, newest.get(source.partition, 0))
    for key in expected.keys() - seen.keys():
        verdict.fault(f"lost {what}", key)
    verdict.compared[what] = len(expected)
    verdict.repeated[what] = repeated


def _judge_sequences(verdict: Verdict, changes: Iterable[tuple[str, int]]) -> None:
    """An alert's changes count from 1 without a gap."""
    sequences: dict[str, set[int]] = defaultdict(set)
    for alert, sequence in changes:
        sequences[alert].add(sequence)
    for alert, numbers in sequences.items():
        if numbers != set(range(1, len(numbers) + 1)):
            verdict.fault("sequence gaps", (alert, sorted(numbers)))


def _judge_letters(verdict: Verdict, expected: Expected, found: Found) -> None:
    """Each unusable object has a dead letter with its reason and the record's own bytes, and nothing else has."""
    originals = {(one.partition, one.offset): one for one in found.events}
    seen = set()
    repeated = 0
    for one in found.letters:
        headers = {name: value.decode() for name, value in one.headers}
        place = int(headers["partition"]), int(headers["offset"])
        letter = *place, int(headers["item"])
        original = originals.get(place)
        repeated += letter in seen
        seen.add(letter)
        whole = original is not None and (one.key, one.value) == (original.key, original.value)
        if expected.letters.get(letter) != headers["reason"] or not whole:
            verdict.fault("unexplained dead letters", (letter, headers["reason"]))
    for letter in expected.letters.keys() - seen:
        verdict.fault("lost dead letters", letter)
    verdict.compared["dead letters"] = len(expected.letters)
    verdict.repeated["dead letters"] = repeated


def _judge_written(verdict: Verdict, expected: Expected, events: Iterable[Source]) -> None:
    """What the service itself had to write to ``events`` lies there."""
    written = set()
    for one in events:
        key = (one.key or b"").decode()
        written.add((key, digest(one.value or b"").hex()) if _moved(one) else (key, _identity(one.value)))
    for case in expected.written - written:
        verdict.fault("lost handovers", case)
    verdict.compared["handovers"] = len(expected.written)


def _judge_states(verdict: Verdict, expected: Expected, changelog: Iterable[Source]) -> None:
    """The changelog holds records that the step gave, never an older one after a newer, and the last one at its end."""
    at: dict[str, int] = {}
    for one in changelog:
        patient = (one.key or b"").decode()
        if patient.encode().startswith(OWN_KEY):
            continue
        states = expected.states.get(patient, [])
        now = None if one.value is None else state(decode(one.value))
        if now not in states:
            verdict.fault("unknown states", (patient, one.partition, one.offset))
            continue
        later = next((n for n in range(at.get(patient, 0), len(states)) if states[n] == now), None)
        if later is None:
            verdict.fault("states gone back", (patient, one.partition, one.offset))
        # After a step back, the next ones are judged from there.
        at[patient] = states.index(now) if later is None else later
    for patient, states in expected.states.items():
        position = at.get(patient)
        if position is None or states[position] != states[-1]:
            verdict.fault("final states differing", patient)
    verdict.compared["states"] = len(expected.states)


def _judge_shown(verdict: Verdict, expected: Expected, found: Iterable[Source]) -> None:
    """The last that ``patients.now`` has of each patient is what was decided of that patient."""
    newest = {(one.key or b"").decode(): one.value for one in found}
    for patient in expected.shown.keys() | newest.keys():
        value = newest.get(patient)
        shown = None if value is None else structs.replace(now.decode(value), record=None)
        wanted = expected.shown.get(patient)
        if shown != wanted:
            verdict.fault("shown otherwise", (patient, _differing(shown, wanted)))
    verdict.compared["patients shown"] = sum(one is not None for one in expected.shown.values())


def judge_audit(verdict: Verdict, terms: Terms, found: Found) -> None:
    """The audit has each record of ``events`` once, its chain is whole, and its decisions come out again."""
    pasts = {
        partition: Past(
            [one.value or b"" for one in found.audited if one.partition == partition],
            [one for one in found.events if one.partition == partition],
        )
        for partition in range(terms.partitions)
    }
    for partition, one in compare_all(terms, pasts, Span()):
        astray = {
            "records without an entry": one.unaudited + one.undecided,
            "entries of records that have one": one.again,
            "entries that nothing decides": one.elsewhere + one.unreachable,
        }
        cases = [
            *one.differing,
            *one.flaws,
            *((partition, what) for what, count in astray.items() for _ in range(count)),
        ]
        for case in cases:
            verdict.fault("audited otherwise", case)
        verdict.compared["audit entries"] = verdict.compared.get("audit entries", 0) + one.identical


def _judge_told(verdict: Verdict, expected: Expected, found: Iterable[Source]) -> None:
    """The record system is told every change of every alert, each time in the same words."""
    seen = set()
    for one in found:
        headers = {name: value.decode() for name, value in one.headers}
        change = ((one.key or b"").decode(), headers["alert"], int(headers["sequence"]))
        seen.add(change)
        if expected.told.get(change) != digest(one.value or b""):
            verdict.fault("differing transactions", change)
    for change in expected.told.keys() - seen:
        verdict.fault("lost transactions", change)
    verdict.compared["transactions"] = len(expected.told)


def _differing(shown: now.Now | None, wanted: now.Now | None) -> str:
    """Where two views of a patient differ."""
    if shown is None or wanted is None:
        return f"{'not ' if shown is None else ''}shown"
    return ", ".join(name for name in shown.__struct_fields__ if getattr(shown, name) != getattr(wanted, name))


def _moved(one: Source) -> bool:
    return any(name == MOVED for name, _ in one.headers)


def _identity(value: bytes | None) -> str:
    try:
        document = orjson.loads(value or b"null")
    except orjson.JSONDecodeError:
        return ""
    return str(document.get("id", "")) if isinstance(document, dict) else ""

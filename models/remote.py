"""A model that runs elsewhere, as a scorer: asked beside the decisions, and its answer is an event like any other.

The decision says whom to ask. The worker asks when it is live, and writes what comes back to ``events`` as a ``score``;
the score and its alert are decided when that arrives. So a log with the answers in it repeats without the network.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isnan
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import msgspec

from features.answer import Answer, input_of
from features.catalogue import Refused
from features.events import NoScore, RemoteScore
from features.instants import render
from features.record import ENCOUNTER, TREATMENT, Record
from features.vector import PLACES
from models.artefact import Trust
from models.banded import policy
from models.doubt import Doubt
from models.outputs import Reason, identify
from models.plugged import behind, scored
from models.plugin import Features, Http, WholeRecord, analytes_of, load
from models.scorer import Scored, Scorer
from models.seen import see

#: What is sent of a record: a day of ten signs a minute is beyond what anybody reads.
MOST_OBSERVATIONS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Question:
    """That a model is to be asked about a patient, by the question's number among those to it."""

    model: str
    number: int


class Remote:
    """One plug-in that answers over HTTP, known by its manifest.

    Raises:
        ArtefactError: it must not be loaded.
    """

    def __init__(self, folder: Path, trust: Trust) -> None:
        self.manifest, self.model = load(folder, trust)
        manifest = self.manifest
        assert isinstance(manifest.runtime, Http)
        self.kind, self.runtime = manifest.kind, manifest.runtime
        self.switched_on = manifest.switched_on
        self.policy = policy(manifest.bands, manifest.severity)
        self._analytes = analytes_of(manifest.inputs)
        self._doubt = Doubt.of(manifest.abstention, self._analytes)
        self.inputs = frozenset({input_of(self.model.name)})
        self._asks_on = self._analytes | {ENCOUNTER}
        if isinstance(manifest.inputs, WholeRecord):
            self._asks_on |= {TREATMENT}

    def score(self, record: Record) -> Scored | None:
        """What the model answered last; ``None`` where it never did, or where another version of it did."""
        answer, out = record.answers.get(self.model.name), self.manifest.output
        if answer is None or answer.sha256 != self.model.sha256:
            return None
        why_not = () if answer.reason is None else (Reason(answer.reason, None, None, None, 0.0),)
        value = out.low if answer.score is None else answer.score
        abstained = answer.score is None or self._doubt.holds(record, see(record))
        return scored(self.manifest, record, value, abstained, why_not, partial(behind, self._analytes, record))

    def asks(self, record: Record, changed: set[str]) -> bool:
        """Whether what changed of a patient is to be asked about: one for whom the model speaks, and who is here."""
        left = record.stay.discharged
        here = left is None or left > record.now
        return here and not self._asks_on.isdisjoint(changed) and self.manifest.population.includes(record)

    def waits(self, record: Record) -> bool:
        """Whether the newest question about a patient was not answered yet."""
        answer = record.answers.get(self.model.name, Answer())
        return answer.asked > answer.number and self.asks(record, {ENCOUNTER})

    def payload(self, record: Record, identity: str) -> dict[str, Any]:
        """What the model is sent of a record at its now; ``identity`` names the question and tells of nobody."""
        inputs = self.manifest.inputs
        model = {"name": self.model.name, "version": self.model.version, "sha256": self.runtime.sha256}
        head = {"id": identity, "model": model, "at": render(record.now)}
        if isinstance(inputs, WholeRecord):
            return {**head, "record": whole(record)}
        numbers = see(record).numbers
        assert isinstance(inputs, Features)
        return {**head, "features": {one.name: _or_none(numbers[PLACES[one.name]]) for one in inputs.features}}

    def item(self, patient: str, question: Question, at: int, answer: float | NoScore) -> dict[str, Any]:
        """The event (``RemoteScore``) that an answer becomes; one to the same question has the same id."""
        return {
            "type": "score",
            "id": identity(patient, question),
            "version": question.number,
            "patient": patient,
            "model": {"name": self.model.name, "version": self.model.version, "sha256": self.model.sha256},
            "at": render(at),
            "origin": "vagt",
            **({"reason": answer} if isinstance(answer, str) else {"score": answer}),
        }


def identity(patient: str, question: Question) -> str:
    """The name of a question, and of its answer."""
    return identify("answer", patient, question.model, question.number)


def check(scorers: Iterable[Scorer], event: RemoteScore) -> None:
    """See that an answer is one of a model that is known, and one that its manifest allows.

    Raises:
        Refused: ``unknown-model``, or ``implausible``.
    """
    said = (event.model.name, event.model.version, event.model.sha256)
    known = (one for one in scorers if isinstance(one, Remote))
    model = next((one for one in known if said == (one.model.name, one.model.version, one.model.sha256)), None)
    if model is None:
        raise Refused("unknown-model", "model: no model of this name, version and hash is in use")
    out = model.manifest.output
    if event.score is not None and not out.low <= event.score <= out.high:
        raise Refused("implausible", "score: lies outside what the model's manifest says")


def ask(scorers: Sequence[Scorer], record: Record, changed: set[str]) -> tuple[Record, tuple[Question, ...]]:
    """Whom to ask about a patient after these inputs changed, and the record that counts the questions."""
    models = [one.model.name for one in scorers if isinstance(one, Remote) and one.asks(record, changed)]
    if not models:
        return record, ()
    known = {name: record.answers.get(name, Answer()) for name in models}
    questions = [Question(name, max(one.asked, one.number) + 1) for name, one in known.items()]
    counted = {one.model: msgspec.structs.replace(known[one.model], asked=one.number) for one in questions}
    return replace(record, answers={**record.answers, **counted}), tuple(questions)


def waiting(scorers: Iterable[Scorer], record: Record) -> tuple[Question, ...]:
    """The questions about a patient that wait for an answer."""
    models = [one.model.name for one in scorers if isinstance(one, Remote) and one.waits(record)]
    return tuple(Question(name, record.answers[name].asked) for name in models)


def whole(record: Record) -> dict[str, Any]:
    """A record as JSON (version 1), instants in RFC 3339: without name, bed, identifiers and what was said of it.

    Of the observations it has the newest ``MOST_OBSERVATIONS``, in the order of time.
    """
    stay = record.stay
    found = [
        (entry.effective, name, entry)
        for name, one in record.series.items()
        for entry in one.entries
        if entry.value is not None or entry.text is not None
    ]
    return {
        "stay": {
            "ward": stay.ward,
            "unitType": stay.unit_type,
            "ageYears": stay.age_years(record.now),
            "sex": stay.sex,
            "flags": stay.flags,
            "admitted": None if stay.admitted is None else render(stay.admitted),
        },
        "observations": [
            {
                "analyte": name,
                "value": entry.value,
                "text": entry.text,
                "comparator": entry.comparator,
                "effective": render(entry.effective),
                "issued": render(entry.issued),
            }
            for _, name, entry in sorted(found, key=itemgetter(0, 1))[-MOST_OBSERVATIONS:]
        ],
        "treatments": [
            {"code": one.code, "system": one.system, "action": one.action, "at": render(one.at)}
            for one in record.treatments
        ],
    }


def _or_none(number: float) -> float | None:
    return None if isnan(number) else number

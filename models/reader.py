"""A model that reads notes: a table of terms with weights, and what a note says by them.

A note is read once, when it comes. What stays of it is a probability for each model, and not a word.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import pairwise
from math import fsum, tanh
from pathlib import Path
from typing import Final

from pydantic import Field

from features.events import WITHDRAWN, Note
from features.instants import DAY
from features.record import NOTE, Record
from models.artefact import Frozen, Trust, parsed, read_part
from models.banded import policy
from models.outputs import Reason
from models.plugged import scored
from models.plugin import Notes, Words, load
from models.scorer import Scored, Scorer

_WORD: Final = re.compile(r"\w+")
#: After one of these, and up to so many words on, a word counts as denied: ``ikke:blødning``.
_DENIALS: Final = frozenset({"ikke", "ingen", "intet", "uden", "aldrig", "benægter"})
_REACH: Final = 4


class Table(Frozen):
    """Weights in log-odds of words, denied words (``ikke:…``) and pairs of words, and what a note without any has."""

    bias: float
    terms: dict[str, float] = Field(min_length=1)


class Reader:
    """One plug-in that reads notes; its score is what the note says that says it most.

    Raises:
        ArtefactError: it must not be loaded.
    """

    inputs = frozenset({NOTE})

    def __init__(self, folder: Path, trust: Trust) -> None:
        self.manifest, self.model = load(folder, trust)
        manifest, runtime = self.manifest, self.manifest.runtime
        assert isinstance(manifest.inputs, Notes)
        assert isinstance(runtime, Words)
        data = read_part(folder, runtime.file, runtime.sha256)
        self._table = parsed(Table, folder, data, f"has a {runtime.file} that is wrong")
        self._within = manifest.inputs.within_days * DAY
        self.kind, self.switched_on = manifest.kind, manifest.switched_on
        self.policy = policy(manifest.bands, manifest.severity)

    def read(self, text: str) -> float:
        """The probability that a note says it."""
        weights = [self._table.terms[term] for term in sorted(terms(text)) if term in self._table.terms]
        return 0.5 + 0.5 * tanh(0.5 * (self._table.bias + fsum(weights)))

    def score(self, record: Record) -> Scored | None:
        """Of the notes that count the one that says it most; ``None`` where this model has read none."""
        read = [
            (one.found[self.model.sha256], one.at, one.id)
            for one in record.notes
            if self.model.sha256 in one.found and one.at > record.now - self._within
        ]
        if not read:
            return None
        score, _, note = max(read)
        out = self.manifest.output
        usable = out.low <= score <= out.high
        reasons = (Reason("note", note, None, None, 0.0),) if score >= self.manifest.bands.raised else ()
        return scored(self.manifest, record, score if usable else out.low, not usable, reasons)


def found_in(scorers: Iterable[Scorer], note: Note) -> Mapping[str, float] | None:
    """What each model makes of a note, by its hash; ``None`` where there is none that reads notes."""
    readers = [one for one in scorers if isinstance(one, Reader)]
    if not readers:
        return None
    return {} if note.status in WITHDRAWN else {one.model.sha256: one.read(note.text) for one in readers}


def terms(text: str) -> set[str]:
    """The words of a text, denied ones marked, and its pairs of words; each once, in small letters."""
    found: list[str] = []
    for clause in re.split(r"[.;:!?\n]", unicodedata.normalize("NFC", text).casefold()):
        denied = 0
        for word in _WORD.findall(clause):
            found.append(f"ikke:{word}" if denied else word)
            denied = _REACH if word in _DENIALS else max(0, denied - 1)
    return {*found, *(f"{one} {other}" for one, other in pairwise(found))}

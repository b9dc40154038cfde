"""Patients under their newest pseudonym, once the key has changed.

What is known of a patient lies under the name that an older key gave. A merge of the old name into the new one sends
it on the way that merged patients' histories go, with its open alerts; and what a door that still has the older key
writes meanwhile follows. It may be done again at any time: what was moved is not moved twice.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from features.instants import render
from features.record import decode
from models.outputs import identify
from streams.partitioner import partition_of
from streams.pseudonym import PseudonymError, Pseudonyms
from streams.reading import patients
from streams.settings import Settings
from streams.topics import EVENTS
from streams.writing import Outgoing, write_all


class Known(NamedTuple):
    """Of a stored patient: who it is, into whom it was merged, and its now (ms)."""

    sealed: str | None
    into: str | None
    now: int


@dataclass(slots=True)
class Outcome:
    """How many patients were sent to their newest name, had it before, or cannot be told."""

    sent: int = 0
    done: int = 0
    unknown: int = 0


def rotate(settings: Settings, pseudonyms: Pseudonyms) -> Outcome:
    """Write to ``events`` what gives all stored patients their name under the current key.

    Raises:
        KafkaError, SecurityError: the cluster does not answer, or does not let this client in.
    """
    outcome = Outcome()
    write_all(settings, _records(settings, merges(stored(settings), pseudonyms, outcome)))
    return outcome


def _records(settings: Settings, items: Iterable[dict[str, Any]]) -> Iterator[Outgoing]:
    for item in items:
        key = item["patient"].encode()
        partition = partition_of(key, settings.partitions)
        yield Outgoing(settings.topic(EVENTS), key, orjson.dumps(item), partition)


def stored(settings: Settings) -> dict[str, Known]:
    """All patients of whom the service keeps a record, as the changelog has them now.

    Raises:
        KafkaError, SecurityError: as ``rotate``.
    """
    found = {}
    for patient, value in patients(settings).items():
        record = decode(value)
        found[patient] = Known(record.sealed, record.stay.into, record.now)
    return found


def merges(known_patients: Mapping[str, Known], pseudonyms: Pseudonyms, outcome: Outcome) -> Iterator[dict[str, Any]]:
    """The merges that are still to be written; ``outcome`` counts them."""
    for patient, known in known_patients.items():
        identifier = _identifier(patient, known, pseudonyms)
        if identifier is None:
            outcome.unknown += 1
            continue
        new, into = pseudonyms.name(identifier), known.into
        if new in (patient, into):
            outcome.done += 1
        elif into is None:
            outcome.sent += 1
            yield _merge(patient, known.sealed, identifier, pseudonyms, known.now)
        else:
            # Merged with another patient: the new names of the two are to be one as well.
            other = _identifier(into, known_patients.get(into), pseudonyms)
            if other is None:
                outcome.unknown += 1
            elif new in known_patients and known_patients[new].into == pseudonyms.name(other):
                outcome.done += 1
            else:
                outcome.sent += 1
                yield _merge(new, pseudonyms.seal(identifier, new), other, pseudonyms, known.now)


def _identifier(patient: str, known: Known | None, pseudonyms: Pseudonyms) -> str | None:
    try:
        return pseudonyms.unseal(known.sealed, patient) if known is not None and known.sealed is not None else None
    except PseudonymError:
        return None


def _merge(patient: str, sealed: str | None, into: str, pseudonyms: Pseudonyms, at: int) -> dict[str, Any]:
    name = pseudonyms.name(into)
    return {
        "type": "encounter",
        "id": identify("rotation", patient, name, at),
        "action": "merge",
        "patient": patient,
        "sealed": sealed,
        "into": name,
        "intoSealed": pseudonyms.seal(into, name),
        "at": render(at),
        "issued": render(at),
        "origin": "vagt",
    }

"""Erasure of patients: a control record on every partition of ``events``, for each identifier of the same person."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from features.instants import render
from features.record import decode
from models.outputs import identify
from streams.control import everywhere
from streams.partitioner import partition_of
from streams.pseudonym import Pseudonyms, is_pseudonym
from streams.reading import newest
from streams.reading import patients as stored_patients
from streams.settings import Settings
from streams.topics import AUDIT_IDENTITY
from streams.writing import Outgoing, write_all


def erase(settings: Settings, patients: Iterable[str]) -> int:
    """Ask for the erasure of these patients, and of all that were merged with them; returns how many that are.

    The workers remove the record from their state and the changelog, and the name from the audit, when they come to it.

    Raises:
        KafkaError, SecurityError: the cluster does not answer, or does not let this client in.
        TopicError: VAGT_PARTITIONS is not what the cluster has: a patient might be on another partition.
        ValueError: VAGT_PSEUDONYM_KEY is no key.
    """
    pseudonyms = Pseudonyms.of(settings)
    named = {name for one in patients for name in _names(pseudonyms, one)}
    everybody = same_people(named, _links(settings))
    write_all(settings, _records(settings, everybody, render(time.time_ns() // 1_000_000)))
    return len(everybody)


def same_people(patients: Iterable[str], links: Mapping[str, set[str]]) -> set[str]:
    """These patients and all whom ``links`` join to them, over however many steps."""
    found, waiting = set(patients), list(patients)
    while waiting:
        new = links.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def _records(settings: Settings, everybody: set[str], at: str) -> Iterator[Outgoing]:
    yield from everywhere(settings, (_item(patient, at) for patient in sorted(everybody)))
    # The worker removes the name that the patient's record bears. A record that was made anew, or written by a release
    # that knew no names, left earlier ones behind.
    for subject, whose in newest(settings, AUDIT_IDENTITY).items():
        if whose.decode() in everybody:
            partition = partition_of(whose, settings.partitions)
            yield Outgoing(settings.topic(AUDIT_IDENTITY), subject, None, partition)


def _item(patient: str, at: str) -> dict[str, str]:
    return {
        "type": "control",
        "id": identify("erase", patient, at),
        "action": "erase",
        "of": patient,
        "at": at,
        "origin": "vagt",
    }


def _names(pseudonyms: Pseudonyms | None, patient: str) -> Iterable[str]:
    """Under which names a patient may be known: after a rotation there are several."""
    return (patient,) if pseudonyms is None or is_pseudonym(patient) else pseudonyms.names(patient)


def _links(settings: Settings) -> dict[str, set[str]]:
    """Who is the same person by a merge, as the stored records say."""
    links: dict[str, set[str]] = defaultdict(set)
    for patient, value in stored_patients(settings).items():
        try:
            record = decode(value)
        except ValueError:
            continue  # it cannot be read, and is erased by its own name all the same
        for other in {*record.absorbed, record.stay.into or patient}:
            links[patient].add(other)
            links[other].add(patient)
    return links

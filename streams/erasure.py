"""Erasure of patients: a control record on every partition of ``events``, for each identifier of the same person."""

import time
from collections.abc import Iterable

import orjson

from features.instants import render
from features.record import decode
from models.outputs import identify
from streams import kafka
from streams.judge import CONTROL_KEY
from streams.pseudonym import Pseudonyms, is_pseudonym
from streams.reading import read_all
from streams.settings import Settings
from streams.store import OWN_KEY
from streams.topics import AUDIT_IDENTITY, CHANGELOG, EVENTS


def erase(settings: Settings, patients: Iterable[str]) -> int:
    """Ask for the erasure of these patients, and of all that were merged with them; returns how many that are.

    The workers remove the record from their state and the changelog, and the name from the audit, when they come to it.

    Raises:
        KafkaError, SecurityError: the cluster does not answer, or does not let this client in.
        ValueError: VAGT_PSEUDONYM_KEY is no key.
    """
    pseudonyms = Pseudonyms.of(settings)
    named = {name for one in patients for name in _names(pseudonyms, one)}
    at = render(time.time_ns() // 1_000_000)
    everybody = sorted(_with_merged(settings, named))
    producer = kafka.sender(settings)
    try:
        for patient in everybody:
            item = {
                "type": "control",
                "id": identify("erase", patient, at),
                "action": "erase",
                "of": patient,
                "at": at,
                "origin": "vagt",
            }
            for partition in range(settings.partitions):
                producer.send(settings.topic(EVENTS), orjson.dumps(item), CONTROL_KEY, partition=partition)
        # The worker removes the name that the patient's record bears. A record that was made anew, or written by a
        # release that knew no names, left earlier ones behind.
        names = {one.key: one for one in read_all(settings, AUDIT_IDENTITY)}
        for one in names.values():
            if one.value is not None and one.value.decode() in everybody:
                producer.send(settings.topic(AUDIT_IDENTITY), None, one.key, partition=one.partition)
        producer.flush(timeout=60)
    finally:
        producer.close()
    return len(everybody)


def _names(pseudonyms: Pseudonyms | None, patient: str) -> Iterable[str]:
    """Under which names a patient may be known: after a rotation there are several."""
    return (patient,) if pseudonyms is None or is_pseudonym(patient) else pseudonyms.names(patient)


def _with_merged(settings: Settings, patients: set[str]) -> set[str]:
    """These patients and whoever is the same person by a merge, as the newest stored records say."""
    links: dict[str, set[str]] = {}
    for one in read_all(settings, CHANGELOG):
        if one.key.startswith(OWN_KEY):
            continue
        try:
            record = None if one.value is None else decode(one.value)
        except ValueError:
            continue  # it cannot be read, and is erased by its own name all the same
        links[one.key.decode()] = set() if record is None else {*record.absorbed, record.stay.into or ""} - {""}
    found = set(patients)
    waiting = list(patients)
    while waiting:
        patient = waiting.pop()
        same = links.get(patient, set()) | {one for one, others in links.items() if patient in others}
        waiting += same - found
        found |= same
    return found

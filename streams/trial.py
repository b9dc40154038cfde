"""A plug-in tried on patients' records before it is put into use: would it run, on whom, and how fast."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

from features.apply import apply
from features.catalogue import Refused, catalogue
from features.events import parse
from features.record import Record, decode
from features.vector import PLACES
from models.datasets import open_source
from models.plugged import Plugged
from models.plugin import Features
from models.reader import Reader
from models.remote import Question, Remote, identity
from models.seen import see
from streams import reading
from streams.detect import detect
from streams.remote import ask, session
from streams.settings import Settings

#: Questions that a model elsewhere is asked, one after the other.
_MOST_ASKED: Final = 50


def of_deployment(settings: Settings) -> Iterator[Record]:
    """The patients whom a running deployment knows.

    Raises:
        KafkaError, SecurityError: the cluster does not answer, or does not let this client in.
        ValueError: a stored record is of another release.
    """
    yield from map(decode, reading.patients(settings).values())


def of_data(path: Path) -> Iterator[Record]:
    """The patients of a data set in native form, each as the last record left it.

    Raises:
        DataError: the file is of none.
    """
    for stay in open_source(detect(path), path):
        record = Record()
        for item in (item for one in stay.records for item in one.items):
            record = _after(record, item)
        yield record


def _after(record: Record, item: Any) -> Record:
    try:
        patient = item.get("patient") if isinstance(item, dict) else None
        return apply(record, parse(item, patient or ""), catalogue()).record
    except Refused:
        return record


def told(model: Plugged | Reader | Remote, records: Sequence[Record]) -> Iterator[str]:
    """What came of the trial, in lines for a person."""
    meant = [one for one in records if model.manifest.population.includes(one)]
    yield f"Patients: {len(records)}, of whom {len(meant)} are of its population"
    if not meant:
        return
    if isinstance(model.manifest.inputs, Features):
        yield from _inputs([one.name for one in model.manifest.inputs.features], meant)
    if isinstance(model, Plugged):
        yield from _local(model, meant)
    elif isinstance(model, Remote):
        yield from _elsewhere(model, meant[:_MOST_ASKED])
    else:
        yield f"It has read a note: {_part(sum(model.score(one) is not None for one in meant), len(meant))}"


def _inputs(names: Sequence[str], records: Sequence[Record]) -> Iterator[str]:
    known: Counter[str] = Counter()
    for record in records:
        numbers = see(record).numbers
        there = [name for name in names if numbers[PLACES[name]] == numbers[PLACES[name]]]
        known.update(there)
        known["all of them"] += len(there) == len(names)
    yield "Inputs, and of how many of these patients there is one:"
    for name in (*names, "all of them"):
        yield f"  {name}: {_part(known[name], len(records))}"


def _local(model: Plugged, records: Sequence[Record]) -> Iterator[str]:
    taken, given, abstained = [], [], 0
    for record in records:
        see(record)
        began = time.perf_counter_ns()
        given.append(model.output(record))
        taken.append((time.perf_counter_ns() - began) / 1e6)
        abstained += model.score(record).abstained
    yield from _scores([one for one in given if one is not None], model)
    yield f"No number of its range: {_part(given.count(None), len(records))}"
    yield f"Abstains: {_part(abstained, len(records))}"
    yield f"A row: {_times(taken)}"


def _elsewhere(model: Remote, records: Sequence[Record]) -> Iterator[str]:
    answers, taken = asyncio.run(_asked(model, records))
    yield from _scores([one for one in answers if not isinstance(one, str)], model)
    for reason, number in sorted(Counter(one for one in answers if isinstance(one, str)).items()):
        yield f"{reason}: {_part(number, len(records))}"
    yield f"A question: {_times(taken)}, deadline {model.runtime.deadline_ms} ms"


async def _asked(model: Remote, records: Iterable[Record]) -> tuple[list[float | Any], list[float]]:
    answers, taken = [], []
    async with session() as asking:
        for number, record in enumerate(records):
            began = time.perf_counter_ns()
            name = identity("validate", Question(model.model.name, number))
            answers.append(await ask(asking, model, record, name))
            taken.append((time.perf_counter_ns() - began) / 1e6)
    return answers, taken


def _scores(given: Sequence[float], model: Plugged | Remote) -> Iterator[str]:
    if given:
        bands = model.manifest.bands
        loud = sum(1 for one in given if one >= bands.alert_from)
        yield f"Scores: {min(given):.4g} to {max(given):.4g}; {_part(loud, len(given))} raise an alert"


def _part(number: int, of: int) -> str:
    return f"{100 * number / of:.0f} %"


def _times(taken: Sequence[float]) -> str:
    most = quantiles(taken, n=100, method="inclusive")[98] if len(taken) > 1 else taken[0]
    return f"median {median(taken):.2f} ms, 99 % {most:.2f} ms"

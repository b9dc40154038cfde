"""The decisions of partitions computed again from ``events``, beside what the audit says of them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, Self

import orjson

from features.record import Record
from models.roster import NEW, Roster, RosterError
from models.shelf import NO_SHELF, Shelf
from models.step import Decider
from streams import audit, release
from streams.archive.erased import is_erased
from streams.audit import Entry, Flaw
from streams.deadletter import Source
from streams.judge import judge
from streams.speech import spoken
from streams.terms import Terms

_NOBODY = Record()


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when Kafka received the records that are compared: ms since the epoch, the end not included."""

    since: int = 0
    until: int = 2**62

    def __contains__(self, received: object) -> bool:
        return isinstance(received, int) and self.since <= received < self.until


@dataclass(slots=True)
class Comparison:
    """What came of it.

    ``differing`` has the places of decisions that came out otherwise, and which fields of their entries differ.
    ``elsewhere`` counts decisions of releases or settings that are not this one's, ``unreachable`` those of patients
    whose history begins before the log does. ``unaudited`` records have no entry between others, ``undecided`` ones
    none at the end; ``again`` counts entries of records that were decided once more, after offsets were lost.
    """

    identical: int = 0
    differing: list[tuple[int, int, str]] = field(default_factory=list)
    elsewhere: int = 0
    unreachable: int = 0
    flaws: list[Flaw] = field(default_factory=list)
    unaudited: int = 0
    undecided: int = 0
    again: int = 0


@dataclass(frozen=True, slots=True)
class Past:
    """Of one partition the values of its audit and the records of ``events``, both from the earliest there is."""

    audited: Iterable[bytes]
    events: Iterable[Source]


def compare(
    terms: Terms,
    partition: int,
    audited: Iterable[bytes],
    events: Iterable[Source],
    span: Span,
    shelf: Shelf = NO_SHELF,
) -> Comparison:
    """Judge a partition's records of ``events`` again, all of them, and compare those of the span with the audit.

    Each is judged under the terms that the audit recorded, and where it recorded none, under ``terms``.
    ``audited`` are the values of the partition's audit, ``events`` its records, both from the earliest there is;
    ``shelf`` has the deployment's own models.
    """
    return dict(compare_all(terms, {partition: Past(audited, events)}, span, shelf))[partition]


def compare_all(
    terms: Terms, pasts: Mapping[int, Past], span: Span, shelf: Shelf = NO_SHELF
) -> Iterator[tuple[int, Comparison]]:
    """The same for partitions together, each with its number as soon as it is done.

    Where a repartition gave patients to other partitions, their histories go with them: what was decided with fewer
    partitions is computed first, in all of them.
    """
    moved, beyond, rosters = dict[str, Record](), set[str](), {"": NEW}
    found = {partition: Comparison() for partition in pasts}
    runs = {
        partition: _compared(found[partition], terms, partition, past, span, shelf, moved, beyond, rosters)
        for partition, past in pasts.items()
    }
    reached = dict.fromkeys(pasts, 0)
    while reached:
        first = min(reached.values())
        for partition in [one for one, cut in reached.items() if cut == first]:
            cut = next(runs[partition], None)
            if cut is None:
                del reached[partition]
                yield partition, found[partition]
            else:
                reached[partition] = cut


def _compared(
    found: Comparison,
    terms: Terms,
    partition: int,
    past: Past,
    span: Span,
    shelf: Shelf,
    moved: dict[str, Record],
    beyond: set[str],
    rosters: dict[str, Roster],
) -> Iterator[int]:
    """Compare, and stop wherever records follow that were decided with more partitions: it gives how many.

    ``moved`` takes the histories then, and has those that come from elsewhere. ``rosters`` takes those that the audit
    has, by their short names: the one under which the partition begins may be older than its log.
    """
    judge_of = cache(_Judge.of)
    own = _Judge(terms, terms.decider(shelf), same=True)
    cut = 0
    decider, roster = own.decider, None
    patients: dict[str, Record] = {}
    entries = _entries(audit.unpack(past.audited), found, rosters)
    entry = next(entries, None)
    for source in past.events:
        erased = is_erased(source)
        while entry is not None and entry.fields["offset"] < source.offset + erased:
            _before_the_log(entry, beyond, found, span)
            entry = next(entries, None)
        if erased:
            continue
        if entry is not None:
            own = judge_of(entry.release, terms, shelf)
        if own.terms.partitions > cut:
            cut = own.terms.partitions
            moved.update(patients)
            patients.clear()
            yield cut
        if roster is None and entry is not None:
            roster = rosters.get(entry.fields.get("roster", ""))
            if roster is None and entry.fields["subject"] is not None:
                beyond.add(entry.fields["subject"])
        decider = own.under(roster or NEW, decider)
        judged = judge(own.terms, decider, source, lambda one: patients.get(one) or moved.get(one, _NOBODY), lambda: "")
        known = roster is not None
        if judged.change is not None and known:
            roster = judged.change.roster
        if judged.patient is not None:
            moved.pop(judged.patient, None)
            if judged.record is None:
                patients.pop(judged.patient, None)
            else:
                patients[judged.patient] = judged.record
        if entry is None or entry.fields["offset"] != source.offset:
            if source.timestamp in span:
                found.unaudited += entry is not None
                found.undecided += entry is None
            continue
        if source.timestamp in span:
            if not own.same:
                found.elsewhere += 1
            elif not known or entry.fields["subject"] in beyond:
                found.unreachable += 1
            else:
                again = replace(judged, subject=entry.fields["subject"])
                said = spoken(judged).digest
                decided_by = release.digest(entry.release)
                again_body = audit.body(entry.number, source, again, decided_by, said, decider.roster_digest)
                _note(entry, again_body, found)
        entry = next(entries, None)
    while entry is not None:
        found.flaws.append(Flaw(partition, entry.number, "the log of events does not reach this entry"))
        entry = next(entries, None)


def _entries(read: Iterator[Entry | Flaw], found: Comparison, rosters: dict[str, Roster]) -> Iterator[Entry]:
    reached = -1
    for one in read:
        if isinstance(one, Flaw):
            found.flaws.append(one)
        elif one.fields["offset"] <= reached:
            found.again += 1
        else:
            reached = one.fields["offset"]
            rosters |= audit.changed(one)
            yield one


def _before_the_log(entry: Entry, beyond: set[str], found: Comparison, span: Span) -> None:
    if entry.fields["subject"] is not None:
        beyond.add(entry.fields["subject"])
    if entry.fields["received"] in span:
        found.unreachable += 1


def _note(entry: Entry, again: bytes, found: Comparison) -> None:
    if again == entry.body:
        found.identical += 1
        return
    new = orjson.loads(again)
    names = [name for name, value in entry.fields.items() if name != "hash" and new.get(name) != value]
    found.differing.append((entry.partition, entry.fields["offset"], ", ".join(names)))


@dataclass(frozen=True, slots=True)
class _Judge:
    """Whoever judges under the terms of a description, and whether this release is the one that it describes."""

    terms: Terms
    decider: Decider
    same: bool

    @classmethod
    def of(cls, description: bytes, otherwise: Terms, shelf: Shelf) -> Self:
        """From a description; ``otherwise`` are the terms where it has not those that this release knows."""
        recorded: dict[str, Any] = orjson.loads(description)["settings"]
        names = {one.name for one in fields(Terms)}
        partitions = recorded.get("partitions", otherwise.partitions)
        terms = Terms(**recorded) if names == recorded.keys() else replace(otherwise, partitions=partitions)
        decider = terms.decider(shelf)
        return cls(terms, decider, release.describe(terms, decider) == description)

    def under(self, roster: Roster, last: Decider) -> Decider:
        """Who decides under a roster: the ``last`` decider if it is that; without a model that is missing here."""
        if last.roster == roster and last.loaded is self.decider.loaded:
            return last
        try:
            return replace(self.decider, roster=roster)
        except RosterError:
            return self.decider

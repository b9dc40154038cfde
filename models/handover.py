"""What a merged patient's records become: handovers to the patient under whom the history goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from features.alert import AlertMemory
from features.events import Encounter, Event, Feedback, Handover
from features.instants import render
from features.merge import news, packed
from features.record import Record
from models.outputs import identify


@dataclass(frozen=True, slots=True)
class Send:
    """An object that the service itself writes to ``events``, for a patient."""

    patient: str
    item: Mapping[str, Any]


def hand_over(
    patient: str, before: Record, after: Record, used: Sequence[Event], adopted: Mapping[str, AlertMemory]
) -> tuple[Record, tuple[Send, ...]]:
    """What follows from a record of the log that came for a patient who is, or was, merged into another.

    The alerts go with the first handover; the patient's own record keeps the rest, for an unmerge.
    """
    was, into = before.stay.into, after.stay.into
    contents: list[tuple[str, dict[str, Any]]] = []
    if was is not None and was != into:
        contents.append((was, {"takenBack": (patient, *before.absorbed)}))
    if into is not None and was != into:
        whole = replace(
            news(Record(), after), alerts={**adopted, **after.alerts}, told=after.told, answers=after.answers
        )
        # The other may be known by nothing else yet, and an alert of nobody finds nobody.
        sealed = next((one.into_sealed for one in used if isinstance(one, Encounter) and one.into == into), None)
        known = {} if sealed is None else {"sealed": sealed}
        contents += [(into, {"state": state, **known}) for state in packed(whole)]
        after = replace(after, alerts={}, told={})
    elif into is not None:
        part = replace(news(before, after), alerts=adopted)
        if part.series or part.events or part.treatments or part.notes or part.alerts:
            contents += [(into, {"state": state}) for state in packed(part)]
        taken = [event.taken_back for event in used if isinstance(event, Handover) and event.taken_back]
        contents += [(into, {"takenBack": whose}) for whose in taken]
    sends = [
        _handover(patient, to, after, number, content)
        for number, (to, content) in enumerate(contents, after.handed + 1)
    ]
    if into is not None:
        sends += [Send(into, _answer(event, into)) for event in used if isinstance(event, Feedback)]
    return replace(after, handed=after.handed + len(contents)), tuple(sends)


def _handover(patient: str, into: str, record: Record, number: int, content: Mapping[str, Any]) -> Send:
    item = {
        "type": "handover",
        "id": identify("handover", patient, number),
        "version": number,
        "patient": into,
        "path": (patient, *record.absorbed),
        "at": render(record.now),
        "origin": "vagt",
    }
    return Send(into, {**item, **content})


def _answer(feedback: Feedback, into: str) -> dict[str, Any]:
    until = None if feedback.until is None else render(feedback.until)
    given = feedback.model_dump(include={"type", "id", "version", "alert", "action", "by", "reason", "note"})
    return {**given, "patient": into, "until": until, "at": render(feedback.at), "origin": "vagt"}

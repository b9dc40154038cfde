"""The page of one patient: what was said and why, what was measured, and what is not known. Pure."""

from collections.abc import Sequence
from typing import Any, Final

from features.catalogue import Analyte, Catalogue
from features.encounter import Stay
from features.instants import DAY, HOUR, MINUTE, parse
from features.record import Record
from features.series import Entry
from models.lifecycle import ENDED
from models.outputs import Alert
from models.words import amount
from streams.board.house import Point
from streams.board.journal import Change, Journal
from streams.board.phrases import Phrases
from streams.board.row import Person, answered, brief, gravity, is_shown, reasons, unanswered
from streams.now import Now, Standing

#: What NEWS2 rests on, in the order of its chart.
_VITALS: Final = ("respiratory_rate", "spo2", "systolic_pressure", "heart_rate", "temperature")
#: Without these the service knows little of an infection or of the kidneys.
_WANTED: Final = ("lactate", "crp", "leukocytes", "creatinine", "potassium")
_SHOWN: Final = 72 * HOUR
_MOST_SERIES: Final = 14
#: The bands of a model's score, as the board's own say them.
_BANDS: Final = {"low": "none", "raised": "info", "high": "warning"}
#: Changes that are told with how grave the alert is from then on.
_LOUDER: Final = frozenset({"raised", "escalated", "updated"})
#: A result that became known so long after its specimen came late.
_LATE: Final = 2 * HOUR


def identity(now: Now, person: Person, clock: int, say: Phrases) -> dict[str, str]:
    """Name, birth date and identifier, which belong together."""
    stay = Stay(birth_date=now.birth_date)
    age = stay.age_years(clock)
    return {
        "name": person.name or "",
        "born": "" if now.birth_date is None else say.day(now.birth_date),
        "id": person.identifier,
        "age": "" if age is None else say.say("years", age=age),
        "sex": say.say(now.sex) if now.sex in {"male", "female"} else "",
    }


def alerts(now: Now, journal: Journal, clock: int, say: Phrases) -> list[dict[str, Any]]:
    """Every alert, open ones first, with its reasons in words and what became of it so far."""
    ordered = sorted(now.alerts, key=lambda one: (one.state in ENDED, *gravity(one)))
    return [
        {**_alert(one, now, clock, say), "history": _history(journal.history(one.id), clock, say)} for one in ordered
    ]


def series(now: Now, record: Record, catalogue: Catalogue, clock: int, say: Phrases) -> list[dict[str, Any]]:
    """What was measured in the last three days: first what the alerts rest on, then vital signs, then the rest."""
    behind = [
        reason.feature.removesuffix("_last")
        for alert in now.alerts
        if alert.score is not None
        for reason in alert.score.reasons
    ]
    names = dict.fromkeys([*behind, *_VITALS, *_WANTED, *sorted(record.series)])
    age = Stay(birth_date=now.birth_date).age_years(clock)
    found = []
    for name in names:
        analyte = catalogue.analytes.get(name)
        if analyte is not None and analyte.kind == "number" and name in record.series:
            entries = [one for one in record.series[name].entries if one.effective >= clock - _SHOWN]
            if any(one.value is not None for one in entries):
                found.append(_series(analyte, entries, now.sex, age, clock, say))
    return found[:_MOST_SERIES]


def course(
    kind: str, trace: Sequence[Point], usual: float | None, now: Now, clock: int, say: Phrases
) -> dict[str, Any]:
    """The course of a score, when its alerts were raised, and what is ``usual`` on the ward."""
    return {
        "kind": kind,
        "label": say.word("kinds", kind),
        "points": [
            {
                "t": one.at,
                "at": say.clock(one.at, clock),
                "v": round(one.score, 4),
                "band": _BANDS.get(one.band, "none"),
            }
            for one in trace
        ],
        "alerts": [parse(now.since[one.id]) for one in now.alerts if one.kind == kind],
        "usual": usual,
    }


def standing(now: Now, say: Phrases) -> list[dict[str, str]]:
    """What was judged, how gravely, by which model, how sure that is: what speaks, does not know, or foresees.

    A score of points that says nothing is left out; there are a dozen.
    """
    speaks = {one.kind: one.severity for one in now.alerts if is_shown(one)}
    return [
        {
            "text": say.word("kinds", one.kind),
            "band": speaks.get(one.kind, "unknown" if one.abstained else "none"),
            "detail": say.say("abstains") if one.abstained else _detail(one, say),
            "how_sure": _how_sure(one, say),
        }
        for one in now.scores
        if one.kind in speaks or one.abstained or one.kind.endswith("-risk") or one.kind == "news2"
    ]


def not_known(record: Record, catalogue: Catalogue, clock: int, say: Phrases) -> list[str]:
    """What would be worth knowing and is not there, or too old to count."""
    found = []
    for name in _WANTED:
        analyte = catalogue.analytes[name]
        known = record.series.get(name)
        last = None if known is None else known.last(before=clock)
        since = clock - _SHOWN if last is None else last.effective
        if clock - since > analyte.valid_hours * HOUR:
            label = (analyte.da if say.language == "da" else analyte.en).lower()
            found.append(say.say("not_known_lab", analyte=label, hours=(clock - since) // HOUR))
    return found


def _alert(alert: Alert, now: Now, clock: int, say: Phrases) -> dict[str, Any]:
    held = alert.suppressed
    return {
        **brief(alert, say),
        "state_text": say.word("states", alert.state),
        "since": say.clock(parse(now.since.get(alert.id, alert.at)), clock),
        "at": say.clock(parse(alert.at), clock),
        "reasons": reasons(alert, say),
        "suppressed": "" if held is None else say.say("held_back", reason=say.word("held", held.reason)),
        "answer": answered(alert, clock, say),
        "unanswered": unanswered(alert, clock, say, "goes_at"),
    }


def _history(changes: Sequence[Change], clock: int, say: Phrases) -> list[dict[str, str]]:
    """What became of an alert: ``10:36``, ``afvist af anna: forventet hos denne patient``."""
    roles = ["", *(change.role for change in changes)]
    return [
        {"at": say.clock(change.at, clock), "text": _told(change, role, clock, say)}
        for role, change in zip(roles, changes, strict=False)
    ]


def _told(change: Change, role: str, clock: int, say: Phrases) -> str:
    if change.state == "escalated" and change.role != role:
        return say.say("went_on", role=say.word("roles", change.role))
    text = say.word("states", "reopened" if change.action == "reopen" else change.state)
    if change.until is not None:
        text = say.say("until", text=text, at=say.clock(change.until, clock))
    if change.by:
        text = say.say("by", text=text, by=change.by.rpartition("/")[2])
    if change.reason:
        text = f"{text}: {say.word('reasons', change.reason)}"
    elif change.held:
        text = say.say("unsaid", text=text)
    elif change.state in _LOUDER:
        text = f"{text}: {say.say(change.severity)}"
    return text


def _series(
    analyte: Analyte, entries: Sequence[Entry], sex: str | None, age: int | None, clock: int, say: Phrases
) -> dict[str, Any]:
    reference = analyte.reference_for(sex, age)
    unit = say.text(amount(0.0, analyte)).partition(" ")[2]
    return {
        "name": analyte.name,
        "label": analyte.da if say.language == "da" else analyte.en,
        "unit": unit,
        "low": None if reference is None else reference.low,
        "high": None if reference is None else reference.high,
        "for": say.say("usual_adult"),
        "points": [
            {
                "t": one.effective,
                "at": say.clock(one.effective, clock),
                "v": one.value,
                "text": (one.comparator or "") + say.number(one.value, analyte.decimals),
                "note": _note(one, analyte, say),
            }
            for one in entries
            if one.value is not None
        ],
    }


def _note(entry: Entry, analyte: Analyte, say: Phrases) -> str:
    """That it was corrected, came late, or came in another unit."""
    notes = []
    if entry.status in {"corrected", "amended"}:
        notes.append(say.say("corrected_note"))
    late = entry.issued - entry.effective
    if _LATE < late < DAY:
        notes.append(say.say("late_note", minutes=late // MINUTE))
    if entry.sent is not None:
        sent = f"{entry.sent:.{analyte.decimals + 1}f}".rstrip("0").rstrip(".")
        notes.append(say.say("converted_note", sent=say.decimal(sent), unit=entry.unit))
    return ", ".join(notes)


def _detail(score: Standing, say: Phrases) -> str:
    return say.percent(score.score) if score.kind.endswith("-risk") else say.number(score.score, 0)


def _how_sure(score: Standing, say: Phrases) -> str:
    model = " ".join(score.model)
    low, high = score.interval
    if not score.kind.endswith("-risk") or score.abstained:
        return model
    return f"{say.say('how_sure', low=say.percent(low), high=say.percent(high))} · {model}"

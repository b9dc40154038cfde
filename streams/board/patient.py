"""The page of one patient: what was said and why, what was measured, and what is not known. Pure."""

from collections.abc import Sequence
from typing import Any, Final

from features.catalogue import Analyte, Catalogue
from features.encounter import Stay
from features.instants import DAY, HOUR, MINUTE, parse
from features.record import Record
from features.series import Entry
from models.outputs import Alert
from models.words import amount
from streams.board.house import Point
from streams.board.phrases import Phrases
from streams.board.row import Person, answered, brief, fact, is_shown, unanswered
from streams.now import Now, Standing

#: What NEWS2 rests on, in the order of its chart.
_VITALS: Final = ("respiratory_rate", "spo2", "systolic_pressure", "heart_rate", "temperature")
#: Without these the service knows little of an infection or of the kidneys.
_WANTED: Final = ("lactate", "crp", "leukocytes", "creatinine", "potassium")
_SHOWN: Final = 72 * HOUR
_MOST_SERIES: Final = 14
#: The bands of a model's score, as the board's own say them.
_BANDS: Final = {"low": "none", "raised": "info", "high": "warning"}
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


def alerts(now: Now, clock: int, say: Phrases) -> list[dict[str, Any]]:
    """Every alert, open ones first, with its reasons in words."""
    return [_alert(one, now, clock, say) for one in sorted(now.alerts, key=lambda one: (not is_shown(one), one.at))]


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
                found.append(_series(analyte, entries, now.sex, age, say))
    return found[:_MOST_SERIES]


def course(kind: str, trace: Sequence[Point], now: Now, say: Phrases) -> dict[str, Any]:
    """The course of a score, and when its alerts were raised."""
    return {
        "kind": kind,
        "label": say.word("kinds", kind),
        "points": [{"t": one.at, "v": round(one.score, 4), "band": _BANDS.get(one.band, "none")} for one in trace],
        "alerts": [parse(now.since[one.id]) for one in now.alerts if one.kind == kind],
        "usual": None,
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
    reasons = () if alert.score is None else alert.score.reasons
    held = alert.suppressed
    return {
        **brief(alert, say),
        "state_text": say.word("states", alert.state),
        "since": say.clock(parse(now.since.get(alert.id, alert.at)), clock),
        "at": say.clock(parse(alert.at), clock),
        "reasons": [fact(one, say) for one in reasons if one.feature != "rest" and one.text is not None],
        "suppressed": "" if held is None else say.say("held_back", reason=say.word("held", held.reason)),
        "answer": answered(alert, clock, say),
        "unanswered": unanswered(alert, clock, say, "goes_at"),
        "history": [],
    }


def _series(
    analyte: Analyte, entries: Sequence[Entry], sex: str | None, age: int | None, say: Phrases
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
                "v": one.value,
                "text": (one.comparator or "") + say.number(one.value, analyte.decimals),
                "note": _note(one, say),
                "struck": False,
            }
            for one in entries
            if one.value is not None
        ],
    }


def _note(entry: Entry, say: Phrases) -> str:
    if entry.status in {"corrected", "amended"}:
        return say.say("corrected_note")
    late = entry.issued - entry.effective
    return say.say("late_note", minutes=late // MINUTE) if _LATE < late < DAY else ""


def _detail(score: Standing, say: Phrases) -> str:
    return say.percent(score.score) if score.kind.endswith("-risk") else say.number(score.score, 0)


def _how_sure(score: Standing, say: Phrases) -> str:
    model = " ".join(score.model)
    low, high = score.interval
    if not score.kind.endswith("-risk") or score.abstained:
        return model
    return f"{say.say('how_sure', low=say.percent(low), high=say.percent(high))} · {model}"

"""A patient's line on the board: how bad, who, what, why, since when, who has it, how fresh. Pure: no clock, no topic.

Sorted by what needs doing: unanswered critical, unanswered warning, values that are overdue, taken and yet rising, what
else is open, the rest; of unanswered ones first what went on to a later role, then the longest waiting.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from features.instants import HOUR, parse
from models.lifecycle import ENDED
from models.outputs import Alert, Reason
from models.quiet import quietness
from streams.board.house import Point
from streams.board.phrases import Phrases
from streams.now import Now, Standing

#: NEWS2 (Royal College of Physicians, 2017): vital signs at least every 12 hours, whatever the score.
VITALS_EVERY: Final = 12 * HOUR
#: A course is told by the newest score beside the one so long before it, where they differ by so much.
_COURSE: Final = 4 * HOUR
_MOVED: Final = 0.05
_FACTS: Final = 3
#: The group of what speaks and does not press.
_OPEN: Final = 4
_MAIN: Final = "infection-risk"
_SEVERITY: Final = {"critical": 0, "warning": 1, "info": 2}
_SILENT: Final = frozenset({"snoozed", "dismissed"})
_ARROWS: Final = {"rising": " ↗", "falling": " ↘", "steady": " →"}


@dataclass(frozen=True, slots=True)
class Person:
    """Who a patient is, in the clear: the identifier, the name and the bed; ``None`` where nobody said."""

    identifier: str
    name: str | None
    bed: str | None


def row(now: Now, person: Person, trace: Sequence[Point], clock: int, say: Phrases) -> dict[str, Any]:
    """The line. ``trace`` is the course of the score for infection; ``clock`` the instant that ages count from (ms)."""
    shown = sorted(filter(is_shown, now.alerts), key=gravity)
    first = shown[0] if shown else None
    scores = {one.kind: one for one in now.scores}
    main = scores.get(_MAIN)
    vital, lab = _vital(now), _lab(now)
    stale = vital is not None and clock - vital > VITALS_EVERY
    band = _band(first, now)
    group = _group(first, stale, _rises(trace))
    since = None if first is None else parse(now.since.get(first.id, first.at))
    escalates = None if first is None else first.escalates
    order = f"{group}{_SEVERITY.get(band, 3)}{9 - _rank(first)}{since or 10**15 - 1:015d}"
    return {
        "band": band,
        "order": f"{order}{now.ward or ''} {person.bed or ''}",
        "ward": now.ward or "",
        "kinds": [one.kind for one in shown],
        "find": " ".join(filter(None, (person.name, person.bed, person.identifier, now.ward))).lower(),
        "f": {
            "band": say.say(band),
            "ward": now.ward or "",
            "place": _place(now, person, clock, say),
            "who": who(now, person),
            "what": _what(first, band, now, say),
            "quiet": say.say("quiet_chance", chance=chance)
            if first is None and (chance := _percent(main, say))
            else "",
            "chance": _chance(main, trace, clock, say) if first is not None and first.kind == _MAIN else "",
            "infection": _chance(main, trace, clock, say),
            "facts": facts(first, say),
            "news2": _news2(scores.get("news2"), say),
            "need": _need(group, first, clock, say),
            "owner": _owner(first, now, clock, say),
            "since": "" if since is None else say.clock(since, clock),
            "lab": say.say("no_lab") if lab is None else say.say("lab", at=say.clock(lab, clock)),
            "vital": say.say("no_vital") if vital is None else say.say("vital", at=say.clock(vital, clock)),
            "stale": say.say("old_vital", hours=(clock - vital) // HOUR) if stale and vital is not None else "",
            "changed": _withdrawn(now, clock, say),
        },
        "t": {"since": since, "lab": lab, "vital": vital, "escalates": escalates and parse(escalates.at)},
        "alerts": [brief(one, say) for one in sorted(now.alerts, key=gravity) if one.suppressed is None],
    }


def is_shown(alert: Alert) -> bool:
    """Whether an alert speaks on the board: it is open, not held back, and nobody asked for silence."""
    return alert.state not in ENDED and alert.suppressed is None and alert.state not in _SILENT


def who(now: Now, person: Person) -> str:
    """``A. Jensen 1951``: as much as tells two patients of a ward apart; the identifier where there is no name."""
    parts = (person.name or "").split()
    if not parts:
        return person.identifier
    *first, last = parts
    initials = "".join(f"{one[0]}. " for one in first[:1])
    return f"{initials}{last} {(now.birth_date or '')[:4]}".strip()


def facts(alert: Alert | None, say: Phrases) -> str:
    """At most three measured facts behind an alert, each with its value and its direction."""
    return "" if alert is None else " · ".join(reasons(alert, say)[:_FACTS])


def reasons(alert: Alert, say: Phrases) -> list[str]:
    """What an alert rests on in words: what was measured, where anything was, and its title does not say already."""
    told = () if alert.score is None else alert.score.reasons
    told = tuple(one for one in told if one.feature != "rest" and one.text is not None)
    measured = [one for one in told if one.age_minutes is not None]
    facts = [fact(one, say) for one in measured or told]
    return [one for one in facts if one not in say.text(alert.title)]


def fact(reason: Reason, say: Phrases) -> str:
    """``Laktat 3,1 mmol/L ↗``."""
    assert reason.text is not None
    # What follows a comma and a space is the direction and the age at that time.
    return say.text(reason.text).split(", ")[0] + (_ARROWS[reason.trend] if reason.trend else "")


def answered(alert: Alert, clock: int, say: Phrases) -> str:
    """Who has an alert, or asked for silence; empty while nobody does."""
    answer = alert.answer
    if answer is None:
        return ""
    by = (answer.by or "?").rpartition("/")[2]
    if alert.state == "acknowledged":
        return say.say("taken", by=by, at=say.at(parse(answer.at), clock))
    if alert.state == "snoozed" and answer.until is not None:
        name = "snoozed_for_result" if answer.next_result else "snoozed"
        return say.say(name, by=by, until=say.clock(parse(answer.until), clock))
    if alert.state in _SILENT:
        return say.say("dismissed", by=by, reason=say.word("reasons", answer.reason or "other"))
    return ""


def brief(alert: Alert, say: Phrases) -> dict[str, Any]:
    """What a page needs to know of an alert; while it is open it may be answered."""
    return {
        "id": alert.id,
        "sequence": alert.sequence,
        "kind": alert.kind,
        "severity": alert.severity,
        "state": alert.state,
        "title": say.text(alert.title),
        "open": alert.state not in ENDED,
    }


def _place(now: Now, person: Person, clock: int, say: Phrases) -> str:
    """Where the patient lies. Who has left with an open alert has no bed: somebody else may lie in it."""
    if now.discharged is not None and parse(now.discharged) <= clock:
        return say.say("left")
    return say.say("bed", bed=person.bed) if person.bed else say.say("no_bed")


def unanswered(alert: Alert, clock: int, say: Phrases, goes: str = "goes_to") -> str:
    """That nobody answered, who has the alert since when, and to whom it goes, which a page that counts ends."""
    said = [say.say("nobody")]
    if _rank(alert):
        # The instant is that of the alert's last change, which may be a later one.
        name = "with_since" if alert.state == "escalated" else "with"
        at = say.clock(parse(alert.at), clock)
        said.append(say.say(name, role=say.word("roles", alert.role or ""), at=at))
    if alert.escalates is not None:
        at = say.at(parse(alert.escalates.at), clock)
        said.append(say.say(goes, role=say.word("roles", alert.escalates.role), at=at))
    return " · ".join(said)


def gravity(alert: Alert) -> tuple[bool, int, bool, int, str]:
    """The order of a patient's alerts: what speaks first, of those the gravest, what nobody took, what went on."""
    return (not is_shown(alert), _SEVERITY[alert.severity], alert.state == "acknowledged", -_rank(alert), alert.at)


def _rank(alert: Alert | None) -> int:
    """How often an alert went on to another role."""
    return 0 if alert is None else quietness().rank(alert.role)


def _band(first: Alert | None, now: Now) -> str:
    """Where nothing speaks, somebody whom nothing judged is not somebody whom nothing ails."""
    if first is not None:
        return first.severity
    judged = [one for one in now.scores if one.kind == _MAIN] or now.scores
    return "none" if any(not one.abstained for one in judged) else "unknown"


def _group(first: Alert | None, stale: bool, rises: bool) -> int:
    waits = first is not None and first.state != "acknowledged"
    if first is not None and waits and first.severity in {"critical", "warning"}:
        return _SEVERITY[first.severity]
    if stale:
        return 2
    if first is not None:
        return 3 if rises and first.kind == _MAIN else _OPEN
    return 5


def _need(group: int, first: Alert | None, clock: int, say: Phrases) -> str:
    if first is not None and group < 2:
        return unanswered(first, clock, say)
    if group == _OPEN and first is not None and first.state == "acknowledged":
        return ""  # who has it is said
    return say.say(("overdue", "rising", "open", "quiet")[group - 2])


def _what(first: Alert | None, band: str, now: Now, say: Phrases) -> str:
    if first is not None:
        return say.text(first.title)
    if band != "unknown":
        return ""
    if not now.scores:
        return say.say("no_score")
    judged = any(one.kind == _MAIN for one in now.scores)
    return say.say("unknown_what" if judged else "unknown_any")


def _chance(main: Standing | None, trace: Sequence[Point], clock: int, say: Phrases) -> str:
    if main is None or main.abstained:
        return ""
    before = _before(trace)
    if before is None or say.percent(before.score) == say.percent(main.score):
        return say.percent(main.score)
    moved = main.score - before.score
    arrow = _ARROWS["steady" if abs(moved) < _MOVED else "rising" if moved > 0 else "falling"]
    return say.say(
        "chance_since",
        chance=say.percent(main.score),
        arrow=arrow,
        before=say.percent(before.score),
        at=say.at(before.at, clock),
    )


def _percent(main: Standing | None, say: Phrases) -> str:
    return "" if main is None or main.abstained else say.percent(main.score)


def _before(trace: Sequence[Point]) -> Point | None:
    """The oldest score of the last hours; ``None`` where there is but one."""
    recent = [one for one in trace if one.at >= trace[-1].at - _COURSE]
    return recent[0] if len(recent) > 1 else None


def _rises(trace: Sequence[Point]) -> bool:
    before = _before(trace)
    return before is not None and trace[-1].score - before.score >= _MOVED


def _news2(news2: Standing | None, say: Phrases) -> str:
    """The points now; those of an alert are of when it last changed."""
    if news2 is None or (news2.abstained and not news2.score):
        return ""
    return say.say("news2_at_least" if news2.abstained else "news2", points=f"{news2.score:.0f}")


def _owner(first: Alert | None, now: Now, clock: int, say: Phrases) -> str:
    """Who has it, or asked for silence."""
    told = first or next((one for one in now.alerts if one.state in _SILENT and one.suppressed is None), None)
    return "" if told is None else answered(told, clock, say)


def _withdrawn(now: Now, clock: int, say: Phrases) -> str:
    """The alert that was taken back last, since somebody may have acted on it."""
    taken_back = [one for one in now.alerts if one.state == "retracted" and clock - parse(one.at) < VITALS_EVERY]
    if not taken_back:
        return ""
    last = max(taken_back, key=lambda one: one.at)
    return say.say("withdrawn", at=say.at(parse(last.at), clock), title=say.word("kinds", last.kind))


def _vital(now: Now) -> int | None:
    found = now.newest.get("vital")
    return None if found is None else parse(found[0])


def _lab(now: Now) -> int | None:
    found = [parse(taken) for group, (taken, _) in now.newest.items() if group != "vital"]
    return max(found, default=None)

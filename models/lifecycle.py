"""The life of an alert: raised, escalated, updated, answered, then resolved, retracted or expired; never said twice.

An alert is raised when even the lowest the score could be reaches a level, and falls only when even the highest it
could be is below what clears the level: what is not known neither raises nor calms. Between the two it stays as it is,
until nothing has borne it out for so long that it expires.

An alert that is held back lives the same life, and each of its changes is said with the reason for holding it back.
One that is told and that nobody answers goes from role to role.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from features.alert import AlertMemory
from features.events import NEXT_RESULT, Feedback
from models.cascade import Cascade, end, pass_on
from models.outputs import Severity, State

#: The states after which an alert is over.
ENDED: frozenset[State] = frozenset({"resolved", "retracted", "expired"})
#: The states in which somebody asked for silence.
_SILENT = frozenset({"snoozed", "dismissed"})
_ANSWERED = _SILENT | {"acknowledged"}
#: Reasons for holding an alert back that end with time.
_TIMED = frozenset({"lockout", "repeat"})
_NEVER = 2**62
#: Answers to one alert that are known again when they are repeated.
_MOST_ANSWERS = 100


@dataclass(frozen=True, slots=True)
class Level:
    """A severity, the score that raises it, and the score, not higher, below which it is left."""

    severity: Severity
    raise_at: float
    clear_below: float


@dataclass(frozen=True, slots=True)
class Policy:
    """The levels of one kind of alert, the mildest first."""

    levels: tuple[Level, ...]

    def reached(self, score: float) -> int:
        """The gravest level that a score raises, -1 for none."""
        return max((at for at, level in enumerate(self.levels) if score >= level.raise_at), default=-1)

    def held(self, score: float, level: int) -> int:
        """The gravest level, no graver than ``level``, that a score does not leave; -1 for none."""
        return max((at for at, one in enumerate(self.levels[: level + 1]) if score >= one.clear_below), default=-1)

    def severity(self, level: int) -> Severity:
        """Of a level; of the gravest for one beyond it, as a release with more levels left it in a record."""
        return self.levels[min(level, len(self.levels) - 1)].severity


@dataclass(frozen=True, slots=True)
class Quiet:
    """How long, in ms: an alert that nothing bears out lives, and what was answered or told is held back.

    ``remind`` is after how long an alert that nobody answers is said again, 0 for never; ``cascade`` to whom it goes.
    """

    expires: int
    lockout: int = 0
    repeat: int = 0
    remind: int = 0
    cascade: Cascade = field(default_factory=Cascade)


class Verdict(msgspec.Struct, frozen=True):
    """What a scorer found at an instant, as far as its alert goes.

    ``findings`` are what the alert says, by name, ``always`` those of them that are told however lately they were;
    ``evidence`` are the observations behind them; ``gone`` that one which the alert rested on was corrected or
    withdrawn; ``held`` why the alert is held back whatever it says, and ``held_until`` when time alone ends that;
    ``elsewhere`` that an alert of another kind tells the same; ``renewed`` that the result came for which the alert was
    snoozed.
    """

    now: int
    low: float
    high: float
    evidence: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    always: frozenset[str] = frozenset()
    gone: bool = False
    held: str | None = None
    held_until: int = 0
    elsewhere: bool = False
    renewed: bool = False


class Turn(msgspec.Struct, frozen=True):
    """The alert's next memory, what is said of it (``None``: nothing), and when each finding was last told.

    ``told`` is ``None`` where that stays as it was.
    """

    memory: AlertMemory | None
    state: State | None = None
    told: Mapping[str, int] | None = None


def is_open(alert: AlertMemory | None) -> bool:
    """Whether an alert is not over."""
    return alert is not None and alert.state not in ENDED


def due(alert: AlertMemory, quiet: Quiet) -> int:
    """The instant from which time alone changes an open alert."""
    waits = alert.snoozed_until or (alert.held_until if alert.held else _reminds_at(alert, quiet))
    escalates = alert.escalations[0].at if alert.escalations else _NEVER
    return min(alert.supported + quiet.expires + 1, waits or _NEVER, escalates)


def leave(alert: AlertMemory | None, *, gone: bool = False) -> Turn:
    """When the rule does not speak of this patient any more: the alert ends, and calms nobody.

    ``gone`` says that this is so because a result which it rested on was corrected or withdrawn.
    """
    if alert is None or not is_open(alert):
        return Turn(alert)
    return _retracted(alert, {}) if gone else Turn(_ended(alert, "expired"), "expired")


def advance(
    policy: Policy,
    quiet: Quiet,
    alert: AlertMemory | None,
    verdict: Verdict,
    told: Mapping[str, int],
    name: Callable[[], str],
) -> Turn:
    """The alert after a verdict. ``told`` has when each finding was last told, ``name`` names a new alert."""
    raised = policy.reached(verdict.low)
    names = verdict.findings or tuple(f"level {one}" for one in range(raised + 1))
    # Nobody was told the truth by what was corrected since: it makes nothing a repeat.
    told = {
        one: at for one, at in told.items() if verdict.now < at + quiet.repeat and (not verdict.gone or one in names)
    }
    if alert is None or not is_open(alert):
        last = _unlocked(alert) if alert is not None and verdict.gone else alert
        if raised < 0:
            return Turn(_remembered(last, verdict, told), told=told)
        opened = _open(policy, quiet, last, raised, names, verdict, told, name)
        return Turn(opened, "raised", _now_told(told, names, opened, verdict))

    level = raised if verdict.gone else max(raised, policy.held(verdict.high, alert.level))
    if level < 0:
        return _retracted(alert, told) if verdict.gone else Turn(_ended(alert, "resolved"), "resolved", told)
    supported = verdict.now if verdict.low >= policy.levels[level].clear_below else alert.supported
    if verdict.now - supported > quiet.expires:
        return Turn(_ended(alert, "expired"), "expired", told)

    fresh = _fresh(alert, verdict, told)
    worse = level > alert.level
    rests = msgspec.structs.replace(
        alert,
        supported=supported,
        # Where only hysteresis holds the alert, it still rests on what raised it.
        evidence=verdict.evidence if raised >= level and verdict.evidence else alert.evidence,
        findings=verdict.findings or alert.findings,
    )
    if verdict.now < alert.snoozed_until and not (worse or fresh or verdict.renewed):
        return Turn(rests, told=told)
    held, until = _still_held(quiet, alert, verdict, level, worse=worse, fresh=fresh)
    severity = policy.severity(level)
    changes = level != alert.level or severity != alert.severity or held != alert.held
    reminds = raised >= 0 and 0 < _reminds_at(alert, quiet) <= verdict.now
    if not (changes or fresh or reminds or alert.state in _SILENT):
        return Turn(msgspec.structs.replace(rests, held_until=until), told=told)
    state: State = "escalated" if worse else "updated"
    said = msgspec.structs.replace(
        rests,
        sequence=alert.sequence + 1,
        state=state,
        level=level,
        held=held,
        held_until=until,
        snoozed_until=0,
        asleep_since=0,
        severity=severity,
        said=verdict.now,
    )
    # What somebody took goes to nobody else only because it is milder now.
    answered = _locked(alert, level, verdict) and not (fresh or alert.held or alert.state in _SILENT)
    if held is not None or not quiet.cascade.covers(severity):
        said = end(said)
    elif worse or (alert.role is None and not answered):
        said = quiet.cascade.begin(said, verdict.now)
    return Turn(said, state, _now_told(told, names, said, verdict))


def escalate(alert: AlertMemory | None, now: int) -> Turn:
    """The alert when nobody answered it in time: whatever else is said of it, that is a change of its own."""
    passed = None if alert is None else pass_on(alert, now)
    return Turn(alert) if passed is None else Turn(passed, "escalated")


def react(quiet: Quiet, alert: AlertMemory, feedback: Feedback, now: int) -> Turn:
    """The alert after somebody's answer; one that comes too late or twice changes nothing."""
    if feedback.id in alert.feedback or not is_open(alert) or feedback.action == "comment":
        return Turn(alert)
    # One that changes nothing is remembered too: sent again, it must not change what came after it.
    seen = msgspec.structs.replace(alert, feedback=(*alert.feedback, feedback.id)[-_MOST_ANSWERS:])
    answered = msgspec.structs.replace(end(seen), sequence=alert.sequence + 1, snoozed_until=0, asleep_since=0)
    locked = {"quiet_until": now + quiet.lockout, "quiet_level": alert.level}
    match feedback.action:
        case "acknowledge" if alert.state != "acknowledged":
            return Turn(msgspec.structs.replace(answered, state="acknowledged", **locked), "acknowledged")
        case "snooze" if feedback.until == NEXT_RESULT:
            times = {"snoozed_until": now + quiet.lockout, "asleep_since": now}
            return Turn(msgspec.structs.replace(answered, state="snoozed", **times), "snoozed")
        case "snooze" if isinstance(feedback.until, int) and feedback.until > now:
            snoozed = msgspec.structs.replace(answered, state="snoozed", snoozed_until=feedback.until)
            return Turn(snoozed, "snoozed")
        case "dismiss" if alert.state != "dismissed":
            dismissed = msgspec.structs.replace(
                answered, state="dismissed", snoozed_until=now + quiet.lockout, **locked
            )
            return Turn(dismissed, "dismissed")
        case "reopen" if alert.state in _ANSWERED:
            reopened = msgspec.structs.replace(
                answered, state="updated", held=None, held_until=0, quiet_until=0, quiet_level=-1
            )
            return Turn(quiet.cascade.begin(reopened, now), "updated")
    return Turn(seen)


def adopt(own: AlertMemory | None, other: AlertMemory) -> Turn:
    """An alert that comes with a merged patient: it goes on, or ends where one of its kind is open already."""
    if not is_open(other):
        return Turn(own if own is not None and own.quiet_until >= other.quiet_until else other)
    if is_open(own):
        return Turn(_ended(other, "expired"), "expired")
    state: State = other.state if other.state in _ANSWERED else "updated"  # type: ignore[assignment] # one of State
    return Turn(msgspec.structs.replace(other, sequence=other.sequence + 1, state=state), state)


def _open(
    policy: Policy,
    quiet: Quiet,
    last: AlertMemory | None,
    level: int,
    names: tuple[str, ...],
    verdict: Verdict,
    told: Mapping[str, int],
    name: Callable[[], str],
) -> AlertMemory:
    """A new alert, held back if it was answered or told lately."""
    held, until = verdict.held, verdict.held_until
    if held is None and last is not None and _locked(last, level, verdict) and not _fresh(last, verdict, told):
        held, until = "lockout", last.quiet_until
    if held is None and all(one in told and one not in verdict.always for one in names):
        held, until = "repeat", min(told[one] for one in names) + quiet.repeat
    if held is None and verdict.elsewhere:
        held, until = "repeat", verdict.now + quiet.repeat
    identifier = name()
    opened = AlertMemory(
        id=identifier,
        # The same events after a correction that took them away: the same alert goes on, and counts on.
        sequence=last.sequence + 1 if last is not None and last.id == identifier else 1,
        state="raised",
        level=level,
        evidence=verdict.evidence,
        findings=verdict.findings,
        supported=verdict.now,
        held=held,
        held_until=until,
        quiet_until=last.quiet_until if last else 0,
        quiet_level=last.quiet_level if last else -1,
        severity=policy.severity(level),
        said=verdict.now,
    )
    return opened if held is not None else quiet.cascade.begin(opened, verdict.now)


def _reminds_at(alert: AlertMemory, quiet: Quiet) -> int:
    """When an alert that nobody answers is said again; 0 for never."""
    return alert.said + quiet.remind if quiet.remind and alert.held is None and alert.state not in _ANSWERED else 0


def _fresh(alert: AlertMemory, verdict: Verdict, told: Mapping[str, int]) -> bool:
    """Whether there is a finding that the alert did not say yet, or a new result with one to be told each time."""
    new_result = not frozenset(verdict.evidence) <= frozenset(alert.evidence)
    return any(
        (one not in alert.findings or new_result) and (one in verdict.always or one not in told)
        for one in verdict.findings
    )


def _still_held(
    quiet: Quiet, alert: AlertMemory, verdict: Verdict, level: int, *, worse: bool, fresh: bool
) -> tuple[str | None, int]:
    """Why an open alert is held back from now on, and until when."""
    if verdict.held is not None:
        return verdict.held, verdict.held_until
    if verdict.elsewhere and worse:
        return "repeat", verdict.now + quiet.repeat
    if fresh:
        return None, 0
    if worse:
        return ("lockout", alert.quiet_until) if _locked(alert, level, verdict) else (None, 0)
    waits = alert.held in _TIMED and verdict.now < alert.held_until
    return (alert.held, alert.held_until) if waits else (None, 0)


def _locked(alert: AlertMemory, level: int, verdict: Verdict) -> bool:
    """Whether somebody answered this level, or a graver one, lately."""
    return verdict.now < alert.quiet_until and level <= alert.quiet_level


def _unlocked(alert: AlertMemory) -> AlertMemory:
    """What somebody answered was not true: the answer quiets nothing that is."""
    return msgspec.structs.replace(alert, quiet_until=0, quiet_level=-1)


def _now_told(
    told: Mapping[str, int], names: tuple[str, ...], alert: AlertMemory, verdict: Verdict
) -> Mapping[str, int]:
    """What counts as told after the alert was said, held back or not."""
    return told if alert.held else {**told, **dict.fromkeys(names, verdict.now)}


def _remembered(alert: AlertMemory | None, verdict: Verdict, told: Mapping[str, int]) -> AlertMemory | None:
    """An ended alert for as long as it can make a repeat, or the same events could name one like it again."""
    if alert is None:
        return None
    return alert if told or verdict.now < alert.quiet_until or verdict.now <= alert.supported else None


def _retracted(alert: AlertMemory, told: Mapping[str, int]) -> Turn:
    return Turn(_unlocked(_ended(alert, "retracted")), "retracted", told)


def _ended(alert: AlertMemory, state: State) -> AlertMemory:
    return msgspec.structs.replace(end(alert), sequence=alert.sequence + 1, state=state)

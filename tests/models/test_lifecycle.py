from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.alert import AlertMemory, Escalation
from features.instants import HOUR
from models.cascade import Cascade
from models.lifecycle import ENDED, Level, Policy, Quiet, Turn, Verdict, adopt, advance, due, is_open, leave, react
from tests.builders import feedback, moment

POLICY = Policy((Level("info", 5, 4), Level("warning", 7, 6), Level("critical", 12, 10)))
QUIET = Quiet(expires=24 * HOUR, lockout=12 * HOUR, repeat=6 * HOUR)
#: Nothing is held back, so that what is said of a score shows.
LOUD = Quiet(expires=24 * HOUR)


@dataclass
class Life:
    """An alert from verdict to verdict, at instants in hours; ``said`` are its changes (sequence, state, held)."""

    quiet: Quiet = QUIET
    policy: Policy = POLICY
    alert: AlertMemory | None = None
    told: Mapping[str, int] = field(default_factory=dict)
    said: list[tuple[int, str, str | None]] = field(default_factory=list)
    opened: int = 0

    def judge(self, hour: float, low: float, high: float | None = None, **fields) -> str | None:
        """What is said of a score; the state with ``!`` after it where it is held back."""
        evidence = fields.pop("evidence", (f"o-{hour:g}",))
        verdict = Verdict(moment(hour), low, low if high is None else high, evidence, **fields)
        return self._turn(advance(self.policy, self.quiet, self.alert, verdict, self.told, self._name))

    def answer(self, hour: float, action: str, **fields) -> str | None:
        """What is said of somebody's answer."""
        assert self.alert is not None
        given = feedback(self.alert.id, action, hour, **fields)
        return self._turn(react(self.quiet, self.alert, given, moment(hour)))

    def _name(self) -> str:
        self.opened += 1
        return f"alert-{self.opened}"

    def _turn(self, turn: Turn) -> str | None:
        before, self.alert = self.alert, turn.memory
        if turn.told is not None:
            self.told = turn.told
        if turn.state is None:
            return None
        assert self.alert is not None
        same = before is not None and before.id == self.alert.id
        assert self.alert.sequence == (before.sequence + 1 if before is not None and same else 1)
        assert self.alert.state == turn.state
        self.said.append((self.alert.sequence, turn.state, self.alert.held))
        return turn.state + ("!" if self.alert.held else "")


def raised(level: int = 1, **settings) -> Life:
    """An alert that was raised at hour 0 by the observation ``o-0``."""
    life = Life(**settings)
    assert life.judge(0, POLICY.levels[level].raise_at) == "raised"
    return life


def level_of(life: Life) -> int | None:
    return life.alert.level if life.alert is not None and is_open(life.alert) else None


# ---------------------------------------------------------------- the score


@pytest.mark.parametrize(
    ("score", "level"), [(0, None), (4.99, None), (5, 0), (6.99, 0), (7, 1), (11.99, 1), (12, 2), (20, 2)]
)
def test_an_alert_is_raised_at_the_gravest_level_reached(score, level):
    life = Life()
    assert life.judge(0, score) == (None if level is None else "raised")
    assert level_of(life) == level


@pytest.mark.parametrize(
    ("level", "score", "state", "expected"),
    [
        (0, 7, "escalated", 1),
        (0, 12, "escalated", 2),
        (1, 12, "escalated", 2),
        (0, 5, None, 0),
        (0, 4, None, 0),  # below what raises it, and not below what clears it
        (0, 3.99, "resolved", None),
        (1, 6, None, 1),
        (1, 5.99, "updated", 0),
        (1, 4, "updated", 0),
        (1, 3.99, "resolved", None),
        (2, 10, None, 2),
        (2, 9.99, "updated", 1),
        (2, 5, "updated", 0),
        (2, 0, "resolved", None),
    ],
)
@pytest.mark.req("VAGT-ALT-04")
def test_an_open_alert_follows_the_score_with_hysteresis(level, score, state, expected):
    life = raised(level)
    assert life.judge(1, score) == state
    assert level_of(life) == expected


@pytest.mark.parametrize(
    ("level", "score", "state", "expected"),
    [
        (0, 5, None, 0),  # other observations would raise it anew
        (0, 4.5, "retracted", None),  # hysteresis is for a score that fell, not for one that never was
        (1, 6, "updated", 0),
        (1, 7, None, 1),
        (1, 0, "retracted", None),
        (0, 7, "escalated", 1),
    ],
)
def test_an_alert_whose_evidence_is_gone_stands_only_if_it_would_be_raised_anew(level, score, state, expected):
    life = raised(level)
    assert life.judge(1, score, gone=True) == state
    assert level_of(life) == expected


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.req("VAGT-DEC-04")
def test_a_score_that_is_not_known_neither_raises_nor_calms(level):
    assert Life().judge(0, 0, 20) is None
    life = raised(level)
    assert life.judge(1, 0, 20) is None
    assert level_of(life) == level


def test_what_is_known_may_raise_though_the_rest_is_not():
    life = Life()
    assert life.judge(0, 5, 20) == "raised"
    assert life.judge(1, 7, 20) == "escalated"


def test_an_alert_falls_only_as_far_as_the_most_that_it_could_be():
    life = raised(2)
    assert life.judge(1, 0, 9) == "updated"
    assert level_of(life) == 1
    assert life.judge(2, 0, 3.9) == "resolved"


@given(st.none() | st.integers(0, 2), st.floats(0, 20), st.floats(0, 20), st.booleans())
def test_what_was_said_is_not_said_again(level, one, other, gone):
    low, high = sorted((one, other))
    life = Life(LOUD) if level is None else raised(level, quiet=LOUD)
    life.judge(1, low, high, gone=gone, evidence=("x",))
    assert life.judge(1, low, high, evidence=("x",)) is None


def test_an_alert_rests_on_what_raised_it_while_only_hysteresis_holds_it():
    life = raised(0)
    life.judge(1, 4.5, evidence=("lower",))
    assert life.alert is not None
    assert life.alert.evidence == ("o-0",)
    life.judge(2, 5, evidence=("newer",))
    assert life.alert.evidence == ("newer",)
    life.judge(3, 5, evidence=())  # a rule that names none
    assert life.alert.evidence == ("newer",)


def test_a_rule_that_leaves_a_patient_ends_its_alert_and_calms_nobody():
    turn = leave(raised(1).alert)
    assert turn.memory is not None
    assert (turn.state, turn.memory.sequence) == ("expired", 2)
    assert leave(turn.memory) == Turn(turn.memory)
    assert leave(None) == Turn(None)


def test_a_rule_that_cannot_speak_since_a_result_was_withdrawn_retracts_its_alert():
    life = raised(1)
    life.answer(1, "acknowledge")
    turn = leave(life.alert, gone=True)
    assert turn.memory is not None
    assert (turn.state, turn.told, turn.memory.quiet_until) == ("retracted", {}, 0)


# ---------------------------------------------------------------- time


def test_an_alert_that_nothing_bears_out_expires():
    life = raised(1)
    assert life.judge(24, 0, 20) is None
    assert life.judge(24 + 1 / HOUR, 0, 20) == "expired"


def test_an_alert_that_a_score_bears_out_lives_on():
    life = raised(1)
    assert life.judge(20, 6, 20) is None  # not below what clears its level
    assert life.judge(44, 0, 20) is None
    assert life.judge(44.1, 0, 20) == "expired"


def test_time_alone_changes_an_alert_when_it_expires_is_called_back_or_is_not_held_any_more():
    life = raised(1)
    assert life.alert is not None
    assert due(life.alert, QUIET) == moment(24) + 1
    life.answer(1, "snooze", until=3)
    assert due(life.alert, QUIET) == moment(3)
    held = msgspec.structs.replace(life.alert, held="repeat", held_until=moment(2))
    assert due(held, QUIET) == moment(3)  # what is asleep does not wake for that
    assert due(msgspec.structs.replace(held, snoozed_until=0), QUIET) == moment(2)
    assert due(msgspec.structs.replace(held, snoozed_until=0, held="palliative", held_until=0), QUIET) == moment(24) + 1


# ---------------------------------------------------------------- answers


@pytest.mark.req("VAGT-ALT-05")
def test_an_acknowledged_alert_says_nothing_until_it_is_worse():
    life = raised(0)
    assert life.answer(1, "acknowledge") == "acknowledged"
    assert life.judge(2, 6) is None
    assert life.judge(3, 7) == "escalated"


def test_what_was_acknowledged_is_held_back_for_the_lockout_when_it_comes_again():
    life = raised(1, quiet=Quiet(24 * HOUR, lockout=12 * HOUR))
    life.answer(1, "acknowledge")
    assert life.judge(2, 0) == "resolved"
    assert life.judge(12.9, 7) == "raised!"
    assert life.said[-1] == (1, "raised", "lockout")
    assert life.alert is not None
    assert life.alert.held_until == moment(13)
    assert life.judge(13, 7) == "updated"  # the lockout ends, and it is still so


def test_a_milder_level_is_held_back_too_and_a_graver_one_is_not():
    for score, said in ((5, "raised!"), (12, "raised")):
        life = raised(1, quiet=Quiet(24 * HOUR, lockout=12 * HOUR))
        life.answer(1, "acknowledge")
        life.judge(2, 0)
        assert life.judge(3, score) == said


def test_a_lockout_is_over_when_it_is_over():
    life = raised(1, quiet=Quiet(24 * HOUR, lockout=12 * HOUR))
    life.answer(1, "acknowledge")
    life.judge(2, 0)
    assert life.judge(13, 7) == "raised"


@pytest.mark.req("VAGT-ALT-04")
def test_an_acknowledged_alert_that_swings_about_its_threshold_does_not_call_at_each_swing():
    life = raised(1, quiet=Quiet(24 * HOUR, lockout=12 * HOUR))
    life.answer(1, "acknowledge")
    assert life.judge(2, 5) == "updated"
    assert life.judge(3, 7) == "escalated!"
    assert life.said[-1] == (4, "escalated", "lockout")
    assert life.judge(13, 7) == "updated"


@pytest.mark.req("VAGT-ALT-03")
def test_what_is_held_back_lives_and_gets_through_when_it_is_worse():
    life = raised(0, quiet=Quiet(24 * HOUR, lockout=12 * HOUR))
    life.answer(1, "acknowledge")
    life.judge(2, 0)
    assert life.judge(3, 5) == "raised!"
    assert life.judge(4, 7) == "escalated"


@pytest.mark.req("VAGT-ALT-05")
def test_a_snooze_is_silent_and_calls_back_at_its_end():
    life = raised(1)
    assert life.answer(1, "snooze", until=3) == "snoozed"
    assert life.judge(2.9, 7) is None
    assert life.judge(2.95, 5) is None  # milder
    assert life.judge(3, 7) == "updated"
    assert life.judge(4, 7) is None


@pytest.mark.req("VAGT-ALT-06")
def test_a_snooze_does_not_hide_what_is_worse_gone_or_over():
    for score, gone, said in ((12, False, "escalated"), (0, True, "retracted"), (0, False, "resolved")):
        life = raised(1)
        life.answer(1, "snooze", until=30)
        assert life.judge(2, score, gone=gone) == said
    life = raised(1)
    life.answer(1, "snooze", until=30)
    assert life.judge(24.1, 0, 20) == "expired"


def test_a_snooze_that_is_over_already_changes_nothing():
    assert raised(1).answer(2, "snooze", until=2) is None


def test_a_hold_that_ends_during_a_snooze_waits_for_its_end():
    life = raised(1)
    life.judge(1, 0)
    assert life.judge(2, 7) == "raised!"  # a repeat, up to hour 6
    life.answer(3, "snooze", until=8)
    assert life.judge(7, 7) is None
    assert life.alert is not None
    assert due(life.alert, QUIET) == moment(8)
    assert life.judge(8, 7) == "updated"


@pytest.mark.req("VAGT-ALT-05")
def test_a_dismissed_alert_is_silent_for_the_lockout_unless_it_is_worse():
    life = raised(1)
    assert life.answer(1, "dismiss", reason="expected") == "dismissed"
    assert life.judge(12.9, 7) is None
    assert life.judge(13, 7) == "updated"
    worse = raised(1)
    worse.answer(1, "dismiss", reason="expected")
    assert worse.judge(2, 12) == "escalated"


def test_a_dismissed_alert_that_resolved_is_held_back_when_it_comes_again():
    life = raised(1, quiet=Quiet(24 * HOUR, lockout=12 * HOUR))
    life.answer(1, "dismiss", reason="does-not-fit")
    life.judge(2, 0)
    assert life.judge(3, 7) == "raised!"


@pytest.mark.req("VAGT-ALT-05")
def test_reopening_undoes_an_answer():
    for action in ("acknowledge", "dismiss", "snooze"):
        life = raised(1, quiet=Quiet(24 * HOUR, lockout=12 * HOUR))
        life.answer(1, action, until=20, reason="other")
        assert life.answer(2, "reopen") == "updated"
        assert life.judge(3, 7) is None
        assert life.judge(4, 0) == "resolved"
        assert life.judge(5, 7) == "raised"


def test_a_comment_and_reopening_what_nobody_answered_change_nothing():
    life = raised(1)
    assert life.answer(1, "comment", note="seen") is None
    assert life.answer(1, "reopen") is None
    assert life.said == [(1, "raised", None)]


@pytest.mark.parametrize("action", ["acknowledge", "dismiss", "snooze"])
@pytest.mark.req("VAGT-ALT-05")
def test_an_answer_that_comes_twice_changes_nothing(action):
    life = raised(1)
    said = life.answer(1, action, until=20, reason="other")
    assert life.answer(1, action, until=20, reason="other") is None
    life.answer(2, "reopen")
    assert life.answer(1, action, until=20, reason="other") is None
    assert life.answer(3, action, until=20, reason="other") == said  # another answer


def test_an_answer_that_changed_nothing_changes_nothing_when_it_is_sent_again():
    life = raised(1)
    assert life.answer(0, "reopen") is None
    assert life.answer(1, "acknowledge") == "acknowledged"
    assert life.answer(0, "reopen") is None


def test_the_same_answer_by_another_hand_is_not_said_again():
    life = raised(1)
    for action, said in (("acknowledge", "acknowledged"), ("dismiss", "dismissed")):
        assert life.answer(1, action, reason="other") == said
        assert life.answer(1, action, reason="other", id="another") is None


@pytest.mark.parametrize("action", ["acknowledge", "dismiss", "snooze", "reopen", "comment"])
@pytest.mark.req("VAGT-ALT-05")
def test_an_answer_that_comes_too_late_changes_nothing(action):
    life = raised(1)
    life.judge(1, 0)
    before = life.alert
    assert life.answer(2, action, until=20, reason="other") is None
    assert life.alert == before


# ---------------------------------------------------------------- what was told


@pytest.mark.req("VAGT-ALT-04")
def test_what_was_told_lately_is_held_back_as_a_repeat():
    life = raised(1)
    life.judge(1, 0)
    assert life.judge(5.9, 7) == "raised!"
    assert life.said[-1] == (1, "raised", "repeat")
    assert life.alert is not None
    assert life.alert.held_until == moment(6)
    assert life.judge(6, 7) == "updated"


@pytest.mark.req("VAGT-ALT-03")
def test_what_is_graver_than_what_was_told_is_no_repeat():
    life = raised(0)
    life.judge(1, 0)
    assert life.judge(2, 7) == "raised"


def test_what_was_held_back_does_not_count_as_told():
    life = raised(1)
    life.judge(1, 0)
    assert life.judge(2, 7) == "raised!"
    life.judge(3, 0)
    assert life.judge(6, 7) == "raised"


def test_what_a_correction_took_back_makes_no_repeat_and_no_lockout():
    life = raised(1)
    life.answer(0.5, "acknowledge")
    assert life.judge(1, 0, gone=True) == "retracted"
    assert life.judge(2, 7) == "raised"


def test_a_correction_after_the_alert_was_over_makes_no_repeat_either():
    life = raised(1)
    life.answer(0.5, "acknowledge")
    life.judge(1, 0)
    assert life.judge(1.5, 0, gone=True) is None
    assert life.judge(2, 7) == "raised"


def test_what_is_forgotten_is_no_more_than_what_can_matter_no_more():
    life = raised(1)
    life.judge(1, 0)
    life.judge(5.9, 0)
    assert life.alert is not None
    life.judge(6, 0)
    assert vars(life)["alert"] is None
    assert life.told == {}


def test_the_same_events_after_they_were_taken_back_go_on_with_the_same_alert():
    """An unmerge takes a result away, and it is sent again at the same instant: the alert has the same name."""
    told: Mapping[str, int] = {}
    memory: AlertMemory | None = None
    said = []
    for score, gone in ((7.0, False), (0.0, True), (0.0, False), (7.0, False)):
        verdict = Verdict(moment(1), score, score, ("x",), gone=gone)
        turn = advance(POLICY, LOUD, memory, verdict, told, lambda: "the same")
        memory, told = turn.memory, turn.told or {}
        said += [(turn.state, turn.memory.sequence)] if turn.state and turn.memory else []
    assert said == [("raised", 1), ("retracted", 2), ("raised", 3)]


# ---------------------------------------------------------------- findings

ONE = Policy((Level("critical", 1, 1),))
HIGH, LOW = "potassium>6.0", "sodium<120"


def finding(*names: str, repeat: int = 168, lockout: int = 12) -> Life:
    """An alert of findings, raised at hour 0; what was told is not told again for a week."""
    life = Life(Quiet(24 * HOUR, lockout * HOUR, repeat * HOUR), ONE)
    assert life.judge(0, len(names), findings=names) == "raised"
    return life


def test_a_new_finding_is_told_and_a_known_one_is_not():
    life = finding(HIGH)
    assert life.judge(1, 1, findings=(HIGH,)) is None
    assert life.judge(2, 2, findings=(HIGH, LOW)) == "updated"
    assert life.judge(3, 1, findings=(LOW,)) is None


@pytest.mark.req("VAGT-ALT-06")
def test_a_new_finding_breaks_a_snooze_a_dismissal_and_a_lockout():
    for action in ("snooze", "dismiss", "acknowledge"):
        life = finding(HIGH)
        life.answer(1, action, until=20, reason="other")
        assert life.judge(2, 2, findings=(HIGH, LOW)) == "updated"
    life = finding(HIGH)
    life.answer(1, "acknowledge")
    life.judge(2, 0)
    assert life.judge(3, 1, findings=(LOW,)) == "raised"


def test_a_new_finding_starts_the_time_without_an_answer_only_where_somebody_took_the_alert():
    cascade = Cascade(("first", "second"), {"critical": (HOUR,)})
    for taken, goes in ((False, 1), (True, 3)):
        life = Life(Quiet(24 * HOUR, 12 * HOUR, 168 * HOUR, cascade=cascade), ONE)
        life.judge(0, 1, findings=(HIGH,))
        if taken:
            life.answer(1, "acknowledge")
        assert life.judge(2, 2, findings=(HIGH, LOW)) == "updated"
        assert life.alert is not None
        assert (life.alert.role, life.alert.escalations) == ("first", (Escalation("second", moment(goes)),))


@pytest.mark.req("VAGT-ALT-04")
def test_the_same_finding_within_a_week_is_held_back_and_later_it_is_told():
    for hour, said in ((167.9, "raised!"), (168, "raised")):
        life = finding(HIGH)
        life.judge(1, 0)
        assert life.judge(hour, 1, findings=(HIGH,)) == said


def test_a_repeat_beside_a_new_finding_is_told_with_it():
    life = finding(HIGH)
    life.judge(1, 0)
    assert life.judge(2, 2, findings=(HIGH, LOW)) == "raised"


def test_a_held_repeat_is_told_when_a_new_finding_joins_it():
    life = finding(HIGH)
    life.judge(1, 0)
    assert life.judge(2, 1, findings=(HIGH,)) == "raised!"
    assert life.judge(3, 2, findings=(HIGH, LOW)) == "updated"


def test_a_finding_that_is_always_told_is_no_repeat():
    life = finding(HIGH)
    life.judge(1, 0)
    assert life.judge(2, 1, findings=(HIGH,), always=frozenset({HIGH})) == "raised"


def test_a_finding_that_is_always_told_is_told_at_each_new_result_and_once_at_each():
    life = finding(HIGH)
    for hour, result, said in ((1, "a", "updated"), (2, "a", None), (3, "b", "updated")):
        assert life.judge(hour, 1, findings=(HIGH,), always=frozenset({HIGH}), evidence=(result,)) == said


def test_a_finding_that_comes_again_in_an_open_alert_is_told_when_it_is_no_repeat_any_more():
    life = finding(HIGH, LOW, repeat=6)
    life.judge(1, 1, findings=(LOW,))
    assert life.judge(5.9, 2, findings=(HIGH, LOW)) is None
    life.judge(6, 1, findings=(LOW,), evidence=("o-5.9",))
    assert life.judge(7, 2, findings=(HIGH, LOW)) == "updated"


def test_a_finding_that_a_correction_took_back_is_told_when_it_is_true():
    life = finding(HIGH, LOW)
    assert life.judge(1, 1, findings=(LOW,), gone=True) is None
    assert life.judge(2, 2, findings=(HIGH, LOW)) == "updated"


# ---------------------------------------------------------------- held back whatever it says


def test_an_alert_of_a_flagged_patient_is_raised_held_back_and_lives_so():
    life = Life()
    assert life.judge(0, 5, held="palliative") == "raised!"
    assert life.judge(1, 7, held="palliative") == "escalated!"
    assert life.judge(2, 7, held="palliative") is None
    assert life.judge(3, 7) == "updated"
    assert [held for _, _, held in life.said] == ["palliative", "palliative", None]


def test_an_open_alert_is_held_back_when_the_reason_comes_and_told_when_it_goes():
    life = raised(1)
    assert life.judge(1, 7, held="already-treated", held_until=moment(9)) == "updated!"
    assert life.alert is not None
    assert life.alert.held_until == moment(9)
    assert life.judge(2, 7, held="already-treated", held_until=moment(12)) is None
    assert life.alert.held_until == moment(12)
    assert life.judge(3, 7) == "updated"  # the treatment was stopped


def test_what_is_held_back_for_a_reason_is_no_repeat_when_the_reason_goes():
    life = Life()
    life.judge(0, 7, held="palliative")
    life.judge(1, 0)
    assert life.judge(2, 7) == "raised"


# ---------------------------------------------------------------- merged patients


def adopted(life: Life, own: AlertMemory | None = None) -> tuple[str | None, int, str]:
    assert life.alert is not None
    turn = adopt(own, life.alert)
    assert turn.memory is not None
    assert turn.memory.state == turn.state
    return turn.state, turn.memory.sequence, turn.memory.id


def test_an_alert_goes_on_under_the_patient_it_came_to_as_it_was_answered():
    life = raised(1)
    assert adopted(life) == ("updated", 2, "alert-1")
    for action, state in (("acknowledge", "acknowledged"), ("dismiss", "dismissed"), ("snooze", "snoozed")):
        life = raised(1)
        life.answer(1, action, until=9, reason="other")
        assert adopted(life) == (state, 3, "alert-1")


def test_of_two_open_alerts_of_a_kind_the_one_that_came_ends():
    assert adopted(raised(1), own=AlertMemory("own", 1, "raised", 0)) == ("expired", 2, "alert-1")


def test_an_alert_that_is_over_brings_its_lockout_and_no_word():
    def over(quiet_until: int) -> AlertMemory:
        return AlertMemory("x", 3, "resolved", 1, quiet_until=quiet_until)

    assert adopt(None, over(5)) == Turn(over(5))
    assert adopt(over(4), over(5)) == Turn(over(5))
    assert adopt(over(6), over(5)) == Turn(over(6))


def test_a_level_that_the_policy_has_no_more_counts_as_its_gravest():
    assert [POLICY.severity(level) for level in (0, 2, 3, 60_000)] == ["info", "critical", "critical", "critical"]
    life = raised(1)
    life.policy = ONE
    assert life.alert is not None
    life.alert = msgspec.structs.replace(life.alert, level=7)
    assert life.judge(2, 9) == "updated"
    assert (life.alert.level, life.alert.severity) == (0, "critical")


# ---------------------------------------------------------------- any life

steps = st.one_of(
    st.tuples(
        st.just("judge"),
        st.sampled_from([0, 4.5, 5, 6.5, 7, 12]),
        st.sampled_from([0, 20]),
        st.booleans(),
        st.sampled_from([None, None, "palliative", "already-treated"]),
    ),
    st.tuples(
        st.sampled_from(["acknowledge", "snooze", "dismiss", "reopen", "comment"]),
        st.integers(0, 9),
        st.just(0),
        st.just(False),
        st.none(),
    ),
)


@given(st.lists(st.tuples(steps, st.sampled_from([0, 0.5, 3, 13, 25])), max_size=30))
@pytest.mark.req("VAGT-ALT-07")
def test_time_always_comes_to_what_is_due_and_nothing_worse_is_ever_silent(life_steps):
    """After each verdict nothing is due at once; a score above all that was said is told unless a reason holds it."""
    life, hour = Life(), 0.0
    for (what, score, more, gone, held), pause in life_steps:
        hour += pause
        if what != "judge":
            if life.alert is not None:
                life.answer(hour, what, until=hour + score, reason="other", id=f"{hour}{what}")
            continue
        before = level_of(life)
        said = life.judge(hour, score, max(score, more), gone=gone, held=held)
        level = POLICY.reached(score)
        if level > (-1 if before is None else before):
            assert said is not None
            assert said.startswith("raised" if before is None else "escalated")
        if gone and before is not None and level < 0:
            assert said == ("retracted!" if life.alert is not None and life.alert.held else "retracted")
        if life.alert is not None and is_open(life.alert):
            assert due(life.alert, QUIET) > moment(hour)
    for one, other in zip(life.said, life.said[1:], strict=False):
        assert one[1] not in ENDED or other[1] == "raised"


# ---------------------------------------------------------------- reminders, and what another alert tells

REMINDED = Quiet(expires=24 * HOUR, lockout=12 * HOUR, repeat=6 * HOUR, remind=10 * HOUR)


def test_an_alert_that_nobody_answers_is_said_again_while_its_score_reaches_a_level():
    life = raised(quiet=REMINDED)
    assert [life.judge(hour, 7) for hour in (9.99, 10, 15, 20)] == [None, "updated", None, "updated"]
    assert life.alert is not None
    assert due(life.alert, REMINDED) == moment(30)


def test_an_alert_that_only_hysteresis_holds_is_not_said_again():
    life = raised(0, quiet=REMINDED)
    assert life.judge(11, 4.5) is None
    assert life.judge(12, 5) == "updated"


@pytest.mark.parametrize(("action", "fields"), [("acknowledge", {}), ("snooze", {"until": 36})])
def test_an_answered_alert_is_not_said_again(action, fields):
    life = raised(quiet=REMINDED)
    life.answer(1, action, **fields)
    assert [life.judge(hour, 7) for hour in (11, 21, 31)] == [None] * 3


def test_a_held_alert_is_not_said_again():
    life = Life(quiet=REMINDED)
    assert life.judge(0, 7, held="palliative") == "raised!"
    assert life.judge(11, 7, held="palliative") is None


def test_what_another_alert_tells_is_a_repeat_and_comes_after_it_if_it_stays():
    life = Life()
    assert life.judge(0, 7, elsewhere=True) == "raised!"
    assert [life.judge(hour, 7) for hour in (1, 5.99, 6)] == [None, None, "updated"]


def test_an_alert_that_gets_worse_is_a_repeat_where_another_tells_it():
    life = raised(0)
    assert life.judge(1, 7, elsewhere=True) == "escalated!"
    assert life.judge(2, 12) == "escalated"

from dataclasses import replace
from importlib.resources import files

import pytest
from msgspec import structs

from features.alert import AlertMemory
from features.instants import HOUR
from models.lifecycle import Level, Policy
from models.quiet import Quietness, quietness
from models.registry import shipped
from tests.builders import after, encounter, moment, observation, tick, treatment

INFECTION, NEWS2, CRITICAL = (quietness().of(kind) for kind in ("infection-risk", "news2", "critical-result"))
PENICILLIN = "J01CE01"


def test_a_kind_builds_on_the_default():
    default = quietness().of("a kind without lines")
    assert (INFECTION.quiet.expires, INFECTION.quiet.lockout) == (default.quiet.expires, default.quiet.lockout)
    assert INFECTION.quiet.repeat == 24 * HOUR != default.quiet.repeat


@pytest.mark.req("VAGT-RUL-09")
def test_a_critical_result_is_told_again_after_a_week_and_no_flag_holds_it():
    palliative = after(encounter(flags=["palliative"]))
    assert CRITICAL.quiet.repeat == 7 * 24 * HOUR
    assert CRITICAL.held(palliative) == (None, 0)
    assert NEWS2.held(palliative) == ("palliative", 0)


@pytest.mark.parametrize("flag", ["hypercapnic", "pregnant", "chronic-dialysis"])
def test_other_flags_hold_nothing_back(flag):
    assert NEWS2.held(after(encounter(flags=[flag]))) == (None, 0)


@pytest.mark.req("VAGT-ALT-08")
def test_antibiotics_hold_the_infection_alert_for_two_days_after_their_start():
    record = after(treatment(PENICILLIN, "start", 1))
    assert INFECTION.held(record) == ("already-treated", moment(49))
    assert INFECTION.held(after(tick(49 - 1 / HOUR), record=record))[0] == "already-treated"
    assert INFECTION.held(after(tick(49), record=record)) == (None, 0)
    assert NEWS2.held(record) == (None, 0)


@pytest.mark.parametrize(
    "events",
    [
        [treatment(PENICILLIN, "start", 1), treatment(PENICILLIN, "stop", 2)],
        [treatment(PENICILLIN, "start", 1), treatment(PENICILLIN, "cancel", 1, id=f"{PENICILLIN}-start-1", version=2)],
        [treatment(PENICILLIN, "start", 1, issued="2026-03-01T00:30:00Z")],  # ordered, and not given yet
        [treatment("B01AB01", "start", 1)],
    ],
)
def test_what_was_stopped_cancelled_not_begun_or_is_no_antibiotic_holds_nothing(events):
    assert INFECTION.held(after(*events)) == (None, 0)


def test_a_stop_that_is_planned_ends_the_hold_when_it_comes():
    planned = treatment(PENICILLIN, "stop", 6, issued="2026-03-01T02:00:00Z")
    assert INFECTION.held(after(treatment(PENICILLIN, "start", 1), planned)) == ("already-treated", moment(6))


def test_the_antibiotic_that_holds_the_longest_counts():
    record = after(treatment(PENICILLIN, "start", 1), treatment("J01DD04", "start", 5))
    assert INFECTION.held(record) == ("already-treated", moment(53))


def test_a_warning_of_an_early_warning_score_is_for_information_in_intensive_care():
    icu, ward = (after(encounter(unitType=unit)).stay for unit in ("icu", "ward"))
    policy = Policy((Level("info", 1, 1), Level("warning", 5, 5), Level("critical", 7, 6)))
    assert [level.severity for level in NEWS2.policy(policy, icu).levels] == ["info", "info", "critical"]
    assert NEWS2.policy(policy, ward) == CRITICAL.policy(policy, icu) == policy


def test_a_discharge_ends_what_is_for_the_bedside_and_not_what_the_laboratory_finds():
    gone = after(encounter("discharge", 5))
    assert NEWS2.ended_with(gone)
    assert not CRITICAL.ended_with(gone)
    assert not NEWS2.ended_with(after(encounter("discharge", 5, issued="2026-03-01T04:00:00Z")))
    assert not NEWS2.ended_with(after(encounter("admit", 6), record=gone))


def test_every_shipped_kind_has_manners():
    for scorer in shipped():
        assert quietness().of(scorer.kind).quiet.expires > 0


@pytest.mark.parametrize(
    ("times", "fault"),
    [
        ("[15, 15]", "must ascend"),
        ("[0, 5]", "must ascend"),
        ("[15, 30, 60]", "more times to escalate at than roles after the first"),
    ],
)
def test_times_that_no_role_can_follow_are_refused(times, fault):
    shipped = files("models").joinpath("quiet.toml").read_text("utf-8")
    line = f"escalate_critical_minutes = {times}"
    for wrong in (
        shipped.replace("escalate_critical_minutes = [15, 30]", line),
        shipped.replace("[kinds.aki]", f"[kinds.aki]\n{line}"),
    ):
        with pytest.raises(ValueError, match=fault):
            Quietness(wrong)


def test_a_change_of_role_is_told_from_a_graver_level():
    assert INFECTION.quiet.cascade.roles == ("responsible", "on-call", "nurse-in-charge")
    first, *later = INFECTION.quiet.cascade.roles
    assert [quietness().passed_on("escalated", role) for role in (None, first, *later)] == [False, False, True, True]
    assert not any(quietness().passed_on("updated", role) for role in later)


def test_hyperkalaemia_waits_where_the_critical_result_tells_of_the_same_observation():
    hyperkalaemia = quietness().of("hyperkalaemia")
    record = after(observation("potassium", 6.7, 0))
    [entry] = record.series["potassium"].entries
    told = AlertMemory("c", 1, "raised", 0, evidence=(entry.id,))
    assert not hyperkalaemia.told_elsewhere(record, (entry,))
    for memory, expected in [
        (told, True),
        (structs.replace(told, state="resolved"), False),
        (structs.replace(told, held="repeat"), False),
        (structs.replace(told, evidence=("another",)), False),
    ]:
        assert hyperkalaemia.told_elsewhere(replace(record, alerts={"critical-result": memory}), (entry,)) is expected
    assert not NEWS2.told_elsewhere(replace(record, alerts={"critical-result": told}), (entry,))

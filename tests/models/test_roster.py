"""The roster: of each kind one model is live, whatever control records ask for, and each decision knows under which."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import Refused
from features.events import ModelControl, parse_control
from models.outputs import ModelRef
from models.roster import NEW, Roster, RosterError, apply, seated, stopped
from tests.builders import at
from tests.world import Gauge


def model(name: str, version: str = "1.0.0") -> ModelRef:
    return ModelRef(name, version, version[0] * 64)


OURS, NEXT, THEIRS, OFF = model("ours"), model("ours", "2.0.0"), model("theirs"), model("off")
ALONE = model("alone")
LOADED = (
    Gauge("gauge", model=OURS),
    Gauge("other", model=ALONE),
    Gauge("gauge", model=NEXT),
    Gauge("gauge", model=THEIRS),
    Gauge("gauge", model=OFF, switched_on=False),
)


def control(action: str, of: ModelRef | None = None, **fields) -> ModelControl:
    named = {} if of is None else {"model": {"name": of.name, "version": of.version, "sha256": of.sha256}}
    item = {"type": "control", "id": "c", "action": action, "by": "doctor", "why": "to try", "at": at(1)}
    found = parse_control({**item, **named, **fields})
    assert isinstance(found, ModelControl)
    return found


def after(*controls: ModelControl, roster: Roster = NEW) -> Roster:
    for one in controls:
        roster = apply(roster, one, LOADED)
    return roster


def refusal(roster: Roster, one: ModelControl) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        apply(roster, one, LOADED)
    return refused.value.reason, refused.value.detail


def live(roster: Roster) -> list[ModelRef]:
    return [one.model for one in seated(roster, LOADED)[0]]


def states(roster: Roster) -> dict[ModelRef, str]:
    return {one.model: roster.state(one, LOADED) for one in LOADED}


# ---------------------------------------------------------------- states


def test_without_control_records_the_first_of_each_kind_is_live_and_the_others_are_candidates():
    assert live(NEW) == [OURS, ALONE]
    assert seated(NEW, LOADED)[1] == ()
    assert states(NEW) == {OURS: "live", ALONE: "live", NEXT: "candidate", THEIRS: "candidate", OFF: "candidate"}


def test_a_promoted_model_takes_the_place_of_the_live_one_which_is_a_candidate_then():
    roster = after(control("promote", NEXT))
    assert live(roster) == [ALONE, NEXT]
    assert states(roster)[OURS] == "candidate"


def test_a_rollback_returns_to_the_version_that_was_live_before_one_step_at_a_time():
    roster = after(control("promote", NEXT), control("promote", THEIRS))
    roster = after(control("rollback", THEIRS), roster=roster)
    assert live(roster) == [ALONE, NEXT]
    roster = after(control("rollback", NEXT), roster=roster)
    assert roster == NEW, "then it is as if nobody had changed anything"
    assert refusal(roster, control("rollback", OURS)) == ("not-allowed", "no other model of this kind was live before")


def test_a_model_that_was_promoted_twice_stands_in_the_line_once():
    roster = after(control("promote", NEXT), control("promote", THEIRS), control("promote", NEXT))
    assert roster.promoted == {"gauge": (THEIRS, NEXT)}


def test_a_shadow_is_no_longer_one_once_it_is_promoted_or_rolled_back():
    shadow = after(control("shadow", NEXT), control("shadow", OFF))
    assert [one.model for one in seated(shadow, LOADED)[1]] == [NEXT, OFF]
    assert live(shadow) == [OURS, ALONE]
    promoted = after(control("promote", NEXT), roster=shadow)
    assert (states(promoted)[NEXT], promoted.shadows) == ("live", (OFF,))
    assert states(after(control("rollback", NEXT), roster=shadow))[NEXT] == "candidate"


def test_what_was_live_before_and_watches_in_shadow_is_live_again_after_a_rollback_and_no_shadow():
    roster = after(control("promote", NEXT), control("promote", THEIRS), control("shadow", NEXT))
    back = after(control("rollback", THEIRS), roster=roster)
    assert (live(back), back.shadows) == ([ALONE, NEXT], ())


def test_a_retired_model_comes_back_by_no_way():
    roster = after(control("promote", NEXT), control("promote", THEIRS), control("retire", NEXT))
    assert states(roster)[NEXT] == "retired"
    for action in ("promote", "shadow"):
        assert refusal(roster, control(action, NEXT))[0] == "not-allowed"
    assert after(control("rollback", THEIRS), roster=roster) == Roster(retired=(NEXT,))
    gone = after(control("promote", NEXT), control("retire", OURS))
    assert live(after(control("promote", THEIRS), control("rollback", THEIRS), roster=gone)) == [ALONE, NEXT]


@pytest.mark.parametrize(
    ("before", "asked", "why"),
    [
        ([], control("shadow", OURS), "the model is live: only a candidate goes into the shadow"),
        ([], control("retire", OURS), "the model is live: promote another, roll it back or stop it first"),
        ([], control("promote", OFF), "the model's manifest has it switched off: it would tell nobody"),
        ([control("promote", NEXT)], control("retire", NEXT), "the model is live: promote another"),
        ([control("retire", NEXT)], control("promote", NEXT), "a retired model speaks no more"),
    ],
)
@pytest.mark.req("VAGT-MOD-12")
def test_an_illegal_change_is_refused_with_the_reason(before, asked, why):
    reason, detail = refusal(after(*before), asked)
    assert (reason, detail[: len(why)]) == ("not-allowed", why)


@pytest.mark.parametrize("action", ["promote", "shadow", "rollback", "retire"])
def test_a_model_that_is_not_loaded_as_it_was_named_is_refused(action):
    other_bytes = ModelRef("ours", "2.0.0", "f" * 64)
    assert refusal(NEW, control(action, other_bytes))[0] == "unknown-model"


def test_a_rollback_to_a_model_that_is_not_loaded_any_more_is_refused():
    roster = Roster(promoted={"gauge": (model("gone"), NEXT)})
    assert refusal(roster, control("rollback", NEXT)) == (
        "unknown-model",
        "the model that was live before is not loaded",
    )


@pytest.mark.parametrize("roster", [Roster(promoted={"gauge": (model("gone"),)}), Roster(shadows=(model("gone"),))])
@pytest.mark.req("VAGT-MOD-12")
def test_nobody_decides_under_a_roster_that_names_a_model_which_is_not_loaded(roster):
    with pytest.raises(RosterError, match=r"gone 1\.0\.0 .* is not loaded"):
        seated(roster, LOADED)
    assert seated(Roster(retired=(model("gone"),)), LOADED), "a retired one may be gone"


@pytest.mark.parametrize(
    "said",
    [
        control("promote", NEXT),
        control("shadow", NEXT),
        control("retire", NEXT),
        control("rollback", NEXT),
        control("stop"),
        control("resume", kind="gauge"),
    ],
)
def test_what_is_said_twice_changes_nothing_the_second_time(said):
    once = after(said)
    assert after(said, roster=once) == once


# ---------------------------------------------------------------- stops


@pytest.mark.parametrize(
    ("fields", "silent"),
    [
        ({}, {("gauge", "A"), ("gauge", "B"), ("other", "A"), ("other", "B"), ("gauge", None), ("other", None)}),
        ({"kind": "gauge"}, {("gauge", "A"), ("gauge", "B"), ("gauge", None)}),
        ({"ward": "A"}, {("gauge", "A"), ("other", "A")}),
        ({"kind": "gauge", "ward": "A"}, {("gauge", "A")}),
    ],
)
def test_a_stop_is_of_a_kind_of_a_ward_of_both_or_of_everything(fields, silent):
    roster = after(control("stop", **fields))
    asked = [(kind, ward) for kind in ("gauge", "other") for ward in ("A", "B", None)]
    assert {(kind, ward) for kind, ward in asked if stopped(roster.stops, kind, ward)} == silent
    assert after(control("resume", **fields), roster=roster) == NEW


def test_each_stop_ends_by_itself_and_the_newest_reason_counts():
    roster = after(control("stop", kind="gauge"), control("stop", ward="A"), control("stop", ward="A", why="again"))
    assert [(one.kind, one.ward, one.why) for one in roster.stops] == [(None, "A", "again"), ("gauge", None, "to try")]
    assert after(control("resume"), roster=roster) == roster
    assert [one.kind for one in after(control("resume", ward="A"), roster=roster).stops] == ["gauge"]


def test_a_kind_that_nobody_knows_is_not_stopped_in_silence():
    assert refusal(NEW, control("stop", kind="gage"))[0] == "unknown-model"


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "stop", "model": {"name": "ours", "version": "1", "sha256": "1"}},
        {"action": "promote"},
        {"action": "promote", "kind": "gauge"},
        {"action": "start"},
        {"by": ""},
        {"why": None},
        {"at": "now"},
    ],
)
def test_a_control_record_of_models_that_is_not_one_is_refused(fields):
    item = {"type": "control", "id": "c", "action": "stop", "by": "doctor", "why": "x", "at": at(1)}
    with pytest.raises(Refused) as refused:
        parse_control({**item, **fields})
    assert refused.value.reason == "schema"


# ---------------------------------------------------------------- whatever comes

_models = st.sampled_from([one.model for one in LOADED] + [model("gone")])
_changes = st.builds(control, st.sampled_from(["promote", "shadow", "rollback", "retire"]), _models)
_stops = st.builds(
    lambda action, kind, ward: control(action, kind=kind, ward=ward),
    st.sampled_from(["stop", "resume"]),
    st.sampled_from([None, "gauge", "other", "gage"]),
    st.sampled_from([None, "A", "B"]),
)
_controls = st.lists(_changes | _stops, max_size=30)


def course(controls: list[ModelControl], roster: Roster = NEW) -> list[Roster]:
    """The roster after each; one that is refused leaves it as it was."""
    found = [roster]
    for one in controls:
        try:
            found.append(apply(found[-1], one, LOADED))
        except Refused:
            found.append(found[-1])
    return found


@given(_controls)
@pytest.mark.req("VAGT-MOD-12")
def test_whatever_is_asked_for_exactly_one_model_of_each_kind_is_live_and_none_is_two_things(controls):
    for roster in course(controls):
        scorers, shadows = seated(roster, LOADED)
        assert sorted(one.kind for one in scorers) == ["gauge", "other"]
        assert not {one.model for one in scorers} & {one.model for one in shadows}
        assert OFF not in {one.model for one in scorers}
        assert set(roster.retired).isdisjoint(one.model for one in (*scorers, *shadows))
        assert sum(map(len, roster.promoted.values())) <= len(LOADED)


@given(_controls, st.data())
@pytest.mark.req("VAGT-MOD-12")
def test_from_whichever_point_a_roster_is_stored_it_goes_on_as_if_it_had_not_been(controls, data):
    whole = course(controls)
    cut = data.draw(st.integers(0, len(controls)))
    stored = Roster.stored(whole[cut].store())
    assert course(controls[cut:], stored) == whole[cut:]
    assert stored.digest() == whole[cut].digest()


@given(_controls)
def test_two_rosters_have_one_name_only_if_they_are_one(controls):
    for one, other in pairwise(course(controls)):
        assert (one.digest() == other.digest()) == (one == other)


@given(_controls.filter(len))
def test_a_command_that_reached_some_partitions_is_made_good_by_saying_it_again(controls):
    reached, behind = course(controls)[-1], course(controls[:-1])[-1]
    assert course(controls[-1:], reached)[-1] == course(controls[-1:], behind)[-1]

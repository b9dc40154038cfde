"""A shadow is compared with the live one on the same records, by their own levels, and on nothing else."""

from math import isnan

import pytest

from models.comparison import Comparison, compare
from models.lifecycle import Level, Policy
from models.outputs import ModelRef, Score, Trigger

LIVE, SHADOW = ModelRef("ours", "1", "1" * 64), ModelRef("ours", "2", "2" * 64)
POLICIES = {
    ("ours", "1"): Policy((Level("warning", 0.5, 0.4),)),
    ("ours", "2"): Policy((Level("info", 0.3, 0.2), Level("warning", 0.6, 0.5))),
}


def score(model: ModelRef, value: float, offset: int, patient: str = "p-1", *, shadow=False, abstained=False) -> Score:
    return Score(
        id=f"{model.version}-{offset}",
        patient=patient,
        encounter=None,
        at="2026-03-01T00:00:00.000Z",
        model=model,
        kind="risk",
        score=value,
        band="low",
        abstained=abstained,
        shadow=shadow,
        interval=(value, value),
        reasons=(),
        trigger=Trigger("events", 0, offset, ()),
    )


def both(live: float | None, shadow: float | None, offset: int, patient: str = "p-1") -> tuple[Score, ...]:
    """One record's scores; ``None`` for a model that does not know."""
    return (
        score(LIVE, live or 0.0, offset, patient, abstained=live is None),
        score(SHADOW, shadow or 0.0, offset, patient, shadow=True, abstained=shadow is None),
    )


def compared(*said: tuple[Score, ...]) -> Comparison:
    return compare(SHADOW, said, POLICIES)


@pytest.mark.req("VAGT-MOD-13")
def test_agreement_is_on_whether_there_is_an_alert_with_each_ones_own_levels_and_hysteresis():
    found = compared(
        both(0.1, 0.1, 0),  # neither
        both(0.5, 0.3, 1),  # both raise
        both(0.4, 0.2, 2),  # both hold
        both(0.39, 0.2, 3),  # the live one is over
        both(0.1, 0.19, 4),  # neither
        both(0.6, 0.1, 5),  # the live one again
    )
    assert (found.records, found.both, found.live_alone, found.shadow_alone) == (6, 2, 1, 1)
    assert (found.live.alerts, found.shadow.alerts) == (2, 1)
    assert found.agreement == pytest.approx(4 / 6)


def test_what_does_not_know_leaves_its_alert_as_it_was():
    found = compared(both(0.9, 0.9, 0), both(None, None, 1), both(0.1, None, 2))
    assert (found.both, found.shadow_alone) == (2, 1)
    assert (found.live.unsure, found.shadow.unsure) == (1, 2)
    assert found.apart == [0.0]


def test_patients_are_followed_apart():
    found = compared(both(0.9, 0.1, 0, "a"), both(0.1, 0.9, 1, "b"), both(0.9, 0.1, 2, "a"))
    assert (found.live.patients, found.shadow.patients, found.live.alerts) == ({"a"}, {"b"}, 1)


def test_a_record_that_comes_twice_counts_once_and_one_that_only_one_scored_not_at_all():
    once = both(0.9, 0.9, 7)
    found = compared(once, once, both(0.9, 0.9, 6), (score(LIVE, 0.9, 8),), (score(SHADOW, 0.9, 9, shadow=True),))
    assert found.records == 1


def test_scores_of_a_model_whose_levels_nobody_knows_are_left_out():
    other = score(ModelRef("other", "1", "3" * 64), 0.9, 0)
    assert compared((other, score(SHADOW, 0.9, 0, shadow=True))).records == 0


def test_it_is_told_in_lines_and_nothing_is_made_of_nothing():
    told = "\n".join(compared(both(0.9, 0.1, 0), both(0.9, 0.7, 1, "p-2")).lines())
    assert "Records that both scored: 2, of 2 patients" in told
    assert "after 50.0% of them (both 1, the live one alone 1, the shadow alone 0)" in told
    assert "it would have raised -1 alerts" in told
    nothing = compared()
    assert isnan(nothing.agreement)
    assert "No record" in "\n".join(nothing.lines())

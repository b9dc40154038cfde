import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.events import Treatment
from features.record import Record
from models.rules.kdigo import Kdigo, criterion
from models.scorer import Scored
from tests.builders import PATIENT, after, at, encounter, observation, tick

RULE = Kdigo()
LIMITS = RULE.table.limits


def history(c1: float, before: list[tuple[float, float]]) -> Record:
    """A record whose newest creatinine is taken at hour 500, with (hours before, value)."""
    return after(
        *(observation("creatinine", value, 500 - hours) for hours, value in before), observation("creatinine", c1, 500)
    )


def scored(record: Record) -> Scored:
    result = RULE.score(record)
    assert result is not None
    return result


def dialysis(action: str, hour: float, code: str = "B05ZB") -> Treatment:
    coding = {"system": "http://www.whocc.no/atc", "code": code}
    return Treatment.model_validate(
        {
            "type": "treatment", "id": f"{code}-{action}-{hour}", "patient": PATIENT, "code": coding,
            "action": action, "at": at(hour), "issued": at(hour),
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("c1", "before", "stage"),
    [
        (126.4, [(24, 100)], 0), (126.5, [(24, 100)], 1), (126.5, [(48, 100)], 1), (126.5, [(48.1, 100)], 0),
        (149.9, [(72, 100)], 0), (150, [(72, 100)], 1), (150, [(7 * 24, 100)], 1), (126, [(7 * 24 - 1, 90)], 0),
        (199.9, [(24, 100)], 1), (200, [(24, 100)], 2), (299.9, [(24, 100)], 2), (300, [(24, 100)], 3),
        (353.5, [(24, 300)], 1), (353.6, [(24, 300)], 3), (353.6, [(24, 327.1)], 3), (353.6, [(24, 327.2)], 0),
        (353.6, [(72, 235.7)], 3), (353.6, [(72, 235.8)], 0),
        # KDIGO needs AKI, not a lowest of 3.7 mg/dL.
        (400, [(24, 340)], 3),
    ],
)  # fmt: skip
@pytest.mark.req("VAGT-RUL-04")
def test_the_stages_meet_at_kdigos_limits(c1, before, stage):
    result = scored(history(c1, before))
    assert (result.score, result.interval, result.low, result.abstained) == (stage, (stage, 3), stage, False)


def test_a_result_of_more_than_7_days_ago_is_no_baseline():
    result = scored(history(300, [(7 * 24 + 1, 100)]))
    assert (result.score, result.interval, result.abstained, result.band) == (0, (0, 3), True, "unknown")


def test_dialysis_is_stage_3_while_it_goes_on():
    record = after(dialysis("start", 501), record=history(100, [(24, 100)]))
    result = scored(record)
    assert (result.score, result.interval, result.title.da) == (3, (3, 3), "KDIGO-stadie 3: dialyse")
    assert [(one.feature, one.value, one.contribution) for one in result.reasons] == [("dialysis", "B05ZB", 3)]
    assert scored(after(dialysis("stop", 502), record=record)).score == 0
    assert scored(after(dialysis("start", 501, "B01AB"), record=history(100, [(24, 100)]))).score == 0


@pytest.mark.parametrize(
    ("c1", "before", "stage"),
    [
        ((400, ">"), (100, None), 3),
        ((90, "<"), (40, None), 0),
        ((200, None), (40, "<"), 3),
        ((200, None), (40, ">"), 0),
    ],
)
def test_a_comparator_never_raises_the_stage_beyond_what_is_sure(c1, before, stage):
    first = observation("creatinine", before[0], 0, comparator=before[1])
    assert scored(after(first, observation("creatinine", c1[0], 24, comparator=c1[1]))).score == stage


def test_a_creatinine_counts_for_48_hours():
    record = history(200, [(24, 100)])
    assert scored(after(tick(548), record=record)).score == 2
    assert scored(after(tick(548.01), record=record)).abstained


def test_it_is_not_for_patients_on_chronic_dialysis_and_raises_no_alert():
    assert RULE.score(after(encounter("admit", 0, flags=["chronic-dialysis"]))) is None
    assert RULE.policy.levels == ()
    assert {"creatinine", "treatment", "encounter", "time"} == RULE.inputs


def test_the_criterion_that_fired_carries_the_stage():
    result = scored(history(200, [(24, 100)]))
    assert [(one.feature, one.value, one.contribution) for one in result.reasons] == [
        ("creatinine_ratio_to_lowest_of_7_days", 2, 2), ("creatinine", 200, 0),
    ]  # fmt: skip
    assert [one.id for one in result.evidence] == ["creatinine-500", "creatinine-476"]
    assert scored(history(353.6, [(24, 300)])).reasons[0].feature == "creatinine_severe"
    assert scored(history(130, [(24, 100)])).reasons[0].feature == "creatinine_rise_in_48_hours"


VALUE = st.integers(10, 2000).map(float)
VALUES = st.lists(VALUE, max_size=5)


@given(VALUE, VALUE, VALUES, VALUES)
def test_a_higher_creatinine_is_never_a_milder_stage(one, other, short, rest):
    low, high = sorted((one, other))
    assert criterion(low, short, short + rest, LIMITS).stage <= criterion(high, short, short + rest, LIMITS).stage


@given(VALUE, VALUES, VALUES)
@pytest.mark.req("VAGT-RUL-04")
def test_fewer_results_never_raise_the_stage(value, short, rest):
    assert criterion(value, (), rest, LIMITS).stage <= criterion(value, short, short + rest, LIMITS).stage


@given(st.permutations([(0.0, 150.0), (24.0, 100.0), (100.0, 90.0)]))
def test_the_order_of_arrival_does_not_matter(order):
    events = [observation("creatinine", value, 500 - hours, issued=500) for hours, value in order]
    assert scored(after(*events)).score == 1

"""What became of each hour of a stay."""

import numpy as np

from features.instants import HOUR, render
from features.vector import NAMES
from models.datasets import Record, Stay
from models.desert.hours import PRESENT, STEP, UNMEASURED, Hours, course, follow
from models.desert.outcomes import OUTCOMES
from models.desert.rows import rows
from tests.builders import PATIENT, START, moment, observation_item

POTASSIUM = OUTCOMES["hyperkalaemia-risk"]


def followed(results, hours):
    """Labels, and whether the condition was met before, at hours; results are (hour, value)."""
    times = [round(hour * HOUR) for hour, _ in results]
    return follow(POTASSIUM, times, [value for _, value in results], [hour * HOUR for hour in hours])


def test_an_event_within_the_horizon_is_an_event():
    assert followed([(0, 4.0), (24, 6.0)], [0])[0] == [1]
    assert followed([(0, 4.0), (24.1, 6.0)], [0])[0] == [UNMEASURED]
    assert followed([(0, 4.0), (12, 5.0), (24, 6.0)], [0])[0] == [1]
    assert followed([(0, 4.0), (12, 5.0)], [0])[0] == [0]


def test_a_result_at_the_instant_is_known_and_not_ahead():
    assert followed([(0, 4.0), (6, 6.0)], [6])[0] == [PRESENT]


def test_a_condition_that_passed_is_not_present_but_was_before():
    assert followed([(0, 6.5), (6, 4.0), (12, 4.1)], [3, 6]) == ([PRESENT, 0], [True, True])


def test_before_the_first_result_nothing_is_present():
    assert followed([(5, 4.0)], [1]) == ([0], [False])
    assert followed([], [1]) == ([UNMEASURED], [False])


def stay(*results, hours=(), last=None):
    """A stay with the potassium (hour, value) results."""
    records = [Record(moment(hour), observation_item("potassium", value, hour)) for hour, value in results]
    if last is not None:
        at = START + last * HOUR
        records.append(Record(at, {"type": "tick", "patient": PATIENT, "at": render(at)}))
    return Stay(PATIENT, records, list(hours), [0] * len(hours), START)


def test_a_feature_knows_nothing_of_the_future():
    short = course(stay((0, 4.0), (1, 4.4), last=9))
    long = course(stay((0, 4.0), (1, 4.4), (5.5, 6.9), last=9))
    until = [number for number in range(len(short.x)) if 1 + number * STEP < 5.5]
    np.testing.assert_array_equal(short.x[until], long.x[until])
    assert short.labels != long.labels


def test_hours_run_until_the_last_record_is_known_where_the_set_names_none():
    found = course(stay((0, 4.0), (6.5, 4.2)))
    assert len(found.x) == len(range(1, 8, STEP))
    assert found.x[-1][NAMES.index("potassium_last")] == np.float32(4.2)


def test_hours_are_those_of_the_set_where_it_names_them():
    found = course(stay((3, 4.0), hours=(3, 4, 5), last=5))
    assert len(found.x) == 2
    assert found.x[1][NAMES.index("potassium_age_h")] == 2


def table(*courses):
    return Hours(
        x=np.concatenate([one.x for one in courses]),
        stay=np.repeat(np.arange(len(courses), dtype=np.int32), [len(one.x) for one in courses]),
        labels={kind: np.concatenate([np.int8(one.labels[kind]) for one in courses]) for kind in OUTCOMES},
        before={kind: np.concatenate([np.bool_(one.before[kind]) for one in courses]) for kind in OUTCOMES},
        patients=tuple(f"p-{number}" for number in range(len(courses))),
    )


def test_rows_leave_out_hours_at_which_the_condition_is_present():
    hours = table(course(stay((0, 4.0), (4, 6.5), (8, 4.0), last=12)))
    found = rows(POTASSIUM, [NAMES.index("potassium_last")], [hours])
    assert found.label.tolist() == [1, 1, UNMEASURED, UNMEASURED]
    assert found.before.tolist() == [False, False, True, True]
    assert found.x[:, 0].tolist() == [4.0] * 4
    assert found.again.tolist() == [True, True, False, False]


def test_stays_of_several_sets_never_share_a_number():
    one, other = table(course(stay((0, 4.0), last=3))), table(course(stay((0, 4.0), last=3)))
    found = rows(POTASSIUM, [0], [one, other])
    assert found.stay.tolist() == [0, 0, 1, 1]
    assert found.source.tolist() == [0, 0, 1, 1]


def test_a_set_without_the_analyte_gives_no_rows():
    measured, other = table(course(stay((0, 4.0), last=3))), table(course(stay((0, 4.0), last=3)))
    other.x[:, NAMES.index("potassium_last")] = np.nan
    assert set(rows(POTASSIUM, [0], [measured, other]).source) == {0}


def test_the_baseline_of_platelets_turns_the_value_round():
    platelets = OUTCOMES["thrombocytopenia-risk"]
    hours = table(course(stay((0, 4.0), last=3)))
    hours.x[:, NAMES.index("platelets_last")] = [80, np.nan]
    assert rows(platelets, [0], [hours]).nearness.tolist() == [-80, -np.finfo(np.float64).max]

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.instants import DAY, HOUR
from features.record import Record
from models.rules.aki import Aki, Limits, Outcome, Previous, flow_chart
from models.scorer import Scored
from tests.builders import LOINC, after, encounter, observation, tick

RULE = Aki()
CHART = RULE.table.chart
#: North Bristol's limits for men, as the published vectors assume; an adult.
MALE = Limits(59, 104, 354)
CHILD = Limits(27, 67, 3 * 67)


def ends(c1: float, previous: list[tuple[float, float]], limits: Limits = MALE) -> Outcome:
    """The chart's end for C1 and (hours before, value)."""
    return flow_chart(c1, [Previous(round(hours * HOUR), value) for hours, value in previous], limits, CHART)


def history(c1: float, previous: list[tuple[float, float]], /, **person: Any) -> Record:
    """A record whose newest creatinine is C1, taken at hour 9000, of a man unless it says otherwise."""
    person = {"sex": "male", "birthDate": "1951-05-02"} | person
    events = [observation("creatinine", value, 9000 - hours) for hours, value in previous]
    return after(encounter("admit", 0, **person), *events, observation("creatinine", c1, 9000))


def scored(record: Record) -> Scored:
    result = RULE.score(record)
    assert result is not None
    return result


# ---------------------------------------------------------------- the flow chart


VECTORS: list[tuple[float, list[tuple[float, float]], str]] = [
    (104, [], "none"),
    (105, [], "high-repeat"),
    (58, [], "low"),
    (150, [(24, 100)], "aki-1"),
    (149, [(24, 100)], "aki-1"),
    (127, [(24, 100)], "aki-1"),
    (126, [(24, 100)], "none"),
    (127, [(72, 100)], "rise-repeat"),
    (200, [(24, 100)], "aki-2"),
    (300, [(24, 100)], "aki-3"),
    (360, [(24, 235)], "aki-3"),
    (355, [(24, 340)], "none"),
    (180, [(24, 160), (480, 80), (960, 90), (1440, 200)], "aki-2"),
    (121, [(72, 120), (96, 44)], "aki-2"),
]


@pytest.mark.parametrize(("c1", "previous", "box"), VECTORS)
def test_a_published_vector_ends_in_its_box(c1, previous, box):
    assert ends(c1, previous).band == box


@pytest.mark.parametrize(("c1", "previous", "box"), [one for one in VECTORS if one[1]])
@pytest.mark.req("VAGT-RUL-03")
def test_a_published_vector_ends_in_its_box_from_the_record_too(c1, previous, box):
    assert scored(history(c1, previous)).band == box


def test_a_child_is_stage_3_above_three_times_its_upper_limit():
    assert ends(210, [(24, 100)], CHILD).band == "aki-3"
    assert ends(201, [(24, 100)], CHILD).band == "aki-2"


BOUNDARIES: list[tuple[float, list[tuple[float, float]], str]] = [
    (59, [], "none"), (58.9, [], "low"), (104.1, [], "high-repeat"),
    (149.9, [(72, 100)], "rise-repeat"), (150, [(72, 100)], "aki-1"),
    (199.9, [(24, 100)], "aki-1"), (299.9, [(24, 100)], "aki-2"),
    (354, [(24, 236)], "aki-1"), (354.1, [(24, 236)], "aki-3"),
    (126.1, [(24, 100)], "aki-1"), (126, [(72, 100)], "none"), (126.1, [(72, 100)], "rise-repeat"),
    (130, [(48, 100)], "aki-1"), (130, [(48 + 1 / 3600, 100)], "rise-repeat"),
    # RV1 is the lowest: the higher one of day 7 does not hide it.
    (150, [(24, 140), (7 * 24, 100)], "aki-1"), (100, [(24, 90), (7.99 * 24, 60)], "aki-1"),
    # Day 8 belongs to the median.
    (150, [(24, 140), (8 * 24, 100)], "aki-1"), (150, [(24, 140), (8 * 24, 60), (9 * 24, 140)], "aki-1"),
    (130, [(24, 120), (8 * 24, 60), (9 * 24, 140)], "none"), (150, [(365 * 24, 100)], "aki-1"),
    (150, [(365.99 * 24, 100)], "aki-1"), (150, [(366 * 24, 100)], "high-repeat"),
    # A rise of the year is none of the week.
    (130, [(8 * 24, 100)], "none"),
]  # fmt: skip


@pytest.mark.parametrize(("c1", "previous", "box"), BOUNDARIES)
@pytest.mark.req("VAGT-RUL-03")
def test_the_boxes_meet_at_the_charts_limits(c1, previous, box):
    assert ends(c1, previous).band == box


def test_the_higher_of_the_two_ratios_counts():
    assert ends(180, [(24, 160), (480, 90)]).line == "creatinine_ratio_to_median_of_year"
    assert ends(180, [(24, 80), (480, 90)]).line == "creatinine_ratio_to_lowest_of_7_days"


CREATININE = st.integers(10, 1500).map(float)
HISTORY = st.lists(st.tuples(st.floats(0, 400 * 24), CREATININE), max_size=8)


@given(CREATININE, CREATININE, HISTORY)
def test_a_higher_creatinine_is_never_a_milder_stage(one, other, previous):
    assert ends(min(one, other), previous).stage <= ends(max(one, other), previous).stage


@given(CREATININE, HISTORY, st.data())
def test_a_lower_result_before_is_never_a_milder_stage(c1, previous, data):
    lower = [(hours, data.draw(st.integers(10, int(value)))) for hours, value in previous]
    assert ends(c1, previous).stage <= ends(c1, lower).stage


@given(CREATININE, HISTORY)
def test_the_order_of_the_results_before_does_not_matter(c1, previous):
    assert ends(c1, previous).band == ends(c1, previous[::-1]).band


# ---------------------------------------------------------------- the record


@pytest.mark.parametrize(
    ("sex", "value", "band"),
    [
        ("male", 105, "none"), ("male", 106, "high-repeat"), ("male", 59, "low"), ("male", 60, "none"),
        ("female", 90, "none"), ("female", 91, "high-repeat"), ("female", 44, "low"),
        ("unknown", 105, "none"), ("unknown", 106, "high-repeat"), ("other", 45, "none"), ("unknown", 44, "low"),
    ],
)  # fmt: skip
def test_a_first_result_is_judged_by_the_reference_interval_of_the_sex(sex, value, band):
    result = scored(history(value, [], sex=sex))
    assert (result.band, result.score, result.interval, result.abstained) == (band, 0, (0, 3), True)


def test_a_child_without_a_reference_interval_has_the_stage_of_its_ratio_at_least():
    result = scored(history(210, [(24, 100)], birthDate="2020-01-01"))
    assert (result.score, result.interval, result.low, result.high) == (2, (2, 3), 2, 3)
    assert result.title.en == "AKI stage 2 or more: creatinine 210 µmol/L"
    calm = scored(history(110, [(24, 100)], birthDate="2020-01-01"))
    assert (calm.score, calm.interval) == (0, (0, 0))


def test_an_unknown_age_is_an_adults():
    assert scored(history(360, [(24, 235)], birthDate=None)).band == "aki-3"


def test_creatinine_in_mg_per_dl_gives_the_same_stages():
    def mass(value: float, hour: float) -> Any:
        code = {"system": LOINC, "code": "2160-0"}
        return observation("creatinine", value, hour, code=code, unit="mg/dL")

    for tenths in range(3, 90):
        before, now = tenths / 10, round(tenths * 1.5 / 10, 2)
        assert scored(after(mass(before, 0), mass(now, 24))).score >= 1, before
        assert scored(after(mass(before, 0), mass(round(now - 0.01, 2), 72))).score == 0, before


@pytest.mark.parametrize(
    ("c1", "before", "interval"),
    [
        ((1000, ">"), (100, None), (3, 3)), ((140, ">"), (100, None), (1, 3)), ((120, ">"), (100, None), (0, 3)),
        ((50, "<"), (40, None), (0, 0)), ((90, "<="), (60, None), (0, 1)), ((90, "<"), (60, None), (0, 1)),
        ((90, None), (60, "<"), (1, 3)), ((90, None), (60, ">"), (0, 1)), ((90, None), (60, ">="), (0, 1)),
        ((90, None), (100, ">"), (0, 0)), ((60, None), (20, "<"), (3, 3)),
    ],
)  # fmt: skip
def test_a_comparator_makes_bounds(c1, before, interval):
    result = scored(
        after(
            observation("creatinine", before[0], 0, comparator=before[1]),
            observation("creatinine", c1[0], 24, comparator=c1[1]),
        )
    )
    assert (result.interval, result.low, result.high, result.score) == (interval, *interval, interval[0])
    assert result.abstained == (interval[0] == 0 < interval[1])


def test_the_stage_lasts_48_hours_and_is_unknown_then():
    record = history(150, [(24, 100)])
    assert scored(after(tick(9048), record=record)).score == 1
    late = scored(after(tick(9048 + 1 / 3600), record=record))
    assert (late.band, late.score, late.interval, late.low, late.high, late.abstained) == (
        "unknown", 0, (0, 3), 0, 3, True,
    )  # fmt: skip


def test_of_a_patient_without_creatinine_the_stage_is_unknown_and_holds_no_alert():
    result = scored(Record())
    assert (result.interval, result.high, result.evidence, result.reasons) == ((0, 3), 0, (), ())


def test_a_creatinine_from_after_now_does_not_count_yet():
    ahead = observation("creatinine", 300, 9000, effective="2027-03-11T00:05:00Z", issued=9000, id="ahead")
    assert scored(after(ahead, record=history(100, [(24, 100)]))).score == 0


def test_a_withdrawn_result_is_no_result():
    record = history(150, [(24, 100)])
    gone = observation("creatinine", None, 8976, issued=9001, version=2, status="entered-in-error")
    assert scored(after(gone, record=record)).band == "high-repeat"


@given(st.permutations([(0.0, 150.0), (24.0, 100.0), (200.0, 90.0), (300.0, 95.0)]))
def test_the_order_of_arrival_does_not_matter(order):
    events = [observation("creatinine", value, 9000 - hours, issued=9000) for hours, value in order]
    result = scored(after(*events))
    assert (result.band, result.interval) == ("aki-1", (1, 1))


@pytest.mark.req("VAGT-RUL-03")
def test_it_is_not_for_patients_on_chronic_dialysis():
    assert RULE.score(history(900, [(24, 300)], flags=["chronic-dialysis"])) is None
    assert RULE.score(history(900, [(24, 300)], flags=["palliative"])) is not None


# ---------------------------------------------------------------- what it says


def test_it_says_stage_and_creatinine_in_two_languages():
    result = scored(history(200, [(24, 100), (30, 110)]))
    assert result.title.en == "AKI stage 2: creatinine 200 µmol/L"
    assert result.title.da == "Akut nyresvigt, stadie 2: kreatinin 200 µmol/L"
    assert [(one.feature, one.value, one.unit, one.age_minutes, one.contribution) for one in result.reasons] == [
        ("creatinine_ratio_to_lowest_of_7_days", 2, "1", 0, 2),
        ("creatinine", 200, "umol/L", 0, 0),
        ("creatinine_before", 100, "umol/L", 1440, 0),
    ]
    assert [one.id for one in result.evidence] == ["creatinine-9000", "creatinine-8976"]


@pytest.mark.parametrize(
    ("c1", "previous", "title"),
    [
        (127, [(72, 100)], "Creatinine 127 µmol/L, rising: repeat"), (58, [], "Creatinine 58 µmol/L, low"),
        (120, [], "Creatinine 120 µmol/L, high, no earlier one: repeat"),
        (90, [(24, 90)], "No AKI: creatinine 90 µmol/L"),
        (90, [], "Creatinine 90 µmol/L, no earlier one"),
    ],
)  # fmt: skip
def test_every_box_has_its_title(c1, previous, title):
    assert scored(history(c1, previous)).title.en == title


def test_the_median_rests_on_the_results_in_the_middle():
    previous: list[tuple[float, float]] = [(300, 60), (400, 80), (500, 90), (600, 200)]
    result = scored(history(180, previous))
    assert [one.value for one in result.evidence] == [180, 80, 90]
    assert result.reasons[0].value == pytest.approx(180 / 85)


def test_its_levels_are_the_stages():
    assert [(level.severity, level.raise_at) for level in RULE.policy.levels] == [
        ("warning", 1), ("warning", 2), ("critical", 3),
    ]  # fmt: skip
    assert {"creatinine", "encounter", "time"} == RULE.inputs
    assert CHART.earlier_days * DAY < 400 * DAY

"""A scenario's plan: the same for a seed, at its rates, in its shape; and a file that is wrong says where."""

import time
from collections import Counter
from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.instants import HOUR
from load_tests.channels import number_of, records
from load_tests.patients import CALM, LABOURED, RESPIRATION
from load_tests.plan import SECOND, Planned, Target
from load_tests.scenario import FOLDER, PAUSE, Kind, Scenario, ScenarioError, Stream, names, plan, read
from tests.load.test_patients import LOAD, RUN, Ward

CALM_STREAM = {"of": "both"}
NAMES = st.sampled_from(names())


def made(**more) -> Scenario:
    return Scenario.model_validate({"title": "Made up", "seconds": 20, "streams": [CALM_STREAM], **more})


def of(planned: list[Planned], target: Target) -> list[Planned]:
    return [one for one in planned if one.target is target]


def observations(planned: list[Planned], begin: float = 0, end: float = float("inf")) -> int:
    """Those of the echo's turn that are due from ``begin`` to ``end`` (s)."""
    return sum(len(one.items) for one in of(planned, Target.ECHO) if begin <= one.due / SECOND < end)


def expected(scenario: Scenario, begin: float, end: float) -> float:
    """Observations of the streams for a rate of 1, summed in steps of 10 ms."""
    steps = [begin + (number + 0.5) / 100 for number in range(round((end - begin) * 100))]
    return sum(stream.share * stream.factor(second) / 100 for stream in scenario.streams for second in steps)


@settings(max_examples=10, deadline=None)
@given(NAMES, st.integers(0, 1000))
def test_the_same_seed_gives_the_same_plan_and_another_one_another(name, seed):
    scenario = read(name)
    planned = plan(scenario, 3, seed)
    assert planned == plan(scenario, 3, seed)
    assert planned != plan(scenario, 3, seed + 1)


@settings(max_examples=10, deadline=None)
@given(NAMES, st.integers(0, 1000))
def test_records_come_in_order_for_the_echo_and_then_alike_for_the_service(name, seed):
    scenario = read(name)
    planned = plan(scenario, 5, seed)
    assert all(early.due <= late.due for early, late in pairwise(planned))
    apart = round((scenario.seconds + PAUSE) * SECOND)
    echo, service = of(planned, Target.ECHO), of(planned, Target.SERVICE)
    assert [(one.due + apart, *one[3:]) for one in echo] == [(one.due, *one[3:]) for one in service]
    assert max(one.due for one in echo) < scenario.seconds * SECOND
    assert {one.turn for one in echo} == {0}
    assert {one.turn for one in service} == {1}


@settings(max_examples=10, deadline=None)
@given(NAMES, st.integers(0, 1000))
def test_ids_are_unique_and_lead_back_to_their_record(name, seed):
    planned = plan(read(name), 2, seed)
    seen: set[str] = set()
    for number, (_, value) in enumerate(records("a.run", planned, time.time_ns())):
        document = orjson.loads(value)
        items = document if isinstance(document, list) else [document]
        assert len(items) == len(planned[number].items)
        assert {number_of("a.run", orjson.dumps(item)) for item in items} == {number}
        ids = {item["id"] for item in items}
        assert len(ids) == len(items)
        assert not ids & seen
        seen |= ids


@pytest.mark.parametrize("name", names())
def test_a_plan_follows_the_curves_of_its_file(name):
    scenario = read(name).model_copy(update={"backlog": None})
    rate = 40
    planned = plan(scenario, rate, 7)
    size = max(stream.observations for stream in scenario.streams)
    for begin in range(0, round(scenario.seconds), 10):
        wanted = rate * expected(scenario, begin, begin + 10)
        assert abs(observations(planned, begin, begin + 10) - wanted) < 5 * (wanted * size) ** 0.5 + size


def test_a_normal_day_has_most_of_its_blood_tests_in_the_morning():
    labs = [one for one in of(plan(read("normal-day"), 100, 1), Target.ECHO) if len(one.items) == 10]
    morning = [one for one in labs if 33 <= one.due / SECOND < 57]
    assert len(morning) > 0.6 * len(labs)
    assert all(measure in Kind.LABS.measures or measure is RESPIRATION for one in labs for measure, _ in one.items)


def test_a_surge_is_ten_times_the_rate_for_a_minute():
    planned = plan(read("surge"), 10, 1)
    assert observations(planned, 30, 90) == pytest.approx(10 * 10 * 60, rel=0.1)
    assert observations(planned, 0, 30) == pytest.approx(10 * 30, rel=0.3)
    assert observations(planned, 90, 150) == pytest.approx(10 * 60, rel=0.3)


def test_a_reconnecting_laboratory_sends_two_old_panels_for_each_patient_within_a_second_oldest_first():
    scenario = read("reconnect")
    late = [one for one in of(plan(scenario, 10, 1), Target.ECHO) if one.age]
    assert Counter(one.patient for one in late) == dict.fromkeys(range(scenario.patients), 2)
    assert {len(one.items) for one in late} == {12}
    assert all(20 <= one.due / SECOND < 21 for one in late)
    ages = [one.age for one in late]
    assert ages == sorted(ages, reverse=True)
    assert ages[0] == 6 * HOUR * 1_000_000
    assert not any(one.alerts for one in late)


def test_every_tenth_streamed_record_turns_its_patients_breathing():
    service = of(plan(made(patients=3), 50, 1), Target.SERVICE)
    turning = [one for one in service if one.alerts]
    assert len(turning) == len(service) // 10
    for patient in range(3):
        rates = [one.items[0][1] for one in turning if one.patient == patient]
        assert rates == [LABOURED if number % 2 == 0 else CALM for number in range(len(rates))]
    assert all((one.items[0][0] is RESPIRATION) == one.alerts for one in service)


def test_the_warm_up_does_not_count():
    planned = plan(made(warm_up=5), 20, 1)
    assert all(one.counts == (one.due / SECOND >= 5) for one in of(planned, Target.ECHO))


@pytest.mark.parametrize(
    "more",
    [
        {"streams": [{"of": "labs", "observations": 4}, {"of": "signs", "share": 0.5}]},
        {"backlog": {"of": "labs", "observations": 6, "at": 5, "within": 1, "hours": 6, "per_patient": 2}},
    ],
)
def test_every_record_is_scored_once_late_ones_too(more):
    if "streams" in more:
        more["streams"][0]["share"] = 0.5
    ward = Ward()
    planned = plan(made(patients=LOAD.patients, **more), 4, 1)
    for number, (one, (key, value)) in enumerate(zip(planned, records(RUN, planned, time.time_ns()), strict=True)):
        if one.target is Target.SERVICE:
            decision = ward.decide(key.decode(), value)
            assert decision.scores, one
            assert [alert.kind for alert in decision.alerts].count("news2") == one.alerts
            assert number_of(RUN, value) == number


def test_a_curve_is_straight_between_its_points_jumps_where_two_meet_and_stays_after_the_last():
    stream = Stream.model_validate({"of": "signs", "curve": [[0, 1], [10, 3], [10, 7], [20, 7]]})
    assert [stream.factor(second) for second in (0, 5, 9.5, 10, 15, 20, 99)] == [1, 2, 2.9, 7, 7, 7, 7]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"seconds": 0}, "seconds: Input should be greater than 0"),
        ({"streams": []}, "streams: Tuple should have at least 1 item"),
        ({"speed": 3}, "speed: Extra inputs are not permitted"),
        ({"streams": [{"of": "urine"}]}, "streams.0.of: Input should be 'signs', 'labs' or 'both'"),
        ({"streams": [{"of": "signs", "observations": 7}]}, "at most 6 different observations of signs"),
        ({"streams": [{"of": "signs", "share": 0.4}]}, "do not add up to 1"),
        ({"streams": [{"of": "signs", "curve": [[1, 1]]}]}, "a curve begins at second 0"),
        ({"streams": [{"of": "signs", "curve": [[0, 1], [5, 1], [4, 1]]}]}, "goes on forwards"),
        ({"streams": [{"of": "signs", "curve": [[0, 1], [21, 1]]}]}, "after the end of the scenario"),
        ({"streams": [{"of": "signs", "curve": [[0, -1]]}]}, "greater than or equal to 0"),
        ({"warm_up": 20}, "leaves nothing that counts"),
        ({"warm_up": 5, "heavy": [5, 10]}, "begins after the warm-up"),
        ({"heavy": [10, 10]}, "begins after the warm-up"),
        ({"backlog": {"of": "labs", "at": 20, "within": 1, "hours": 6, "per_patient": 1}}, "backlog comes after"),
    ],
)
def test_a_scenario_that_is_wrong_says_where_and_why(tmp_path, wrong, why):
    document = {"title": "Made up", "seconds": 20, "streams": [CALM_STREAM], **wrong}
    path = tmp_path / "mine.toml"
    path.write_text("\n".join(f"{key} = {toml(value)}" for key, value in document.items()))
    with pytest.raises(ScenarioError) as error:
        read(str(path))
    assert why in str(error.value)
    assert str(error.value).startswith(f"{path}: ")


def test_a_file_that_is_no_toml_and_a_name_that_is_no_scenario_say_so(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("title = ")
    with pytest.raises(ScenarioError, match=r"mine\.toml: Invalid value"):
        read(str(path))
    path.write_bytes(b"\xff")
    with pytest.raises(ScenarioError, match=r"mine\.toml: .*can't decode"):
        read(str(path))
    with pytest.raises(ScenarioError, match="no scenario wedding: name a TOML file, or one of normal-day, panels"):
        read("wedding")


def test_a_file_of_ones_own_is_read_as_those_that_are_here(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text((FOLDER / "surge.toml").read_text())
    assert read(str(path)) == read("surge")


def toml(value) -> str:
    """A value as TOML writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)

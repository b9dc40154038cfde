"""What the watch says of what it hears, and of what it must not speak."""

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.instants import DAY, HOUR, MINUTE, parse
from models.monitor.facts import Alerted, Fact, Scored, Value
from models.monitor.limits import limits
from models.monitor.monitor import LATE
from models.monitor.silence import QUARTER, Source
from models.monitor.state import decode, encode
from models.monitor.units import Guess
from tests.models.monitor.streams import QUICK, START, monitor, said, stream

CHANGE = START + DAY + 20 * HOUR
HOURS = 2 * 24 + 20


def after(change):
    return lambda value: change(value) if value.at >= CHANGE else value


def test_where_nothing_changes_nothing_is_said():
    assert said(stream(6 * 24)) == []


@pytest.mark.req("VAGT-WATCH-01")
def test_temperatures_in_fahrenheit_on_one_ward_are_told_of_that_ward_alone():
    in_fahrenheit = after(
        lambda one: (
            one._replace(value=round(one.value * 1.8 + 32, 1))
            if one.analyte == "temperature" and int(one.patient[1:]) % 2
            else one
        )
    )
    raised = [one for one in said(stream(HOURS, changed=in_fahrenheit)) if one.state == "raised"]
    assert [(one.type, one.ward, one.source, one.analytes) for one in raised] == [
        ("unit", "M2", "EPJ", ("temperature",))
    ]
    assert raised[0].guess == Guess("unlabelled", "F")
    assert "numbers in F" in raised[0].text.en
    assert CHANGE < parse(raised[0].at) <= CHANGE + 4 * HOUR
    assert CHANGE <= parse(raised[0].since) < CHANGE + HOUR


@pytest.mark.req("VAGT-WATCH-01")
@pytest.mark.parametrize("factor", [0.001, 10, 1000])
def test_a_laboratory_that_is_off_by_decades_is_told_of_all_wards_with_the_factor(factor):
    off = after(lambda one: one._replace(value=one.value * factor) if one.analyte == "potassium" else one)
    raised = [one for one in said(stream(HOURS, changed=off)) if one.state == "raised"]
    assert [(one.type, one.ward, one.guess) for one in raised] == [("unit", None, Guess("factor", f"{factor:g}"))]


@pytest.mark.parametrize(("measured", "raised"), [(14, False), (48, True)])
def test_a_few_ill_who_alone_are_measured_are_no_other_unit(measured, raised):
    def ill(one):
        if one.analyte != "temperature":
            return one
        return one._replace(value=one.value * 1.3) if int(one.patient[1:]) < measured else None

    assert ("unit" in {one.type for one in said(stream(HOURS, changed=after(ill)))}) == raised


@pytest.mark.req("VAGT-WATCH-01")
def test_patients_whose_own_potassium_changes_by_a_tenth_are_a_step_and_the_factor_is_said():
    off = after(lambda one: one._replace(value=one.value * 1.1) if one.analyte == "potassium" else one)
    raised = [one for one in said(stream(HOURS, changed=off)) if one.state == "raised"]
    assert raised[0].type == "step"
    assert raised[0].guess is not None
    assert float(raised[0].guess.what) == pytest.approx(1.1, abs=0.01)
    assert parse(raised[0].at) <= CHANGE + DAY


@pytest.mark.parametrize("factor", [1.0, 1.02])
def test_a_change_below_the_least_factor_is_no_step(factor):
    off = after(lambda one: one._replace(value=one.value * factor) if one.analyte == "potassium" else one)
    assert said(stream(HOURS, changed=off)) == []


@pytest.mark.req("VAGT-WATCH-02")
def test_a_source_that_is_silent_while_others_speak_is_told_and_over_when_it_speaks():
    silence = lambda one: None if one.source == "LAB" and CHANGE <= one.at < CHANGE + HOUR else one  # noqa: E731
    raised, resolved = said(stream(HOURS, changed=silence))
    assert (raised.type, raised.source, raised.state) == ("silence", "LAB", "raised")
    assert CHANGE + limits().silence.minutes * MINUTE <= parse(raised.at) <= CHANGE + HOUR
    assert (resolved.id, resolved.sequence, resolved.state) == (raised.id, 2, "resolved")
    assert parse(resolved.at) <= CHANGE + HOUR + 10 * MINUTE


@pytest.mark.req("VAGT-WATCH-02")
def test_a_source_that_usually_says_nothing_at_this_hour_is_not_silent():
    by_night = lambda one: None if one.source == "LAB" and one.at % DAY < 6 * HOUR else one  # noqa: E731
    assert said(stream(4 * 24, changed=by_night)) == []


@pytest.mark.parametrize(("patients", "raised"), [(48, True), (6, False)])
def test_the_same_silence_is_told_of_a_source_that_speaks_often(patients, raised):
    silence = lambda one: None if one.source == "LAB" and CHANGE <= one.at < CHANGE + HOUR else one  # noqa: E731
    assert bool(said(stream(HOURS, patients, silence))) == raised


def source(*days):
    """A source that says so many things in each quarter of an hour of each day."""
    one = Source(START, START)
    for number, messages in enumerate(days):
        for quarter in range(96):
            one.learn(messages, START + number * DAY + quarter * QUARTER, QUICK)
    return one


def test_on_a_day_with_fewer_messages_a_longer_silence_is_no_surprise():
    usual, fewer = source(5, 5, 5, 5), source(5, 5, 5, 1)
    assert usual.expected(START, START + HOUR) == 20
    assert usual.nats(START, START + HOUR) == 20
    assert fewer.expected(START, START + HOUR) == 16
    assert fewer.nats(START, START + HOUR) * fewer.dispersion == pytest.approx(4)


def test_what_a_source_usually_says_follows_it_by_the_day():
    one, days = source(*[2] * 30, 4), limits().silence.days
    assert one.expected(START, START + HOUR) == pytest.approx(4 * (2 * (days - 1) + 4) / days)
    assert len(one.counts) == days * 96


def test_quarters_of_which_nobody_spoke_are_silent_ones():
    holes, zeros = Source(START, START), Source(START, START)
    for quarter in range(3 * 96):
        messages = 0 if quarter % 96 in range(8, 20) else quarter % 5
        zeros.learn(messages, START + quarter * QUARTER, QUICK)
        if quarter % 96 not in range(8, 20):
            holes.learn(messages, START + quarter * QUARTER, QUICK)
    assert holes == zeros


@given(st.floats(0.5, 40), st.floats(0, 5))
def test_a_silence_that_lasts_longer_must_be_more_improbable(hourly, hours):
    one = Source(START, START, counts=[10] * 96, usual=(hourly / 4,) * 96)
    limit, now = limits().silence, START + round(hours * HOUR)
    told = one.silent(START, now, limits()) is not None
    hours = (now - START) / HOUR
    enough = hourly * hours - (limit.nats + limit.hourly * hours)
    if abs(enough) > 1e-6:
        assert told == (enough > 0 and hours * 60 >= limit.minutes)


@pytest.mark.parametrize(("longest", "told"), [(19.9, True), (20.1, False)])
def test_a_silence_is_told_only_beyond_the_longest_that_was_usual(longest, told):
    one = source(5, 5)
    one.longest = longest
    assert (one.silent(START, START + HOUR, QUICK) is not None) == told


@pytest.mark.req("VAGT-WATCH-02")
def test_when_all_are_silent_no_source_is():
    assert said(stream(HOURS, changed=lambda one: None if CHANGE <= one.at < CHANGE + 5 * HOUR else one)) == []


def test_values_that_are_left_out_more_often_are_told():
    chance = Random(4)
    less = after(lambda one: one if one.analyte == "potassium" or chance.random() > 0.15 else None)
    # A patient of whom nothing came in the hour is no occasion: both analytes must have one source.
    one_source = lambda one: less(one._replace(source="EPJ"))  # noqa: E731
    raised = [one for one in said(stream(HOURS, changed=one_source)) if one.state == "raised"]
    assert [(one.type, one.source, one.ward) for one in raised] == [("missing", "EPJ", None)]


def test_other_patients_are_told_as_a_drift_and_not_as_a_unit():
    later = [
        one._replace(patient=f"q{one.patient}", at=one.at + 2 * DAY, **ill(one)) for one in stream(24, 150, seed=2)
    ]
    raised = [one for one in said([*stream(2 * 24, 150), *later]) if one.state == "raised"]
    assert {one.type for one in raised} == {"drift"}
    assert {name for one in raised for name in one.analytes} >= {"potassium"}


def ill(fact):
    """Two of three later patients have a higher potassium."""
    higher = isinstance(fact, Value) and fact.analyte == "potassium" and int(fact.patient[1:]) % 3
    return {"value": fact.value + 0.7} if higher else {}


def scores(hours, given, abstains, alerts):
    chance = Random(5)
    for fact in stream(hours):
        yield fact
        if isinstance(fact, Value) and fact.analyte == "temperature":
            name = f"{fact.patient}/{fact.at}"
            late = fact.at >= CHANGE
            abstained = chance.random() < abstains[late]
            yield Scored(fact.at, fact.patient, name, "aki-risk", given(chance, late), abstained)
            if chance.random() < alerts[late]:
                yield Alerted(fact.at, fact.patient, name, "aki-risk", refuted=False)


def evenly(chance, late):
    return round(chance.uniform(0.1, 0.5), 3)


@pytest.mark.req("VAGT-WATCH-03")
@pytest.mark.parametrize(
    ("given", "abstains", "alerts", "type_"),
    [
        (
            lambda chance, late: round(chance.uniform(0.3, 0.9) if late else chance.uniform(0.1, 0.5), 3),
            (0, 0),
            (0, 0),
            "scores",
        ),
        (evenly, (0.05, 0.9), (0, 0), "abstention"),
        (evenly, (0.1, 0.1), (0.02, 0.08), "alerts"),
        (evenly, (0.1, 0.1), (0.06, 0.01), "alerts"),
    ],
)
def test_scores_abstentions_and_alerts_that_change_are_told_of_the_model(given, abstains, alerts, type_):
    raised = [one for one in said(scores(HOURS + 24, given, abstains, alerts)) if one.state == "raised"]
    assert {(one.type, one.model) for one in raised} == {(type_, "aki-risk")}
    assert said(scores(HOURS + 24, given if type_ != "scores" else evenly, abstains[:1] * 2, alerts[:1] * 2)) == []


def outcomes(foretold, card):
    """Each day 80 patients have a score, and 30 hours later a potassium that is 6.5 in three of ten."""
    chance = Random(6)
    watch = monitor(cards={"hyperkalaemia-risk": card})
    facts: list[Fact] = []
    for day in range(12):
        for number in range(80):
            patient, at = f"d{day}p{number}", START + day * DAY + number * MINUTE
            ill = chance.random() < 0.3
            facts.append(Value(at, patient, "1", "potassium", "LAB", 4.0, at))
            facts.append(Scored(at, patient, f"s{patient}", "hyperkalaemia-risk", foretold(chance, ill), False))
            later = at + 20 * HOUR
            facts.append(Value(later, patient, "2", "potassium", "LAB", 6.5 if ill else 4.1, later))
    facts.sort(key=lambda fact: fact.at)
    return {one.type for one in said(facts, watch) if one.type in ("calibration", "discrimination")}


@pytest.mark.req("VAGT-WATCH-03")
def test_a_model_is_held_against_what_came_true_once_its_horizon_has_passed():
    def good(chance, ill):
        return chance.betavariate(4, 3) if ill else chance.betavariate(2, 7)

    assert outcomes(good, card=0.8) == set()
    assert outcomes(lambda chance, ill: good(chance, ill) / 4, card=0.8) == {"calibration"}
    assert outcomes(lambda chance, ill: chance.uniform(0.25, 0.35), card=0.8) == {"discrimination"}


# ----------------------------------------------------------------------------- the same facts, the same notices

FAHRENHEIT = list(
    stream(
        2 * 24 + 8,
        patients=30,
        changed=after(lambda one: one._replace(value=one.value * 1.8 + 32) if one.analyte == "temperature" else one),
    )
)
TOLD = said(iter(FAHRENHEIT))


@pytest.mark.req("VAGT-WATCH-04")
@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32))
def test_the_order_within_a_quarter_of_an_hour_does_not_show(seed):
    assert TOLD
    chance = Random(seed)
    late = {id(fact): fact.at + chance.uniform(0, LATE - MINUTE) for fact in FAHRENHEIT}
    assert said(iter(sorted(FAHRENHEIT, key=lambda fact: late[id(fact)]))) == TOLD


@pytest.mark.req("VAGT-WATCH-04")
@settings(max_examples=4, deadline=None)
@given(st.lists(st.integers(0, len(FAHRENHEIT)), max_size=4))
def test_a_watch_that_goes_on_from_its_stored_state_says_the_same(breaks):
    watch, notices = monitor(), []
    for position, fact in enumerate(FAHRENHEIT):
        if position in breaks:
            watch = monitor(state=decode(encode(watch.state)))
        notices += watch.hear(fact)
    assert notices == TOLD


def test_what_is_said_twice_counts_once():
    twice = (fact for fact in FAHRENHEIT for _ in range(2))
    assert [msgspec.structs.replace(one, figures={}) for one in said(twice)] == [
        msgspec.structs.replace(one, figures={}) for one in TOLD
    ]


def test_one_wild_date_is_no_time_and_what_comes_too_late_is_counted():
    watch = monitor()
    facts = list(stream(3))
    for fact in facts:
        watch.hear(fact)
    wild = facts[-1]._replace(patient="p1", at=START + 9_000 * DAY)
    assert watch.hear(wild) == []
    assert watch.time is not None
    assert watch.time < START + 3 * HOUR
    assert watch.state.late == 0
    watch.hear(facts[80])
    assert watch.state.late == 1


def test_a_notice_is_over_after_a_day_of_calm_and_keeps_its_name():
    def half_a_day(one):
        off = one.analyte == "temperature" and CHANGE <= one.at < CHANGE + 12 * HOUR
        return one._replace(value=one.value * 1.8 + 32) if off else one

    first, last = said(stream(5 * 24, changed=half_a_day))
    assert (first.state, last.state) == ("raised", "resolved")
    assert (first.id, first.since, last.sequence) == (last.id, last.since, 2)
    assert parse(last.at) >= CHANGE + 12 * HOUR + QUICK.life.calm_hours * HOUR


def test_a_notice_names_the_models_that_read_what_it_is_about():
    off = after(lambda one: one._replace(value=one.value * 1000) if one.analyte == "potassium" else one)
    readers = {"potassium": ("aki-risk", "hyperkalaemia-risk")}
    assert said(stream(HOURS, changed=off), monitor(readers=readers))[0].models == ("aki-risk", "hyperkalaemia-risk")

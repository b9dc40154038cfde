"""What the house holds after the topics said this and that, in whatever order."""

from itertools import permutations

import pytest

from streams.board.house import House
from tests.builders import at
from tests.streams.board.told import PATIENT, alert, score, shown, standing


def test_an_alert_counts_before_patients_now_has_it():
    house = House()
    house.hear_now(PATIENT, shown(name="Anna Jensen"))
    house.hear_alert(alert())
    now = house.patients[PATIENT]
    assert ([one.state for one in now.alerts], now.name) == (["raised"], "Anna Jensen")
    assert now.since == {"infection-risk-a": at(1)}


def test_an_alert_of_somebody_not_yet_shown_is_shown_at_once():
    house = House()
    house.hear_alert(alert())
    assert house.patients[PATIENT].ward == "M2"


def test_an_alert_that_is_over_brings_nobody_back():
    house = House()
    house.hear_now(PATIENT, None)
    house.hear_alert(alert("resolved", 2))
    house.hear_scores([score()])
    assert house.patients == {}


def test_a_board_that_hears_again_of_who_left_shows_nobody():
    house = House()
    house.hear_now(PATIENT, None)
    for one in (alert(hour=1), alert(hour=1, kind="aki"), alert("expired", 2, hour=2, kind="aki")):
        house.hear_alert(one)
    assert PATIENT in house.patients, "an open alert is shown, whoever has it"
    house.hear_scores([score(hour=1)])
    house.hear_alert(alert("expired", 2, 2))
    assert house.patients == {}
    assert house.trace(PATIENT, "infection-risk") == []


def test_whatever_the_order_the_newest_of_each_kind_is_shown():
    first, second = alert("raised", 1, 1), alert("acknowledged", 2, 2)
    told = [
        lambda house: house.hear_alert(second),
        lambda house: house.hear_now(PATIENT, shown(1, alerts=(first,), since={first.id: first.at})),
        lambda house: house.hear_scores([score(hour=2)]),
    ]
    for order in permutations(told):
        house = House()
        house.hear_now(PATIENT, shown(0.5, scores=(standing(hour=0.5),)))
        for one in order:
            one(house)
        now = house.patients[PATIENT]
        assert [one.state for one in now.alerts] == ["acknowledged"]
        assert [one.at for one in now.scores] == [at(2)]
        assert now.at == at(2)


def test_an_alert_raised_at_the_instant_at_which_another_ended_is_the_newer():
    for order in permutations([alert("resolved", 3, 2, id="old"), alert("raised", 1, 2, id="new")]):
        house = House()
        house.hear_now(PATIENT, shown())
        for one in order:
            house.hear_alert(one)
        assert [one.id for one in house.patients[PATIENT].alerts] == ["new"]


def test_an_alert_that_is_taken_back_at_the_instant_at_which_it_was_raised_is_taken_back():
    first, second = alert("raised", 1, 2), alert("retracted", 2, 2)
    for order in permutations([first, second]):
        house = House()
        house.hear_now(PATIENT, shown(2, alerts=(first,), since={first.id: first.at}))
        for one in order:
            house.hear_alert(one)
        assert [one.state for one in house.patients[PATIENT].alerts] == ["retracted"]


def test_the_course_of_a_score_has_a_day_and_leaves_with_the_patient():
    house = House()
    house.hear_now(PATIENT, shown())
    for hour in (0, 1, 24.5):
        house.hear_scores([score(hour=hour), score("news2", 5, hour), score("aki-risk", 0.2, hour, abstained=True)])
    assert [point.score for point in house.trace(PATIENT, "infection-risk")] == [0.34, 0.34]
    assert house.trace(PATIENT, "news2") == house.trace(PATIENT, "aki-risk") == []
    house.hear_now(PATIENT, None)
    assert house.trace(PATIENT, "infection-risk") == []


@pytest.mark.req("VAGT-BRD-12")
def test_a_shadow_is_nowhere():
    house = House()
    house.hear_now(PATIENT, shown())
    house.hear_scores([score(shadow=True)])
    assert (house.patients[PATIENT].scores, house.trace(PATIENT, "infection-risk")) == ((), [])


def test_who_changes_is_told():
    changed: list[str] = []
    house = House(changed.append)
    house.hear_now(PATIENT, shown())
    house.hear_alert(alert())
    house.hear_scores([score()])
    house.hear_now(PATIENT, None)
    assert changed == [PATIENT] * 4

import pytest

from features.encounter import StayEvent
from features.instants import DAY, HOUR
from streams.burden import Burden, burdens


def event(action, hour, ward=None):
    return StayEvent(at=hour * HOUR, issued=hour * HOUR, id=f"{action}-{hour}", version=1, action=action, ward=ward)


def alert(name, ward="A", severity="warning", suppressed=None):
    return {"id": name, "ward": ward, "severity": severity, "suppressed": suppressed, "state": "raised"}


@pytest.mark.req("VAGT-ALT-10")
def test_days_are_counted_where_the_patient_was():
    moves = [event("admit", 0, "A"), event("transfer", 12, "B"), event("update", 20), event("discharge", 36)]
    assert burdens({"p": moves}, [], 5 * DAY) == {"A": Burden(0, 0.5), "B": Burden(0, 1.0)}


def test_a_patient_who_is_still_there_counts_until_now():
    assert burdens({"p": [event("admit", 0, "A")]}, [], 3 * DAY) == {"A": Burden(0, 3.0)}


@pytest.mark.req("VAGT-ALT-10")
def test_an_alert_counts_once_where_it_was_first_told_and_never_while_held_back():
    told = [
        alert("a"), alert("a", ward="B"), alert("b", suppressed={"reason": "repeat", "until": None}), alert("b"),
        alert("c", severity="info"), alert("d", suppressed={"reason": "repeat", "until": None}),
    ]  # fmt: skip
    [found] = burdens({"p": [event("admit", 0, "A")]}, told, 4 * DAY).values()
    assert found == Burden(2, 4.0)
    assert found.per_100_days == 50


def test_alerts_without_a_patient_day_are_beyond_every_budget():
    assert Burden(1, 0).per_100_days == float("inf")
    assert Burden(0, 0).per_100_days == 0

"""What became of alerts, and what a ward's come to."""

from itertools import permutations

import pytest

from features.instants import DAY
from models.outputs import Suppressed
from streams.board import journal
from streams.board.journal import Figures, Journal
from tests.builders import moment
from tests.streams.board.told import alert, answer

NOON = moment(12)


def told(*alerts, lain=None) -> Journal:
    found = Journal()
    if lain is not None:
        found.lie({"M2": 1}, moment(0), moment(0) + lain)
    for one in alerts:
        found.hear(one)
    return found


def life(identifier: str, **given):
    """An alert that is raised at one and answered at two."""
    taken = alert("acknowledged", 2, 2, id=identifier, answer=answer(**given))
    return alert(hour=1, id=identifier), taken


def test_an_alerts_changes_are_told_in_their_order_however_they_were_heard():
    said = [*life("a"), alert("resolved", 3, 3, id="a"), alert("raised", 1, 1, id="a")]
    for order in permutations(said):
        assert [one.state for one in told(*order).history("a")] == ["raised", "acknowledged", "resolved"]
    assert told().history("a") == []


def test_who_answered_and_why_is_told():
    (_, change) = told(*life("a", action="dismiss", reason="expected")).history("a")
    assert (change.by, change.reason, change.at) == ("nurse/anna", "expected", moment(2))


def test_a_wards_alerts_come_to_shares_of_those_answered_and_a_rate_by_patient_days():
    said = [
        *life("taken"),
        *life("untrue", action="dismiss", reason="does-not-fit"),
        *life("treated", action="dismiss", reason="already-treated", hour=4),
        alert(id="nobody"),
    ]
    [found] = told(*said, lain=50 * DAY).figures(NOON)
    assert found == Figures("M2", 4, 50.0, 8.0, 0.75, 1 / 3, 2 / 3, 60.0)


def test_what_nobody_was_told_does_not_count():
    quiet = Suppressed("palliative", None)
    said = [alert(id="held", suppressed=quiet), alert(id="mild", severity="info"), alert(id="old", hour=-31 * 24)]
    assert told(*said).figures(NOON) == []


def test_an_alert_counts_for_the_ward_where_it_was_first_told_and_from_when():
    quiet = Suppressed("repeat", None)
    said = [alert(hour=1, suppressed=quiet), alert("updated", 2, 3), alert("escalated", 3, 4, ward="M3")]
    [found] = told(*said).figures(NOON)
    assert (found.ward, found.alerts) == ("M2", 1)


@pytest.mark.parametrize(("days", "rate"), [(0, None), (9.9, None), (10, 10.0)])
def test_a_rate_of_few_patient_days_is_not_told(days, rate):
    [found] = told(alert(), lain=round(days * DAY)).figures(NOON)
    assert found.per_100_days == rate
    assert (found.answered, found.taken, found.minutes) == (0.0, None, None)


def test_an_alert_before_anybody_watched_is_not_in_the_rate():
    found = told(alert(hour=-1), alert(id="b"), lain=100 * DAY)
    assert [(one.alerts, one.per_100_days) for one in found.figures(NOON)] == [(2, 1.0)]


def test_a_journal_has_a_bound_and_drops_what_is_oldest(monkeypatch):
    monkeypatch.setattr(journal, "_MOST_ALERTS", 20)
    found = told(*(alert(id=f"a-{n}", hour=n) for n in range(21)))
    assert [bool(found.history(f"a-{n}")) for n in (0, 1, 2, 20)] == [False, False, True, True]


def test_one_alert_has_a_bound_too(monkeypatch):
    monkeypatch.setattr(journal, "_MOST_CHANGES", 3)
    assert len(told(*(alert("updated", n, n) for n in range(1, 9))).history("infection-risk-a")) == 3

"""A patient's line: what it says, and where it stands among the others."""

from typing import Any

import pytest
from msgspec import structs

from features.instants import HOUR
from models.outputs import Escalation, Text
from streams.board.house import Point
from streams.board.journal import Journal
from streams.board.patient import alerts
from streams.board.phrases import Phrases
from streams.board.row import Person, row
from streams.now import Now
from tests.builders import at, moment
from tests.streams.board.told import alert, answer, reason, score, shown, standing

DANISH, ENGLISH = Phrases.of("da", "Europe/Copenhagen"), Phrases.of("en", "Europe/Copenhagen")
ANNA = Person("010203-1234", "Anna Maria Jensen", "12")
#: The tests' START is midnight UTC, in winter.
TEN = 10.0


def line(now: Now, trace: Any = (), hour: float = TEN, say: Phrases = DANISH, person: Person = ANNA) -> dict[str, Any]:
    return row(now, person, list(trace), moment(hour), say)


def texts(now: Now, **more: Any) -> dict[str, str]:
    found: dict[str, str] = line(now, **more)["f"]
    return found


def infected(**fields: Any) -> Now:
    told = score(reasons=(reason(), reason("rest", "Everything else"), *(reason(f"more_{n}") for n in range(3))))
    raised = alert(hour=9.5, score=told, **fields)
    fresh = {"vital": (at(9.8), at(9.8)), "gas": (at(9), at(9.2)), "kidney": (at(8), at(9.1))}
    return shown(
        TEN, alerts=(raised,), since={raised.id: at(9)}, scores=(standing(),), newest=fresh, birth_date="1951-05-02"
    )


@pytest.mark.req("VAGT-BRD-04")
def test_it_says_how_bad_who_what_why_since_when_and_how_fresh():
    found = line(infected(severity="critical"), [Point(moment(9), 0.12, "low"), Point(moment(10), 0.34, "high")])
    assert found["band"] == "critical"
    assert found["f"] == {
        "band": "KRITISK",
        "ward": "M2",
        "place": "Seng 12",
        "who": "A. Jensen 1951",
        "what": "Mulig infektion",
        "chance": "34 % ↗ (12 % kl. 10:00)",
        "quiet": "",
        "infection": "34 % ↗ (12 % kl. 10:00)",
        "facts": "Laktat 3,1 mmol/L ↗ · Laktat 3,1 mmol/L ↗ · Laktat 3,1 mmol/L ↗",
        "news2": "",
        "need": "Ingen har svaret",
        "owner": "",
        "since": "10:00",
        "lab": "prøve 10:00",
        "vital": "værdier 10:48",
        "stale": "",
        "changed": "",
    }
    assert found["t"] == {"since": moment(9), "lab": moment(9), "vital": moment(9.8), "escalates": None}


def test_facts_are_measured_where_anything_is():
    ratio = reason("creatinine_ratio", "Creatinine over lowest of 7 days 3.1", age_minutes=None, trend=None)
    told = infected(kind="aki").alerts[0]
    mixed, derived = (score(reasons=reasons) for reasons in ((ratio, reason()), (ratio,)))
    for given, said in ((mixed, "Lactate 3.1 mmol/L ↗"), (derived, "Creatinine over lowest of 7 days 3.1")):
        now = shown(TEN, alerts=(structs.replace(told, score=given),), since={told.id: at(9)})
        assert texts(now, say=ENGLISH)["facts"] == said


def test_it_speaks_english_too():
    found = texts(infected(), say=ENGLISH)
    assert (found["band"], found["what"], found["need"]) == ("WARNING", "Possible infection", "Nobody has answered")
    assert found["facts"].startswith("Lactate 3.1 mmol/L ↗")


@pytest.mark.parametrize("value", [0.0, 0.004, 0.996, 1.0])
@pytest.mark.req("VAGT-BRD-05")
def test_nothing_is_certain(value):
    assert texts(shown(TEN, scores=(standing(value=value),)))["infection"] in {"< 1 %", "> 99 %"}


@pytest.mark.req("VAGT-BRD-03")
def test_what_needs_doing_comes_first_and_who_waits_longest():
    def patient(severity: str, state: str = "raised", since: float = 9, vital: float = 9.9, **fields: Any) -> Now:
        told = alert(state, hour=9.9, severity=severity, kind="news2", **fields)
        return shown(TEN, alerts=(told,), since={told.id: at(since)}, newest={"vital": (at(vital), at(vital))})

    fresh = {"vital": (at(9.9), at(9.9))}
    expected = [
        line(patient("critical", since=8)),
        line(patient("critical", since=9)),
        line(patient("warning", since=1)),
        line(shown(TEN, newest={"vital": (at(-3), at(-3))})),
        line(infected(state="acknowledged"), [Point(moment(8), 0.1, "low"), Point(moment(10), 0.4, "high")]),
        line(patient("critical", "acknowledged")),
        line(patient("info")),
        line(shown(TEN, newest=fresh)),
    ]
    assert sorted(expected, key=lambda one: one["order"]) == expected
    assert [one["f"]["need"] for one in expected] == [
        "Ingen har svaret",
        "Ingen har svaret",
        "Ingen har svaret",
        "Mangler nye værdier",
        "Taget, men stiger",
        "",
        "Åben",
        "",
    ]


ON_CALL, IN_CHARGE = (Escalation(role, at(9.7)) for role in ("on-call", "nurse-in-charge"))


@pytest.mark.parametrize(
    ("state", "role", "escalates", "danish", "english"),
    [
        ("raised", "responsible", ON_CALL, "går til vagthavende", "goes to the on-call"),
        (
            "escalated",
            "on-call",
            IN_CHARGE,
            "ligger hos vagthavende siden 10:30 · går til ansvarshavende sygeplejerske",
            "with the on-call since 10:30 · goes to the nurse in charge",
        ),
        (
            "updated",
            "on-call",
            IN_CHARGE,
            "ligger hos vagthavende · går til ansvarshavende sygeplejerske",
            "with the on-call · goes to the nurse in charge",
        ),
        (
            "escalated",
            "nurse-in-charge",
            None,
            "ligger hos ansvarshavende sygeplejerske siden 10:30",
            "with the nurse in charge since 10:30",
        ),
    ],
)
def test_who_has_what_nobody_answered_and_to_whom_it_goes_is_said(state, role, escalates, danish, english):
    now = infected(state=state, role=role, escalates=escalates)
    assert line(now)["t"]["escalates"] == (moment(9.7) if escalates else None)
    assert texts(now)["need"] == f"Ingen har svaret · {danish}"
    assert texts(now, say=ENGLISH)["need"] == f"Nobody has answered · {english}"


def test_the_patients_page_says_when_it_goes_to_the_next_role():
    told = alerts(infected(role="responsible", escalates=ON_CALL), Journal(), moment(TEN), DANISH)
    assert [one["unanswered"] for one in told] == ["Ingen har svaret · går til vagthavende kl. 10:42"]


def test_what_went_on_to_a_later_role_comes_before_what_did_not_and_not_before_what_is_graver():
    def patient(severity: str, role: str | None, since: float) -> Now:
        return structs.replace(infected(severity=severity, role=role), since={"infection-risk-a": at(since)})

    expected = [
        line(patient("critical", "responsible", 9)),
        line(patient("warning", "nurse-in-charge", 9)),
        line(patient("warning", "on-call", 8)),
        line(patient("warning", "on-call", 9)),
        line(patient("warning", "responsible", 1)),
    ]
    assert sorted(expected, key=lambda one: one["order"]) == expected


def test_of_a_patients_alerts_of_one_severity_the_one_with_the_later_role_speaks():
    first = alert(hour=1, kind="aki", role="responsible")
    passed = alert("escalated", hour=2, kind="news2", role="on-call")
    found = line(shown(TEN, alerts=(first, passed), since={first.id: at(1), passed.id: at(2)}))
    assert [one["kind"] for one in found["alerts"]] == ["news2", "aki"]


def test_who_needs_nothing_has_a_risk_that_says_what_it_is_of():
    quiet = texts(shown(TEN, scores=(standing(value=0.004),)))
    assert (quiet["chance"], quiet["quiet"]) == ("", "Infektion < 1 %")
    assert texts(shown(TEN, scores=(standing("news2", 2),)))["quiet"] == ""


def test_a_risk_that_stays_the_same_is_told_once():
    trace = [Point(moment(9), 0.1, "low"), Point(moment(10), 0.1, "low")]
    now = shown(TEN, alerts=infected().alerts, scores=(standing(value=0.1),))
    assert texts(now, trace=trace)["chance"] == "10 %"


def test_what_the_title_says_is_not_said_again():
    told = alert(title=Text("Lactate 3.1 mmol/L ↗", "Laktat 3,1 mmol/L ↗"), score=score(reasons=(reason(),)))
    assert texts(shown(TEN, alerts=(told,)))["facts"] == ""


def test_who_took_it_and_when_is_said():
    taken = infected(state="acknowledged", answer=answer(hour=9.6))
    assert texts(taken)["owner"] == "anna tog den kl. 10:36"


@pytest.mark.parametrize(
    ("state", "given", "said"),
    [
        ("snoozed", {"action": "snooze", "until": at(12)}, "Udsat til 13:00 af anna"),
        (
            "snoozed",
            {"action": "snooze", "until": at(12), "next_result": True},
            "Udsat til næste resultat af anna, senest 13:00",
        ),
        ("dismissed", {"action": "dismiss", "reason": "expected"}, "Afvist af anna: forventet hos denne patient"),
    ],
)
def test_who_asked_for_silence_has_it_and_is_named(state, given, said):
    found = line(infected(state=state, answer=answer(**given)))
    assert (found["band"], found["f"]["what"], found["f"]["owner"]) == ("none", "", said)
    assert found["alerts"][0]["open"]


@pytest.mark.req("VAGT-BRD-12")
def test_an_alert_that_is_held_back_does_not_speak():
    from models.outputs import Suppressed

    found = line(infected(suppressed=Suppressed("palliative", None)))
    assert (found["band"], found["alerts"]) == ("none", [])


@pytest.mark.req("VAGT-BRD-05")
def test_not_to_know_is_a_state_of_its_own():
    abstains = line(shown(TEN, scores=(standing(abstained=True), standing("news2", 2))))
    assert (abstains["band"], abstains["f"]["chance"]) == ("unknown", "")
    assert abstains["f"]["what"] == "Kan ikke vurdere infektion: for få eller for gamle værdier"
    assert texts(shown(TEN))["what"] == "Endnu ikke vurderet"
    partial = line(shown(TEN, scores=(standing("news2", 0, abstained=True),)))
    assert (partial["band"], partial["f"]["what"]) == ("unknown", "Kan ikke vurdere: for få eller for gamle værdier")
    assert line(shown(TEN))["band"] == "unknown"
    assert line(shown(TEN, scores=(standing("news2", 2),)))["band"] == "none"


@pytest.mark.req("VAGT-BRD-04")
@pytest.mark.rule("PLI220")
def test_old_values_are_said_to_be_old():
    newest = {"vital": (at(-2), at(-2))}
    assert texts(shown(TEN, newest=newest))["stale"] == ""
    assert texts(shown(TEN, newest=newest), hour=TEN + 0.1)["stale"] == "Værdier er 12 t gamle"
    assert texts(shown(TEN))["vital"] == "ingen værdier"


@pytest.mark.req("VAGT-BRD-06")
def test_a_result_that_was_taken_back_is_said_aloud_for_half_a_day():
    now = shown(TEN, alerts=(alert("retracted", 2, 9, kind="aki"),))
    assert texts(now)["changed"] == "Trukket tilbage kl. 10:00: Akut nyresvigt"
    assert texts(now, hour=9 + 12 + 0.1)["changed"] == ""


@pytest.mark.req("VAGT-RUL-02")
def test_news2_is_told_as_it_is_now_and_a_partial_one_as_the_least_that_it_can_be():
    assert texts(shown(TEN, scores=(standing("news2", 6),)))["news2"] == "NEWS2 nu 6"
    assert texts(shown(TEN, scores=(standing("news2", 6, abstained=True),)))["news2"] == "NEWS2 nu mindst 6"
    assert texts(shown(TEN, scores=(standing("news2", 0, abstained=True),)))["news2"] == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [("Anna Maria Jensen", "A. Jensen 1951"), ("Jensen", "Jensen 1951"), (None, "010203-1234"), (" ", "010203-1234")],
)
@pytest.mark.req("VAGT-BRD-13")
def test_a_name_is_as_short_as_tells_two_patients_apart(name, said):
    assert texts(shown(TEN, birth_date="1951-05-02"), person=Person("010203-1234", name, None))["who"] == said


def test_who_left_with_an_open_alert_lies_in_no_bed():
    assert texts(infected())["place"] == "Seng 12"
    left = structs.replace(infected(), discharged=at(9.5))
    assert texts(left)["place"] == "Udskrevet"
    assert texts(left, say=ENGLISH)["place"] == "Discharged"
    planned = structs.replace(infected(), discharged=at(TEN + 1))
    assert texts(planned)["place"] == "Seng 12"


@pytest.mark.req("VAGT-BRD-04")
@pytest.mark.rule("D+Tb-0001", "D+Tb-0011")
def test_yesterday_and_before_are_told_with_the_day():
    assert DANISH.clock(moment(-2), moment(TEN)) == "i går 23:00"
    assert DANISH.at(moment(-2), moment(TEN)) == "i går kl. 23:00"
    assert ENGLISH.at(moment(-2), moment(TEN)) == "yesterday at 23:00"
    assert DANISH.clock(moment(-2) - 24 * HOUR, moment(TEN)) == "27.2. 23:00"
    assert ENGLISH.clock(moment(-2) - 24 * HOUR, moment(TEN)) == "27 Feb 23:00"
    assert (DANISH.stamp(moment(TEN)), ENGLISH.stamp(moment(TEN))) == ("01.03.2026 11:00", "1 Mar 2026 11:00")

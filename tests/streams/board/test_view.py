"""How far the board can be trusted, in one line, and what is usual on a ward."""

import time

import pytest

from models.roster import Stop
from streams.board.feed import Health
from streams.board.house import Beat, House
from streams.board.phrases import LANGUAGES
from streams.board.view import View
from streams.settings import Settings
from tests.builders import at, moment
from tests.streams.board.told import PATIENT, score, shown, standing


def view(house: House, live: bool = True) -> tuple[View, Health]:
    health = Health(part=1.0)
    for partition in range(4):
        house.beats[partition] = Beat(time.monotonic(), at(0), live)
    return View(Settings(kafka_bootstrap="127.0.0.1:1"), house, health), health


@pytest.mark.parametrize(("waited", "live", "state"), [(31, True, "late"), (29, True, "ok"), (300, False, "ok")])
def test_a_service_that_lags_is_said_to_and_a_replay_may(waited, live, state):
    found, health = view(House(), live)
    assert found.trust("da")["state"] == "ok"
    health.lag.note(2, end=10, decided=9, clock=time.monotonic() - waited)
    assert found.trust("da")["state"] == state
    assert ("bagud" in found.trust("da")["text"]) == (state == "late")
    assert [one["lag"] for one in found.parts()][2] >= waited


def test_what_is_usual_is_the_middle_of_the_ward_and_of_few_it_is_not_told():
    house = House()
    found, _ = view(house)
    for number, risk in enumerate((0.9, 0.1, 0.2, 0.05)):
        house.hear_now(f"p-{number}", shown(patient=f"p-{number}", scores=(standing(value=risk),)))
    house.hear_now("else", shown(patient="else", ward="M3", scores=(standing(value=0.8),)))
    house.hear_now("unsure", shown(patient="unsure", scores=(standing(value=0.8, abstained=True),)))
    assert found.usual("M2", "infection-risk") is None
    house.hear_now("p-4", shown(patient="p-4", scores=(standing(value=0.3),)))
    assert found.usual("M2", "infection-risk") == 0.2


def stopped(kind: str | None, ward: str | None) -> Beat:
    return Beat(time.monotonic(), at(0), True, (Stop(kind, ward, moment(1), "doctor", "den tager fejl"),))


@pytest.mark.parametrize(
    ("kind", "ward", "words"),
    [
        (None, None, ("alt siden ", "everything since ")),
        ("infection-risk", None, ("Infektion siden ", "Infection since ")),
        (None, "M2", ("alt på M2 siden ", "everything on M2 since ")),
        ("news2", "M2", ("NEWS2 på M2 siden ", "NEWS2 on M2 since ")),
    ],
)
@pytest.mark.req("VAGT-MOD-14")
def test_what_is_stopped_is_said_in_words_wherever_the_service_is_told_of(kind, ward, words):
    house = House()
    found, health = view(house)
    for partition in range(4):
        house.hear_beat(partition, stopped(kind, ward))
    for language, word in zip(LANGUAGES, words, strict=True):
        trust = found.trust(language)
        assert (trust["state"], word in trust["text"], "(den tager fejl)" in trust["text"]) == ("late", True, True)
        assert trust["text"].count(word) == 1, "however many partitions say so"
    health.lost = time.time()
    assert found.trust("da")["state"] == "lost"
    assert words[0] in found.trust("da")["text"]


@pytest.mark.req("VAGT-MOD-14")
def test_a_score_from_before_a_stop_is_shown_no_more_and_one_from_after_it_again():
    told: list[str] = []
    house = House(told.append)
    found, _ = view(house)
    house.hear_now(PATIENT, shown(scores=(standing(value=0.3),)))
    house.hear_beat(0, stopped("infection-risk", "M2"))
    assert house.patients[PATIENT].scores == ()
    house.hear_now(PATIENT, shown(scores=(standing(value=0.3),)))
    assert house.patients[PATIENT].scores == ()
    house.hear_beat(0, Beat(time.monotonic(), at(1), True))
    assert found.trust("da")["state"] == "ok"
    house.hear_scores([score(hour=3)])
    assert [one.kind for one in house.patients[PATIENT].scores] == ["infection-risk"]
    assert told.count(PATIENT) == 5


def test_a_stop_of_another_ward_leaves_the_scores():
    house = House()
    house.hear_now(PATIENT, shown(scores=(standing(value=0.3),)))
    house.hear_beat(0, stopped(None, "M3"))
    assert house.patients[PATIENT].scores != ()

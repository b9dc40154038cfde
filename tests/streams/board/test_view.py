"""How far the board can be trusted, in one line, and what is usual on a ward."""

import time

import pytest

from streams.board.feed import Health
from streams.board.house import Beat, House
from streams.board.view import View
from streams.settings import Settings
from tests.builders import at
from tests.streams.board.told import shown, standing


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

"""A made-up ward at a fixed instant, decided by the real models and rules and served by the real board, without Kafka.

For what needs a page to look at and no way through the platform: pictures, accessibility, the display rules.
"""

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

import uvicorn
from playwright.sync_api import Page

from features.catalogue import catalogue
from features.events import parse
from features.instants import DAY, render
from features.record import Record
from models.registry import shipped
from models.step import Decider, Place, step
from streams import now
from streams.board.house import Beat
from streams.board.web import Board
from streams.broker import free_port
from streams.now import News
from streams.settings import Settings
from tests.builders import at, moment, observation_item

#: The second day of the stay, 10:45 in Denmark.
CLOCK = moment(33.75)
_WATCHED = 30 * DAY


class Ward:
    """A board, and what it was told of its patients."""

    def __init__(self) -> None:
        self.board = Board(Settings(kafka_bootstrap="127.0.0.1:1"))
        self.records: dict[str, Record] = defaultdict(Record)
        self._news: dict[str, News] = defaultdict(News)
        self._decider = Decider(catalogue(), shipped())
        self._told = 0
        self.loop: asyncio.AbstractEventLoop | None = None
        health = self.board._feed.health
        health.part = 1.0
        for partition in range(4):
            self.board.house.beats[partition] = Beat(CLOCK / 1000, render(CLOCK), live=True)

    def tell(self, patient: str, *items: dict[str, Any]) -> None:
        """One record of ``events``."""
        events = [parse({**item, "patient": patient}, patient) for item in items]
        self._told += 1
        decision = step(self._decider, self.records[patient], patient, events, Place("events", 0, self._told))
        assert not decision.refusals, decision.refusals
        self.records[patient] = decision.record
        self._news[patient].hear(decision.record, decision.scores, decision.alerts)
        house = self.board.house
        house.hear_now(patient, self._shown(patient))
        house.hear_scores(decision.scores)
        for alert in decision.alerts:
            house.hear_alert(alert)
            self.board.journal.hear(alert)

    def later(self, what: Callable[..., None], *given: Any) -> None:
        """Do something where the board is served, and wait for it."""

        async def doing() -> None:
            what(*given)

        assert self.loop is not None
        asyncio.run_coroutine_threadsafe(doing(), self.loop).result()

    def _shown(self, patient: str) -> now.Now | None:
        found = now.now(None, patient, self.records[patient], self._news[patient], self._decider.catalogue.analytes)
        # Where the record lies: the stage answers for it.
        return None if found is None else now.decode(now.encode(found)[:-1] + b',"record":{"partition":0,"offset":0}}')

    def admit(self, patient: str, bed: str, name: str | None, born: str, ward: str, unit: str) -> None:
        stay = {"ward": ward, "bed": bed, "name": name, "birthDate": born, "sex": "female", "unitType": unit}
        told = {"type": "encounter", "id": f"e-{patient}", "action": "admit", "at": at(0), "issued": at(0)}
        self.tell(patient, {**told, **stay, "encounter": f"stay-{patient}"})

    def signs(self, patient: str, hour: float, *values: float, air: float = 0.21) -> None:
        """A set of vital signs: rate of breathing, oxygen saturation, pressure, pulse, temperature; awake."""
        names = ("respiratory_rate", "spo2", "systolic_pressure", "heart_rate", "temperature")
        items = [observation_item(name, value, hour) for name, value in zip(names, values, strict=True)]
        awake = observation_item("consciousness", "A", hour)
        self.tell(patient, *items, observation_item("fio2", air, hour), awake)

    def tests(self, patient: str, hour: float, issued: float, /, **values: float) -> None:
        """Blood tests, known some time after they were taken."""
        self.tell(patient, *(observation_item(one, value, hour, issued) for one, value in values.items()))

    def answer(self, patient: str, kind: str, hour: float, action: str, by: str = "nurse/anna", **more: Any) -> None:
        alert = next(one for one in self.board.house.patients[patient].alerts if one.kind == kind)
        told = {"type": "feedback", "id": f"{action}-{kind}-{hour}", "alert": alert.id, "action": action, "by": by}
        self.tell(patient, {**told, "at": at(hour), **more})


#: Bed, name and birth date; the first five are in intensive care, where the risk of infection is judged.
_PEOPLE: Final = (
    ("2", "Karen Holm", "1946-11-23"),
    ("1", "Viggo Skov", "1952-03-17"),
    ("3", "Ida Friis", "1969-05-25"),
    ("4", "Aksel Lykke", "1949-12-30"),
    ("5", "Tove Norup", "1957-08-08"),
    ("4", "Bent Mørk", "1958-02-14"),
    ("7", "Inger Dahl", "1939-07-30"),
    ("9", "Poul Krogh", "1950-01-09"),
    ("1", "Ole Winther", "1963-04-28"),
    ("8", "Åse Lund", "1948-03-02"),
    ("2", "Grete Juhl", "1944-12-05"),
    ("3", "Lis Bruun", "1971-09-17"),
)
KAREN, BENT, INGER, POUL, OLE, AASE, LIS = (f"2-{number}" for number in (0, 5, 6, 7, 8, 9, 11))
_INTENSIVE: Final = 5


def made_up() -> Ward:
    """Twelve patients of two wards: somebody in each state that the board knows."""
    ward = Ward()
    plan: list[tuple[float, Callable[..., None], tuple[Any, ...], dict[str, Any]]] = []

    def at_hour(hour: float, what: Callable[..., None], *given: Any, **more: Any) -> None:
        plan.append((hour, what, given, more))

    for number, (bed, name, born) in enumerate(_PEOPLE):
        unit = ("ITA", "icu") if number < _INTENSIVE else ("M2", "ward")
        ward.admit(f"2-{number}", bed, name, born, *unit)
    for hour in range(1, 34, 2):
        worse = max(0.0, (hour - 10) / 23)
        ill = (16 + 12 * worse, 96 - 5 * worse, 128 - 36 * worse, 82 + 42 * worse, 36.9 + 2.3 * worse)
        at_hour(hour, ward.signs, KAREN, hour, *(round(one, 1) for one in ill))
        for number in range(1, len(_PEOPLE) - 1):
            patient = f"2-{number}"
            if patient != POUL or hour < 20:
                own = (14 + hour % 3, 97, 126 + hour % 7 + number, 74 + hour % 5 + number, 36.8)
                at_hour(hour, ward.signs, patient, hour, *own)
    for hour, crp, leukocytes, creatinine in ((2, 24, 8.4, 78), (14, 96, 12.9, 84), (31, 214, 19.8, 118)):
        blood = {"crp": crp, "leukocytes": leukocytes, "creatinine": creatinine, "platelets": 210 - 2 * hour}
        at_hour(hour + 0.7, ward.tests, KAREN, hour, hour + 0.7, potassium=4.1, **blood)
    at_hour(8.7, ward.tests, BENT, 8, 8.7, potassium=4.9, creatinine=88)
    at_hour(33.7, ward.tests, BENT, 33, 33.7, potassium=7.1, creatinine=96)
    at_hour(3.7, ward.tests, INGER, 3, 3.7, creatinine=84, potassium=4.4)
    at_hour(24, ward.tests, INGER, 21, 24, creatinine=139, potassium=4.8)
    at_hour(24.5, ward.answer, INGER, "aki", 24.5, "acknowledge", "physician/holst")
    at_hour(31.7, ward.tests, INGER, 31, 31.7, creatinine=151, potassium=5.0)
    at_hour(29.6, ward.tests, OLE, 29, 29.6, potassium=6.9)
    wrong = observation_item("potassium", None, 29, 30.2, version=2, status="entered-in-error")
    at_hour(30.2, ward.tell, OLE, wrong)
    at_hour(28.7, ward.tests, AASE, 28, 28.7, potassium=6.2)
    at_hour(29, ward.answer, AASE, "critical-result", 29, "snooze", until=at(37))
    for _, what, given, more in sorted(plan, key=lambda one: one[0]):
        what(*given, **more)
    for number in range(len(_PEOPLE)):
        ward.tell(f"2-{number}", {"type": "tick", "at": render(CLOCK)})
    ward.board.journal.lie({"M2": 7, "ITA": 5}, CLOCK - _WATCHED, CLOCK)
    return ward


@contextmanager
def served(ward: Ward, clock: int = CLOCK) -> Iterator[str]:
    """The ward's board at an address, its clock standing still."""
    still = SimpleNamespace(
        time_ns=lambda: clock * 1_000_000, time=lambda: clock / 1000, monotonic=lambda: clock / 1000
    )
    modules = ("view", "web", "access")

    async def forever() -> None:
        ward.loop = asyncio.get_running_loop()
        await asyncio.Event().wait()

    async def nothing(*_: object) -> None:
        """There is no Kafka to write to."""

    async def record(patient: str, _: object) -> Record:
        return ward.records[patient]

    patches: list[Any] = [patch(f"streams.board.{module}.time", still) for module in modules]
    patches += [
        patch.object(ward.board._feed, "run", forever),
        patch.object(ward.board._access, "saw", nothing),
        patch.object(ward.board._histories, "record", record),
        patch("streams.board.web.give", nothing),
    ]
    port = free_port()
    options: Any = {"log_config": None, "access_log": False, "timeout_graceful_shutdown": 1}
    server = uvicorn.Server(uvicorn.Config(ward.board.app, host="127.0.0.1", port=port, **options))
    for one in patches:
        one.start()
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
        for one in patches:
            one.stop()


#: Every page's address by a name; the patient's is in the list.
PAGES: Final = {
    "ward": "/ward",
    "patient": "/ward",
    "handover": "/handover?ward=M2",
    "second": "/second-opinion?ward=ITA",
    "wall": "/wall",
    "burden": "/burden",
    "service": "/service",
    "error": "/patient/nobody",
}


def open_page(page: Page, address: str, name: str) -> None:
    """Open one of the pages, the patient's by a tap on Karen's line, and wait until its script is done."""
    page.goto(address + PAGES[name])
    if name == "patient":
        page.locator("a[data-home]", has_text="K. Holm").click()
        page.wait_for_url("**/patient/*")
    if name != "error":
        page.wait_for_function("document.documentElement.dataset.trust === 'ok'")
    page.evaluate("document.fonts.ready")

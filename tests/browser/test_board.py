"""The board as a nurse has it: real Kafka, a real worker, a real browser."""

import json
import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from streams.broker import free_port
from tests.browser.conftest import Hospital
from tests.streams.board.provider import CLIENT, provider


@pytest.fixture
def patient(hospital: Hospital) -> str:
    """Somebody with a name that no other test knows."""
    found = f"p-{uuid.uuid4().hex[:8]}"
    hospital.admit(found, name=f"Anna {found.upper()}", bed=found[-2:])
    return found


def line(page: Page, patient: str):
    return page.locator("[data-handle]:not(template *)").filter(has_text=patient.upper())


def test_a_critical_result_shows_on_the_page_by_itself(hospital, page, patient):
    hospital.measure(patient, 7.2)
    row = line(page, patient)
    expect(row).to_contain_text("KRITISK", timeout=15_000)
    expect(row).to_contain_text("7,2")
    expect(row).to_contain_text("Ingen har svaret")


@pytest.mark.req("VAGT-BRD-07")
def test_who_takes_an_alert_is_seen_on_every_board(hospital, page, chromium, patient):
    hospital.measure(patient, 7.2)
    other = chromium.new_context(locale="da-DK").new_page()
    other.goto(f"{hospital.address}/ward")
    row = line(page, patient)
    row.get_by_role("button", name="Jeg tager den").first.click(timeout=15_000)
    for board in (page, other):
        expect(line(board, patient)).to_contain_text("demo tog den kl.", timeout=15_000)
        expect(line(board, patient)).not_to_contain_text("Ingen har svaret")
    other.context.close()


@pytest.mark.req("VAGT-ALT-12")
def test_an_alert_that_nobody_answers_counts_down_and_goes_to_the_on_call(hospital, page, patient):
    other = f"p-{uuid.uuid4().hex[:8]}"
    almost = 10 / 3600 - 0.25
    hospital.admit(other, name=f"Anna {other.upper()}", hours=almost)
    hospital.measure(other, 7.2, hours=almost)
    hospital.measure(patient, 7.2)
    soon = r"\s+om 1[0-4] min"
    goes = re.compile(r"Ingen har svaret · går til vagthavende" + soon)
    went = re.compile(r"ligger hos vagthavende siden \d\d:\d\d · går til ansvarshavende sygeplejerske" + soon)
    expect(line(page, patient)).to_contain_text(goes, timeout=30_000)
    expect(line(page, other)).to_contain_text(went, timeout=60_000)
    # Of two unanswered critical alerts first the one that waits for longer than it should.
    handles = page.locator("li[data-handle]:visible").evaluate_all("all => all.map(one => one.textContent)")
    places = [next(n for n, text in enumerate(handles) if one.upper() in text) for one in (other, patient)]
    assert places == sorted(places)


@pytest.mark.req("VAGT-BRD-06")
def test_a_result_that_is_taken_back_is_said_aloud(hospital, page, patient):
    hospital.measure(patient, 7.2)
    expect(line(page, patient)).to_contain_text("KRITISK", timeout=15_000)
    hospital.withdraw(patient)
    expect(line(page, patient)).to_contain_text("Trukket tilbage kl.", timeout=15_000)


def test_the_patients_page_tells_why_and_shows_what_was_measured(hospital, page, patient):
    hospital.measure(patient, 5.1)
    hospital.measure(patient, 7.2)
    expect(line(page, patient)).to_contain_text("KRITISK", timeout=15_000)
    hospital.settle()
    line(page, patient).get_by_role("link").first.click()
    expect(page.locator("h3", has_text="Kalium").first).to_be_visible(timeout=15_000)
    expect(page.locator("body")).to_contain_text("02.05.1951")
    expect(page.locator("body")).to_contain_text("7,2")
    assert patient not in page.url
    assert patient.upper() not in page.title()


@pytest.mark.req("VAGT-BRD-08")
def test_an_alert_can_be_taken_by_keyboard_alone(hospital, page, patient):
    hospital.measure(patient, 7.2)
    row = line(page, patient)
    expect(row).to_contain_text("KRITISK", timeout=15_000)
    for _ in range(200):
        page.keyboard.press("Tab")
        if row.evaluate("(row) => row.contains(document.activeElement) && document.activeElement.value"):
            break
    page.keyboard.press("Enter")
    expect(row).to_contain_text("demo tog den kl.", timeout=15_000)


@pytest.mark.req("VAGT-BRD-10")
def test_names_are_text_whatever_stands_in_them(hospital, page):
    name = f"x{uuid.uuid4().hex[:6]}"
    hospital.admit(name, name=f"<img src=x onerror=alert(1)>{name.upper()}", bed="\u202e21", ward="<b>M2</b>")
    hospital.measure(name, 7.2)
    row = line(page, name)
    expect(row).to_contain_text("KRITISK", timeout=15_000)
    assert page.locator("img").count() == 0
    assert page.locator("b", has_text=re.compile("^M2$")).count() == 0


def test_a_page_of_a_patient_who_is_unknown_says_so(hospital, chromium: Browser):
    page = chromium.new_page()
    answer = page.goto(f"{hospital.address}/patient/nobody")
    assert answer is not None
    assert answer.status == 404
    expect(page.locator("body")).to_contain_text("Patienten er ikke på tavlen længere")
    page.close()


@pytest.fixture
def with_login(hospital, tmp_path) -> Iterator[Hospital]:
    """A second board of the same hospital, with a provider that says who somebody is."""
    with provider() as idp:
        board = replace(hospital, port=free_port(), log=tmp_path / "board.txt", board=None)
        board.login = {
            "VAGT_OIDC_ISSUER": idp.issuer,
            "VAGT_OIDC_CLIENT_ID": CLIENT,
            "VAGT_OIDC_CLIENT_SECRET": "word",
            "VAGT_BOARD_URL": board.address,
        }
        board.open_board()
        yield board
        board.close_board()


@pytest.mark.filterwarnings("ignore:get_jwt_config")
def test_who_logs_in_and_takes_an_alert_is_named_in_the_feedback_and_in_the_book_of_views(
    hospital, with_login, chromium, patient
):
    hospital.measure(patient, 7.2)
    page = chromium.new_context(locale="da-DK").new_page()
    page.goto(f"{with_login.address}/ward")
    page.locator("button[value=nurse]").click()
    page.wait_for_url(f"{with_login.address}/ward")
    expect(page.locator("body")).not_to_contain_text("DEMO")
    row = line(page, patient)
    expect(row).to_contain_text("KRITISK", timeout=30_000)
    row.get_by_role("button", name="Jeg tager den").first.click()
    expect(row).to_contain_text("u-nurse tog den kl.", timeout=30_000)
    page.get_by_role("button", name="Log ud").click()
    expect(page.locator("body")).to_contain_text("Du er logget ud")
    page.context.close()
    feedback = [one for one in told(hospital, "events") if one.get("type") == "feedback" and one["patient"] == patient]
    assert [one["by"] for one in feedback] == ["nurse/u-nurse"]
    views = [one for one in told(hospital, "audit.access") if patient in one["patients"]]
    assert ("u-nurse", "nurse", "ward") in {(one["user"], one["role"], one["page"]) for one in views}


def told(hospital: Hospital, topic: str) -> list[dict[str, Any]]:
    """What a topic holds."""
    with ThreadPoolExecutor(1) as other:
        records = other.submit(hospital.service.read, topic).result()
    found = [json.loads(one.value) for one in records if one.value]
    return [item for one in found for item in (one if isinstance(one, list) else [one])]


@pytest.mark.slow
@pytest.mark.req("VAGT-BRD-01")
def test_the_page_says_that_the_broker_is_gone_and_recovers_by_itself(hospital, page, faults, patient):
    hospital.measure(patient, 7.2)
    expect(line(page, patient)).to_contain_text("KRITISK", timeout=15_000)
    hospital.broker.stop()
    expect(page.locator("body")).to_contain_text("Ingen forbindelse til dataplatformen", timeout=30_000)
    button = line(page, patient).get_by_role("button", name="Jeg tager den").first
    expect(button).to_be_disabled()
    hospital.broker.start()
    expect(page.locator("body")).to_contain_text("Alt kører", timeout=90_000)
    expect(button).to_be_enabled()
    hospital.measure(patient, 7.9)
    expect(line(page, patient)).to_contain_text("7,9", timeout=60_000)
    button.click()
    expect(line(page, patient)).to_contain_text("demo tog den kl.", timeout=30_000)


@pytest.mark.slow
@pytest.mark.req("VAGT-BRD-01")
@pytest.mark.rule("PLI220")
def test_a_board_that_lost_its_service_greys_and_says_since_when(hospital, page, faults, patient):
    expect(line(page, patient)).to_be_visible(timeout=15_000)
    assert hospital.board is not None
    hospital.board.kill()
    hospital.board.wait()
    expect(page.locator("body")).to_contain_text("Ikke opdateret siden", timeout=20_000)
    hospital.open_board()
    page.reload()
    expect(page.locator("body")).to_contain_text("Alt kører", timeout=30_000)
    faults.clear()  # the browser tells of each connection that was refused meanwhile

"""The board's pages over HTTP, with what the topics say made up: what needs no Kafka."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from models.outputs import Text
from streams.board.web import Board
from streams.settings import Settings
from tests.streams.board.told import alert, reason, score, shown

CPR = "010203-1234"
BAD = "<script>alert(1)</script>"


@pytest.fixture
def board() -> Board:
    found = Board(Settings(kafka_bootstrap="127.0.0.1:1"))
    told = alert(patient=CPR, title=Text(f"Infection {BAD}", f"Infektion {BAD}"), score=score(patient=CPR))
    found.house.hear_now(
        CPR, shown(patient=CPR, name=f"Anna {BAD}", birth_date="1951-05-02", alerts=(told,), since={told.id: told.at})
    )
    found.house.hear_now("p-2", shown(patient="p-2", ward="M3"))
    return found


@pytest.fixture(autouse=True)
def no_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> None:
        """There is no Kafka to write views to."""

    monkeypatch.setattr("streams.board.access.Access.saw", nothing)


@pytest.fixture
def client(board: Board) -> Iterator[TestClient]:
    client = TestClient(board.app, base_url="http://127.0.0.1:8080", follow_redirects=False)
    yield client
    client.close()


def handles(page: str) -> list[str]:
    return re.findall(r'name="handle" value="([^"]+)"', page)


def token(page: str) -> str:
    (found, *_) = re.findall(r'name="token" value="([^"]+)"', page)
    return str(found)


def answer(client: TestClient, **fields: str) -> Any:
    page = client.get("/ward").text
    form = {"token": token(page), "handle": handles(page)[0], "alert": "infection-risk-a", "action": "acknowledge"}
    headers = {"accept": "application/json"}
    for name in ("origin", "sec-fetch-site"):
        if name in fields:
            headers[name] = fields.pop(name)
    return client.post("/answer", data=form | fields, headers=headers)


@pytest.mark.parametrize("path", ["/ward", "/handover", "/ward?ward=M2", "/nothing", "/patient/nobody"])
@pytest.mark.req("VAGT-BRD-10")
def test_every_answer_carries_the_safe_headers_and_is_stored_nowhere(client, path):
    headers = client.get(path).headers
    assert "require-trusted-types-for 'script'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_the_pages_have_no_script_or_style_of_their_own(client):
    page = client.get("/ward").text
    assert not re.search(r"<script(?![^>]*(src=|application/json))", page)
    assert " style=" not in page
    assert not re.search(r"\son\w+=", page)


@pytest.mark.req("VAGT-BRD-10")
def test_what_patients_are_called_is_text_and_nothing_else(client):
    page = client.get("/ward").text
    assert BAD not in page
    assert "&lt;script&gt;" in page


@pytest.mark.req("VAGT-BRD-11")
def test_no_address_tells_who_a_patient_is(client):
    page = client.get("/ward").text
    addresses = re.findall(r'(?:href|action|src)="([^"]*)"', page)
    assert addresses
    assert not [one for one in addresses if CPR in one]


def test_of_ten_thousand_alerts_a_page_shows_those_that_need_most_and_says_so(client, board):
    for number in range(10_000):
        patient = f"many-{number}"
        severity = "critical" if number == 7_777 else "warning"
        told = alert(patient=patient, id=f"a-{number}", severity=severity)
        board.house.hear_now(patient, shown(patient=patient, alerts=(told,), since={told.id: told.at}))
    for path in ("/ward", "/handover", "/wall"):
        page = client.get(path).text
        assert "de 300 af 10002" in page
        assert len(page) < 2_000_000
        assert page.index("KRITISK") < page.index("ADVARSEL")
    assert 'class="cut"' in page
    assert 'class="cut"' not in client.get("/ward?ward=M3").text


BIDI = "\u202eabc\u2066"


@pytest.mark.parametrize("path", ["/ward", "/handover", "/second-opinion", "/wall?names", "/burden"])
def test_what_turns_the_direction_of_text_or_is_a_script_stays_where_it_stands(client, board, path):
    for bad in (BAD, BIDI):
        reasons = (reason(en=f"Lactate 3.1 {bad}"),)
        told = alert(patient=bad, ward=f"W{bad}", title=Text(bad, bad), score=score(patient=bad, reasons=reasons))
        board.house.hear_now(
            bad, shown(patient=bad, ward=f"W{bad}", bed=bad, name=bad, alerts=(told,), since={told.id: told.at})
        )
        board.journal.hear(told)
    page = client.get(path).text
    assert BAD not in page
    # What turns the text is inside an element that keeps it to itself, or is no text of the page.
    shown_text = re.sub(r"<(bdi|option|title|script)\b.*?</\1>|<[^>]*>", "", page, flags=re.DOTALL)
    assert BIDI not in shown_text


@pytest.mark.req("VAGT-BRD-11")
def test_a_patients_handle_serves_its_session_alone(client, board):
    page = client.get("/ward").text
    (handle, *_) = handles(page)
    assert client.get(f"/patient/{handle}").status_code == 200
    other = TestClient(board.app, base_url="http://127.0.0.1:8080")
    assert other.get(f"/patient/{handle}").status_code == 404
    assert handle not in other.get("/ward").text


def test_boards_with_one_secret_take_each_others_sessions_and_others_do_not(tmp_path):
    def opened(name: str, secret: str | None) -> Board:
        file = tmp_path / name
        if secret is not None:
            file.write_text(secret)
        found = Board(Settings(kafka_bootstrap="127.0.0.1:1", board_secret_file=None if secret is None else file))
        found.house.hear_now("p-2", shown(patient="p-2", alerts=(alert(patient="p-2"),)))
        return found

    boards = [opened("one", "same"), opened("two", "same"), opened("three", "other"), opened("four", None)]
    first = TestClient(boards[0].app, base_url="http://127.0.0.1:8080")
    (handle, *_) = handles(first.get("/ward").text)
    found = []
    for board in boards:
        other = TestClient(board.app, base_url="http://127.0.0.1:8080", cookies=first.cookies)
        found.append(other.get(f"/patient/{handle}").status_code)
    assert found == [200, 200, 404, 404]


@pytest.mark.req("VAGT-BRD-13")
def test_a_patient_has_a_page_with_the_identity_and_the_alert(client):
    page = client.get(f"/patient/{handles(client.get('/ward').text)[0]}").text
    assert CPR in page
    assert "02.05.1951" in page
    assert "&lt;script&gt;" in page


def test_the_list_can_be_narrowed_to_a_ward_and_a_kind(client):
    def named(query: str) -> list[str]:
        page = client.get(f"/handover{query}").text
        return [name for name in ("1951", "p-2") if name in page]

    assert named("") == ["1951", "p-2"]
    assert named("?ward=M3") == ["p-2"]
    assert named("?kind=infection-risk") == ["1951"]


@pytest.mark.req("VAGT-BRD-09")
def test_the_language_is_danish_until_somebody_chooses_english(client):
    assert '<html lang="da"' in client.get("/ward").text
    page = client.get("/ward").text
    client.post("/language", data={"language": "en", "back": "/ward", "token": token(page)})
    assert '<html lang="en"' in client.get("/ward").text


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"token": "guessed"}, 403),
        ({"token": ""}, 403),
        ({"origin": "https://elsewhere.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"handle": "nobody"}, 404),
        ({"alert": "nobody's"}, 404),
        ({"action": "delete"}, 400),
        ({"action": "dismiss"}, 400),
    ],
)
@pytest.mark.req("VAGT-BRD-10")
def test_a_forged_or_useless_answer_is_refused_with_a_sentence(client, fields, status):
    refused = answer(client, **fields)
    assert refused.status_code == status
    assert refused.json()["error"].endswith(".")


@pytest.mark.parametrize("origin", ["", "https://elsewhere.example"])
def test_a_forged_change_of_language_changes_nothing(client, origin):
    own = token(client.get("/ward").text)
    form = {"language": "en", "token": own if origin else "guessed"}
    assert client.post("/language", data=form, headers={"origin": origin} if origin else {}).status_code == 403
    assert '<html lang="da"' in client.get("/ward").text


@pytest.mark.req("VAGT-BRD-14")
def test_an_answer_to_an_alert_that_ended_meanwhile_is_refused(client, board):
    page = client.get("/ward").text
    board.house.hear_alert(alert("resolved", 2, 2, patient=CPR))
    form = {"token": token(page), "handle": handles(page)[0], "alert": "infection-risk-a", "action": "acknowledge"}
    assert client.post("/answer", data=form, headers={"accept": "application/json"}).status_code == 409


@pytest.mark.parametrize("back", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", ""])
def test_nobody_is_sent_to_another_site(client, back):
    page = client.get("/ward").text
    sent = client.post("/language", data={"language": "da", "back": back, "token": token(page)})
    assert sent.headers["location"] == "/"


@pytest.mark.req("VAGT-BRD-02")
def test_it_is_not_ready_before_it_has_read_everything(client):
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    assert "Indlæser" in client.get("/ward").text


@pytest.mark.parametrize("handle", ["%00", "..%2f..%2fetc", "a" * 5000, "%ff%fe", "\u202eabc"])
def test_whatever_stands_in_an_address_is_a_page_that_is_not_there(client, handle):
    assert client.get(f"/patient/{handle}").status_code == 404


def test_a_part_that_fails_ends_the_board_and_says_so(board, monkeypatch):
    """It is started again; a page that no longer changes would not be."""
    ended: list[bool] = []

    async def fails() -> None:
        raise ZeroDivisionError(CPR)

    monkeypatch.setattr(board._feed, "run", fails)
    monkeypatch.setattr(board, "stop", lambda: ended.append(True))
    with capture_logs() as log, TestClient(board.app, base_url="http://127.0.0.1:8080") as client:
        assert client.get("/readyz").status_code == 503
    assert ended == [True]
    assert board.broken
    assert [one["event"] for one in log] == ["board.broken"]

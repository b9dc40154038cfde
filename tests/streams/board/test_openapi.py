"""The board is what its OpenAPI document says."""

import pytest
from starlette.testclient import TestClient

from streams.board.openapi import document
from streams.board.web import Board
from streams.settings import Settings


@pytest.fixture(scope="module")
def board() -> Board:
    return Board(Settings(kafka_bootstrap="127.0.0.1:1"))


def test_the_document_is_served_and_names_every_route(board):
    served = TestClient(board.app, base_url="http://127.0.0.1:8080").get("/openapi.json").json()
    assert served == document(board.app.routes, login=False)
    assert served["openapi"] == "3.1.0"
    assert {"/ward", "/answer", "/stream", "/login/callback", "/healthz"} <= set(served["paths"])
    assert {"/cds-services/vagt-patient-view", "/cds-services/vagt-order-select/feedback"} <= set(served["paths"])


def test_where_people_log_in_the_document_says_which_roles_may(board):
    paths = document(board.app.routes, login=True)["paths"]
    assert paths["/answer"]["post"]["description"] == "For the roles nurse, physician."
    assert paths["/answer"]["post"]["security"] == [{"session": []}]
    assert "security" not in paths["/healthz"]["get"]
    assert "security" not in document(board.app.routes, login=False)["paths"]["/answer"]["post"]


@pytest.mark.slow
def test_the_board_answers_as_its_document_says(capfd):
    from load_tests.scan import holds

    assert holds(login=True, examples=5, seed=1), capfd.readouterr().out[-8000:]

"""What tests of the board look at."""

from typing import Any

import pytest

Views = list[tuple[Any, ...]]


@pytest.fixture
def views(monkeypatch: pytest.MonkeyPatch) -> Views:
    """Who looked at whom, as the book of views is told."""
    found: Views = []

    async def saw(_: object, *view: Any) -> None:
        found.append(view)

    monkeypatch.setattr("streams.board.access.Access.saw", saw)
    return found

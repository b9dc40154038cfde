"""What all tests have in common."""

import pytest
from hypothesis import settings

# A machine that is busy is no fault of the code. The same examples at each run: `make test-long` looks for new ones.
settings.register_profile("vagt", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile("vagt")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the quick tests first, then those on the real broker, then the slow ones, the longest of them first."""
    for item in items:
        if "broker" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.broker)
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> tuple[bool, bool, int]:
    slow = item.get_closest_marker("slow")
    seconds: int = slow.kwargs.get("seconds", 0) if slow else 0
    return slow is not None, item.get_closest_marker("broker") is not None, -seconds

"""What all tests have in common."""

import pytest
from hypothesis import settings

# A machine that is busy is no fault of the code.
settings.register_profile("vagt", deadline=None)
settings.load_profile("vagt")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the quick tests first, then those on the real broker, then the slow ones."""
    for item in items:
        if "broker" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.broker)
    items.sort(
        key=lambda item: (
            item.get_closest_marker("slow") is not None,
            item.get_closest_marker("broker") is not None,
        )
    )

"""The distribution's Chromium."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Playwright

#: Without these, Chromium asks hosts that a closed network refuses, many at a time.
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def options() -> dict[str, Any]:
    """How it is launched, without a window."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path is not None, "chromium is missing: deploy/browser.sh installs it"
    return {"executable_path": path, "args": list(_ARGUMENTS)}


@contextmanager
def launched(playwright: Playwright) -> Iterator[Browser]:
    """A browser."""
    browser = playwright.chromium.launch(**options())
    try:
        yield browser
    finally:
        browser.close()

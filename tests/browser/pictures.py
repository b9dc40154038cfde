"""`python -m tests.browser.pictures`: the pictures of the board in ``docs/pictures``, of the made-up ward.

Each page at a desk, on a phone, and in the dark; a stylesheet's change shows as a changed file.
"""

from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from playwright.sync_api import ViewportSize, sync_playwright

from load_tests.chromium import launched
from tests.browser.stage import PAGES, made_up, open_page, served

FOLDER: Final = Path(__file__).parents[2] / "docs" / "pictures"
#: Width and height in CSS pixels, and the colours.
FORMS: Final[dict[str, tuple[ViewportSize, Literal["light", "dark"]]]] = {
    "desktop": ({"width": 1280, "height": 720}, "light"),
    "dark": ({"width": 1280, "height": 720}, "dark"),
    "phone": ({"width": 360, "height": 640}, "light"),
}


def pictures(
    folder: Annotated[Path, typer.Option(help="Where they go.")] = FOLDER,
    only: Annotated[str, typer.Option(help="One page alone.")] = "",
) -> None:
    """Take them."""
    folder.mkdir(exist_ok=True)
    with served(made_up()) as address, sync_playwright() as playwright, launched(playwright) as browser:
        for form, (size, scheme) in FORMS.items():
            context = browser.new_context(viewport=size, color_scheme=scheme, locale="da-DK", reduced_motion="reduce")
            for name in [only] if only else PAGES:
                page = context.new_page()
                open_page(page, address, name)
                page.screenshot(path=folder / f"{name}-{form}.png", animations="disabled", caret="hide")
                page.close()
            context.close()


if __name__ == "__main__":
    typer.run(pictures)

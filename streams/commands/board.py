"""`vagt board`: the nurses' page from the command line."""

from typing import Annotated

import typer

from streams.commands.parent import Parent, end_with
from streams.commands.plain import fail, plain_failures, settings


def board(
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Where it listens.", show_default="8080")] = None,
    parent: Parent = None,
) -> None:
    """Serve the nurses' board until Ctrl-C."""
    own = settings()
    with plain_failures():
        from streams import log
        from streams.board.serve import serve
        from streams.board.web import STATIC

        if not (STATIC / "board.js").is_file():
            fail("The board's pages are not built: say `make run` once, or install the published package.")
        log.configure()
        end_with(parent)
        serve(own, port or own.board_port)

"""`vagt worker`: one worker from the command line."""

from typing import Annotated

import typer

from streams.commands.parent import Parent, end_with
from streams.commands.plain import plain_failures, settings


def worker(
    name: Annotated[
        str, typer.Option(help="The worker's name: its state on disk lies under it.", metavar="NAME")
    ] = "worker-1",
    parent: Parent = None,
) -> None:
    """Run one worker until Ctrl-C or SIGTERM; start as many as there are partitions to share."""
    own = settings()
    with plain_failures():
        from streams import log
        from streams.worker import run

        log.configure()
        end_with(parent)
        run(own, name)

"""`vagt deadletter`: what could not be used, and sending it again."""

from typing import Annotated

import typer

from streams.commands.plain import plain_failures, settings

deadletter = typer.Typer(help="The rejected events: see why, and send them again.", no_args_is_help=True)

Reason = Annotated[str | None, typer.Option(help="Only those with this reason, for instance unknown-code.")]


@deadletter.command("list")
def show(
    reason: Reason = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the newest so many.")] = None,
) -> None:
    """List the dead letters: reason, place and detail, never the value."""
    own = settings()
    with plain_failures():
        from collections import deque

        from streams.letters import letters

        counted = 0
        for letter in deque(letters(own, reason), maxlen=limit):
            typer.echo(f"{letter.reason:<18} {letter.place:<28} {letter.detail}")
            counted += 1
        typer.echo(f"{counted} dead letters", err=True)


@deadletter.command("replay")
def again(reason: Reason = None) -> None:
    """Send the rejected objects again, after the cause is mended; what was used before changes nothing."""
    own = settings()
    with plain_failures():
        from streams.letters import resend

        outcome = resend(own, reason)
        typer.echo(f"{outcome.sent} objects sent again")
        for why, count in outcome.left.items():
            typer.echo(f"{count} left: {why}", err=True)

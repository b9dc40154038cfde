"""`vagt doctor`: what is wrong, what it means, and what to do."""

from typing import Annotated

import typer

from streams.commands.plain import plain_failures, settings


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Examine the cluster, this machine and the models, and say what is wrong and what to do; nothing is changed.

    Exit status: 0 all is well, 1 there are warnings, 2 there are faults.
    """
    own = settings()
    with plain_failures():
        from dataclasses import asdict

        import orjson

        from streams.doctor import examine
        from streams.doctor.finding import Level

        worst = Level.OK
        for one in examine(own):
            worst = max(worst, one.level)
            level = one.level.name.lower()
            if as_json:
                typer.echo(orjson.dumps({**asdict(one), "level": level}))
                continue
            typer.echo(f"{level:<8} {one.check:<13} {one.seen}")
            for text in filter(None, (one.means, one.do)):
                typer.echo(f"{'':<22} {text}")
        raise typer.Exit(int(worst))

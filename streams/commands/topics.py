"""`vagt topics`: the topics of a deployment, made by whoever may make them."""

import typer

from streams.commands.plain import plain_failures, settings

_PATIENCE_S = 15.0


def topics() -> None:
    """Create the topics that are missing, and say how the others differ from what they shall be."""
    own = settings()
    with plain_failures():
        from streams import topics as made

        wanted = made.topics(own.partitions, own.topic_prefix, own.door_topics, own.retention)
        for one in made.ensure(own, wanted, own.replication, _PATIENCE_S):
            typer.echo(f"{one.topic}: {one.setting} is {one.have}, and shall be {one.want}", err=True)
        typer.echo(f"{len(wanted)} topics are there")

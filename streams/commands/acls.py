"""`vagt acls`: who may do what on the cluster, from the command line."""

from typing import Annotated

import typer

from streams.commands.plain import WRONG_USAGE, fail, plain_failures, settings

Grants = Annotated[
    list[str],
    typer.Argument(
        help="Who has which role, for instance worker=User:vagt-worker door:lab=User:laboratory.",
        metavar="ROLE=PRINCIPAL...",
    ),
]


def acls(
    grants: Grants,
    apply: Annotated[bool, typer.Option("--apply", help="Make them on the cluster, as a super user of it.")] = False,
) -> None:
    """Print the least ACLs that each role needs, for Kafka's own tool; with --apply make those that are missing.

    Roles: worker, door:TOPIC, mllp, monitor, monitor-stops, ehr, board, auditor, tools, admin. Kafka denies what no ACL
    allows.
    """
    own = settings()
    with plain_failures():
        from streams import acls as made

        wanted = []
        for grant in grants:
            role, _, principal = grant.partition("=")
            try:
                wanted += made.rules(own, role, principal)
            except made.AclError as error:
                fail(error, WRONG_USAGE)
        if not apply:
            for line in made.script(own, wanted):
                typer.echo(line)
            return
        try:
            added, others = made.apply(own, wanted)
        except made.AclError as error:
            fail(error)
        typer.echo(f"{added} of {len(wanted)} ACLs were missing and are made")
        for other in others:
            typer.echo(
                f"not asked for here: {other.principal} may {other.operation} {other.kind} {other.name}", err=True
            )

"""`vagt audit`: why an alert came, and the same decisions computed again and compared."""

from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands.plain import FAILED, WRONG_USAGE, fail, plain_failures, settings, watched

if TYPE_CHECKING:
    from streams.rejudge import Comparison

audit = typer.Typer(help="Every decision: why an alert came, and the same computed again.", no_args_is_help=True)

_SHOWN = 20
Time = str | None


@audit.command()
def explain(alert: Annotated[str, typer.Argument(metavar="ALERT", help="The alert's id.")]) -> None:
    """Tell the story of an alert: each change, what it came of, what it rests on, and what decided."""
    own = settings()
    with plain_failures():
        from streams.story import changes, told
        from streams.watch import language

        story = changes(own, alert)
        if not story:
            fail(f"The audit knows no alert {alert}.")
        for text in told(own, alert, story, language()):
            typer.echo(text)


@audit.command()
def replay(
    since: Annotated[Time, typer.Option("--from", help="Compare what Kafka received from then on (RFC 3339).")] = None,
    until: Annotated[Time, typer.Option("--to", help="Compare what Kafka received before then (RFC 3339).")] = None,
) -> None:
    """Decide everything again and compare to the bit; check the chain too. Exit status 1 if anything differs."""
    own = settings()
    with plain_failures():
        from features.instants import parse
        from streams.records import audited, events
        from streams.rejudge import Past, Span, compare_all
        from streams.terms import Terms, shelf

        try:
            span = Span(0 if since is None else parse(since), 2**62 if until is None else parse(until))
        except ValueError as error:
            fail(error, WRONG_USAGE)
        sound = True
        pasts = {one: Past(audited(own, one), events(own, one)) for one in range(own.partitions)}
        compared = compare_all(Terms.of(own), pasts, span, shelf(own))
        for partition, found in watched(compared, "Deciding again", own.partitions):
            sound &= not (found.flaws or found.differing)
            _say(partition, found)
    raise typer.Exit(0 if sound else FAILED)


def _say(partition: int, found: "Comparison") -> None:
    typer.echo(
        f"Partition {partition}: {found.identical} decisions identical, {len(found.differing)} differ, "
        f"{len(found.flaws)} entries not as they were written"
    )
    for _, offset, fields in found.differing[:_SHOWN]:
        typer.echo(f"  offset {offset} differs in {fields}")
    for flaw in found.flaws[:_SHOWN]:
        typer.echo(f"  entry {flaw.number}: {flaw.what}")
    for count, why in (
        (found.elsewhere, "were decided by another release or with other files: replay them with that release"),
        (found.unreachable, "concern patients whose history begins before the log does: not computed again"),
        (found.unaudited, "have no entry between others: a release before the audit decided them, or see above"),
        (found.undecided, "are not decided yet"),
        (found.again, "entries are of records decided again: the offsets had been lost or put back"),
    ):
        if count:
            typer.echo(f"  {count} {why}")

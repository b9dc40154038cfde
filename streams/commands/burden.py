"""`vagt burden`: how many alerts each ward was given, against its budget."""

from streams.commands.plain import FAILED, plain_failures, settings


def burden() -> None:
    """Count the alerts of each ward per 100 patient-days; exit status 1 when one is above VAGT_WARD_BUDGET."""
    import typer

    own = settings()
    with plain_failures():
        from features.instants import render
        from streams.burden import read

        wards, until = read(own)
    over = False
    for ward, found in wards.items():
        above = found.per_100_days > own.ward_budget
        over |= above
        typer.echo(
            f"{ward or '(no ward)':<20} {found.alerts:>7} alerts {found.days:>10.1f} patient-days "
            f"{found.per_100_days:>8.1f} per 100{'  above the budget' if above else ''}"
        )
    typer.echo(f"Budget: {own.ward_budget:g} per 100 patient-days; counted up to {render(until)}", err=True)
    raise typer.Exit(FAILED if over else 0)

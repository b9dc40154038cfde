"""The command: each parser for so many minutes, in turn, and a report of what was found."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from load_tests.fuzz.parsers import PARSERS
from load_tests.fuzz.run import Result, fuzz, random_of, trial


def main(
    parser: Annotated[list[str] | None, typer.Argument(help=f"[default: all] {', '.join(PARSERS)}")] = None,
    minutes: Annotated[float, typer.Option(min=0.01, help="For each parser.")] = 10.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same inputs.")] = 1,
    only: Annotated[int | None, typer.Option(help="Only the input of this number, with its failure.")] = None,
    out: Annotated[Path | None, typer.Option(help="A JSON file for the figures.")] = None,
) -> None:
    """Give every input parser inputs made from valid ones; exit with 1 when one fails otherwise than it says."""
    chosen = parser or list(PARSERS)
    if unknown := [name for name in chosen if name not in PARSERS]:
        raise typer.BadParameter(f"there is no parser {unknown[0]}")
    if only is not None:
        _show(chosen[0], seed, only)
        return
    results = []
    for name in chosen:
        result = fuzz(PARSERS[name], name, seed, minutes * 60)
        results.append(result)
        typer.echo(_line(result))
        if out:
            out.write_text(json.dumps([asdict(one) for one in results], indent=1) + "\n", encoding="utf-8")
    if any(result.failures for result in results):
        raise typer.Exit(1)


def _line(result: Result) -> str:
    found = "".join(f"\n  {count} x {kind} (inputs {numbers})" for kind, (count, numbers) in result.failures.items())
    return (
        f"{result.parser}: {result.tried} inputs in {result.seconds:.0f} s, {result.refused} refused whole, slowest "
        f"{1000 * result.slowest:.1f} ms (input {result.slowest_number}), largest {result.largest} bytes, memory grew "
        f"by {result.grown / 2**20:.0f} MiB; {sum(count for count, _ in result.failures.values())} failures{found}"
    )


def _show(name: str, seed: int, number: int) -> None:
    parser = PARSERS[name]()
    given = parser.make(random_of(seed, name, number))
    typer.echo(repr(given)[:4000])
    result = Result(name, seed)
    trial(parser, number, result)
    typer.echo(_line(result))
    typer.echo(repr(parser.parse(given))[:4000])


if __name__ == "__main__":
    typer.run(main)

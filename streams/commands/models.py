"""`vagt models`: the models of a deployment, who signed them, and which of them speak."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.commands.plain import WRONG_USAGE, fail, plain_failures, settings

if TYPE_CHECKING:
    from models.artefact import Trust
    from models.scorer import Scorer
    from streams.settings import Settings

models = typer.Typer(help="The models: who signed them, and which of them speak.", no_args_is_help=True)

Folders = Annotated[
    list[Path] | None, typer.Argument(help="Folders of models. [default: this release's, and those in VAGT_MODELS]")
]
Name = Annotated[
    str, typer.Argument(help="The model, with its version where there are several.", metavar="NAME[@VERSION]")
]
Stopped = Annotated[str | None, typer.Argument(help="The model or rule whose kind is meant.", metavar="[NAME]")]
Ward = Annotated[str | None, typer.Option(help="Only the patients of this ward.")]
Everything = Annotated[bool, typer.Option("--everything", help="All models and rules.")]
By = Annotated[str, typer.Option(help="The role on whose word; no person's name.", metavar="ROLE")]
Why = Annotated[str, typer.Option(help="What people are told.", metavar="TEXT")]

#: How long every partition is waited for.
_PATIENCE_S = 30.0


@models.command("list")
def list_models() -> None:
    """Name each model with its version, whether it speaks, and whose key signed it."""
    with plain_failures():
        for folder in _all():
            typer.echo(_line(folder, _trust()))


@models.command()
def verify(folders: Folders = None) -> None:
    """Load each model as a worker would; exit with 1 when one must not be loaded."""
    from models.artefact import ArtefactError

    refused = 0
    with plain_failures():
        wanted = folders or _all()
        for folder in wanted:
            try:
                typer.echo(_line(folder, _trust()))
            except ArtefactError as error:
                refused += 1
                typer.echo(f"Refused: {error}.", err=True)
    if refused:
        fail(f"{refused} of {len(wanted)} models must not be loaded.")


@models.command()
def validate(
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="The folder of a plug-in.", metavar="PATH")
    ],
    data: Annotated[
        Path | None, typer.Option(exists=True, help="A data set. [default: the patients of the running deployment]")
    ] = None,
) -> None:
    """Say whether a plug-in would run, on what share of patients its inputs exist, and how fast it is.

    Exits with 1 when a worker would refuse it, be it only that nobody signed it yet.
    """
    from models.artefact import UNSIGNED, ArtefactError, signed_by
    from models.shelf import free, plugin
    from streams import trial
    from streams.terms import Terms, shelf

    own = settings()
    with plain_failures():
        found = plugin(folder, UNSIGNED)
        typer.echo(f"{found.model.name} {found.model.version} ({found.kind}) can be loaded")
        records = list(trial.of_deployment(own) if data is None else trial.of_data(data))
        for line in trial.told(found, records):
            typer.echo(line)
        others = [one for one in Terms.of(own).decider(shelf(own)).loaded if one.model != found.model]
        try:
            free(found, others)
            typer.echo(f"Signed by {signed_by(folder, _trust())}")
        except ArtefactError as error:
            fail(f"A worker would refuse it: {error}.")


@models.command()
def sign(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The folder of a model.")],
    key: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="The private key.")],
) -> None:
    """Sign a model, once it has been judged: workers that trust the key's owner load it then."""
    from models.artefact import UNSIGNED, put_signature
    from models.shelf import opened

    with plain_failures():
        signed = opened(folder, UNSIGNED).model
        put_signature(folder, key)
        typer.echo(f"Signed {signed.name} {signed.version} in {folder}")


@models.command()
def key(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Where the private key goes.", metavar="NEW_FILE")],
) -> None:
    """Make a new key: the private one is for its owner alone, the public one goes into VAGT_MODEL_KEYS."""
    from models import signing

    with plain_failures():
        typer.echo(f"Wrote {file} (keep it secret, and out of any repository) and {signing.new_key(file)}")


@models.command()
def roster() -> None:
    """Say of each model whether it is live, in shadow, a candidate or retired, and what is stopped."""
    from streams import rosters

    own = settings()
    with plain_failures():
        loaded = _loaded(own)
        first, *others = found = rosters.stored(own, own.partitions)
        if all(one == first for one in others):
            for line in rosters.told(first, loaded):
                typer.echo(line)
            return
        for partition, one in enumerate(found):
            typer.echo(f"Partition {partition}:")
            for line in rosters.told(one, loaded):
                typer.echo(f"  {line}")
        fail("The partitions differ: say again what was said last.")


@models.command()
def compare(name: Name) -> None:
    """Compare what a model scored in shadow with the live one: agreement, and which alerts it would have raised."""
    from models.comparison import compare as compared
    from streams import rosters

    own = settings()
    with plain_failures():
        loaded = _loaded(own)
        try:
            model = rosters.named(name, loaded).model
        except rosters.UnknownModelError as error:
            fail(error, WRONG_USAGE)
        policies = {(one.model.name, one.model.version): one.policy for one in loaded}
        for line in compared(model, rosters.scores(own), policies).lines():
            typer.echo(line)


@models.command()
def promote(name: Name, by: By, why: Why) -> None:
    """Make a model live, in place of the one of its kind that was."""
    _of_model("promote", name, by, why)


@models.command()
def shadow(name: Name, by: By, why: Why) -> None:
    """Let a candidate score live traffic, and tell nobody."""
    _of_model("shadow", name, by, why)


@models.command()
def rollback(name: Name, by: By, why: Why) -> None:
    """Take a model one step back: from live for the one that was live before, from the shadow to a candidate."""
    _of_model("rollback", name, by, why)


@models.command()
def retire(name: Name, by: By, why: Why) -> None:
    """Take a model out of use for ever: it comes back only as a new version."""
    _of_model("retire", name, by, why)


@models.command()
def stop(by: By, why: Why, name: Stopped = None, ward: Ward = None, everything: Everything = False) -> None:
    """Stop a model, a ward, a model in a ward, or everything: no score and no alert from then on."""
    _of_stop("stop", name, ward, everything, by, why)


@models.command()
def resume(by: By, why: Why, name: Stopped = None, ward: Ward = None, everything: Everything = False) -> None:
    """End a stop, named as it was when it began."""
    _of_stop("resume", name, ward, everything, by, why)


def _of_model(action: str, name: str, by: str, why: str) -> None:
    from streams import rosters

    own = settings()
    with plain_failures():
        try:
            scorer = rosters.named(name, _loaded(own))
        except rosters.UnknownModelError as error:
            fail(error, WRONG_USAGE)
        _say(own, rosters.of_model(action, scorer, by, why))


def _of_stop(action: str, name: str | None, ward: str | None, everything: bool, by: str, why: str) -> None:
    from streams import rosters

    if everything == (name is not None or ward is not None):
        fail("Say which model, which --ward, or --everything.", WRONG_USAGE)
    own = settings()
    with plain_failures():
        try:
            kind = None if name is None else rosters.kind_of(name, _loaded(own))
        except rosters.UnknownModelError as error:
            fail(error, WRONG_USAGE)
        _say(own, rosters.of_stop(action, kind, ward, by, why))


def _say(own: "Settings", item: dict[str, Any]) -> None:
    """Say it to every partition, and tell what each made of it; exit with 1 unless all do as they were told."""
    from streams import rosters

    done, refused = set(), 0
    for partition, why in rosters.say(own, item, _PATIENCE_S):
        done.add(partition)
        refused += why is not None
        typer.echo(f"Partition {partition}: {'done' if why is None else f'refused ({why})'}")
    if refused:
        fail(f"{refused} of {own.partitions} partitions refused it: `vagt deadletter list` has the reason.")
    if late := sorted(set(range(own.partitions)) - done):
        fail(
            f"Partitions {', '.join(map(str, late))} have not said so in {_PATIENCE_S:.0f} s: no worker has them, or "
            "one is behind. It lies in `events`, and they act on it when they come to it."
        )


def _loaded(own: "Settings") -> "tuple[Scorer, ...]":
    from streams.terms import Terms, shelf

    return Terms.of(own).decider(shelf(own)).loaded


def _all() -> list[Path]:
    """The folders of the models of this release, then of the deployment's own."""
    from models.registry import FOLDERS
    from streams.terms import shelf

    return [*FOLDERS, *shelf(settings()).folders()]


def _trust() -> "Trust":
    from models.artefact import Trust

    return Trust(settings().model_keys)


def _line(folder: Path, trust: "Trust") -> str:
    from models.artefact import signed_by
    from models.shelf import opened

    one = opened(folder, trust)
    return (
        f"{one.model.name} {one.model.version}: {'speaks' if one.switched_on else 'in shadow'}, signed by "
        f"{signed_by(folder, trust)}, sha256 {one.model.sha256}"
    )

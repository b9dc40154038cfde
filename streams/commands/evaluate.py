"""`vagt evaluate`: judge models on the stays that they did not see, and write a report for each."""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from streams.commands.plain import fail, plain_failures, settings, watched

if TYPE_CHECKING:
    from models.datasets import Stay
    from models.evaluation.elsewhere import Elsewhere
    from models.evaluation.run import Outcome

evaluate = typer.Typer(help="Judge a model on the stays that it did not see, and write its report.")

#: The kind of each model's scores, by the model's name on the command line.
KINDS: Final = {
    "infection": "infection-risk",
    "aki-risk": "aki-risk",
    "hyperkalaemia-risk": "hyperkalaemia-risk",
    "haemoglobin-drop-risk": "haemoglobin-drop-risk",
    "thrombocytopenia-risk": "thrombocytopenia-risk",
    "lactate-risk": "lactate-risk",
}

Data = Annotated[Path, typer.Option(exists=True, help="The challenge's set of 2019: a file or a folder.")]
Data2012 = Annotated[
    Path | None, typer.Option(exists=True, help="The challenge's set of 2012 as well: a file or a folder.")
]
Mimic = Annotated[Path | None, typer.Option(exists=True, help="The MIMIC-IV demo as well: a file or its folder.")]
Stays = Annotated[int | None, typer.Option(min=1, help="Only the first so many test stays of each set.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes.")]
Out = Annotated[Path, typer.Option(help="Where the report goes.")]
Candidate = Annotated[
    Path | None,
    typer.Option(
        exists=True, file_okay=False, help="Judge the model in this folder instead, though nobody signed it yet."
    ),
]


@evaluate.command("infection")
def infection(
    data: Data,
    data2012: Data2012 = None,
    mimic: Mimic = None,
    out: Out = Path("report.html"),
    stays: Stays = None,
    topics: Annotated[
        bool, typer.Option(help="Compare with what is on `risk.scores` and `alerts`, to the bit.")
    ] = False,
    jobs: Jobs = 2,
    candidate: Candidate = None,
) -> None:
    """Judge the infection model on the test stays of cinc2019; the other sets stand for other hospitals."""
    chosen = _stays("cinc2019", data, stays)
    judged = _judged(chosen, jobs, "cinc2019", candidate)
    other = _of_2012(data2012, stays, jobs, candidate)
    _report("infection", judged, other, out, _elsewhere(other, data2012, mimic, stays, jobs, candidate), candidate)
    if topics:
        _compare(chosen, judged)


@evaluate.command("all")
def all_models(
    data: Data,
    data2012: Data2012 = None,
    mimic: Mimic = None,
    out: Annotated[Path, typer.Option(help="The folder of the reports.")] = Path("reports"),
    stays: Stays = None,
    jobs: Jobs = 2,
) -> None:
    """Judge every model that ships, walking the stays once."""
    from models.registry import shipped

    judged, other = _judged(_stays("cinc2019", data, stays), jobs, "cinc2019"), _of_2012(data2012, stays, jobs)
    out.mkdir(parents=True, exist_ok=True)
    spoken = {one.kind for one in shipped()}
    for name, kind in KINDS.items():
        if kind in spoken:
            elsewhere = _elsewhere(other, data2012, mimic, stays, jobs) if name == "infection" else []
            _report(name, judged, other, out / f"{name}.html", elsewhere)


def _desert(name: str) -> Callable[..., None]:
    def command(
        data: Data,
        data2012: Data2012 = None,
        out: Out = Path("report.html"),
        stays: Stays = None,
        jobs: Jobs = 2,
        candidate: Candidate = None,
    ) -> None:
        judged = _judged(_stays("cinc2019", data, stays), jobs, "cinc2019", candidate)
        _report(name, judged, _of_2012(data2012, stays, jobs, candidate), out, candidate=candidate)

    return command


for _name in list(KINDS)[1:]:
    evaluate.command(_name, help=f"Judge {_name} on the test stays of cinc2019, and of cinc2012.")(_desert(_name))


def _stays(source: str, path: Path, limit: int | None, *, test: bool = True) -> "list[Stay]":
    """The stays of a set: the test's, or of a set in which nothing was trained all of them."""
    from models.datasets import open_source
    from models.split import part

    with plain_failures():
        chosen = (one for one in open_source(source, path) if not test or part(one.patient) == "test")
        return list(islice(chosen, limit))


def _of_2012(path: Path | None, limit: int | None, jobs: int, candidate: Path | None = None) -> "list[Outcome]":
    return _judged(_stays("cinc2012", path, limit), jobs, "cinc2012", candidate) if path else []


def _elsewhere(
    other: "list[Outcome]",
    data2012: Path | None,
    mimic: Path | None,
    limit: int | None,
    jobs: int,
    candidate: Path | None = None,
) -> "list[Elsewhere]":
    from models.evaluation.elsewhere import deaths, elsewhere

    found = [elsewhere("cinc2012, test stays", other, deaths(data2012))] if data2012 else []
    if mimic:
        stays = _judged(_stays("mimic-demo", mimic, limit, test=False), jobs, "mimic-demo", candidate)
        found.append(elsewhere("MIMIC-IV demo, all patients", stays))
    return found


def _judged(stays: "list[Stay]", jobs: int, source: str, candidate: Path | None = None) -> "list[Outcome]":
    from models.evaluation.run import batch
    from models.registry import scorers

    if not stays:
        fail(f"There is no test stay of {source} there.")
    with plain_failures():
        scorers(candidate)  # what must not be loaded is told before any process is started
        return list(watched(batch(stays, jobs, candidate), f"stays of {source} judged", len(stays)))


def _report(
    name: str,
    judged: "list[Outcome]",
    other: "list[Outcome]",
    out: Path,
    others: "Sequence[Elsewhere]" = (),
    candidate: Path | None = None,
) -> None:
    """Write the page of one model and its figures beside it, and say the main ones."""
    from models.boosted import Boosted
    from models.evaluation.analysis import Model, analyse
    from models.evaluation.questions import QUESTIONS
    from models.evaluation.report import html
    from models.evaluation.summary import line, summary
    from models.registry import scorers

    scorer = next((one for one in scorers(candidate) if one.kind == KINDS[name]), None)
    if not isinstance(scorer, Boosted):
        fail(f"The model {name} is not among those that ship.")
    question = QUESTIONS[KINDS[name]]
    ref, manifest = scorer.model, scorer.manifest
    bands, on = manifest.bands, manifest.switched_on
    model = Model(ref.name, ref.version, ref.sha256, bands.high, bands.alert_from, on)
    apart = any(one.stays.get("test") for one in manifest.data)
    if not apart:
        typer.echo(
            f"{name} was fitted on these stays too: the figures flatter it. Its card has those of stays not seen."
        )
    sets = {"test stays of cinc2019" if apart else "stays of cinc2019 that the model was fitted on": judged}
    if other and name != "infection":
        sets["test stays of cinc2012"] = other
    try:
        found = analyse(question, model, sets)
    except ValueError as error:
        fail(f"{name} cannot be judged on these stays: {error}.")
    out.write_text(html(found, others), encoding="utf-8")
    out.with_suffix(".json").write_bytes(summary(found))
    typer.echo(line(found))
    typer.echo(f"Wrote {out} and {out.with_suffix('.json')}", err=True)


def _compare(stays: "list[Stay]", judged: "list[Outcome]") -> None:
    """Whether the topics say of these stays what was computed here; exit status 1 when they do not."""
    from models.evaluation.run import changes_from_topic, from_topic

    scores, alerts = _on_topic("risk.scores", _each), _on_topic("alerts", _sequence)
    missing = [one.patient for one in stays if one.patient not in scores]
    if missing:
        fail(f"{len(missing)} of {len(stays)} stays are not on risk.scores: replay them first.")
    other_scores = other_alerts = 0
    for stay, one in zip(stays, judged, strict=True):
        held = scores[stay.patient]
        sent = {kind: from_topic(stay, held, kind) for kind in one.scores}
        other_scores += repr(sent) != repr(dict(one.scores)) or {str(score["kind"]) for score in held} != set(sent)
        other_alerts += changes_from_topic(alerts.get(stay.patient, [])) != one.changes
    typer.echo(
        json.dumps(
            {
                "stays": len(stays),
                "stays_whose_scores_differ_from_the_topics": other_scores,
                "stays_whose_alerts_differ_from_the_topics": other_alerts,
            }
        )
    )
    raise typer.Exit(1 if other_scores or other_alerts else 0)


def _each(value: Any) -> "Iterator[tuple[object, dict[str, Any]]]":
    """The scores of a record, by their names; of each only what is compared, since there are millions."""
    wanted = ("patient", "kind", "at", "score")
    yield from ((one["id"], {name: one[name] for name in wanted}) for one in value)


def _sequence(value: Any) -> "Iterator[tuple[object, dict[str, Any]]]":
    """The alert of a record, by name and sequence; a heartbeat has no kind."""
    if "kind" in value:
        yield (value["id"], value["sequence"]), value


def _on_topic(
    topic: str, read: "Callable[[Any], Iterator[tuple[object, dict[str, Any]]]]"
) -> dict[str, list[dict[str, Any]]]:
    """What a topic holds by patient, in order, repeats left out."""
    import orjson

    from streams.reading import read_all

    found: dict[str, list[dict[str, Any]]] = {}
    seen: set[object] = set()
    with plain_failures():
        for record in read_all(settings(), topic):
            for identity, one in read(orjson.loads(record.value)):
                if identity not in seen:
                    seen.add(identity)
                    found.setdefault(one["patient"], []).append(one)
    return found

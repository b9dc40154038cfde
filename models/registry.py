"""The models and rules that ship with the product."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from models.artefact import RELEASES, UNSIGNED, ArtefactError, Trust
from models.boosted import Boosted
from models.plugged import Plugged
from models.reader import Reader
from models.remote import Remote
from models.rules.all import RULES
from models.rules.critical_result import CriticalResult
from models.rules.table import Rule
from models.scorer import Scorer
from models.surprise import Surprise
from models.surprise_artefact import TABLES

_HERE: Final = Path(__file__).parent
#: Where the artefacts of a release lie: the infection model (HAIR), then the models of blood tests (DESERT).
FOLDERS: Final = tuple(
    _HERE / name
    for name in (
        "infection",
        "aki_risk",
        "hyperkalaemia_risk",
        "haemoglobin_drop_risk",
        "thrombocytopenia_risk",
        "lactate_risk",
        "result_surprise",
    )
)


@cache
def opened(folder: Path, trust: Trust = RELEASES) -> Boosted | Surprise:
    """The model in a folder.

    Raises:
        ArtefactError: it must not be loaded.
    """
    return (Surprise if folder.joinpath(TABLES).exists() else Boosted)(folder, trust)


def trained(trust: Trust = RELEASES) -> tuple[Boosted | Surprise, ...]:
    """The models of the release, each in its place.

    Raises:
        ArtefactError: one must not be loaded, or is not the one whose place it has.
    """
    found = tuple(opened(folder, trust) for folder in FOLDERS)
    for folder, one in zip(FOLDERS, found, strict=True):
        if one.model.name != folder.name.replace("_", "-"):
            raise ArtefactError(f"the model in {folder} is another: {one.model.name}")
    return found


def shipped(critical_results: str | None = None, keys: Path | None = None) -> tuple[Scorer, ...]:
    """Every scorer, in the order in which they are judged and their scores appear.

    Args:
        critical_results: the name of the list of critical results: one that ships, or a region's own file.
        keys: the folder of a deployment's own public keys, trusted beside the release's.

    Raises:
        ArtefactError: a model must not be loaded.
    """
    rules = (CriticalResult(critical_results) if rule is CriticalResult else rule() for rule in RULES)
    return (*trained(Trust(keys)), *(rule for rule in rules if rule.switched_on))


class Foresight(NamedTuple):
    """What a model's score states: whether it is a probability, and of the next how many hours where that is known."""

    probability: bool
    hours: int | None = None


def foreseen(scorers: Iterable[Scorer]) -> dict[str, Foresight]:
    """The kinds of which a model speaks, and no rule."""
    return {one.kind: _foresight(one) for one in scorers if not isinstance(one, Rule)}


def _foresight(scorer: Scorer) -> Foresight:
    if isinstance(scorer, Boosted):
        return Foresight(True, int(scorer.manifest.horizon.strip("PTH")))
    if isinstance(scorer, Plugged | Reader | Remote):
        output = scorer.manifest.output
        return Foresight(output.unit == "1" and output.low >= 0 and output.high <= 1)
    return Foresight(isinstance(scorer, Surprise))


def scorers(folder: Path | None = None) -> tuple[Scorer, ...]:
    """Every scorer, with the candidate in a folder, signed or not, in place of the one of its kind: to be judged.

    Raises:
        ArtefactError: a model must not be loaded, or there is none of the candidate's kind.
    """
    others = shipped()
    if folder is None:
        return others
    candidate = opened(folder, UNSIGNED)
    if candidate.kind not in {one.kind for one in others}:
        raise ArtefactError(f"the model in {folder} is of a kind that this release has not: {candidate.kind}")
    return tuple(candidate if one.kind == candidate.kind else one for one in others)

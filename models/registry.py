"""The models and rules that ship with the product."""

from functools import cache
from pathlib import Path
from typing import Final

from models.boosted import Boosted
from models.rules.all import RULES
from models.rules.critical_result import CriticalResult
from models.scorer import Scorer
from models.surprise import Surprise

_HERE: Final = Path(__file__).parent
#: The models that foresee a blood test's result, by the folders of their artefacts.
_DESERT: Final = (
    "aki_risk",
    "hyperkalaemia_risk",
    "haemoglobin_drop_risk",
    "thrombocytopenia_risk",
    "lactate_risk",
)


@cache
def infection() -> Boosted:
    """The infection model, HAIR."""
    return Boosted(_HERE / "infection")


@cache
def desert() -> tuple[Scorer, ...]:
    """The models of blood tests, DESERT."""
    return (
        *(Boosted(_HERE / folder) for folder in _DESERT),
        Surprise(_HERE / "result_surprise"),
    )


def shipped(critical_results: str | None = None) -> tuple[Scorer, ...]:
    """Every scorer, in the order in which they are judged and their scores appear.

    ``critical_results`` names the list of critical results: one that ships, or a region's own file.
    """
    rules = (CriticalResult(critical_results) if rule is CriticalResult else rule() for rule in RULES)
    return (infection(), *desert(), *(rule for rule in rules if rule.table.switched_on))

"""The models and rules that ship with the product."""

from functools import cache
from pathlib import Path

from models.boosted import Boosted
from models.news2 import News2
from models.scorer import Scorer

_HERE = Path(__file__).parent


@cache
def infection() -> Boosted:
    """The infection model, HAIR."""
    return Boosted(_HERE / "infection")


def shipped() -> tuple[Scorer, ...]:
    """Every scorer, in the order in which their scores appear."""
    return (infection(), News2())

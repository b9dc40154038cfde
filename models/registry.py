"""The models and rules that ship with the product."""

from models.news2 import News2
from models.scorer import Scorer


def shipped() -> tuple[Scorer, ...]:
    """Every scorer, in the order in which their scores appear."""
    return (News2(),)

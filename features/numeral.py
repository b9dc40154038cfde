"""A laboratory's number that came as text: ``<5``, ``> 1000``, ``7,4``, ``*132``."""

import re
from typing import Final, Literal, cast

from features.catalogue import Refused

Comparator = Literal["<", "<=", ">", ">="]

# One mark of decimals at most: with two marks nobody can tell thousands from decimals.
_NUMERAL: Final = re.compile(r"\s*\*?\s*(<=|>=|<|>|≤|≥)?\s*([+-]?\d{1,12})(?:[.,](\d{1,12}))?\s*\*?\s*", re.ASCII)
_SIGNS: Final = {"≤": "<=", "≥": ">="}


def numeral(text: str) -> tuple[float, Comparator | None]:
    """The number and its comparator. Laboratories mark a value out of range with an asterisk, which is ignored.

    A comma is a decimal mark, as in Danish.

    Raises:
        Refused: ``schema``, the text is no number. ``1.234,5`` is none: its marks could mean two things.
    """
    found = _NUMERAL.fullmatch(text)
    if found is None:
        raise Refused("schema", "the text of a numeric analyte must be a number, such as 7,4 or <5")
    sign, whole, decimals = found.groups()
    comparator = None if sign is None else cast("Comparator", _SIGNS.get(sign, sign))
    return float(f"{whole}.{decimals or 0}"), comparator

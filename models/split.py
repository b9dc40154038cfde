"""One division of patients into training, validation and test, for every model and every report.

A patient's part follows from the identifier alone, so a stay never moves when a set grows, and two programs
agree without exchanging a list.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Literal

Part = Literal["train", "validation", "test"]

FOLDS = 10
TEST_FOLDS = frozenset({0, 1, 2})
VALIDATION_FOLDS = frozenset({3, 4})


def fold(patient_id: str) -> int:
    """The patient's fold, 0 to 9: the first eight bytes of the identifier's SHA-256, modulo ten."""
    return int.from_bytes(sha256(patient_id.encode()).digest()[:8], "big") % FOLDS


def part(patient_id: str) -> Part:
    """The patient's part: folds 0-2 are the test, 3-4 the validation and 5-9 the training stays."""
    number = fold(patient_id)
    if number in TEST_FOLDS:
        return "test"
    return "validation" if number in VALIDATION_FOLDS else "train"

"""The risk file: hazards, what controls them, and which requirements verify each control."""

import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).resolve().parent / "risks.toml"
KINDS = ("design", "protective", "information")


@dataclass(frozen=True, slots=True)
class Control:
    """What is done against a hazard, of which kind (ISO 14971, 7.1), and the requirements that verify it."""

    kind: str
    text: str
    verified: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Risk:
    """One line of the risk file. ``severity`` and the probabilities ``before`` and ``after`` control go from 1 to 5."""

    id: str
    hazard: str
    sequence: str
    situation: str
    harm: str
    severity: int
    before: int
    after: int
    controls: tuple[Control, ...]


def risks(file: Path = FILE) -> tuple[Risk, ...]:
    """The risks, in the order of their file."""
    return tuple(
        Risk(**{**one, "controls": tuple(Control(**{**c, "verified": tuple(c["verified"])}) for c in one["controls"])})
        for one in tomllib.loads(file.read_text(encoding="utf-8"))["risk"]
    )


def faults(found: Iterable[Risk], verified: Collection[str]) -> list[str]:
    """What is wrong with the risk file, each in a sentence.

    Args:
        found: the risks.
        verified: the requirements that have a test.
    """
    wrong = []
    for risk in found:
        if not risk.controls:
            wrong.append(f"{risk.id} has no control")
        if not all(1 <= one <= 5 for one in (risk.severity, risk.before, risk.after)):
            wrong.append(f"{risk.id} has a severity or a probability beyond 1 to 5")
        for control in risk.controls:
            if control.kind not in KINDS:
                wrong.append(f"{risk.id} has a control of an unknown kind: {control.kind}")
            if not control.verified:
                wrong.append(f"{risk.id} has a control that nothing verifies: {control.text}")
            wrong += [f"{risk.id}: {one} has no test" for one in control.verified if one not in verified]
    return wrong

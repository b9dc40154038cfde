"""Made-up patients, the same for a seed: vital signs that worsen and mend, corrections, repeats, late results."""

import random
import time
from typing import Any

from features.instants import HOUR, MINUTE, render

START = 1_767_225_600_000  # 2026-01-01T00:00Z
LOINC = "http://loinc.org"

_SIGNS = (
    ("8867-4", "/min", 80.0, 60.0),
    ("59408-5", "%", 97.0, -12.0),
    ("9279-1", "/min", 16.0, 14.0),
    ("8480-6", "mm[Hg]", 125.0, -45.0),
    ("8310-5", "Cel", 37.0, 2.5),
)


def observation(patient: str, identity: str, at: int, **fields: Any) -> dict[str, Any]:
    """A native observation, a heart rate of 80 unless ``fields`` say otherwise."""
    return {
        "type": "observation",
        "id": identity,
        "version": 1,
        "status": "final",
        "patient": patient,
        "code": {"system": LOINC, "code": "8867-4"},
        "value": 80.0,
        "unit": "/min",
        "effective": render(at),
        "issued": render(at),
        **fields,
    }


def admission(patient: str, at: int = START) -> dict[str, Any]:
    """An admission of a woman born in 1951 to intensive care."""
    return {
        "type": "encounter",
        "id": f"{patient}-admit",
        "action": "admit",
        "patient": patient,
        "encounter": f"e-{patient}",
        "at": render(at),
        "issued": render(at),
        "ward": "OUH-ITA",
        "unitType": "icu",
        "birthDate": "1951-05-02",
        "sex": "female",
    }


def admitted_now(patient: str) -> dict[str, Any]:
    """An admission of this instant to an ordinary ward, M2, for deployments that are live."""
    fields = {"id": f"{patient}-in", "ward": "M2", "unitType": "ward"}
    return admission(patient, time.time_ns() // 1_000_000) | fields


def ward(patients: int, hours: int, seed: int = 1) -> list[tuple[str, Any]]:
    """(patient, value) pairs of so many patients over so many hours, in the order in which they are sent."""
    chance = random.Random(seed)
    names = [f"p-{seed}-{number}" for number in range(patients)]
    found: list[tuple[str, Any]] = [(name, admission(name)) for name in names]
    illness = dict.fromkeys(names, 0.0)
    for hour in range(1, hours + 1):
        for name in names:
            illness[name] = min(1.0, max(0.0, illness[name] + chance.uniform(-0.2, 0.25)))
            at = START + hour * HOUR + chance.randrange(30) * MINUTE
            signs = [
                observation(
                    name,
                    f"{name}-{hour}-{code}",
                    at,
                    code={"system": LOINC, "code": code},
                    value=round(middle + swing * illness[name] + chance.uniform(-3, 3), 1),
                    unit=unit,
                )
                for code, unit, middle, swing in _SIGNS
            ]
            found.append((name, signs))
            if chance.random() < 0.1:
                found.append((name, signs))
            if chance.random() < 0.1:
                found.append((name, {**signs[2], "version": 2, "status": "corrected", "value": 15.0}))
            if chance.random() < 0.05:
                found.append((name, {"type": "tick", "patient": name, "at": render(at + HOUR // 2)}))
    return found

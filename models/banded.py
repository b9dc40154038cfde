"""From a score to its band, and to the levels of its alert."""

from models.artefact import Bands
from models.lifecycle import Level, Policy
from models.outputs import Severity


def band(bands: Bands, score: float) -> str:
    """What a score is called: low, raised or high."""
    if score >= bands.high:
        return "high"
    return "raised" if score >= bands.raised else "low"


def policy(bands: Bands, severity: Severity) -> Policy:
    """When a score raises an alert, when that is escalated, and when it is over."""
    times = (1.0, *bands.escalations)
    return Policy(tuple(Level(severity, one * bands.alert_from, one * bands.clear_below) for one in times))

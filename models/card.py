"""The model card: the manifest in words, for people."""

from models.artefact import Estimate, Manifest


def card(manifest: Manifest) -> str:
    """The card as Markdown. Every figure comes from the manifest."""
    rows = "\n".join(f"| {name} | {_figure(value)} |" for name, value in sorted(manifest.metrics.items()))
    data = "\n".join(
        f"- {one.name} ({one.licence}). {one.source}. Stays: "
        + ", ".join(f"{number} {part}" for part, number in one.stays.items())
        for one in manifest.data
    )
    bands = manifest.bands
    return f"""# {manifest.name} {manifest.version}

**What it says.** The probability that {manifest.event}. Kind `{manifest.kind}`, horizon {manifest.horizon}.

**For whom.** {manifest.population.description.capitalize()}, {manifest.population.minimum_age_years:g} years and older.
{manifest.intended_use}

**What it reads.** {len(manifest.features)} features (version {manifest.features_version}) of vital signs, blood tests,
age, sex and time since admission. It abstains when fewer than {manifest.minimum_inputs} analytes have a value within
72 hours.

**When it speaks.** From {bands.high:.4f} a score is high and raises an alert ({manifest.severity}); below
{bands.clear_below:.4f} the alert is resolved; from {bands.raised:.4f} it is called raised. The threshold has the
highest utility (Reyna et al. 2020) on predictions for stays that the predicting model did not see; the test stays took
no part.

## Made from

{data}

## Figures

Intervals are 95 % bootstrap intervals, drawn by stay. The test stays took no part in any choice.

| figure | value |
| --- | --- |
{rows}

## What it does not know

- It was made from one American hospital's intensive care. Its figures elsewhere are unknown until measured there.
- It learns which tests were ordered as well as their results; a hospital with other habits will shift it.
- About a fifth of the septic stays are labelled from their first hours: for these there is nothing to see ahead.
- The label follows Sepsis-3 as the challenge computed it from records, not a clinician's judgement.
"""


def _figure(value: float | Estimate) -> str:
    if isinstance(value, Estimate):
        return f"{value.estimate:.3f} ({value.low:.3f} to {value.high:.3f})"
    return f"{value:.4f}"

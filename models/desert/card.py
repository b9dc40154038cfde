"""The card of a DESERT model: the manifest in words, for people."""

from collections.abc import Sequence

from models.artefact import Estimate, Manifest
from models.desert.outcomes import Outcome


def card(manifest: Manifest, outcome: Outcome, faults: Sequence[str]) -> str:
    """The card as Markdown. Every figure comes from the manifest; ``faults`` say why a model is switched off."""
    rows = "\n".join(f"| {name} | {_figure(value)} |" for name, value in sorted(manifest.metrics.items()))
    data = "\n".join(
        f"- {one.name} ({one.licence}). {one.source}. Stays: "
        + ", ".join(f"{number} {part}" for part, number in one.stays.items())
        for one in manifest.data
    )
    bands, rule, sets = manifest.bands, manifest.abstention, manifest.conformal
    return f"""# {manifest.name} {manifest.version}

{_state(faults)}

**What it says.** The probability that {manifest.event}. Horizon {manifest.horizon}. The condition follows
{outcome.source}.

**For whom.** {manifest.population.description.capitalize()}, {manifest.population.minimum_age_years:g} years and older.
{manifest.intended_use}

**Who answers for it.** {manifest.owner.capitalize()}.

**What it reads.** {len(manifest.features)} features (version {manifest.features_version}) of vital signs, blood tests,
age, sex and time since admission. How often and how lately tests were taken is left out, but for the age of the newest
{outcome.analyte}: it is a hospital's habit, and another hospital has others.

**When it speaks.** From {bands.raised:.4f} a score is called raised (a tenth of the hours), from {bands.high:.4f} high
(a fiftieth of the hours), which raises an alert ({manifest.severity}); below {bands.clear_below:.4f} the alert is over.
The thresholds were chosen on predictions for patients that the predicting model did not see.

**When it does not know.** It abstains when {outcome.analyte} was not measured within 24 h, when fewer than
{rule.minimum_inputs} analytes have a value, and when more than {rule.most_outside} analytes have a newest value outside
the range that held 99.9 % of the training's hours.

**How sure it is.** The interval beside a score holds, with {manifest.intervals.coverage:.0%} coverage, the share of
hours with the event among hours scored alike in a new group of {manifest.intervals.group_stays} patients
(split-conformal). The conformal set holds what comes in {sets.coverage:.0%} of the hours, with and without the event:
the event is in it from a score of {sets.event_from:.4f} on, its absence up to {sets.absence_to:.4f}.

## Made from

{data}

## Figures

On the test patients, who took no part in any choice, every second hour of a stay. Intervals are 95 % bootstrap
intervals, drawn by stay. Without a prefix: hours at which the condition is not present, the analyte was measured within
24 h before and is measured again within the horizon. `cinc2019` and `cinc2012`: one data set alone. `first_in_stay`: no
earlier result of the stay met the condition. `unmeasured_negative`: also hours after which nobody measured, as without
event. `any_age_unmeasured_negative`: also hours without a recent result. `last_value` is the newest result alone.

| figure | value |
| --- | --- |
{rows}

## What it does not know

- It was made from American intensive care, the sets above. Its figures elsewhere are unknown until measured there.
- Whether a test is repeated depends on how ill the patient seems; the probability is of those in whom it is.
- Treatments (transfusion, dialysis, potassium, fluids, vasopressors) and urine output are not in the sets.
- The condition rests on results as they stand in the sets: haemolysed specimens and mistakes are among them.
"""


def _state(faults: Sequence[str]) -> str:
    if not faults:
        return "**Switched on.** On the test patients it kept all that is asked of it."
    reasons = "\n".join(f"- {fault}" for fault in faults)
    return f"**Switched off: it scores in shadow and raises no alert**, since on the test patients\n\n{reasons}"


def _figure(value: float | Estimate) -> str:
    if isinstance(value, Estimate):
        return f"{value.estimate:.3f} ({value.low:.3f} to {value.high:.3f})"
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.4f}"

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
    bands, rule = manifest.bands, manifest.abstention
    return f"""# {manifest.name} {manifest.version}

**What it says.** The probability that {manifest.event}. Kind `{manifest.kind}`, horizon {manifest.horizon}.

**For whom.** {manifest.population.description.capitalize()}, {manifest.population.minimum_age_years:g} years and older.
{manifest.intended_use}

**Who answers for it.** {manifest.owner}. {_switch(manifest)}

**What it reads.** {len(manifest.features)} features (version {manifest.features_version}) of vital signs, blood tests,
age, sex, unit and time since admission.

**When it speaks.** From {bands.raised:.4f} a score is called raised, from {bands.high:.4f} high{_highest(manifest)}.
From {bands.alert_from:.4f} it raises an alert ({manifest.severity}), which is over below {bands.clear_below:.4f}. The
thresholds were chosen on predictions for patients that the predicting model did not see.

**When it does not know.** It abstains when fewer than {rule.minimum_inputs} analytes have a value within 72
hours{_fresh(manifest)}, and when more than {rule.most_outside} analytes have a newest value outside the range that held
99.9 % of the training's hours.

**How sure it is.** The interval beside a score holds, with {manifest.intervals.coverage:.0%} coverage, the share of
hours with the event among hours scored alike in a new group of {manifest.intervals.group_stays} patients
(split-conformal, by groups of patients that the predicting model did not see). The conformal set with
{manifest.conformal.coverage:.0%} coverage in each class holds the event from a score of
{manifest.conformal.event_from:.4f} on, and its absence up to {manifest.conformal.absence_to:.4f}.

## Made from

{data}

## Figures

Intervals are 95 % bootstrap intervals, drawn by stay. `unseen_`: on the training stays, each scored by a model
that did not see its patient, and judged at what was chosen on others. `test_`: on test stays, where some were kept
apart. The model that ships was fitted on all the training stays.

| figure | value |
| --- | --- |
{rows}

## What it does not know

- It was made from one American hospital's intensive care, and it does not travel: on 700 stays of the challenge of
  2012 (other units, other habits) the same training alerted in 82 % of the stays, and its highest score told death in
  hospital with an AUROC of 0.60 (0.55 to 0.66). It needs shadow mode and a calibration there before it speaks.
- It knows how old each result is, and so something of when tests are ordered, but not how often; a hospital with other
  habits will shift it.
- About a fifth of the septic stays are labelled from their first hours: for these there is nothing to see ahead.
- The label follows Sepsis-3 as the challenge computed it from records, not a clinician's judgement.
"""


def _switch(manifest: Manifest) -> str:
    if manifest.switched_on:
        return "It ships switched on."
    return "It ships switched off: it scores in shadow and raises no alert."


def _highest(manifest: Manifest) -> str:
    return " (the highest utility, Reyna et al. 2020)" if manifest.kind == "infection-risk" else ""


def _fresh(manifest: Manifest) -> str:
    if not manifest.abstention.fresh:
        return ""
    return f", when no vital sign is younger than {manifest.abstention.fresh_within_h:g} hours"


def _figure(value: float | Estimate) -> str:
    if isinstance(value, Estimate):
        return f"{value.estimate:.3f} ({value.low:.3f} to {value.high:.3f})"
    return f"{value:.4f}"

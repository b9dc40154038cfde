"""A model's card in the form of the Coalition for Health AI: the Applied Model Card, version 0.2 (XML)."""

import json
from typing import Any
from xml.etree import ElementTree as ET

NAMESPACE = "https://mc.chai.org/v0.2/schema.xsd"
_TO_BE_SAID = "To be said by who puts it into service."


def card(model: dict[str, Any]) -> bytes:
    """The card of one model, as the page of the models knows it; the elements stand in the schema's order."""
    manifest, figures = model["manifest"], model["figures"]
    population = f"{manifest.population.description}, {manifest.population.minimum_age_years:g} years and older"
    ships = "switched on" if model["switched_on"] else "switched off: it scores and raises no alert"
    metrics = [
        (
            "UsefulnessUsabilityEfficacy",
            "To find whom it should, better than the last value or a simple score",
            figures,
        ),
        ("FairnessEquity", "The same by sex, age and unit", {}),
        ("SafetyReliability", "Intervals and sets that cover as often as they state", _coverage(figures)),
    ]
    content = {
        "BasicInfo": {
            "ModelName": manifest.name,
            "ModelDeveloper": "The Vagt authors",
            "DeveloperContact": _TO_BE_SAID,
        },
        "ReleaseInfo": {
            "ReleaseStage": f"No use with patients; ships {ships}",
            "ReleaseDate": _TO_BE_SAID,
            "ReleaseVersion": manifest.version,
            "GlobalAvailability": "Source code under Apache-2.0",
            "RegulatoryApproval": "None",
        },
        "ModelSummary": {
            "Summary": f"It says how probable it is that {manifest.event}.",
            "Keywords": {"Keyword": manifest.kind},
        },
        "UsesAndDirections": {
            "IntendedUseAndWorkflow": manifest.intended_use,
            "PrimaryIntendedUsers": "Nurses and physicians of a ward",
            "HowToUse": "Look at the patient; then take, snooze or dismiss the alert",
            "TargetedPatientPopulation": population,
            "CautionedOutOfScopeSettings": "All others: there it scores in shadow and raises no alert",
        },
        "Warnings": {
            "KnownRisksAndLimitations": model["limits"],
            "KnownBiasesOrEthicalConsiderations": "Made from American intensive-care data; none of it is Danish",
            "ClinicalRiskLevel": "Plan for MDR class IIb; to be decided",
        },
        "TrustIngredients": {
            "AISystemFacts": {
                "OutcomesAndOutputs": f"Kind {manifest.kind}: a probability, reasons, and whether it abstains",
                "ModelType": "LightGBM, calibrated",
                "InputDataSource": "The hospital's platform, over Apache Kafka",
                "OutputAndInputDataTypes": "Laboratory results, vital signs, age, sex, unit; out: JSON and FHIR R4",
                "DevelopmentDataCharacterization": "; ".join(f"{one.name}: {one.source}" for one in manifest.data),
                "BiasMitigationApproaches": "Split by patient; how often something is measured is not read",
                "OngoingMaintenance": _TO_BE_SAID,
                "Security": f"Loaded only as signed; SHA-256 {manifest.sha256}",
                "Transparency": "Every decision is in the audit and can be computed again",
            },
            "TransparencyInformation": {"FundingSource": _TO_BE_SAID, "StakeholdersConsulted": _TO_BE_SAID},
        },
        "KeyMetrics": {name: _metric(goal, results) for name, goal, results in metrics},
        "Resources": {
            "EvaluationReferences": "docs/evaluation.md",
            "PeerReviewedPublications": "None",
            "PatientConsentOrDisclosure": _TO_BE_SAID,
        },
        "Bibliography": "",
    }
    root = ET.Element("AppliedModelCard", xmlns=NAMESPACE)
    _fill(root, content)
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _metric(goal: str, results: dict[str, str]) -> dict[str, Any]:
    found = [{"Label": name, "ValueJson": json.dumps(value)} for name, value in sorted(results.items())]
    return {
        "MetricGoal": goal,
        "Results": {"MetricResult": found or [{"Label": "not in the manifest", "ValueJson": "null"}]},
        "Interpretation": "See the model's card" if found else "`vagt evaluate` writes it for the data at hand",
        "TestType": "Retrospective, on public data",
        "TestingDataDescription": "Patients who took no part in what was fitted",
        "ValidationProcessAndJustification": "docs/evaluation.md",
    }


def _coverage(figures: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in figures.items() if "coverage" in name}


def _fill(parent: ET.Element, content: dict[str, Any]) -> None:
    for name, value in content.items():
        for one in value if isinstance(value, list) else [value]:
            child = ET.SubElement(parent, name)
            if isinstance(one, dict):
                _fill(child, one)
            else:
                child.text = one

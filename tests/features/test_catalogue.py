import math
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import FILE, Analyte, Catalogue, CatalogueError, Refused, catalogue

LOINC = "http://loinc.org"
NPU = "http://npu-terminology.org"
MEDCOM_NPU = "urn:oid:1.2.208.176.2.1"
MEDCOM = "http://medcomfhir.dk/ig/terminology/CodeSystem/medcom-observation-codes"

# The public contract: code and unit of each column of the 2019 challenge, an everyday value, what it means.
CHALLENGE = [
    ("8867-4", "/min", 80, "heart_rate", 80),
    ("59408-5", "%", 97, "spo2", 97),
    ("8310-5", "Cel", 37.2, "temperature", 37.2),
    ("8480-6", "mm[Hg]", 120, "systolic_pressure", 120),
    ("8478-0", "mm[Hg]", 85, "mean_pressure", 85),
    ("8462-4", "mm[Hg]", 65, "diastolic_pressure", 65),
    ("9279-1", "/min", 18, "respiratory_rate", 18),
    ("19891-1", "mm[Hg]", 35, "etco2", 4.66628),
    ("11555-0", "mmol/L", -2, "base_excess", -2),
    ("1963-8", "mmol/L", 24, "bicarbonate", 24),
    ("3150-0", "1", 0.4, "fio2", 0.4),
    ("2744-1", "[pH]", 7.38, "ph", 7.38),
    ("2019-8", "mm[Hg]", 39, "paco2", 5.19957),
    ("2708-6", "%", 97.5, "sao2", 97.5),
    ("1920-8", "U/L", 32, "asat", 32),
    ("3094-0", "mg/dL", 17, "urea", 6.0684),
    ("6768-6", "U/L", 70, "alkaline_phosphatase", 70),
    ("17861-6", "mg/dL", 8.2, "calcium", 2.0460),
    ("2075-0", "mmol/L", 107, "chloride", 107),
    ("2160-0", "mg/dL", 0.98, "creatinine", 86.634),
    ("1968-7", "mg/dL", 0.2, "bilirubin_conjugated", 3.4208),
    ("2345-7", "mg/dL", 128, "glucose", 7.1048),
    ("32693-4", "mmol/L", 1.99, "lactate", 1.99),
    ("19123-9", "mg/dL", 2, "magnesium", 0.82288),
    ("2777-1", "mg/dL", 3.3, "phosphate", 1.06541),
    ("2823-3", "mmol/L", 4, "potassium", 4),
    ("1975-2", "mg/dL", 0.8, "bilirubin", 13.6832),
    ("10839-9", "ng/mL", 0.22, "troponin_i", 220),
    ("4544-3", "%", 30.5, "haematocrit", 0.305),
    ("718-7", "g/dL", 9.9, "haemoglobin", 6.14354),
    ("14979-9", "s", 32.2, "aptt", 32.2),
    ("6690-2", "10*3/uL", 9.6, "leukocytes", 9.6),
    ("3255-7", "mg/dL", 253, "fibrinogen", 2.53),
    ("777-3", "10*3/uL", 180, "platelets", 180),
]

# Analyte, code and property as the terminologies state them: written apart, to check the catalogue against.
SUBSTANCE, MASS, NUMBER, FRACTION = "substance", "mass", "number", "fraction"
TERMINOLOGY = {
    "haemoglobin": {"NPU02319": SUBSTANCE, "NPU28309": MASS, "59260-0": SUBSTANCE, "718-7": MASS},
    "creatinine": {
        "NPU18016": SUBSTANCE,
        "NPU04998": SUBSTANCE,
        "ASS00354": SUBSTANCE,
        "ASS00355": SUBSTANCE,
        "14682-9": SUBSTANCE,
        "2160-0": MASS,
        "38483-4": MASS,
    },
    "crp": {"NPU19748": MASS, "1988-5": MASS},
    "potassium": {"NPU03230": SUBSTANCE, "2823-3": SUBSTANCE, "6298-4": SUBSTANCE},
    "sodium": {"NPU03429": SUBSTANCE, "2951-2": SUBSTANCE, "2947-0": SUBSTANCE},
    "chloride": {"NPU01536": SUBSTANCE, "2075-0": SUBSTANCE, "2069-3": SUBSTANCE},
    "leukocytes": {"NPU02593": NUMBER, "26464-8": NUMBER, "6690-2": NUMBER},
    "neutrophils": {"NPU02902": NUMBER, "26499-4": NUMBER, "751-8": NUMBER},
    "lymphocytes": {"NPU02636": NUMBER, "26474-7": NUMBER, "731-0": NUMBER},
    "platelets": {"NPU03568": NUMBER, "26515-7": NUMBER, "777-3": NUMBER},
    "bilirubin": {"NPU01370": SUBSTANCE, "NPU01366": SUBSTANCE, "14631-6": SUBSTANCE, "1975-2": MASS},
    "bilirubin_conjugated": {"NPU17194": SUBSTANCE, "14629-0": SUBSTANCE, "1968-7": MASS},
    "urea": {
        "NPU01459": SUBSTANCE,
        "22664-7": SUBSTANCE,
        "14937-7": SUBSTANCE,
        "3091-6": MASS,
        "3094-0": MASS,
        "6299-2": MASS,
    },
    "lactate": {
        "NPU03943": SUBSTANCE,
        "NPU03944": SUBSTANCE,
        "RSJ0026": SUBSTANCE,
        "2524-7": SUBSTANCE,
        "32693-4": SUBSTANCE,
        "2518-9": SUBSTANCE,
        "2519-7": SUBSTANCE,
        "14118-4": MASS,
    },
    "glucose": {
        "NPU02192": SUBSTANCE,
        "NPU22089": SUBSTANCE,
        "NPU21531": SUBSTANCE,
        "NPU02187": SUBSTANCE,
        "NPU02195": SUBSTANCE,
        "14749-6": SUBSTANCE,
        "15074-8": SUBSTANCE,
        "2345-7": MASS,
        "2339-0": MASS,
    },
    "inr": {"NPU01685": "ratio", "6301-6": "ratio", "34714-6": "ratio"},
    "procalcitonin": {"NPU21576": MASS, "33959-8": MASS, "75241-0": MASS},
    "albumin": {"NPU19673": MASS, "NPU01132": SUBSTANCE, "1751-7": MASS},
    "alat": {"NPU19651": "catalytic", "1742-6": "catalytic"},
    "asat": {"NPU19654": "catalytic", "1920-8": "catalytic"},
    "alkaline_phosphatase": {"NPU27783": "catalytic", "6768-6": "catalytic"},
    "ldh": {"NPU19658": "catalytic", "2532-0": "catalytic"},
    "egfr": {"DNK35302": "clearance", "DNK35131": "clearance", "33914-3": "clearance"},
    "calcium_ionised": {
        "NPU04144": SUBSTANCE,
        "NPU01446": SUBSTANCE,
        "1994-3": SUBSTANCE,
        "1995-0": SUBSTANCE,
    },
    "calcium": {"NPU01443": SUBSTANCE, "2000-8": SUBSTANCE, "17861-6": MASS, "49765-1": MASS},
    "magnesium": {"NPU02647": SUBSTANCE, "2601-3": SUBSTANCE, "19123-9": MASS},
    "phosphate": {"NPU03096": SUBSTANCE, "14879-1": SUBSTANCE, "2777-1": MASS},
    "fibrinogen": {"3255-7": MASS},
    "troponin_i": {"10839-9": MASS, "89579-7": MASS},
    "troponin_t": {"NPU27501": MASS, "6598-7": MASS, "67151-1": MASS},
    "aptt": {"NPU01682": "time", "14979-9": "time"},
    "haematocrit": {"NPU01961": FRACTION, "4544-3": FRACTION, "20570-8": FRACTION},
    "mcv": {"NPU01944": "volume", "787-2": "volume"},
    "ph": {"2744-1": "acidity"},
    "paco2": {"2019-8": "pressure"},
    "pao2": {"2703-7": "pressure"},
    "etco2": {"19891-1": "pressure"},
    "base_excess": {"11555-0": SUBSTANCE, "1925-7": SUBSTANCE},
    "bicarbonate": {"1963-8": SUBSTANCE, "1959-6": SUBSTANCE},
    "sao2": {"2708-6": FRACTION, "NPU03011": FRACTION},
    "spo2": {"59408-5": FRACTION, "NPU27280": FRACTION, "NPU10197": FRACTION},
    "respiratory_rate": {"9279-1": "rate", "MCS88122": "rate"},
    "heart_rate": {"8867-4": "rate", "NPU21692": "rate"},
    "temperature": {"8310-5": "temperature", "NPU08676": "temperature"},
    "systolic_pressure": dict.fromkeys(("8480-6", "76534-7", "DNK05472", "NPU57947"), "pressure"),
    "diastolic_pressure": dict.fromkeys(("8462-4", "76535-4", "DNK05473", "NPU57948"), "pressure"),
    "mean_pressure": {"8478-0": "pressure", "76536-2": "pressure"},
    "gcs": {"9269-2": "score"},
    "gcs_eye": {"9267-6": "score"},
    "gcs_motor": {"9268-4": "score"},
    "gcs_verbal": {"9270-0": "score"},
    "consciousness": {"80288-4": "text"},
    "fio2": {"3150-0": FRACTION},
    "oxygen_flow": {"3151-8": "flow", "19941-4": "flow"},
    "weight": {"29463-7": "weight", "NPU03804": "weight"},
}
# A unit that each property takes, and one of another dimension that it does not.
UNITS = {
    SUBSTANCE: ("mmol/L", "mg/dL"),
    MASS: ("g/L", "mmol/L"),
    NUMBER: ("10*9/L", "%"),
    FRACTION: ("%", "mmol/L"),
    "ratio": ("1", "s"),
    "catalytic": ("U/L", "g/L"),
    "clearance": ("mL/min/{1.73_m2}", "L/min"),
    "time": ("s", "1"),
    "volume": ("fL", "L"),
    "acidity": ("[pH]", "kPa"),
    "pressure": ("mm[Hg]", "mmol/L"),
    "rate": ("/min", "L/min"),
    "temperature": ("Cel", "%"),
    "score": ("{score}", "%"),
    "flow": ("L/min", "/min"),
    "weight": ("kg", "g/L"),
}


def canonical(code: str, value: float, unit: str | None, system: str | None = None) -> Any:
    analyte, result = catalogue().canonical(system or (LOINC if re.match(r"\d", code) else NPU), code, value, unit)
    return analyte.name, result


def refusal(code: str, value: float, unit: str | None, system: str | None = None) -> str:
    with pytest.raises(Refused) as refused:
        canonical(code, value, unit, system)
    return refused.value.reason


@pytest.mark.parametrize(("code", "unit", "value", "name", "expected"), CHALLENGE)
def test_every_column_of_the_challenge_is_taken_in_its_unit(code, unit, value, name, expected):
    assert canonical(code, value, unit) == (name, pytest.approx(expected, rel=2e-5))


LINES = [(name, code, kind) for name, codes in TERMINOLOGY.items() for code, kind in codes.items()]


def test_no_code_of_the_catalogue_goes_unchecked():
    listed = {(entry.analyte.name, code) for (_, code), entry in catalogue().entries.items()}
    assert listed == {(name, code) for name, code, _ in LINES}


@pytest.mark.parametrize(("name", "code", "kind"), LINES)
@pytest.mark.req("VAGT-IN-03")
def test_a_code_means_its_analyte_and_takes_the_units_of_its_property_alone(name, code, kind):
    systems = [LOINC] if re.match(r"\d", code) else [NPU, MEDCOM_NPU]
    for system in systems:
        assert catalogue().analyte_for(system, code).name == name
        if kind == "text":
            continue
        ways = catalogue().entries[system, code].ways
        takes, refuses = UNITS[kind]
        assert takes in ways
        assert refuses not in ways


def test_medcoms_own_code_system_names_respiration():
    assert canonical("MCS88122", 19, "1/min", MEDCOM) == ("respiratory_rate", 19)


@given(st.sampled_from(sorted(catalogue().entries)), st.floats(0, 1))
@pytest.mark.req("VAGT-IN-04")
def test_every_plausible_value_survives_the_way_to_each_unit_and_back(key, share):
    entry = catalogue().entries[key]
    if entry.analyte.kind == "text":
        return
    value = entry.analyte.low + share * (entry.analyte.high - entry.analyte.low)
    for way in entry.ways.values():
        assert way.forward(way.back(value)) == pytest.approx(value, rel=1e-12, abs=1e-12)


@given(st.sampled_from(sorted(catalogue().entries)), st.floats(), st.none() | st.text(max_size=8))
@pytest.mark.req("VAGT-IN-05")
def test_whatever_comes_is_either_plausible_or_refused(key, value, unit):
    try:
        analyte, result = catalogue().canonical(key[0], key[1], value, unit)
    except Refused as refused:
        reason = refused.reason
    else:
        reason = "plausible" if analyte.low <= result <= analyte.high else "passed, yet beyond the bounds"
    assert reason in {"plausible", "unknown-unit", "implausible", "schema"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, -1e308, 10**400])
def test_what_is_no_number_of_this_world_is_implausible(value):
    for code, unit in (("2160-0", "mg/dL"), ("8310-5", "[degF]"), ("1988-5", "mg/L"), ("8867-4", "/min")):
        assert refusal(code, value, unit) == "implausible"


def test_the_plausible_bounds_belong_to_the_range():
    for (system, code), entry in catalogue().entries.items():
        analyte = entry.analyte
        if analyte.kind == "number" and analyte.unit in entry.ways:
            for bound, beyond in ((analyte.low, -math.inf), (analyte.high, math.inf)):
                assert catalogue().canonical(system, code, bound, analyte.unit)[1] == bound
                assert refusal(code, math.nextafter(bound, beyond), analyte.unit, system) == "implausible"


@pytest.mark.parametrize(
    ("code", "value", "unit"),
    [
        pytest.param("2744-1", 735, "[pH]", id="a pH without its decimal point"),
        pytest.param("2744-1", 1.0, "[pH]", id="a pH of 1"),
        pytest.param("8310-5", 98.6, "Cel", id="Fahrenheit as Celsius"),
        pytest.param("8310-5", 37.0, "[degF]", id="Celsius as Fahrenheit"),
        pytest.param("3150-0", -50, "1", id="a negative FiO2"),
        pytest.param("3150-0", 40, "1", id="a FiO2 in percent without the sign"),
        pytest.param("3150-0", 0.4, "%", id="a fraction called percent"),
        pytest.param("3150-0", 0.199, "1", id="less oxygen than air has"),
        pytest.param("3150-0", 1.01, "1", id="more than pure oxygen"),
        pytest.param("17861-6", 1.05, "mg/dL", id="ionised mmol/L as total mg/dL"),
        pytest.param("17861-6", 4.6, "mg/dL", id="ionised mg/dL as total mg/dL"),
        pytest.param("2000-8", 1.15, "mmol/L", id="ionised mmol/L as total mmol/L"),
        pytest.param("NPU01443", 1.32, "mmol/L", id="ionised as total, under the NPU code"),
        pytest.param("NPU04144", 2.35, "mmol/L", id="total calcium as ionised"),
        pytest.param("NPU27280", 97, "1", id="percent under a fraction's code"),
        pytest.param("NPU27280", 97, None, id="percent under a fraction's code, no unit"),
        pytest.param("59408-5", 0.97, "%", id="a fraction called percent"),
        pytest.param("NPU02319", 120, "mmol/L", id="haemoglobin g/L as mmol/L"),
        pytest.param("718-7", 120, "g/dL", id="haemoglobin g/L as g/dL"),
        pytest.param("NPU28309", 8.1, "g/L", id="haemoglobin mmol/L as g/L"),
        pytest.param("NPU18016", 1.2, "umol/L", id="creatinine mg/dL as umol/L"),
        pytest.param("2160-0", 90, "mg/dL", id="creatinine umol/L as mg/dL"),
        pytest.param("NPU02192", 110, "mmol/L", id="glucose mg/dL as mmol/L"),
        pytest.param("2345-7", 5.5, "mg/dL", id="glucose mmol/L as mg/dL"),
        pytest.param("2019-8", 40, "kPa", id="mmHg as kPa"),
        pytest.param("2019-8", 5.3, "mm[Hg]", id="kPa as mmHg"),
        pytest.param("6690-2", 7000, "10*9/L", id="cells per microlitre as 10*9/L"),
        pytest.param("777-3", 200000, "10*9/L", id="platelets per microlitre as 10*9/L"),
        pytest.param("1751-7", 4.0, "g/L", id="albumin g/dL as g/L"),
        pytest.param("4544-3", 0.4, "%", id="a haematocrit fraction called percent"),
        pytest.param("8867-4", 0, "/min", id="a lost signal"),
        pytest.param("8480-6", 0, "mm[Hg]", id="a lost signal"),
        pytest.param("9269-2", 2, "{score}", id="a GCS of 2"),
    ],
)
@pytest.mark.req("VAGT-IN-05")
def test_a_value_that_cannot_be_is_refused(code, value, unit):
    assert refusal(code, value, unit) == "implausible"


@pytest.mark.req("VAGT-IN-04")
def test_saturation_is_a_fraction_under_npu_and_percent_under_loinc():
    assert canonical("NPU27280", 0.97, "1") == ("spo2", 97)
    assert canonical("NPU27280", 0.97, "{fraction}") == ("spo2", 97)
    assert canonical("NPU27280", 0.97, "1/{fraction}") == ("spo2", 97)
    assert canonical("NPU27280", 0.97, None) == ("spo2", 97)
    assert canonical("NPU27280", 97, "%") == ("spo2", 97)
    assert canonical("NPU03011", 0.97, "1") == ("sao2", 97)
    assert canonical("59408-5", 97, "%") == ("spo2", 97)
    assert canonical("2708-6", 97, "%") == ("sao2", 97)


@pytest.mark.req("VAGT-IN-04")
def test_urea_and_urea_nitrogen_weigh_differently():
    assert canonical("3091-6", 36.0, "mg/dL") == ("urea", pytest.approx(36.0 * 0.1665, rel=1e-3))
    assert canonical("3094-0", 16.8, "mg/dL") == ("urea", pytest.approx(16.8 * 0.357, rel=1e-3))
    assert canonical("14937-7", 6.0, "mmol/L") == ("urea", 6.0)


@pytest.mark.req("VAGT-IN-04")
def test_haemoglobin_comes_in_three_units():
    for code, value, unit in (("NPU02319", 7.447, "mmol/L"), ("NPU28309", 120, "g/L"), ("718-7", 12, "g/dL")):
        assert canonical(code, value, unit) == ("haemoglobin", pytest.approx(7.447, rel=1e-4))


@pytest.mark.parametrize(
    ("code", "unit", "factor"),
    [
        ("718-7", "g/dL", 0.6206),
        ("2160-0", "mg/dL", 88.40),
        ("1975-2", "mg/dL", 17.10),
        ("3091-6", "mg/dL", 0.1665),
        ("3094-0", "mg/dL", 0.357),
        ("14118-4", "mg/dL", 0.111),
        ("2345-7", "mg/dL", 1 / 18.016),
        ("17861-6", "mg/dL", 0.2495),
        ("33959-8", "ng/mL", 1),
        ("6690-2", "10*3/uL", 1),
        ("2019-8", "mm[Hg]", 0.133322),
    ],
)
@pytest.mark.req("VAGT-IN-04")
def test_the_factors_are_those_of_the_literature(code, unit, factor):
    assert catalogue().entries[LOINC, code].ways[unit].forward(1.0) == pytest.approx(factor, rel=2e-3)


@pytest.mark.parametrize(
    ("code", "value", "spellings"),
    [
        ("8480-6", 120, ["mm[Hg]", "mmHg", "mm Hg"]),
        ("8310-5", 37, ["Cel", "°C", "C"]),
        ("8310-5", 98.6, ["[degF]", "°F", "F"]),
        ("NPU18016", 90, ["umol/L", "\u00b5mol/L", "\u03bcmol/L", "umol/l", "mikromol/L"]),
        (
            "NPU02593",
            9.0,
            ["10*9/L", "10^9/L", "x10(9)/L", "mia/L", "10*3/uL", "10*3/\u03bcL", "K/uL", "x10^9/L"],
        ),
        ("2823-3", 4.2, ["mmol/L", "mEq/L", "meq/L"]),
        ("33959-8", 0.5, ["ug/L", "\u00b5g/L", "\u03bcg/L", "ng/mL"]),
        ("8867-4", 80, ["/min", "1/min", "{beats}/min", "bpm", "beats/minute"]),
        ("9279-1", 16, ["/min", "insp/min", "breaths/minute", "{breaths}/min"]),
        ("2744-1", 7.4, ["[pH]", "pH", "1", "units", None]),
        ("6301-6", 1.1, ["1", "{INR}", None]),
        ("9269-2", 15, ["{score}", "1", "score", None]),
        ("1742-6", 30, ["U/L", "IU/L", "[IU]/L", "E/L"]),
        ("2703-7", 11, ["kPa", "kpa"]),
        ("NPU01961", 0.4, ["1", "L/L", "{fraction}", None]),
    ],
)
def test_a_units_spellings_all_mean_the_same(code, value, spellings):
    assert len({canonical(code, value, unit) for unit in spellings}) == 1


@pytest.mark.parametrize(
    ("code", "unit"),
    [
        pytest.param("2160-0", "umol/L", id="substance under a mass code"),
        pytest.param("NPU18016", "mg/dL", id="mass under a substance code"),
        pytest.param("2160-0", "mm[Hg]", id="another dimension"),
        pytest.param("8310-5", "mmol/L", id="another dimension"),
        pytest.param("2160-0", None, id="no unit"),
        pytest.param("8310-5", None, id="no unit, °C or °F"),
        pytest.param("59408-5", None, id="no unit, fraction or percent"),
        pytest.param("3150-0", None, id="no unit, fraction or percent"),
        pytest.param("8867-4", None, id="no unit"),
        pytest.param("2160-0", "", id="an empty unit"),
        pytest.param("2160-0", "MG/DL", id="UCUM minds case"),
        pytest.param("2777-1", "meq/L", id="equivalents of what has no one charge"),
    ],
)
@pytest.mark.req("VAGT-IN-03")
def test_a_unit_that_the_code_does_not_take_is_refused(code, unit):
    assert refusal(code, 50.0, unit) == "unknown-unit"


@pytest.mark.parametrize(
    ("system", "code"),
    [(LOINC, "0000-0"), (NPU, "2160-0"), (LOINC, "NPU18016"), ("", ""), ("urn:nobody", "8867-4")],
)
@pytest.mark.req("VAGT-IN-03")
def test_an_unknown_code_is_refused(system, code):
    assert refusal(code, 1.0, "1", system) == "unknown-code"
    with pytest.raises(Refused, match="unknown-code"):
        catalogue().analyte_for(system, code)


@pytest.mark.parametrize(
    ("code", "unit"), [("0101701234", "mg/dL"), ("010170-1234", "mg/dL"), ("2160-0", "0101701234")]
)
@pytest.mark.req("VAGT-PRI-02")
def test_a_refusal_never_repeats_a_persons_number(code, unit):
    with pytest.raises(Refused) as refused:
        catalogue().canonical(LOINC, code, 1.0, unit)
    assert "1234" not in str(refused.value)


def test_a_refusal_survives_the_way_between_processes():
    copy = pickle.loads(pickle.dumps(Refused("implausible", "ph: 735")))
    assert (copy.reason, copy.detail, str(copy)) == ("implausible", "ph: 735", "implausible: ph: 735")


def test_a_level_of_consciousness_is_one_of_five_letters():
    acvpu = catalogue().analyte_for(LOINC, "80288-4")
    assert catalogue().text_analytes == {"consciousness": acvpu}
    for letter in "ACVPU":
        assert catalogue().canonical_text(acvpu, f" {letter} ") == letter
    for other in ("", "X", "a", "Alert", "AC"):
        with pytest.raises(Refused, match="implausible"):
            catalogue().canonical_text(acvpu, other)


def test_a_text_for_a_number_and_a_number_for_a_text_are_refused():
    assert refusal("80288-4", 1.0, None) == "schema"
    with pytest.raises(Refused, match="schema"):
        catalogue().canonical_text(catalogue().analytes["creatinine"], "high")


def test_a_reference_interval_is_that_of_sex_and_age():
    creatinine = catalogue().analytes["creatinine"]
    female, male = creatinine.reference_for("female", 70), creatinine.reference_for("male", None)
    assert (female and female.high, male and male.high) == (90, 105)
    assert creatinine.reference_for(None, 70) is None
    assert creatinine.reference_for("male", 18) is not None
    assert creatinine.reference_for("male", 17.9) is None


def test_every_analyte_has_both_names_and_a_bound_on_its_age():
    for name, analyte in catalogue().analytes.items():
        assert isinstance(analyte, Analyte)
        assert analyte.name == name
        assert analyte.en
        assert analyte.da
        assert 0 < analyte.valid_hours < 24 * 366


# ------------------------------------------------------------------------------ a deployment's own file

LOCAL = """
[systems]
ouh = ["urn:oid:1.2.208.176.9.9"]

[sources]
ouh_list = "OUH's list of local codes"

[aliases]
"umol/L" = ["mikromol pr. L"]

[analytes.creatinine]
codes = [
    { system = "ouh", code = "KREA;P", property = "substance", source = "ouh_list" },
    { system = "loinc", code = "2160-0", property = "substance", source = "ouh_list" },
]
"""


def local(tmp_path: Path, text: str) -> Catalogue:
    path = tmp_path / "local.toml"
    path.write_text(text, encoding="utf-8")
    return Catalogue(path)


@pytest.mark.req("VAGT-IN-13")
def test_a_deployment_adds_its_codes_and_spellings(tmp_path):
    own = local(tmp_path, LOCAL)
    assert own.canonical("urn:oid:1.2.208.176.9.9", "KREA;P", 90, "mikromol pr. L")[1] == 90
    assert own.canonical(LOINC, "2160-0", 90, "umol/L")[1] == 90
    assert own.canonical(LOINC, "2160-0", 1.0, "mg/dL")[1] == pytest.approx(88.40, abs=0.01)
    assert refusal("2160-0", 90, "umol/L") == "unknown-unit"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("analytes.creatinine", "analytes.kreatinin", "there is no analyte kreatinin"),
        ('"KREA;P", property = "substance"', '"KREA;P", property = "amount"', "KREA;P.*'amount' is no key"),
        ('"KREA;P", property = "substance"', '"KREA;P", property = "rate"', "KREA;P.*nothing converts"),
        ('system = "ouh"', 'system = "rsyd"', "'rsyd' is no key of .systems."),
        ('source = "ouh_list" },\n]', 'source = "hearsay" },\n]', "'hearsay' is no key of .sources."),
        (
            '"2160-0", property = "substance"',
            '"2160-0", property = "mass"',
            "2160-0 stands under creatinine and again under creatinine",
        ),
        (
            '"2160-0", property',
            '"718-7", property',
            "718-7 stands under creatinine and again under haemoglobin",
        ),
        ('code = "KREA;P",', "", r"creatinine.codes.\d.code"),
        ("[systems]\n", "[systems]\nnpu = []\n", "systems.npu is taken"),
        ('["mikromol pr. L"]', '["mmol/L"]', "would mean both"),
        ("[aliases]", "[aliases", "cannot be read as TOML"),
        ("[aliases]", "[nicknames]", "nicknames"),
    ],
)
@pytest.mark.req("VAGT-IN-13")
def test_a_wrong_file_is_refused_with_the_line_that_is_wrong(tmp_path, old, new, message):
    assert old in LOCAL
    with pytest.raises(CatalogueError, match=message):
        local(tmp_path, LOCAL.replace(old, new, 1))


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(CatalogueError, match=r"none\.toml cannot be read"):
        Catalogue(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("plausible = [10, 3000]", "plausible = [3000, 10]", "analytes.creatinine.*lowest, highest"),
        ("plausible = [10, 3000]", "plausible = [10, 100]", "analytes.creatinine.*reference interval"),
        ("molar_mass = 113.12\n", "", "creatinine, code 2160-0.*molar_mass"),
        ("molar_mass = 113.12\n", "molar_mass = 0\n", "analytes.creatinine.molar_mass"),
        ('unit = "umol/L"', 'unit = "umol"', "no unit of substance"),
        ('unit_if_missing = "[pH]"', 'unit_if_missing = "kPa"', "ph, code 2744-1.*unit_if_missing"),
        ('texts = ["A", "C", "V", "P", "U"]\n', "", "analytes.consciousness.*texts"),
        ('"mg/dL" = 0.01', '"mg/dL" = -1', "properties.mass.mg/dL.*above 0"),
        ("{ minus = 273.15 }", "{ plus = 273.15 }", "properties.temperature.K"),
    ],
)
def test_a_slip_in_the_catalogue_itself_is_named(tmp_path, old, new, message):
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "catalogue.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CatalogueError, match=message):
        Catalogue(path=path)

"""HL7 v2 messages of made-up patients for the tests."""

from collections.abc import Sequence

PATIENT = "p-1007"


def joined(*segments: str) -> str:
    """Segments as a message."""
    return "".join(f"{segment}\r" for segment in segments)


def header(kind: str = "ORU^R01^ORU_R01", control: str = "M1", sent: str = "20260301101207", **more: str) -> str:
    """MSH; ``charset`` is MSH-18, ``version`` MSH-12, ``processing`` MSH-11."""
    tail = f"{more.get('processing', 'P')}|{more.get('version', '2.5.1')}||||||{more.get('charset', '')}"
    return rf"MSH|^~\&|LABKA|OUH|VAGT|RSYD|{sent}||{kind}|{control}|{tail}"


def person(identifiers: str = f"{PATIENT}^^^CPR^NI") -> str:
    """PID."""
    return f"PID|1||{identifiers}||Prøve^Eva^M^^^^L||19510502|F"


def visit(number: str = "e-5521", place: str = "OUH-M2^^12", kind: str = "I", admitted: str = "") -> str:
    """PV1."""
    return f"PV1|1|{kind}|{place}" + "|" * 16 + number + "|" * 25 + admitted


def order(filler: str = "F-173^LABKA", specimen: str = "202603010942", reported: str = "20260301101000") -> str:
    """OBR."""
    return f"OBR|1|R-9|{filler}|B^Blood^L|||{specimen}" + "|" * 15 + reported


def result(
    value: str = "132", unit: str = "umol/L", status: str = "F", code: str = "NPU18016^Creatinine^NPU", **more: str
) -> str:
    """OBX; ``kind`` is OBX-2, ``sub`` OBX-4, ``at`` OBX-14."""
    kind, sub, at = more.get("kind", "NM"), more.get("sub", ""), more.get("at", "")
    return f"OBX|1|{kind}|{code}|{sub}|{value}|{unit}|45-90|H|||{status}|||{at}"


def report(*results: str, **head: str) -> str:
    """A report with one order."""
    return joined(header(**head), person(), visit(), order(), *(results or (result(),)))


def moved(event: str, *segments: str, occurred: str = "20260301080000", **head: str) -> str:
    """An ADT message of that event; EVN-6 and EVN-2 are ``occurred``."""
    rest: Sequence[str] = segments or (person(), visit())
    return joined(header(f"ADT^{event}", **head), f"EVN|{event}|{occurred}||||{occurred}", *rest)

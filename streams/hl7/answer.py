"""The acknowledgement of a message (original mode), in the separators and the character set of who sent it."""

import secrets
from datetime import UTC, datetime
from typing import Final

from features.catalogue import Refused
from streams.hl7.er7 import END, START, Separators

#: Accepted; an error that passes, so send it again; refused, and it will be so again.
ACCEPTED: Final = "AA"
AGAIN: Final = "AE"
REFUSED: Final = "AR"

#: HL7 table 0357, by the field that a refusal names.
_ERRORS: Final = {
    "MSH-9": "200^Unsupported message type",
    "MSH-11": "202^Unsupported processing id",
    "MSH-12": "203^Unsupported version id",
}
_OTHER: Final = {AGAIN: "207^Application internal error", REFUSED: "102^Data type error"}
#: Fields of a header that are given back, and what stands for those that are missing.
_FIELDS: Final = 18
_USUAL: Final = ("MSH", "^~\\&")


def answer(data: bytes, code: str, why: Refused | None = None) -> bytes:
    """What is answered to these bytes, whatever they are."""
    # A character for each byte: what is given back is as it came.
    head = data.split(b"\r", 1)[0][:4096].translate(None, START + END).decode("latin-1")
    sign = head[3] if head.startswith("MSH") and len(head) > 3 and head[3].isascii() and head[3].isprintable() else "|"
    fields = head.split(sign) if head.startswith(f"MSH{sign}") else list(_USUAL)
    if len(fields[1]) < 4:
        fields = list(_USUAL)
    fields += [""] * (_FIELDS - len(fields))
    component, event = fields[1][0], fields[8].split(fields[1][0])[1:2]
    kind = component.join(["ACK", *event, "ACK"])
    made = datetime.now(UTC).strftime("%Y%m%d%H%M%S+0000")
    reply = ["MSH", fields[1], fields[4], fields[5], fields[2], fields[3], made, "", kind, secrets.token_hex(10)]
    reply += [fields[10], fields[11] or "2.5", *[""] * 5, fields[17]]
    lines = [reply, ["MSA", code, fields[9]]]
    if why is not None:
        own = Separators(sign, *fields[1][:4])
        said = own.escaped(f"{why.reason}: {why.detail}").encode("ascii", "replace").decode()
        error = component.join([*_error(code, why).split("^"), "HL70357"])
        lines = [reply, ["MSA", code, fields[9], said], ["ERR", "", "", error, "E", "", "", "", said]]
    return "".join(sign.join(line) + "\r" for line in lines).encode("latin-1")


def _error(code: str, why: Refused) -> str:
    return _ERRORS.get(why.detail.partition(":")[0], _OTHER[code])

"""A message of HL7 v2 as its segments, fields and texts (ER7: pipes and hats), in the character set that it names.

Nothing is repaired: what cannot be read as it is written is refused.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from features.catalogue import Refused

#: MSH-18 (HL7 table 0211) and what Python calls it.
CHARSETS: Final[Mapping[str, str]] = {
    "ASCII": "ascii",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UNICODE": "utf-8",
    **{f"8859/{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
}
#: HL7's null: the sender takes a value away, which the native form cannot say; it counts as a field left out.
_NULL: Final = '""'
#: Escapes that stand for no character: highlighting on and off.
_SILENT: Final = {"H", "N"}
_LINE: Final = {".br", ".sp", ".ce"}
#: What MLLP puts around a message.
START: Final = b"\x0b"
END: Final = b"\x1c"


@dataclass(frozen=True, slots=True)
class Separators:
    """What parts a message: MSH-1, then the characters of MSH-2."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str

    def unescaped(self, text: str, charset: str) -> str:
        """The text that an escaped one stands for. An escape that is none of HL7's own is left as it is."""
        if self.escape not in text:
            return text
        mark = re.escape(self.escape)
        return re.sub(f"{mark}([^{mark}]*){mark}", lambda found: self._meant(found, charset), text)

    def escaped(self, text: str) -> str:
        """The text as it may stand in a field."""
        return "".join(
            f"{self.escape}{self._letters[one]}{self.escape}" if one in self._letters else one for one in text
        )

    def _meant(self, found: "re.Match[str]", charset: str) -> str:
        code = found[1]
        if code in _SILENT:
            return ""
        if code in _LINE:
            return "\n"
        if code.startswith("X"):
            try:
                return bytes.fromhex(code[1:]).decode(charset)
            except ValueError:
                return found[0]
        return next((sign for sign, letter in self._letters.items() if letter == code), found[0])

    @property
    def _letters(self) -> dict[str, str]:
        return {
            self.field: "F",
            self.component: "S",
            self.repetition: "R",
            self.escape: "E",
            self.subcomponent: "T",
            "\r": "X0D",
            "\n": ".br",
        }


@dataclass(frozen=True, slots=True)
class Part:
    """One repetition of a field; its components count from 1."""

    raw: str
    separators: Separators
    charset: str

    def text(self, component: int = 1, subcomponent: int = 1) -> str | None:
        """A component's text, or that of one of its subcomponents; ``None`` where it says nothing."""
        components = self.raw.split(self.separators.component)
        if component > len(components):
            return None
        parts = components[component - 1].split(self.separators.subcomponent)
        if subcomponent > len(parts) or parts[subcomponent - 1] == _NULL:
            return None
        return self.separators.unescaped(parts[subcomponent - 1], self.charset).strip() or None


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment: its name, and its fields as they are written, from 1 as HL7 counts them."""

    name: str
    fields: tuple[str, ...]
    separators: Separators
    charset: str

    def raw(self, field: int) -> str:
        """A field as it is written; empty where there is none."""
        return self.fields[field - 1] if field <= len(self.fields) else ""

    def parts(self, field: int) -> list[Part]:
        """The repetitions of a field that say something."""
        written = self.raw(field).split(self.separators.repetition)
        return [Part(one, self.separators, self.charset) for one in written if one and one != _NULL]

    def part(self, field: int) -> Part:
        """The first repetition of a field; one that says nothing where there is none."""
        return next(iter(self.parts(field)), Part("", self.separators, self.charset))

    def text(self, field: int, component: int = 1, subcomponent: int = 1) -> str | None:
        """A text within the first repetition of a field."""
        return self.part(field).text(component, subcomponent)


@dataclass(frozen=True, slots=True)
class Message:
    """A message: the first segment is MSH."""

    segments: tuple[Segment, ...]

    @property
    def header(self) -> Segment:
        """MSH."""
        return self.segments[0]

    def numbered(self) -> Iterator[tuple[int, Segment]]:
        """The segments with their positions; that of MSH is 0."""
        return enumerate(self.segments)

    def first(self, name: str) -> Segment | None:
        """The first segment of a name."""
        return next((one for one in self.segments if one.name == name), None)


def read(data: bytes) -> Message:
    """The message in these bytes.

    Segments end with a carriage return; where a sender has none, with a line feed. Without MSH-18 the text is UTF-8
    if it can be, and else ISO 8859-1, which is what senders in Denmark mean when they leave it out.

    Raises:
        Refused: ``bad-hl7`` (no MSH or two, separators that are none, a segment without a name, bytes that the
            character set does not have) or ``unsupported`` (another character set).
    """
    data = data.removeprefix(b"\xef\xbb\xbf").strip(b"\r\n")
    if START in data or END in data:
        raise Refused("bad-hl7", "there are signs of framing within: two messages, of which one was cut off")
    separators = _separators(data)
    lines = data.split(b"\r" if b"\r" in data else b"\n")
    charset = _charset(lines[0], separators, data)
    try:
        texts = [line.strip(b"\n").decode(charset) for line in lines]
    except UnicodeDecodeError:
        raise Refused("bad-hl7", f"there are bytes that are no {charset}, as MSH-18 has it") from None
    segments = tuple(_segment(text, separators, charset) for text in texts if text)
    if any(segment.name == "MSH" for segment in segments[1:]):
        raise Refused("bad-hl7", "there is a second MSH")
    return Message(segments)


def _separators(data: bytes) -> Separators:
    if not data.startswith(b"MSH"):
        raise Refused("bad-hl7", "the message does not begin with MSH")
    field = data[3:4]
    signs = data[4:].partition(field)[0] if field else b""
    # A fifth sign marks what was cut off (2.7); nothing here is of interest that a sender cuts off.
    seen = field + signs
    if len(signs) not in (4, 5) or len(set(seen)) < len(seen) or not all(map(_parts, seen)):
        raise Refused("bad-hl7", "MSH-1 and MSH-2 must be five or six different signs, such as |^~\\&")
    return Separators(*seen.decode("ascii")[:5])


def _parts(sign: int) -> bool:
    return 0x20 < sign < 0x7F and not chr(sign).isalnum() and chr(sign) not in '."'


def _charset(header: bytes, separators: Separators, data: bytes) -> str:
    fields = header.split(separators.field.encode())
    named = fields[17].strip().decode("ascii", "replace") if len(fields) > 17 else ""
    sets = [one.strip().upper() for one in named.split(separators.repetition) if one.strip()]
    if len(sets) > 1:
        raise Refused("unsupported", "MSH-18 names several character sets; one is taken")
    if not sets:
        try:
            data.decode()
        except UnicodeDecodeError:
            return "iso8859-1"
        return "utf-8"
    if sets[0] not in CHARSETS:
        raise Refused(
            "unsupported", f"MSH-18 names a character set that is not taken: it is one of {', '.join(CHARSETS)}"
        )
    return CHARSETS[sets[0]]


def _segment(text: str, separators: Separators, charset: str) -> Segment:
    name, *fields = text.split(separators.field)
    if not re.fullmatch("[A-Z][A-Z0-9]{2}", name):
        raise Refused("bad-hl7", "there is a segment without a name of three letters or digits")
    # MSH-1 is the separator itself.
    written = (separators.field, *fields) if name == "MSH" else tuple(fields)
    return Segment(name, written, separators, charset)

"""Patients under another name: what a door makes of their identifiers when ``VAGT_PSEUDONYM_KEY`` is set.

Of each key three are derived, by HKDF: one names patients, one replaces the identifiers of what is said of them, and
one seals what must be given back. Without the key a pseudonym tells nothing, and with it anybody can find the patient
again: so the key is as secret as the identifiers are.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from features.events import Encounter, Feedback, Note, Observation, Tick, Treatment
from streams.settings import Settings

_PSEUDONYM: Final = re.compile("~[A-Za-z0-9_-]{43}")
#: The ids of alerts: the service's own, derived from pseudonyms.
_OWN_ID: Final = re.compile("[0-9a-f]{32}")
_NONCE_BYTES: Final = 12
#: Patients whose names are held ready.
_MOST_HELD: Final = 20_000
#: An identifier of fewer letters and digits is found in a text by chance: it is cut out as a word of prose alone.
_LONG: Final = 6
_CUT: Final = "(patient)"

#: The fields that leave a door, by type; what nobody declared may hold anything, and stays outside.
_DECLARED: Final[Mapping[str, frozenset[str]]] = {
    kind: frozenset(one.alias or name for name, one in model.model_fields.items()) - {"sealed", "intoSealed"}
    for kind, model in (
        ("observation", Observation),
        ("encounter", Encounter),
        ("treatment", Treatment),
        ("feedback", Feedback),
        ("note", Note),
        ("tick", Tick),
    )
}
_IDS: Final = ("id", "encounter", "requisition")
_OF_THE_PERSON: Final = ("name", "bed")
_PROSE: Final = ("performer", "device", "ward", "by", "note")
#: Texts that the catalogue knows where they count; where they count for nothing, anything may stand there.
_CODED: Final = ("unit", "text")


class PseudonymError(ValueError):
    """What was sealed cannot be opened: with none of these keys, or not for this patient."""


def is_pseudonym(patient: str) -> bool:
    """Whether this may be a patient's name of this module's making."""
    return _PSEUDONYM.fullmatch(patient) is not None


@dataclass(frozen=True, slots=True)
class _Key:
    """What is derived of one key; ``id`` says which it is, and nothing about it."""

    id: str
    naming: bytes = field(repr=False)
    ids: bytes = field(repr=False)
    nonces: bytes = field(repr=False)
    cipher: AESGCM = field(repr=False)

    @classmethod
    def of(cls, key: bytes) -> "_Key":
        def derived(purpose: str, length: int = 32) -> bytes:
            return HKDF(SHA256(), length, salt=None, info=f"vagt/{purpose}/1".encode()).derive(key)

        return cls(
            id=derived("key-id", 4).hex(),
            naming=derived("naming"),
            ids=derived("ids"),
            nonces=derived("nonces"),
            cipher=AESGCM(derived("sealing")),
        )

    def name(self, identifier: str) -> str:
        return f"~{_text(_mac(self.naming, identifier.encode()))}"

    def seal(self, plaintext: str, bound_to: str) -> str:
        text, bound = plaintext.encode(), bound_to.encode()
        # A door that reads a record again must write the same bytes, so the nonce follows from what is sealed. Two
        # texts under one nonce would break AES-GCM, and that takes a collision of 96 bits of HMAC-SHA-256: the same
        # nonce is given to the same text for the same patient only, which gives the same bytes and tells no more.
        nonce = _mac(self.nonces, len(bound).to_bytes(8, "big") + bound + text)[:_NONCE_BYTES]
        return f"{self.id}.{_text(nonce + self.cipher.encrypt(nonce, text, bound))}"


class Pseudonyms:
    """The names of patients under a deployment's keys (32 bytes each), the current one first, then the newest."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = [_Key.of(key) for key in keys]
        self._by_id = {key.id: key for key in self._keys}
        self._current, self._oldest = self._keys[0], self._keys[-1]
        self._person = lru_cache(_MOST_HELD)(self._of_person)

    @classmethod
    def of(cls, settings: Settings) -> "Pseudonyms | None":
        """Those of a deployment; ``None`` where it has no key.

        Raises:
            ValueError: a key is none.
            OSError: the file of a key cannot be read.
        """
        keys = settings.pseudonym_keys
        return cls(keys) if keys else None

    def name(self, identifier: str) -> str:
        """The patient's pseudonym under the current key: ``~`` and HMAC-SHA-256 in URL-safe base64, 44 characters."""
        return self._person(identifier).name

    def names(self, identifier: str) -> list[str]:
        """The patient's pseudonyms under all keys, the current one's first: a record may still lie under an old one."""
        return [key.name(identifier) for key in self._keys]

    def ident(self, own: str) -> str:
        """What stands for the id of a record, an encounter or a requisition.

        It is made with the oldest key that is configured: so a correction meets what it corrects, and a repeat what it
        repeats, across rotations, until that key is taken away.
        """
        return _text(_mac(self._oldest.ids, own.encode()))

    def seal(self, plaintext: str, bound_to: str) -> str:
        """The text for the holders of the current key alone; it opens only beside what it is bound to."""
        return self._current.seal(plaintext, bound_to)

    def unseal(self, sealed: str, bound_to: str) -> str:
        """What was sealed under any of the keys.

        Raises:
            PseudonymError: under another key, for somebody else, or altered.
        """
        try:
            key = self._by_id[sealed.partition(".")[0]]
            raw = urlsafe_b64decode(sealed.partition(".")[2] + "==")
            return key.cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], bound_to.encode()).decode()
        except (KeyError, ValueError, InvalidTag):
            raise PseudonymError("this cannot be opened with these keys, or belongs to another patient") from None

    def cover(self, what: str, plaintext: str, identifier: str) -> str:
        """A text about the person (``what``: ``name`` or ``bed``), sealed; alike across rotations, as ids are."""
        return self._oldest.seal(plaintext, f"{what} of {self._oldest.name(identifier)}")

    def uncover(self, what: str, covered: str, identifier: str) -> str:
        """What was covered, of the patient whose identifier was unsealed.

        Raises:
            PseudonymError: as ``unseal``.
        """
        key = self._by_id.get(covered.partition(".")[0])
        return self.unseal(covered, f"{what} of {key.name(identifier)}" if key else "")

    def pseudonymised(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """An object in native form, checked, without anything that names its patient to who has no key.

        A patient who is named by a pseudonym keeps it: so somebody who knows the patient from an alert can answer it.
        Where a decision needs them, birth date and sex stay.
        """
        patient = item["patient"]
        declared = _DECLARED[item["type"]]
        found = {name: value for name, value in item.items() if name in declared and value is not None}
        persons = [self._person(found[name]) for name in ("patient", "into") if name in found]
        for name in _PROSE:
            if name in found:
                found[name] = _without(persons, found[name], prose=True)
        for name in _CODED:
            if name in found:
                found[name] = _without(persons, found[name], prose=item["type"] == "note")
        for name in _OF_THE_PERSON:
            if name in found:
                found[name] = self.cover(name, found[name], patient)
        for name in _IDS:
            if name in found:
                found[name] = self.ident(found[name])
        if "alert" in found and not _OWN_ID.fullmatch(found["alert"]):
            found["alert"] = self.ident(found["alert"])
        if "code" in found:
            code = found["code"]
            coding = {name: code[name] for name in ("system", "code")}
            # That of an observation is in the catalogue.
            if item["type"] != "observation":
                coding = {name: _without(persons, value) for name, value in coding.items()}
            found["code"] = coding
        if not is_pseudonym(patient):
            found |= {"patient": persons[0].name, "sealed": persons[0].sealed}
        if "into" in found and not is_pseudonym(found["into"]):
            found |= {"into": persons[-1].name, "intoSealed": persons[-1].sealed}
        return {**found, "origin": "vagt"}

    def _of_person(self, identifier: str) -> "_Person":
        name = self._current.name(identifier)
        return _Person(name, self._current.seal(identifier, name), *_cutters(identifier))


@dataclass(frozen=True, slots=True)
class _Person:
    """How a patient is called, and what takes the identifier out of a text."""

    name: str
    sealed: str
    from_prose: Callable[[str], str]
    from_code: Callable[[str], str]


def _cutters(identifier: str) -> tuple[Callable[[str], str], Callable[[str], str]]:
    """What takes an identifier out of prose and out of codes, however its letters and digits are grouped."""
    signs = [sign for sign in identifier if sign.isalnum()]
    if len(signs) >= _LONG:
        grouped = re.compile(r"[\W_]{0,3}".join(map(re.escape, signs)), re.IGNORECASE)
        return (lambda text: grouped.sub(_CUT, text),) * 2
    word = re.compile(rf"(?<!\w){re.escape(identifier)}(?!\w)", re.IGNORECASE)
    return (lambda text: word.sub(_CUT, text)), (lambda text: text)


def _without(persons: Sequence[_Person], text: str, prose: bool = False) -> str:
    for person in persons:
        text = (person.from_prose if prose else person.from_code)(text)
    return text


def _mac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()

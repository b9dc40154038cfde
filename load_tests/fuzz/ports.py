"""What comes to a port: frames of MLLP cut anywhere, and an EHR's hooks, patients and tokens."""

import asyncio
import json
import time
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from pydantic import ValidationError
from structlog.testing import capture_logs

from load_tests.fuzz import examples
from load_tests.fuzz.mutate import Mutator, document
from load_tests.fuzz.run import PromiseError
from streams.board.callers import CallerError, Callers
from streams.board.cards import Call, Feedback
from streams.board.smart import called
from streams.hl7.er7 import END, START
from streams.hl7.listener import Limits, Listener

_LARGEST: Final = 4096
_ADDRESS: Final = "https://board.example"
_PATH: Final = "/cds-services/vagt-patient-view"
_EHR: Final = "https://ehr.example"
_PATIENT: Final[dict[str, Any]] = {
    "resourceType": "Patient",
    "id": "1288992",
    "identifier": [{"use": "official", "system": "urn:x", "value": "p-1"}, {"system": "urn:y", "value": "7"}],
}
_CALL: Final[dict[str, Any]] = {
    "hook": "patient-view",
    "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
    "context": {"userId": "Practitioner/1", "patientId": "p-1"},
    "prefetch": {"patient": _PATIENT},
}
_OUTCOME: Final[dict[str, Any]] = {
    "card": "0b8a3f1e-8b38-4e0c-9a61-0e6d8c1c2b3d",
    "outcome": "overridden",
    "outcomeTimestamp": "2026-03-01T05:00:00Z",
    "overrideReason": {"reason": {"code": "already-treated"}, "userComment": "x"},
}


class Frames:
    """What the listener makes of a connection's bytes: the same however the network cuts them."""

    name = "mllp"
    refusals = ()

    def make(self, random: Random) -> tuple[bytes, list[int]]:
        """Frames behind each other, some of them damaged, and how long each piece is that arrives."""
        mutator = Mutator(random)
        frames = []
        for _ in range(random.randint(1, 5)):
            message = random.choice(examples.HL7).encode("iso8859-1", "replace")
            frame = START + (mutator.damaged(message) if random.random() < 0.3 else message) + END + b"\r"
            frames.append(mutator.damaged(frame) if random.random() < 0.2 else frame)
        whole = random.choice((b"", b"", b"\r\n", b"\0")).join(frames)
        if random.random() < 0.3:
            whole = whole[: random.randrange(len(whole) + 1)]
        return whole, [random.choice((1, 2, 7, 200, 5000)) for _ in range(random.randint(1, 40))]

    def parse(self, given: tuple[bytes, list[int]]) -> object:
        """The messages that were kept, and the codes that were answered."""
        data, cuts = given
        pieces, rest = [], data
        for length in cuts:
            pieces.append(rest[:length])
            rest = rest[length:]
        with capture_logs():
            said, uncut = asyncio.run(_served([*pieces, rest])), asyncio.run(_served([data]))
        if said != uncut:
            raise PromiseError("where the bytes were cut makes a difference")
        kept, codes = said
        if sum(code in ("AA", "AR") for code in codes) not in (len(kept), len(kept) + 1):
            raise PromiseError("an answer is not to a message that was kept")
        if any(START + one + END not in data for one in kept):
            raise PromiseError("what was kept is not what came in a frame")
        return said


async def _served(pieces: list[bytes]) -> tuple[list[bytes], list[str]]:
    kept, writer, reader = _Kept(), _Writer(), asyncio.StreamReader(limit=_LARGEST)
    serving = asyncio.create_task(Listener(kept, Limits()).serve(reader, writer))  # type: ignore[arg-type]
    for piece in pieces:
        if piece:
            reader.feed_data(piece)
        await asyncio.sleep(0)
    reader.feed_eof()
    await serving
    answers = writer.written.split(END + b"\r")[:-1]
    return kept.messages, [one.split(b"\rMSA")[1][1:3].decode() for one in answers]


class _Kept:
    """In place of Kafka."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    async def keep(self, data: bytes, _sender: bytes, _patience_s: float) -> bool:
        self.messages.append(data)
        return True


class _Writer:
    """In place of a socket."""

    written = b""

    def get_extra_info(self, _: str) -> tuple[str, int]:
        return "127.0.0.1", 1

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def close(self) -> None:
        pass


class Hooks:
    """The body of a call or of a feedback of CDS Hooks."""

    name = "hooks"
    refusals = (ValidationError,)

    def make(self, random: Random) -> tuple[bool, bytes]:
        """Whether it comes as a call, and the body."""
        return random.random() < 0.5, document(random, [_CALL, {"feedback": [_OUTCOME, _OUTCOME]}])

    def parse(self, given: tuple[bool, bytes]) -> object:
        """What the patient may be called, or the answers to the alerts."""
        is_call, body = given
        if is_call:
            return Call.model_validate_json(body).names()
        return [one.form() for one in Feedback.model_validate_json(body).feedback]


class Launches:
    """A patient as an EHR that opens the board has them: an identifier comes of it, or nothing."""

    name = "launch"
    refusals = (ValueError, RecursionError)

    def make(self, random: Random) -> bytes:
        """A ``Patient``."""
        return document(random, [_PATIENT])

    def parse(self, given: bytes) -> object:
        """How the patient is called here."""
        found = called(json.loads(given), _PATIENT["id"], _PATIENT["identifier"][0]["system"])
        if not (found is None or isinstance(found, str)):
            raise PromiseError("an identifier is no text")
        return found


class Tokens:
    """The token of a call: nobody is let in but who signed, for this address, for now."""

    name = "token"
    refusals = (CallerError,)

    def __init__(self) -> None:
        self._key = ECKey.generate_key("P-256", {"kid": "one", "alg": "ES256", "use": "sig"})
        with TemporaryDirectory(prefix="vagt-fuzz-") as folder:
            clients = Path(folder) / "clients.toml"
            clients.write_text(f'[[client]]\nissuer = "{_EHR}"\nkeys = "ehr.json"\n')
            clients.with_name("ehr.json").write_bytes(orjson.dumps({"keys": [self._key.as_dict(private=False)]}))
            self._callers = Callers(clients, _ADDRESS)

    def make(self, random: Random) -> str:
        """The header of a request, signed as it should be or damaged afterwards."""
        mutator = Mutator(random, json=False)
        now = int(time.time())
        claims = {"iss": _EHR, "aud": _ADDRESS + _PATH, "iat": now, "exp": now + 300, "jti": "x"}
        head = {"alg": "ES256", "kid": "one", "typ": "JWT"}
        token = "a.b.c"
        try:
            changed = mutator.tree(claims)
            token = jwt.encode(mutator.tree(head, 1), changed if isinstance(changed, dict) else claims, self._key)
        except (JoseError, ValueError, TypeError, AttributeError, LookupError):
            pass  # what was changed cannot be signed
        return mutator.text(f"Bearer {token}") if random.random() < 0.3 else f"Bearer {token}"

    def parse(self, given: str) -> object:
        """Who asks."""
        self._callers._seen.clear()
        issuer = self._callers.check(given, _PATH)
        if issuer != _EHR:
            raise PromiseError("somebody was let in whom nobody knows")
        return issuer

"""Valid inputs made wrong: fields dropped, doubled and swapped, impossible numbers and texts, damaged bytes."""

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random
from typing import Any, Final


class Raw(str):
    """A piece of JSON text that no value in Python stands for: ``NaN``, a lone surrogate, a number of 400 digits."""

    __slots__ = ()


class Doubled(list[tuple[str, Any]]):
    """A JSON object in which a name may come twice."""


#: Texts with which readers have had trouble.
TEXTS: Final = (
    "",
    " ",
    "\0",
    "p\0-1",
    "\u202ep-1",
    "\ufeff",
    "\uffff",
    "x" * 201,
    "x" * 100_000,
    "é" * 2_001,
    "\U0001f691" * 300,
    "../../etc/passwd",
    "%s%n{0}${x}",
    "_control",
    "_heartbeat",
    "NaN",
    "-0",
    "1e309",
    "<5",
    "1.234,5",
    "９" * 20,
    "9" * 5_000,
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999999Z",
    "9999-12-31T23:59:59-23:59",
    "2026-02-30T00:00:00Z",
    "2026-03-01T09:42:60Z",
    "2026-03-01T09:42:00." + "9" * 5_000 + "Z",
    "2026-03-01",
    "0000-01-01",
)
_NUMBERS: Final = (0, -1, 1, 2**31, 2**53, -(2**53), 2**63 - 1, -(2**63), 2**64 - 1)
_FLOATS: Final = (0.1, -0.0, 5e-324, 1.7976931348623157e308, -1.7976931348623157e308)
_TOKENS: Final = tuple(
    Raw(token)
    for token in (
        "NaN",
        "Infinity",
        "-1e999",
        "1e400",
        "9" * 400,
        "0." + "0" * 400 + "1",
        "18446744073709551616",
        "-9223372036854775809",
        "01",
        r'"\ud800"',
        r'"\udfff\ud800"',
        r'"\u0000"',
        r'"\q"',
        "'x'",
        "undefined",
        "[" * 300 + "]" * 300,
        '{"a":' * 300 + "1" + "}" * 300,
        "[" * 5_000,
        "[" * 2_000 + "]" * 2_000,
        "[" + "0," * 20_000 + "0]",
    )
)


class Mutator:
    """Mutations drawn from one generator: the same seed gives the same ones.

    Args:
        random: where all choices come from.
        json: whether values are to become JSON text, which can say more than the values of Python.
    """

    def __init__(self, random: Random, *, json: bool = True) -> None:
        self.random = random
        self._more: tuple[Any, ...] = _TOKENS if json else (float("nan"), float("inf"), b"", b"\xff" * 40, {0: 1})

    def junk(self) -> Any:
        """A value that nobody expects."""
        plain: Sequence[Any] = self.random.choice(
            (TEXTS, _NUMBERS, _FLOATS, (None, True, False, [], {}, [[]], [{}]), self._more)
        )
        return deepcopy(self.random.choice(plain))

    def tree(self, example: Any, most: int = 4) -> Any:
        """A copy of a value with up to ``most`` changes somewhere within."""
        holder = [deepcopy(example)]
        for _ in range(self.random.randint(0, most)):
            self._change(holder)
        return holder[0]

    def text(self, example: str) -> str:
        """A text like this one."""
        done = example
        for _ in range(self.random.randint(0, 4)):
            where = self.random.randint(0, len(done))
            piece = self.random.choice((*TEXTS, *done[:40], *"0123456789.,+-:TZ<>=*/% \n\t", "≤", "µ", "μ", "²"))
            keep = where + self.random.randint(0, 3)
            done = self.random.choice(
                (done[:where] + piece + done[where:], done[:where] + done[keep:], done[:where] + piece + done[keep:])
            )
        return done

    def damaged(self, data: bytes) -> bytes:
        """The bytes with flipped bits, cut off, repeated or with strange ones between."""
        done = bytearray(data)
        for _ in range(self.random.randint(1, 3)):
            if not done:
                break
            where = self.random.randrange(len(done))
            self.random.choice(self._DAMAGES)(self, done, where)
        return bytes(done)

    def _flip(self, data: bytearray, where: int) -> None:
        data[where] ^= 1 << self.random.randrange(8)

    def _truncate(self, data: bytearray, where: int) -> None:
        del data[where:]

    def _repeat(self, data: bytearray, where: int) -> None:
        data[where:where] = data[where : where + self.random.randint(1, 40)] * self.random.choice((1, 2, 500))

    def _insert(self, data: bytearray, where: int) -> None:
        strange = (b"\0", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b'"')
        data[where : where + self.random.choice((0, 1, 5))] = self.random.choice(strange)

    _DAMAGES: Final[tuple[Callable[["Mutator", bytearray, int], None], ...]] = (_flip, _truncate, _repeat, _insert)

    def _change(self, holder: list[Any]) -> None:
        places = list(_places(holder))
        parent, name = self.random.choice(places)
        kind = self.random.randrange(6)
        if kind == 0 and parent is not holder:
            del parent[name]
        elif kind == 1:
            other, at = self.random.choice(places)
            parent[name] = deepcopy(other[at])
        elif kind == 2 and isinstance(parent[name], dict):
            pairs = list(parent[name].items())
            twice = [(key, self.junk()) for key, _ in pairs if isinstance(key, str)]
            parent[name] = Doubled(self.random.sample([*pairs, *twice], len(pairs) + len(twice)))
        elif kind == 3 and isinstance(parent, dict):
            more = self.random.choice((*TEXTS[:10], f"{name}s", str(name).upper()))
            parent[more] = self.random.choice((parent[name], self.junk()))
        elif kind == 4 and isinstance(parent[name], str):
            parent[name] = self.text(parent[name])
        else:
            parent[name] = self.junk()


def _places(node: Any) -> Any:
    """Every place in a value: what holds it, and under which name or number."""
    if isinstance(node, Doubled):
        return
    named = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, part in list(named):
        yield node, name
        yield from _places(part)


def rendered(node: Any) -> str:
    """A value as JSON text."""
    if isinstance(node, Raw):
        return str(node)
    if isinstance(node, dict | Doubled):
        pairs = node.items() if isinstance(node, dict) else node
        return "{" + ",".join(f"{json.dumps(str(name))}:{rendered(part)}" for name, part in pairs) + "}"
    if isinstance(node, list | tuple):
        return "[" + ",".join(map(rendered, node)) + "]"
    return json.dumps(node, ensure_ascii=False)


def document(random: Random, examples: Sequence[Any]) -> bytes:
    """A JSON document like one of the examples, as bytes."""
    mutator = Mutator(random)
    text = rendered(mutator.tree(random.choice(examples)))
    data = text.encode("utf-8", "surrogatepass")
    return mutator.damaged(data) if random.random() < 0.3 else data

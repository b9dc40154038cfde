"""Which tests verify which requirement.

A test says so itself, by the mark ``@pytest.mark.req("VAGT-…")``; ``requirements.toml`` has the requirements; and
``trace.toml`` has the links as they were last accepted, so that a mark that goes astray is seen. After a change of
marks that is meant, run ``python -m deploy.evidence.trace`` and review what it changes there.
"""

import ast
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
TESTS = ROOT / "tests"
TRACE = HERE / "trace.toml"
#: Where `make test` and `make test-long` leave what came of each test (JUnit's XML).
RESULTS = ROOT / "dist" / "tests"

Trace = Mapping[str, tuple[str, ...]]
#: Of a test: ``passed``, ``failed``, ``skipped``.
Outcomes = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that the product must do; ``source`` says who asks for it."""

    id: str
    kind: str
    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """One test that is marked with one requirement; ``test`` is its path and name, without parameters."""

    requirement: str
    test: str
    skipped: bool


def requirements(file: Path = HERE / "requirements.toml") -> tuple[Requirement, ...]:
    """The requirements, in the order of their file."""
    return tuple(Requirement(**one) for one in tomllib.loads(file.read_text(encoding="utf-8"))["requirement"])


def marks(tests: Path = TESTS) -> tuple[Mark, ...]:
    """All marks of the tests in a folder; read, not run."""
    return tuple(
        mark
        for file in sorted(tests.rglob("test_*.py"))
        for mark in _marks(ast.parse(file.read_text(encoding="utf-8")), f"tests/{file.relative_to(tests)}")
    )


def traced(found: Iterable[Mark]) -> dict[str, tuple[str, ...]]:
    """The tests of each requirement, both in order."""
    links: dict[str, set[str]] = {}
    for mark in found:
        links.setdefault(mark.requirement, set()).add(mark.test)
    return {requirement: tuple(sorted(links[requirement])) for requirement in sorted(links)}


def accepted(file: Path = TRACE) -> Trace:
    """The links as they were last accepted."""
    return {requirement: tuple(tests) for requirement, tests in tomllib.loads(file.read_text(encoding="utf-8")).items()}


def outcomes(folder: Path = RESULTS) -> dict[str, str]:
    """What came of each test in all result files of a folder: failed if ever, passed if ever, else skipped."""
    found: dict[str, set[str]] = {}
    for file in sorted(folder.glob("*.xml")):
        for case in ET.parse(file).iter("testcase"):
            name = case.get("name", "").partition("[")[0]
            test = f"{case.get('classname', '').replace('.', '/')}.py::{name}"
            found.setdefault(test, set()).add(_outcome(case))
    return {test: next(one for one in ("failed", "passed", "skipped") if one in all_) for test, all_ in found.items()}


def faults(wanted: Iterable[Requirement], found: Iterable[Mark], agreed: Trace, came: Outcomes) -> list[str]:
    """What is wrong with the links, each in a sentence; nothing when all requirements are verified.

    Args:
        wanted: the requirements.
        found: the marks of the tests.
        agreed: the links that were last accepted.
        came: what came of the tests, where they were run; of those that are not in it nothing is said.
    """
    wanted, found = tuple(wanted), tuple(found)
    known, links = {one.id for one in wanted}, traced(found)
    wrong = [f"{one} is there twice" for one in sorted(known) if sum(other.id == one for other in wanted) > 1]
    wrong += [f"{one} has no test" for one in sorted(known - set(links))]
    wrong += [
        f"{mark.test} is marked with {mark.requirement}, which is unknown"
        for mark in found
        if mark.requirement not in known
    ]
    wrong += [f"{mark.test} verifies {mark.requirement} and is always skipped" for mark in found if mark.skipped]
    for one in sorted(known):
        before, now = set(agreed.get(one, ())), set(links.get(one, ()))
        wrong += [f"{test} does not verify {one} any more" for test in sorted(before - now)]
        wrong += [f"{test} is not accepted yet as verifying {one}" for test in sorted(now - before)]
    for test in sorted({mark.test for mark in found}):
        if came.get(test) in ("failed", "skipped"):
            wrong.append(f"{test} verifies {', '.join(one for one in links if test in links[one])} and {came[test]}")
    return wrong


def _marks(module: ast.Module, path: str) -> Iterator[Mark]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            skipped = any(ast.unparse(one).startswith("pytest.mark.skip(") for one in node.decorator_list)
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.req":
                    for argument in decorator.args:
                        yield Mark(str(ast.literal_eval(argument)), f"{path}::{node.name}", skipped)


def _outcome(case: ET.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "skipped" if case.find("skipped") is not None else "passed"


def main() -> None:
    """Accept the links as the marks of the tests say them."""
    lines = ["# Made by `python -m deploy.evidence.trace`: which tests verify which requirement, as last accepted."]
    for requirement, tests in traced(marks()).items():
        lines += [f"{requirement} = [", *(f'    "{test}",' for test in tests), "]"]
    TRACE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

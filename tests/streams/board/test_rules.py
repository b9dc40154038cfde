"""The display rules that docs/board.md adopts: each names a test, and each such test is there and says so."""

import ast
import re
from collections import defaultdict
from pathlib import Path

_ROOT = Path(__file__).parents[3]
_NUMBER = r"(?:GTAB|PAL|MPB|PLI|D\+Tb)-?\d+"


def adopted() -> dict[str, set[str]]:
    """The tests of each rule, as the document names them."""
    text = (_ROOT / "docs" / "board.md").read_text(encoding="utf-8")
    table = text.partition("## Display rules")[2].partition("### Not adopted")[0]
    found: dict[str, set[str]] = defaultdict(set)
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for number in re.findall(_NUMBER, cells[0]):
            found[number] |= set(re.findall(r"test_\w+", cells[-1]))
    return dict(found)


def marked() -> dict[str, set[str]]:
    """The tests of each rule, as their marks say."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in (_ROOT / "tests").rglob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.rule":
                        for number in mark.args:
                            found[ast.literal_eval(number)].add(node.name)
    return dict(found)


def test_every_adopted_rule_has_its_tests_and_every_test_of_a_rule_is_named():
    assert len(adopted()) > 30
    assert adopted() == marked()


def test_each_rule_of_the_board_is_written_as_rules_are():
    assert all(re.fullmatch(_NUMBER, number) for number in marked())

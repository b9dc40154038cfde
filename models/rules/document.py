"""The page ``docs/rules.md``, written from the rules' tables: ``python -m models.rules.document``."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from models.rules.all import RULES
from models.rules.critical_result import LISTS, CriticalList
from models.rules.table import Question, Rule

PAGE: Final = Path(__file__).parents[2] / "docs" / "rules.md"

_HEAD: Final = """\
# The rules

Written from the tables in `models/rules/` by `python -m models.rules.document`; a test keeps it current. Each rule is a
pure function of the patient's record and a table beside it. All that its source leaves open is a question here: what
the service does until then, and what the clinician who owns the rule has to decide. None of it is clinical advice
before that owner has approved it.

A result with a comparator (`<5`) is a bound, and what is missing or too old makes the score a bound: an alert is raised
on the least that the score can be, and ends on the most. How alerts are held back is in `models/quiet.toml`.
"""


def page() -> str:
    """The whole page, Markdown."""
    rules = [rule() for rule in RULES]
    parts = [_HEAD, _overview(rules), *(_section(rule) for rule in rules), _lists()]
    return "\n".join(parts)


def _overview(rules: Iterable[Rule[Any]]) -> str:
    rows = [
        (f"[{rule.kind}](#{rule.kind})", rule.table.version, rule.table.owner, _alerts(rule), len(rule.table.questions))
        for rule in rules
    ]
    return _rows(("rule", "version", "owner", "alerts", "open questions"), rows)


def _alerts(rule: Rule[Any]) -> str:
    if not rule.table.switched_on:
        return "switched off"
    levels = [f"{level.severity} at {level.raise_at:g}" for level in rule.policy.levels]
    return ", ".join(levels) or "scores only"


def _section(rule: Rule[Any]) -> str:
    table = rule.table
    what = (rule.__doc__ or "").strip().splitlines()[0]
    levels = "; ".join(
        f"{level.severity} from {level.raise_at:g}, left below {level.clear_below:g}" for level in rule.policy.levels
    )
    facts = [
        f"## {rule.kind}\n",
        f"{what}\n",
        f"- Source: {table.source}",
        f"- Table: `{rule.file}`, version {table.version}" + ("" if table.switched_on else ", switched off"),
        f"- Owner: {table.owner}",
        f"- Alerts: {levels or 'none; it scores only'}",
        f"- For whom: {_applies(rule)}",
        f"- Inputs: {', '.join(f'`{one}`' for one in sorted(rule.inputs))}\n",
        _questions(table.questions),
    ]
    return "\n".join(facts)


def _applies(rule: Rule[Any]) -> str:
    applies = rule.table.applies
    ages = f"from {applies.minimum_age_years:g} years" if applies.minimum_age_years else "every age"
    flags = ", ".join(f"`{flag}`" for flag in applies.not_for_flags)
    return f"{ages}, not with the flag {flags}" if flags else ages


def _questions(questions: Iterable[Question]) -> str:
    rows = [(one.question, one.until_then, one.decision) for one in questions]
    return _rows(("open question", "until then", "decision needed"), rows) if rows else "No open question.\n"


def _lists() -> str:
    parts = ["## Lists of critical results\n"]
    for path in sorted(LISTS.glob("*.toml")):
        listed = CriticalList.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        told = [
            (f"`{line.finding.name}`", "always" if line.always else "not again within a week") for line in listed.limits
        ]
        parts += [
            f"### {listed.name}\n",
            f"- Source: {listed.source}",
            f"- List: `critical_results/{path.name}`, version {listed.version}\n",
            _rows(("result, canonical unit", "told"), told),
            _questions(listed.questions),
        ]
    return "\n".join(parts)


def _rows(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

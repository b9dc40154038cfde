"""The documentation: its links lead somewhere, its commands exist, and it asks nobody else for anything."""

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from typer.core import TyperOption

from deploy.reference import commands
from streams.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.joinpath("docs").rglob("*.md"))]
COMMANDS = dict(commands())


def lines(page: Path) -> list[str]:
    """The commands of its shell blocks, each whole, over however many lines it runs."""
    text = "\n".join(re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE))
    whole = [""]
    for line in text.splitlines():
        whole[-1] += f"{line}\n"
        with suppress(ValueError):  # an open quotation, or a backslash at the end
            shlex.split(whole[-1].removesuffix("\n"), comments=True)
            whole.append("")
    return whole


def calls(line: str) -> list[list[str]]:
    """The commands of a line, as words."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>()")
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("|;&<>()"):
            found.append([])
        else:
            found[-1].append(word)
    return [[word for word in one if not re.match(r"^(export|exec|[A-Z_]+=.*)$", word)] for one in found]


def fault(words: list[str]) -> str | None:
    """What is wrong with a call, where it is one of the product's."""
    program, *rest = words or [""]
    if program == "make":
        targets = set(re.findall(r"^([\w-]+):", ROOT.joinpath("Makefile").read_text(), re.MULTILINE))
        return next((f"make has no {one}" for one in rest if "=" not in one and one not in targets), None)
    if program.endswith("python") and rest[:1] == ["-m"]:
        return None if importlib.util.find_spec(rest[1]) else f"there is no module {rest[1]}"
    if Path(program).name != "vagt":
        return None
    said = f"{' '.join(['vagt', *rest])} "
    name = max((one for one in COMMANDS if said.startswith(f"{one} ")), key=len, default=None)
    if name is None:
        return f"there is no {said}"
    known = {option for one in COMMANDS[name].params if isinstance(one, TyperOption) for option in one.opts}
    wanted = [one.split("=")[0] for one in rest if one.startswith("--")]
    return next((f"{name} has no {one}" for one in wanted if one not in known | {"--help"}), None)


@pytest.mark.req("VAGT-EVI-03")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_the_documentation_exists(page):
    assert [said for line in lines(page) for call in calls(line) if (said := fault(call))] == []


def test_a_command_that_is_not_there_is_noticed():
    assert fault(["make", "coffee"])
    assert fault([".venv/bin/vagt", "brew"])
    assert fault(["vagt", "audit", "explain", "x", "--milk"])
    assert fault(["python", "-m", "load_tests.coffee"])
    assert calls("A=1 vagt a | vagt b --c # d")[:2] == [["vagt", "a"], ["vagt", "b", "--c"]]


def test_every_setting_of_the_documentation_exists():
    places = (ROOT.joinpath(one).rglob("*.py") for one in ("streams", "tests", "load_tests"))
    code = "".join(file.read_text(encoding="utf-8") for place in places for file in place)
    known = {f"VAGT_{name.upper()}" for name in Settings.model_fields} | set(re.findall(r"VAGT_[A-Z_]+[A-Z]", code))
    named = {
        one for page in PAGES for one in re.findall(r"VAGT_[A-Z_]+[A-Z](?!_…)\b", page.read_text(encoding="utf-8"))
    }
    assert named - known == set()


@pytest.mark.slow
def test_the_site_is_built_without_a_broken_link_and_asks_no_other_host(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        check=True,
    )
    pages = {file: file.read_text(encoding="utf-8") for file in tmp_path.rglob("*.html")}
    assert tmp_path / "reference" / "commands.html" in pages
    asked = r'<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)="(?:https?:)?//'
    assert [file.name for file, text in pages.items() if re.search(asked, text)] == []


def test_the_figures_of_the_danish_page_are_those_of_the_model():
    figures = json.loads(ROOT.joinpath("models", "infection", "manifest.json").read_bytes())["metrics"]
    page = ROOT.joinpath("docs", "da", "klinikere.md").read_text(encoding="utf-8")
    for name in ("unseen_alert_stays", "unseen_alert_sensitivity", "unseen_alert_predictive_value"):
        assert f"{figures[name] * 100:.0f} af 100" in page
    assert 24 < figures["unseen_alert_lead_h"] < 36  # godt et døgn

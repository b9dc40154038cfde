"""The documents for approval: made from the product, the same twice, and not at all where something is missing."""

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from deploy.evidence import build, risks, soup, trace

ROOT = Path(__file__).resolve().parents[2]
CONTROL = risks.Control("design", "It is so.", ("VAGT-A-01",))
RISK = risks.Risk("R-1", "Hazard", "Sequence", "Situation", "Harm", 5, 3, 1, (CONTROL,))
ITEM = soup.Item("Python", "a", "1.0", "MIT")
REVIEW = soup.Review(date(2026, 1, 1), ("a 1.0",), "works", "threads", "nothing")


@pytest.fixture(scope="module")
def written():
    return build.pages({})


@pytest.mark.req("VAGT-EVI-02")
def test_nothing_stands_in_the_way_of_the_documents_and_they_are_the_same_twice(written, tmp_path):
    assert build.faults(written, {}) == []
    build.write(written, tmp_path / "one")
    build.write(build.pages({}), tmp_path / "two")
    first = {file.name: file.read_bytes() for file in sorted(tmp_path.joinpath("one").iterdir())}
    assert first == {file.name: file.read_bytes() for file in sorted(tmp_path.joinpath("two").iterdir())}
    cards = {f"chai-{model['manifest'].name}.xml" for model in build.models()}
    assert set(first) == {"index.html", *cards, *(f"{page.name}.md" for page in written)}


@pytest.mark.req("VAGT-EVI-01", "VAGT-EVI-02")
def test_without_a_mark_nothing_is_written(monkeypatch, tmp_path, capsys):
    marks = tuple(mark for mark in trace.marks() if mark.requirement != "VAGT-BRD-01")
    monkeypatch.setattr(trace, "marks", lambda: marks)
    assert build.main(tmp_path / "evidence") == 1
    said = capsys.readouterr().err
    assert "VAGT-BRD-01 has no test" in said
    assert "R-01: VAGT-BRD-01 has no test" in said
    assert not tmp_path.joinpath("evidence").exists()


@pytest.mark.req("VAGT-EVI-02")
@pytest.mark.parametrize(
    ("risk", "fault"),
    [
        (RISK, None),
        (replace(RISK, controls=()), "has no control"),
        (replace(RISK, controls=(replace(CONTROL, verified=()),)), "that nothing verifies"),
        (replace(RISK, controls=(replace(CONTROL, verified=("VAGT-A-02",)),)), "VAGT-A-02 has no test"),
        (replace(RISK, controls=(replace(CONTROL, kind="hope"),)), "unknown kind"),
        (replace(RISK, severity=6), "beyond 1 to 5"),
    ],
)
def test_a_hazard_is_controlled_and_each_control_verified(risk, fault):
    found = risks.faults([risk], {"VAGT-A-01"})
    assert [fault in one for one in found] == ([True] if fault else [])


def test_the_first_risk_is_that_old_data_are_taken_for_current():
    assert risks.risks()[0].hazard == "Old data are taken for current"


@pytest.mark.req("VAGT-EVI-02")
@pytest.mark.parametrize(
    ("items", "reviews", "fault"),
    [
        ([ITEM], [REVIEW], None),
        ([replace(ITEM, version="1.1")], [replace(REVIEW, packages=())], "a 1.1 has no review"),
        ([], [REVIEW], "is not there any more"),
        ([ITEM], [REVIEW, REVIEW], "more than once"),
    ],
)
def test_what_others_made_is_reviewed_once_at_its_very_version(items, reviews, fault):
    found = soup.faults(items, reviews)
    assert [fault in one for one in found] == ([True] if fault else [])


def test_a_page_names_nothing_that_is_not_there(monkeypatch):
    monkeypatch.setattr(soup, "items", lambda: ())
    monkeypatch.setattr(soup, "reviews", lambda: ())
    page = build.Page("01-x", "# X\nVAGT-NONE-01, `docs/none.md` and `docs/rules.md`")
    assert build.faults((page,), {}) == ["01-x: VAGT-NONE-01 has no test", "01-x: there is no docs/none.md"]


@pytest.mark.parametrize("page", ["nurse-when-it-fails.md", "da/klinikere.md"])
def test_what_stands_on_the_board_is_told_in_its_own_words(page):
    board, surprise = ROOT / "streams" / "board", ROOT / "models" / "result_surprise"
    files = (board / "phrases.toml", board / "words.toml", surprise / "manifest.json")
    texts = "\n".join(file.read_text(encoding="utf-8") for file in files)
    known = [re.sub(r"\\\{\w+\\\}", ".+", re.escape(text)) for text in re.findall(r'"([^"\n]+)"', texts)]
    told = re.findall("“([^”]+)”", ROOT.joinpath("docs", page).read_text(encoding="utf-8").replace("\n", " "))
    assert [text for text in told if not any(re.fullmatch(one, text) for one in known)] == []

"""Write the documents for approval: ``make evidence``, or ``python -m deploy.evidence.build [FOLDER]``.

Each page of ``pages/`` is a Markdown template that is filled in from what the product itself holds: requirements and
the tests that verify them, risks, reviews, manifests and cards of models, tables of rules, the catalogue, topics. The
same tree gives the same bytes. Nothing is written, and the exit status is 1, when a requirement has no test, a control
nothing that verifies it, a package no review, or a page names a requirement or a file that is not there.
"""

import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt

from deploy.evidence import chai, risks, soup, trace
from features.catalogue import catalogue
from models.artefact import CARD, Estimate
from models.registry import FOLDERS, opened
from models.rules.all import RULES
from streams.topics import topics

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = Path(__file__).resolve().parent / "pages"
OUT: Final = ROOT / "evidence"
_REQUIREMENT: Final = re.compile(r"VAGT-[A-Z]+-\d+")
_FILE: Final = re.compile(r"`((?:docs|models|features|streams|tests|load_tests|deploy)/[\w./-]+)`")
_DAY_MS: Final = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Page:
    """A finished document, Markdown; ``name`` is its file's, without the ending."""

    name: str
    text: str

    @property
    def title(self) -> str:
        """Its first heading."""
        return self.text.partition("\n")[0].removeprefix("# ")


def pages(came: trace.Outcomes) -> tuple[Page, ...]:
    """All documents, in order of their names; ``came`` says what came of the tests that were run."""
    environment = Environment(
        loader=FileSystemLoader(PAGES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    facts = _facts(came)
    names = sorted(file.stem for file in PAGES.glob("[0-9]*.md"))
    return tuple(Page(name, environment.get_template(f"{name}.md").render(facts) + "\n") for name in names)


def faults(written: tuple[Page, ...], came: trace.Outcomes) -> list[str]:
    """What stands in the way of the documents, each in a sentence."""
    wanted, marks = trace.requirements(), trace.marks()
    verified = {one.id for one in wanted} & set(trace.traced(marks))
    wrong = trace.faults(wanted, marks, trace.accepted(), came)
    wrong += risks.faults(risks.risks(), verified)
    wrong += soup.faults(soup.items(), soup.reviews())
    for page in written:
        named, files = set(_REQUIREMENT.findall(page.text)), set(_FILE.findall(page.text))
        wrong += [f"{page.name}: {one} has no test" for one in sorted(named - verified)]
        wrong += [f"{page.name}: there is no {one}" for one in sorted(files) if not ROOT.joinpath(one).exists()]
    return wrong


def write(written: tuple[Page, ...], out: Path = OUT) -> None:
    """Write the documents, each as Markdown, and all as one HTML page; and each model's card as CHAI has it."""
    markdown = MarkdownIt("commonmark").enable("table")
    bodies = [(page.name, page.title, markdown.render(page.text)) for page in written]
    environment = Environment(loader=FileSystemLoader(PAGES), undefined=StrictUndefined, autoescape=True)
    out.mkdir(parents=True, exist_ok=True)
    for page in written:
        out.joinpath(f"{page.name}.md").write_text(page.text, encoding="utf-8")
    whole = environment.get_template("whole.html").render(bodies=bodies, version=version("vagt"))
    out.joinpath("index.html").write_text(whole, encoding="utf-8")
    for model in models():
        out.joinpath(f"chai-{model['manifest'].name}.xml").write_bytes(chai.card(model))


def models() -> list[dict[str, Any]]:
    """What is told of each model that ships."""
    return [_model(folder) for folder in FOLDERS]


def _facts(came: trace.Outcomes) -> dict[str, Any]:
    """What the templates may name."""
    reviews = {package: one for one in soup.reviews() for package in one.packages}
    return {
        "version": version("vagt"),
        "requirements": trace.requirements(),
        "verifying": defaultdict(tuple, trace.traced(trace.marks())),
        "came": came,
        "risks": risks.risks(),
        "items": soup.items(),
        "reviews": soup.reviews(),
        "review_of": reviews,
        "models": models(),
        "rules": [rule() for rule in RULES],
        "analytes": _analytes(),
        "topics": [(one, int(one.settings.get("retention.ms", 0)) // _DAY_MS) for one in topics()],
    }


def _model(folder: Path) -> dict[str, Any]:
    manifest = opened(folder).manifest
    figures = {name: _figure(value) for name, value in manifest.metrics.items() if isinstance(value, float | Estimate)}
    card = folder.joinpath(CARD).read_text(encoding="utf-8")
    return {
        "manifest": manifest,
        "switched_on": getattr(manifest, "switched_on", True),
        "owner": getattr(manifest, "owner", "to be named by the deployment"),
        "figures": figures,
        "limits": card.partition("## What it does not know")[2].strip(),
        "card": re.sub(r"^#", "##", card, flags=re.MULTILINE),
    }


def _figure(value: float | Estimate) -> str:
    if isinstance(value, Estimate):
        return f"{value.estimate:.3f} ({value.low:.3f} to {value.high:.3f})"
    return f"{value:.4f}"


def _analytes() -> list[dict[str, Any]]:
    codes: dict[str, set[str]] = {}
    for (_, code), entry in catalogue().entries.items():
        codes.setdefault(entry.analyte.name, set()).add(code)
    return [{"analyte": one, "codes": sorted(codes[name])} for name, one in catalogue().analytes.items()]


def main(out: Path = OUT) -> int:
    """Write the documents, or say why not, and return the exit status."""
    came = trace.outcomes()
    written = pages(came)
    wrong = faults(written, came)
    if wrong:
        sys.stderr.write("\n".join(wrong) + f"\nNothing was written: {len(wrong)} faults.\n")
        return 1
    write(written, out)
    ran = "with what came of the tests" if came else "without what came of the tests: `make test` first"
    sys.stdout.write(f"Wrote {len(written)} documents to {out}, {ran}; read {out / 'index.html'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))

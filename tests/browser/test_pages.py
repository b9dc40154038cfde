"""Every page of the board with a made-up ward, in a real browser: who can use it, and the display rules by number.

``docs/board.md`` lists the rules; each names its test.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from streams.board.web import STATIC
from tests.browser.stage import BENT, PAGES, Ward, made_up, open_page, served

_WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
_BANDS = ("critical", "warning", "info", "none", "unknown")
#: Notes what a plot draws: circles, filled rectangles with their colour, and curves.
_RECORDER = """
window.drawn = {arcs: [], rects: [], curves: 0};
const proto = CanvasRenderingContext2D.prototype;
const arc = proto.arc, fillRect = proto.fillRect;
proto.arc = function (x, y, ...rest) { drawn.arcs.push([this.canvas, x, y]); return arc.call(this, x, y, ...rest); };
proto.fillRect = function (...at) { drawn.rects.push([this.canvas, this.fillStyle]); return fillRect.apply(this, at); };
for (const kind of [proto, Path2D.prototype])
  for (const curve of ["bezierCurveTo", "quadraticCurveTo"]) {
    const own = kind[curve];
    kind[curve] = function (...at) { drawn.curves += 1; return own.apply(this, at); };
  }
"""


@pytest.fixture(scope="module")
def ward() -> Iterator[tuple[Ward, str]]:
    found = made_up()
    with served(found) as address:
        yield found, address


@pytest.fixture
def address(ward: tuple[Ward, str]) -> str:
    return ward[1]


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page, to be opened; whatever it complains of fails the test."""
    context = chromium.new_context(locale="da-DK", viewport={"width": 1280, "height": 800})
    found = context.new_page()
    faults: list[str] = []
    found.on("pageerror", lambda error: faults.append(str(error)))
    found.on("console", lambda told: faults.append(told.text) if told.type == "error" else None)
    yield found
    context.close()
    assert [one for one in faults if "404" not in one] == []


@pytest.fixture
def plots(page: Page, address: str) -> list[dict[str, Any]]:
    """What was drawn on Karen's page and what stands in the table beside it, plot by plot."""
    page.add_init_script(_RECORDER)
    open_page(page, address, "patient")
    found: list[dict[str, Any]] = page.evaluate(
        """() => [...document.querySelectorAll("figure")].map((figure) => {
            const canvas = figure.querySelector("canvas");
            const rows = [...figure.querySelectorAll("tr[data-t]")].map((row) => Number(row.dataset.t));
            const arcs = drawn.arcs.filter(([on]) => on === canvas).slice(-rows.length).map(([, x]) => x);
            const rects = drawn.rects.filter(([on]) => on === canvas).map(([, fill]) => fill);
            const text = figure.querySelector("figcaption").textContent;
            const range = "low" in figure.dataset || "high" in figure.dataset;
            return {rows, arcs, rects, text, range, left: canvas.getBoundingClientRect().left};
        })"""
    )
    return found


# --------------------------------------------------------------------------------------------- everybody can use it


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.req("VAGT-BRD-08")
def test_no_page_breaks_a_rule_of_accessibility_in_either_theme(page, address, name):
    open_page(page, address, name)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page, options=_WCAG)
        assert found.violations_count == 0, f"{name}, {scheme}\n{found.generate_report()}"


@pytest.mark.parametrize("name", PAGES)
def test_a_narrow_page_scrolls_one_way_only_and_its_targets_can_be_hit(page, address, name):
    page.set_viewport_size({"width": 320, "height": 640})
    open_page(page, address, name)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    small = page.evaluate(
        """() => [...document.querySelectorAll("main :is(a, button, select, input:not([type=hidden]), summary)")]
            .filter((one) => one.checkVisibility() && !one.closest("label.check"))
            .map((one) => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
            .filter(([, at]) => at.width < 24 || at.height < 24).map(([text]) => text)"""
    )
    assert small == []


def test_what_has_the_focus_is_never_under_the_header(page, address):
    page.set_viewport_size({"width": 1280, "height": 500})
    open_page(page, address, "ward")
    for key in ["j"] * 12 + ["k"] * 11:
        page.keyboard.press(key)
        covered = page.evaluate(
            """() => document.activeElement.getBoundingClientRect().top
                < document.querySelector(".stay").getBoundingClientRect().bottom"""
        )
        assert not covered


def test_every_page_can_be_read_without_script(chromium, address):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address + "/ward")
    expect(page.locator("#rows > li").first).to_contain_text("Kalium 7,1")
    page.locator("a[data-home]", has_text="K. Holm").click()
    rows = page.locator("figure tr[data-t] td:first-child").all_inner_texts()
    assert rows
    assert all(re.search(r"\d\d:\d\d$", row) for row in rows)
    context.close()


def test_the_wall_names_nobody_unless_it_is_asked_to(page, address):
    open_page(page, address, "wall")
    expect(page.locator("#wall > li").first).to_contain_text("Seng 4")
    assert "Mørk" not in page.locator("main").inner_text()
    page.get_by_label("Vis navne").check()
    page.get_by_role("button", name="Vis", exact=True).click()
    expect(page.locator("#wall > li").first).to_contain_text("B. Mørk")
    assert page.locator("main form[method=post]").count() == 0


def test_who_does_not_fit_on_the_wall_is_counted(page, address):
    page.set_viewport_size({"width": 700, "height": 480})
    open_page(page, address, "wall")
    expect(page.locator("#wall-more")).to_be_visible()
    shown = page.locator("#wall > li:visible").count()
    assert shown + int(page.locator("#wall-more b").inner_text()) == page.locator("#wall > li").count()


def test_what_somebody_did_goes_along_with_taking_it_in_one_tap(page, address):
    open_page(page, address, "ward")
    row = page.locator("#rows > li", has_text="Kalium 7,1")
    with page.expect_request("**/answer") as asked:
        row.locator("summary").click()
        row.get_by_role("button", name="ringet til lægen").click()
    body = asked.value.post_data or ""
    assert "acknowledge" in body
    assert "ringet til lægen" in body


_FIELDS = "#rows :is(select, input:not([type=hidden]))"


def test_a_browser_finds_no_field_to_fill_in_a_line_until_its_menu_is_opened(page, address):
    open_page(page, address, "ward")
    row = page.locator("#rows > li", has_text="Kalium 7,1")
    expect(page.locator(_FIELDS)).to_have_count(0)
    row.locator("summary").click()
    expect(row.get_by_label("Afvis, fordi")).to_be_visible()
    row.get_by_label("Note (kan udelades)").fill("ringet op")
    page.keyboard.press("Escape")
    expect(page.locator(_FIELDS)).to_have_count(0)
    row.locator("[data-home]").focus()
    page.keyboard.press("d")
    assert page.evaluate("document.activeElement.name") == "reason"
    expect(row.get_by_label("Note (kan udelades)")).to_have_value("ringet op")


def test_the_answers_of_a_line_that_came_later_name_its_patient_and_alert(page, ward):
    told, address = ward
    open_page(page, address, "ward")
    known = told.board.house.patients[BENT]
    row = page.locator("#rows > li", has_text="Kalium 7,1")
    handle = row.get_attribute("data-handle")
    told.later(told.board.house.hear_now, BENT, None)
    expect(row).to_have_count(0, timeout=15_000)
    told.later(told.board.house.hear_now, BENT, known)
    expect(row).to_have_count(1)
    row.locator("summary").click()
    carried = row.locator(".menu form").first.evaluate("form => Object.fromEntries(new FormData(form))")
    assert carried["handle"] == handle
    assert carried["alert"] in {one.id for one in known.alerts}


# --------------------------------------------------------------------------------------------------- the rules


@pytest.mark.rule("GTAB-001", "GTAB-166")
def test_each_value_is_a_point_and_nothing_is_smoothed(plots, page):
    assert plots
    assert all(len(one["arcs"]) == len(one["rows"]) > 0 for one in plots)
    assert page.evaluate("drawn.curves") == 0


@pytest.mark.rule("GTAB-066", "GTAB-085", "GTAB-188")
def test_time_runs_evenly_to_the_right(plots):
    for one in plots:
        points = sorted(zip(one["rows"], one["arcs"][::-1], strict=True))
        speeds = [(b - a) / (until - since) for (since, a), (until, b) in pairwise(points)]
        assert all(speed == pytest.approx(speeds[0], rel=0.01) for speed in speeds)
        assert all(speed > 0 for speed in speeds)


@pytest.mark.rule("GTAB-072", "GTAB-097", "GTAB-145", "GTAB-146", "GTAB-147")
def test_all_plots_have_the_same_window_and_their_times_stand_above_one_another(plots):
    places: dict[int, float] = {}
    for one in plots:
        for at, x in zip(one["rows"], one["arcs"][::-1], strict=True):
            assert places.setdefault(at, x) == pytest.approx(x, abs=1.0)
    assert len({one["left"] for one in plots}) == 1


@pytest.mark.rule("GTAB-189")
def test_the_newest_stands_on_top_of_a_table(plots):
    assert all(one["rows"] == sorted(one["rows"], reverse=True) for one in plots)


@pytest.mark.rule("GTAB-174", "GTAB-177", "GTAB-183")
def test_a_reference_range_is_one_pale_area_and_says_whose_it_is(plots):
    ranged = [one for one in plots if one["range"]]
    assert ranged
    assert len({fill for one in ranged for fill in one["rects"]}) == 1
    assert all(re.search(r"Reference .*\(voksne\)", one["text"]) for one in ranged)
    assert not [one for one in plots if not one["range"] and one["rects"]]


@pytest.mark.rule("GTAB-045", "GTAB-046", "GTAB-047")
def test_the_latest_and_the_one_before_are_numbers_and_the_latest_is_larger(page, address):
    open_page(page, address, "patient")
    latest = page.locator("figure", has_text="Leukocytter").locator(".latest").first
    expect(latest).to_contain_text("19,8")
    expect(latest).to_contain_text("før 12,9")
    sizes = latest.evaluate(
        "(one) => ['b', ':scope > span:last-child'].map((part) => "
        "parseFloat(getComputedStyle(one.querySelector(part)).fontSize))"
    )
    assert sizes[0] > sizes[1]


@pytest.mark.rule("GTAB-201", "GTAB-218")
def test_numbers_stand_below_one_another_and_headings_stay(page, address):
    open_page(page, address, "patient")
    cell = page.locator(".table td:nth-child(2)").first
    expect(cell).to_have_css("text-align", "right")
    expect(cell).to_have_css("font-variant-numeric", "tabular-nums")
    expect(page.locator(".table th").first).to_have_css("position", "sticky")


@pytest.mark.rule("GTAB-132")
def test_nothing_flashes():
    style = (STATIC / "board.css").read_text(encoding="utf-8")
    assert not re.search(r"@keyframes|animation|blink", style)


@pytest.mark.rule("GTAB-161")
def test_each_level_has_a_shape_and_a_word_of_its_own(page, address):
    open_page(page, address, "ward")
    shapes = {page.locator(f"#band-{band}").evaluate("(one) => one.innerHTML") for band in _BANDS}
    words = {page.locator(f".legend [data-band={band}] .band").inner_text() for band in _BANDS}
    assert (len(shapes), len(words)) == (len(_BANDS), len(_BANDS))


@pytest.mark.rule("MPB-0005", "MPB-0009", "MPB-0013", "MPB-0017")
def test_who_it_is_stands_together_and_stays_in_sight(page, address):
    open_page(page, address, "patient")
    page.mouse.wheel(0, 4000)
    identity = page.locator(".identity")
    expect(identity).to_be_in_viewport(ratio=1)
    assert re.fullmatch(r"Karen Holm\s+Født 23\.11\.1946\s+Id 2-0\s+79 år, kvinde", identity.inner_text().strip())


@pytest.mark.rule("MPB-0016")
def test_a_list_has_no_banner_of_a_patient(page, address):
    for name in ("ward", "handover", "second", "wall"):
        open_page(page, address, name)
        assert page.locator(".identity").count() == 0


@pytest.mark.rule("PAL-0840", "PAL-0850", "PAL-0880", "PAL-0900", "PAL-0970", "PAL-0980")
def test_what_changed_is_marked_and_counted_also_out_of_view_and_goes_for_this_viewer_alone(chromium, address):
    one, other = (chromium.new_context(viewport={"width": 1280, "height": 420}).new_page() for _ in range(2))
    for page in (one, other):
        open_page(page, address, "ward")
        page.evaluate("localStorage.clear(); localStorage.setItem('vagt.seen.demo', '[]')")
        page.reload()
    expect(one.locator("#seen-all")).to_contain_text(re.compile(r"\(\d+\)"), timeout=15_000)
    expect(one.locator("#away")).to_contain_text("ude af syne")
    expect(one.locator("#rows > li", has_text="Kalium 7,1").locator("[data-mark]")).to_have_text("ny")
    one.locator("#seen-all").click()
    one.get_by_role("button", name="Fortryd").click()
    expect(one.locator("#seen-all")).to_be_visible()
    one.locator("#seen-all").click()
    one.get_by_role("button", name="Markér som set").click()
    expect(one.locator("#seen-all")).to_be_hidden()
    expect(one.locator("#away")).to_be_hidden()
    expect(other.locator("#seen-all")).to_be_visible()
    for page in (one, other):
        page.context.close()


@pytest.mark.rule("PAL-0910")
def test_who_is_gone_is_said_to_be_gone_before_the_line_goes(page, ward):
    told, address = ward
    open_page(page, address, "ward")
    page.locator("#hold").click()
    known = told.board.house.patients["2-10"]
    told.later(told.board.house.hear_now, "2-10", None)
    expect(page.locator("[data-gone]")).to_have_attribute("data-gone", "Ikke længere på listen", timeout=15_000)
    told.later(told.board.house.hear_now, "2-10", known)


def test_feedback_that_is_sent_twice_is_one_and_an_alert_that_is_over_says_so(page, ward):
    told, address = ward
    open_page(page, address, "ward")
    alert = next(one for one in told.board.house.patients[BENT].alerts if one.kind == "critical-result")
    assert alert.state == "raised"
    sent = page.evaluate(
        """async () => {
            const body = new FormData(document.querySelector("#rows [data-band=critical] form.take"));
            body.set("action", "acknowledge");
            body.set("answer", "9d2b6b0e-7c2d-4f0e-9a55-0c9f1c1f8a11");
            const headers = {Accept: "application/json"};
            const ask = async () => (await (await fetch("/answer", {method: "POST", headers, body})).json()).id;
            return [await ask(), await ask()];
        }"""
    )
    assert sent[0] == sent[1] == "board-9d2b6b0e-7c2d-4f0e-9a55-0c9f1c1f8a11"

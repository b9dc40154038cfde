"""`python -m load_tests.sight`: how soon a nurse sees what happened, and whether the page stays smooth.

- *Flag*: a critical potassium is handed to Kafka's client, one at a time, and the time runs until the first frame of an
  open page in Chromium that has the patient's flag: by way of a real worker and a real board.
- *Smooth*: a ward of made-up patients changes so many times a second, in all, and the browser tells its longest task,
  at normal speed and with its processor slowed four times.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import count, islice
from typing import Annotated, Any, Final

import orjson
import typer
from aiokafka import AIOKafkaProducer
from hdrh.histogram import HdrHistogram
from playwright.async_api import Browser, Page, async_playwright

from features.instants import render
from load_tests import machine, service, stage
from load_tests.board import bed_name, change, fill, ready, send, served
from load_tests.chromium import options
from load_tests.kafka import Bootstrap, Out
from load_tests.outcome import histogram
from streams import kafka
from streams.settings import Settings
from streams.topics import ALERTS, EVENTS

_PATIENCE_S: Final = 30.0
_WARM_UP: Final = 5
_SLOWED: Final = 4
_LONG_MS: Final = 50.0
_TASKS: Final = "disabled-by-default-devtools.timeline"
#: A page that was opened draws itself first.
_SETTLE_S: Final = 5.0
#: Waits for the first frame in which a patient's line is critical, by what the line calls the patient, and tells its
#: instant (ms). Whoever asked again and again instead would have the page draw all the time.
_EYES: Final = """
const seen = {}, waiting = {};
window.sees = (who) => new Promise((told) => who in seen ? told(seen[who]) : waiting[who] = told);
document.addEventListener("DOMContentLoaded", () => new MutationObserver(() => requestAnimationFrame(() => {
  for (const row of document.querySelectorAll("#rows > [data-band=critical]")) {
    const who = row.querySelector("[data-f=who]").textContent;
    if (who in seen) continue;
    seen[who] = performance.timeOrigin + performance.now();
    waiting[who]?.(seen[who]);
  }
})).observe(document.querySelector("#rows"), {attributes: true, childList: true, subtree: true}));
"""


@dataclass(frozen=True, slots=True)
class Flags:
    """From an event's hand-over to its flag on the page, in ms."""

    seen: int
    median: float
    p99: float
    longest: float


@dataclass(frozen=True, slots=True)
class Smoothness:
    """The tasks of a page with the processor slowed so much: how many took over 50 ms, and the longest (ms).

    All that the page's main thread did counts, the browser's own tasks too, of which a page is told nothing.
    ``busy`` is the longest by the processor time that it had (ms), which a busy machine does not stretch.
    """

    slowed: int
    over_50: int
    longest: float
    busy: float


def sight(
    flags: Annotated[int, typer.Option(min=1, help="Events whose flags are waited for.")] = 200,
    beds: Annotated[int, typer.Option(min=1, help="Patients of the ward that changes.")] = 60,
    rate: Annotated[float, typer.Option(min=0.1, help="Its changes a second, in all.")] = 10.0,
    seconds: Annotated[int, typer.Option(min=1, help="For how long.")] = 60,
    bootstrap: Bootstrap = None,
    out: Out = None,
) -> None:
    """Measure what a nurse waits for."""
    with stage.command(bootstrap) as (settings, console):
        about = machine.describe(settings)
        with service.channels(settings), service.worker(settings):
            seen = asyncio.run(_flags(settings, flags))
            console.print(
                f"{seen.seen} of {flags} flags seen; median {seen.median:.0f} ms, 99 % {seen.p99:.0f} ms, "
                f"longest {seen.longest:.0f} ms"
            )
        with service.channels(settings):
            smooth = asyncio.run(_smooth(settings, beds, rate, seconds))
        for one in smooth:
            console.print(
                f"{beds} beds, {rate:g} changes a second, processor slowed {one.slowed} times: "
                f"{one.over_50} tasks over 50 ms, the longest {one.longest:.0f} ms; the most processor time of "
                f"a task {one.busy:.0f} ms"
            )
    if out is not None:
        parts: dict[str, Any] = {"flags": asdict(seen), "smooth": [asdict(one) for one in smooth]}
        out.write_bytes(orjson.dumps({"machine": about, **parts}))


async def _flags(settings: Settings, wanted: int) -> Flags:
    delays = histogram()
    async with kafka.producer(settings) as producer, async_playwright() as playwright:
        patients = [f"flag-{number}" for number in range(wanted + _WARM_UP)]
        for patient in patients:
            await send(settings, producer, EVENTS, patient, _admission(patient))
        await producer.flush()
        browser = await playwright.chromium.launch(**options())
        with served(settings) as (port, _):
            await ready(port)
            page = await _open(browser, port)
            await page.wait_for_function("n => document.querySelectorAll('#rows > li').length >= n", arg=len(patients))
            for number, patient in enumerate(patients):
                made = time.time_ns() / 1e6
                await send(settings, producer, EVENTS, patient, _potassium(patient))
                async with asyncio.timeout(_PATIENCE_S):
                    seen = await page.evaluate("who => sees(who)", patient)
                if number >= _WARM_UP:
                    delays.record_value(round(1000 * (seen - made)))
        await browser.close()
    return Flags(delays.get_total_count(), *_ms(delays))


async def _smooth(settings: Settings, beds: int, rate: float, seconds: int) -> list[Smoothness]:
    found = []
    async with kafka.producer(settings) as producer, async_playwright() as playwright:
        await fill(settings, producer, beds)
        browser = await playwright.chromium.launch(**options())
        with served(settings) as (port, _):
            await ready(port)
            changes = count()
            for slowed in (1, _SLOWED):
                page = await _open(browser, port)
                session = await page.context.new_cdp_session(page)
                await session.send("Emulation.setCPUThrottlingRate", {"rate": slowed})
                await asyncio.sleep(_SETTLE_S)
                await browser.start_tracing(page=page, categories=[_TASKS])
                await _change(settings, producer, islice(changes, round(rate * seconds)), beds, rate)
                found.append(_tasks(slowed, await browser.stop_tracing()))
                await page.context.close()
        await browser.close()
    return found


async def _change(
    settings: Settings, producer: AIOKafkaProducer, changes: Iterable[int], beds: int, rate: float
) -> None:
    """One change after the other, so many a second."""
    due = time.monotonic()
    for number in changes:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await send(settings, producer, ALERTS, bed_name(number % beds), change(number, beds))
        due += 1 / rate


async def _open(browser: Browser, port: int) -> Page:
    page = await (await browser.new_context()).new_page()
    await page.add_init_script(_EYES)
    await page.goto(f"http://127.0.0.1:{port}/ward")
    return page


def _tasks(slowed: int, trace: bytes) -> Smoothness:
    """What the main threads of all pages did."""
    events = orjson.loads(trace)["traceEvents"]
    mains = {(one["pid"], one["tid"]) for one in events if one.get("args", {}).get("name") == "CrRendererMain"}
    tasks = [one for one in events if one["name"] == "RunTask" and (one["pid"], one["tid"]) in mains]
    lasted = [one.get("dur", 0) / 1000 for one in tasks]
    busy = max((one.get("tdur", 0) / 1000 for one in tasks), default=0.0)
    return Smoothness(slowed, sum(one > _LONG_MS for one in lasted), max(lasted, default=0.0), busy)


def _admission(patient: str) -> bytes:
    at = render(time.time_ns() // 1_000_000 - 3_600_000)
    stay = {"encounter": f"stay-{patient}", "ward": "W", "bed": "1", "unitType": "ward", "birthDate": "1950-01-01"}
    told = {
        "type": "encounter",
        "id": f"admit-{patient}",
        "action": "admit",
        "patient": patient,
        "at": at,
        "issued": at,
    }
    return orjson.dumps(told | stay)


def _potassium(patient: str) -> bytes:
    at = render(time.time_ns() // 1_000_000)
    code = {"system": "http://npu-terminology.org", "code": "NPU03230"}
    told = {"type": "observation", "id": f"k-{patient}", "version": 1, "status": "final", "patient": patient}
    return orjson.dumps(told | {"code": code, "value": 7.2, "unit": "mmol/L", "effective": at, "issued": at})


def _ms(found: HdrHistogram) -> tuple[float, float, float]:
    return (
        found.get_value_at_percentile(50) / 1000,
        found.get_value_at_percentile(99) / 1000,
        found.get_max_value() / 1000,
    )


if __name__ == "__main__":
    typer.run(sight)

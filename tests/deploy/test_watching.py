"""Dashboards, alert rules and their pages: every query asks for what there is, every alert fires, and has a page."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import promql_parser
import pytest
import yaml

from streams import metrics

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = {file.stem: json.loads(file.read_text()) for file in sorted(ROOT.glob("deploy/grafana/*.json"))}
RULES_FILE = ROOT / "deploy" / "prometheus" / "rules.yml"
RULES = [rule for group in yaml.safe_load(RULES_FILE.read_text())["groups"] for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
SECTIONS = ("Meaning", "Impact on the ward", "Diagnosis", "Mitigation", "Verification")
#: What Prometheus adds to whatever it scrapes, and what any process says of itself.
_SCRAPED: Final[dict[str, set[str]]] = {
    "up": set(),
    "process_cpu_seconds_total": set(),
    "process_resident_memory_bytes": set(),
}
_ENDS: Final = {"histogram": ("_bucket", "_count", "_sum")}


def queries() -> list[tuple[str, str]]:
    """Where each query stands, and the query."""
    found = [(rule.get("alert", rule.get("record")), rule["expr"]) for rule in RULES]
    for name, board in DASHBOARDS.items():
        found += [(f"{name}: {p['title']}", target["expr"]) for p in board["panels"] for target in p["targets"]]
    return found


def registered() -> dict[str, set[str]]:
    """The labels of each series that there can be, by its name."""
    known: dict[str, set[str]] = {**_SCRAPED, **{rule["record"]: {"topic"} for rule in RULES if "record" in rule}}
    for one in {one for meters in metrics.PARTS.values() for one in meters}:
        for end in _ENDS.get(one.kind, ("",)):
            known[one.name + end] = {*one.labels, "le"} if end == "_bucket" else {*one.labels}
    return {name: labels | {"job", "instance"} for name, labels in known.items()}


def parts(node: Any) -> Iterator[Any]:
    """A query's syntax, part by part."""
    yield node
    for name in ("expr", "lhs", "rhs", "vector_selector"):
        if (child := getattr(node, name, None)) is not None:
            yield from parts(child)
    for child in getattr(node, "args", None) or ():
        yield from parts(child)


def unknown(query: str) -> set[str]:
    """What a query asks for that no process says: series, and labels of a series."""
    known, found = registered(), set()
    for one in parts(promql_parser.parse(query)):
        if isinstance(one, promql_parser.VectorSelector):
            labels = known.get(one.name or "")
            if labels is None:
                found.add(str(one.name))
            else:
                found |= {f"{one.name}{{{m.name}}}" for m in one.matchers.matchers if m.name not in labels}
    return found


def test_a_query_for_what_is_not_there_is_found_out():
    assert unknown('sum by (le) (rate(vagt_nothing_total{job="x"}[5m])) / on () vagt_ready') == {"vagt_nothing_total"}
    assert unknown('-histogram_quantile(0.9, vagt_checkpoint_seconds{ward="M2"})') == {"vagt_checkpoint_seconds"}
    assert unknown('max_over_time((vagt_ready{ward="M2"})[1h:5m])') == {"vagt_ready{ward}"}


@pytest.mark.parametrize(("where", "query"), queries())
@pytest.mark.req("VAGT-OPS-07")
def test_every_query_asks_for_what_the_code_registers(where, query):
    assert unknown(query) == set(), where


def test_there_are_three_dashboards_and_each_panel_has_a_title_and_a_query():
    assert set(DASHBOARDS) == {"vagt-patients", "vagt-time", "vagt-models"}
    for name, board in DASHBOARDS.items():
        assert board["uid"] == name
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        for panel in board["panels"]:
            assert panel["title"], name
            assert panel["targets"], name
            assert panel["datasource"]["uid"] == "${datasource}"


def test_every_metric_is_looked_at_somewhere():
    asked = {
        one.name for _, query in queries() for one in parts(promql_parser.parse(query)) if hasattr(one, "matchers")
    }
    names = {
        one.name: [one.name + end for end in _ENDS.get(one.kind, ("",))]
        for part in metrics.PARTS.values()
        for one in part
    }
    assert [name for name, series in names.items() if not asked & set(series)] == []


@pytest.mark.parametrize("alert", ALERTS)
@pytest.mark.req("VAGT-OPS-07")
def test_every_alert_has_a_page_with_all_that_who_is_woken_needs(alert):
    rule = ALERTS[alert]
    assert rule["annotations"]["runbook"] == f"docs/runbooks/{alert}.md"
    assert rule["labels"]["severity"] in {"page", "ticket"}
    text = ROOT.joinpath("docs", "runbooks", f"{alert}.md").read_text()
    title, *sections = text.split("\n## ")
    assert title == f"# {alert}\n"
    assert tuple(section.partition("\n")[0] for section in sections) == SECTIONS
    assert all(len(section.partition("\n")[2].strip()) > 20 for section in sections)


def test_every_page_belongs_to_an_alert():
    assert {page.stem for page in ROOT.glob("docs/runbooks/*.md")} == set(ALERTS)


# ---------------------------------------------------------------------------------- what each alert needs

WORKER, BOARD = 'job="vagt-worker",instance="w1"', 'job="vagt-board",instance="b1"'
MLLP = 'job="vagt-mllp",instance="m1"'
ANSWERS = f'vagt_mllp_messages_total{{{{answer="{{}}",{MLLP}}}}}'
MONITOR = 'job="vagt-monitor",instance="m1"'
OTHER = 'job="vagt-worker",instance="w2"'
TOTAL = 'vagt_event_to_alert_seconds_{}{{stage="total"' + f",{WORKER}"
#: For each alert the series, a value a minute, at which it fires after so many minutes, and at which it does not.
CASES: dict[str, tuple[int, dict[str, str], dict[str, str]]] = {
    "VagtNobodyDecides": (5, {f"vagt_ready{{{WORKER}}}": "0x10"}, {f"vagt_ready{{{WORKER}}}": "1x10"}),
    "VagtWorkerDown": (5, {f"up{{{WORKER}}}": "0x10"}, {f"up{{{WORKER}}}": "1x10"}),
    "VagtBehind": (
        5,
        {f'vagt_consumer_lag_seconds{{topic="events",{WORKER}}}': "31x10"},
        {f'vagt_consumer_lag_seconds{{topic="events",{WORKER}}}': "0 300 0 0 300 30 30"},
    ),
    "VagtBehindBudget": (
        60,
        {f'vagt_consumer_lag_seconds{{topic="events",{WORKER}}}': "0x49 60x20"},
        {f'vagt_consumer_lag_seconds{{topic="events",{WORKER}}}': "0x20 60x5 0x50"},
    ),
    "VagtAlertsSlow": (
        70,
        {TOTAL.format("bucket") + ',le="0.5"}': "0+80x80", TOTAL.format("count") + "}": "0+100x80"},
        {TOTAL.format("bucket") + ',le="0.5"}': "0+90x80", TOTAL.format("count") + "}": "0+100x80"},
    ),
    "VagtAlertsSlowBudget": (
        400,
        {TOTAL.format("bucket") + ',le="0.5"}': "0+93x400", TOTAL.format("count") + "}": "0+100x400"},
        {TOTAL.format("bucket") + ',le="0.5"}': "0+95x400", TOTAL.format("count") + "}": "0+100x400"},
    ),
    "VagtEventsLost": (
        5,
        {f"vagt_events_lost_total{{{WORKER}}}": "_ _ 7x10"},
        {f"vagt_events_lost_total{{{WORKER}}}": "0x10"},
    ),
    "VagtUndecided": (
        5,
        {f'vagt_deadletters_total{{reason="internal-error",{WORKER}}}': "0 0 1x10"},
        {f'vagt_deadletters_total{{reason="unknown-code",{WORKER}}}': "0+9x10"},
    ),
    "VagtDeadLetters": (
        60,
        {f'vagt_deadletters_total{{reason="schema",{WORKER}}}': "0+2x60", "vagt_records_total": "0+100x60"},
        {f'vagt_deadletters_total{{reason="schema",{WORKER}}}': "0+1x60", "vagt_records_total": "0+100x60"},
    ),
    "VagtSourceSilent": (
        120,
        {f'vagt_source_last_record_timestamp_seconds{{source="lab",{WORKER}}}': "0x40 _x90"},
        {f'vagt_source_last_record_timestamp_seconds{{source="lab",{WORKER}}}': "0+60x130"},
    ),
    "VagtBrokerAway": (5, {f"vagt_broker_up{{{WORKER}}}": "0x10"}, {f"vagt_broker_up{{{WORKER}}}": "1x10"}),
    "VagtWorkerFalls": (5, {f"vagt_worker_falls{{{WORKER}}}": "3x10"}, {f"vagt_worker_falls{{{WORKER}}}": "2x10"}),
    "VagtWatchdogBlind": (
        10,
        {f"vagt_watchdog_look_timestamp_seconds{{{WORKER}}}": "60x10"},
        {f"vagt_watchdog_look_timestamp_seconds{{{WORKER}}}": "0+60x10"},
    ),
    "VagtCheckpointsSlow": (
        40,
        {
            'vagt_checkpoint_seconds_bucket{le="5.0"}': "0+98x40",
            'vagt_checkpoint_seconds_bucket{le="10.0"}': "0+100x40",
            'vagt_checkpoint_seconds_bucket{le="+Inf"}': "0+100x40",
        },
        {
            'vagt_checkpoint_seconds_bucket{le="5.0"}': "0+100x40",
            'vagt_checkpoint_seconds_bucket{le="+Inf"}': "0+100x40",
        },
    ),
    "VagtModelsDiffer": (
        40,
        {
            f'vagt_model_info{{model="aki",version="1",sha256="a",{WORKER}}}': "1x40",
            f'vagt_model_info{{model="aki",version="1",sha256="b",{OTHER}}}': "1x40",
            f"vagt_worker_falls{{{WORKER}}}": "0x40",
            f"vagt_worker_falls{{{OTHER}}}": "0x40",
        },
        {
            f'vagt_model_info{{model="aki",version="1",sha256="a",{WORKER}}}': "1x40",
            f'vagt_model_info{{model="aki",version="1",sha256="a",{OTHER}}}': "1x40",
            f"vagt_worker_falls{{{WORKER}}}": "0x40",
            f"vagt_worker_falls{{{OTHER}}}": "0x40",
        },
    ),
    "VagtStopped": (
        70,
        {f'vagt_stopped{{kind="news2",ward="all",{WORKER}}}': "1x80"},
        {f'vagt_stopped{{kind="news2",ward="all",{WORKER}}}': "1x30 _x50"},
    ),
    "VagtModelAbstains": (
        180,
        {
            'vagt_scores_total{model="m",result="abstained"}': "0+9x180",
            'vagt_scores_total{model="m",result="given"}': "0+1x180",
        },
        {
            'vagt_scores_total{model="m",result="abstained"}': "0+8x180",
            'vagt_scores_total{model="m",result="given"}': "0+2x180",
        },
    ),
    "VagtWatchNotice": (
        10,
        {f'vagt_watch_notices{{type="unit",{MONITOR}}}': "_ _ 1x10"},
        {f'vagt_watch_notices{{type="unit",{MONITOR}}}': "1 1 _x10"},
    ),
    "VagtWatchBehind": (
        150,
        {f"vagt_watch_time_seconds{{{MONITOR}}}": "0x150"},
        {f"vagt_watch_time_seconds{{{MONITOR}}}": "0+60x150"},
    ),
    "VagtRekeyed": (90, {"vagt_rekeyed_total": "0+1x90"}, {"vagt_rekeyed_total": "0x90"}),
    "VagtMllpDown": (5, {f"up{{{MLLP}}}": "0x10"}, {f"vagt_ready{{{MLLP}}}": "1x10", f"up{{{MLLP}}}": "1x10"}),
    "VagtMllpNotStored": (15, {ANSWERS.format("AE"): "0+1x20"}, {ANSWERS.format("AA"): "0+9x20"}),
    "VagtMllpRefused": (
        60,
        {ANSWERS.format("AR"): "0+6x60", ANSWERS.format("AA"): "0+94x60"},
        {ANSWERS.format("AR"): "0+5x60", ANSWERS.format("AA"): "0+95x60"},
    ),
    "VagtBoardNotReady": (5, {f"up{{{BOARD}}}": "0x10"}, {f"vagt_ready{{{BOARD}}}": "1x10", f"up{{{BOARD}}}": "1x10"}),
    "VagtBoardSlow": (
        40,
        {
            'vagt_board_push_seconds_bucket{le="0.5"}': "0+98x40",
            'vagt_board_push_seconds_bucket{le="1.0"}': "0+100x40",
            'vagt_board_push_seconds_bucket{le="+Inf"}': "0+100x40",
        },
        {
            'vagt_board_push_seconds_bucket{le="0.5"}': "0+100x40",
            'vagt_board_push_seconds_bucket{le="+Inf"}': "0+100x40",
        },
    ),
}


@pytest.fixture(scope="module")
def tools() -> Path:
    """The folder of Prometheus' programs."""
    found = subprocess.run(ROOT / "deploy" / "prometheus.sh", capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(found.stderr.strip().splitlines()[-1])
    return Path(found.stdout.strip())


def test_every_alert_fires_when_it_shall_and_not_before(tools, tmp_path):
    assert set(CASES) == set(ALERTS)
    asked = [
        {
            "interval": "1m",
            "name": f"{alert} {'fires' if fires else 'is quiet'}",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [
                {
                    "expr": f'clamp_max(count(ALERTS{{alertname="{alert}",alertstate="firing"}}), 1) or vector(0)',
                    "eval_time": f"{minutes}m",
                    "exp_samples": [{"labels": "{}", "value": fires}],
                }
            ],
        }
        for alert, (minutes, *cases) in CASES.items()
        for fires, series in zip((1, 0), cases, strict=True)
    ]
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES_FILE)], "evaluation_interval": "1m", "tests": asked}))
    outcome = subprocess.run([tools / "promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr

"""A real Prometheus scrapes a run: the rules load, and every query of the dashboards answers."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from streams.broker import free_port
from streams.monitor.store import KEY
from tests.deploy.test_watching import DASHBOARDS, ROOT, RULES, RULES_FILE, tools
from tests.integration.patients import ward
from tests.integration.service import running
from tests.integration.test_monitor import a_watch_that_learnt, temperatures
from tests.integration.watched import Watched, get, until

assert tools  # the fixture


@contextmanager
def prometheus(tools: Path, folder: Path, targets: dict[str, int]) -> Iterator[str]:
    """The deployment's own configuration with these targets, and a second between two scrapes; its address."""
    config = yaml.safe_load(ROOT.joinpath("deploy", "prometheus", "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(RULES_FILE)]
    config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] in targets]
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"127.0.0.1:{targets.pop(job['job_name'])}"]}]
    assert not targets
    file, address = folder / "prometheus.yml", f"127.0.0.1:{free_port()}"
    file.write_text(yaml.safe_dump(config))
    options = (f"--config.file={file}", f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address={address}")
    with (folder / "prometheus.txt").open("wb") as log:
        server = subprocess.Popen((str(tools / "prometheus"), *options), stdout=log, stderr=log)
    try:
        yield f"http://{address}"
    finally:
        server.terminate()
        server.wait(60)


def asked(prometheus: str, path: str) -> Any:
    """What an address of Prometheus' API answers; nothing where it does not."""
    status, text = get(f"{prometheus}/api/v1/{path}")
    return json.loads(text)["data"] if status == 200 else {}


@pytest.mark.slow
def test_a_prometheus_scrapes_a_run_its_rules_load_and_the_dashboards_answer(tools, broker, topic_prefix, tmp_path):
    deployed = Watched(broker, topic_prefix, tmp_path)
    page, board, monitor = free_port(), free_port(), free_port()
    targets = {"vagt-worker": deployed.port, "vagt-board": board, "vagt-monitor": monitor}
    queries = {target["expr"] for one in DASHBOARDS.values() for part in one["panels"] for target in part["targets"]}
    with running(deployed, "w1"), prometheus(tools, tmp_path, targets) as server:

        def up() -> list[str]:
            return [one["health"] for one in asked(server, "targets").get("activeTargets", ())]

        def rules() -> list[str]:
            groups = asked(server, "rules").get("groups", ())
            return [one["health"] for group in groups for one in group["rules"]]

        def silent() -> list[str]:
            return [one for one in queries if not asked(server, f"query?query={quote(one)}").get("result")]

        changed = temperatures()
        learnt, heard = a_watch_that_learnt(changed)
        deployed.send([(KEY.decode(), learnt)], topic="model.watch.state")
        deployed.start_board(page, board)
        deployed.start_monitor(monitor)
        deployed.wait_for("/readyz", 200)
        until(lambda: get(f"http://127.0.0.1:{board}/readyz")[0] == 200, deployed.log)
        open_page = HTTPConnection("127.0.0.1", page)
        open_page.request("GET", "/stream")
        assert open_page.getresponse().status == 200
        deployed.send([*ward(patients=8, hours=24), ("p", b"no JSON"), *changed[heard:]])
        status, said = deployed.vagt("models", "stop", "qsofa", "--ward", "M2", "--by", "somebody", "--why", "a test")
        assert status == 0, said
        deployed.settle()
        until(lambda: up() == ["up"] * 3, up)
        until(lambda: rules() == ["ok"] * len(RULES), rules)
        until(lambda: not silent(), silent)
        open_page.close()

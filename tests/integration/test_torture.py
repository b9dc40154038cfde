"""The torture run, short: nothing is lost, doubled or changed. docs/torture.md has the builds that it finds out."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

#: The machine may be busy: a run waits for its workers as long as it takes.
_MOST_S = 1200


@pytest.mark.slow(seconds=200)
@pytest.mark.req("VAGT-REL-01")
def test_two_minutes_of_torture_lose_double_and_change_nothing(tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    command = [sys.executable, "-m", "load_tests.torture", "--out", str(out), "--seed", "2", "--minutes", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_MOST_S, check=False)
    assert out.exists(), done.stdout + done.stderr
    report = orjson.loads(out.read_bytes())
    assert {name: count for name, count in report["figures"].items() if count} == {}, report["examples"]
    assert done.returncode == 0
    assert report["compared"]["alerts"] > 200
    assert {one["after"] for one in report["recoveries"]} >= {"kill -9 of a worker", "SIGSTOP of a worker"}

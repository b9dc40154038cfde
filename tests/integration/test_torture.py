"""The torture run, short: nothing is lost, doubled or changed, and a build that loses alerts is found out."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

pytestmark = pytest.mark.slow

#: The machine may be busy: a run waits for its workers as long as it takes.
_MOST_S = 1200


def torture(out: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """The exit status and the report of a run."""
    command = [sys.executable, "-m", "load_tests.torture", "--out", str(out), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_MOST_S, check=False)
    assert out.exists(), done.stdout + done.stderr
    report: dict[str, Any] = orjson.loads(out.read_bytes())
    return done.returncode, report


def test_two_minutes_of_torture_lose_double_and_change_nothing(tmp_path: Path) -> None:
    status, report = torture(tmp_path / "report.json", "--seed", "2", "--minutes", "2")
    assert {name: count for name, count in report["figures"].items() if count} == {}, report["examples"]
    assert status == 0
    assert report["compared"]["alerts"] > 200
    assert {one["after"] for one in report["recoveries"]} >= {"kill -9 of a worker", "SIGSTOP of a worker"}


def test_a_build_that_commits_its_state_before_its_outputs_is_found_out(tmp_path: Path) -> None:
    options = "--seed", "3", "--minutes", "0.75", "--build", "state-first", "--only", "kill"
    status, report = torture(tmp_path / "report.json", *options)
    assert status == 1
    assert report["figures"]["lost alerts"] + report["figures"]["lost scores"] > 0

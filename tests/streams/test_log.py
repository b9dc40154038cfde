"""What is logged, and what never is."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("name", "level", "shown"),
    [
        ("aiokafka.conn", "DEBUG", False),
        ("kafka.net.connection", "DEBUG", False),
        ("faust.app", "DEBUG", False),
        ("aiokafka.conn", "INFO", True),
        ("streams.desk", "DEBUG", True),
    ],
)
def test_a_library_s_lines_for_debugging_are_never_written(name: str, level: str, shown: bool):
    code = (
        "import logging; from streams import log; log.configure(logging.DEBUG); "
        f"one = logging.getLogger({name!r}); one.setLevel(logging.DEBUG); one.log(logging.{level}, 'key 010157-5011')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ("010157-5011" in done.stderr) == shown

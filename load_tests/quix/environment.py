"""The environment of the Quix Streams job: made when it is first wanted, and never the product's."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[2] / ".venv-quix"
_REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")


class QuixError(RuntimeError):
    """Quix Streams can not be measured; the message is one sentence."""


def interpreter(say: Callable[[str], None], folder: Path = FOLDER, requirements: Path = _REQUIREMENTS) -> Path:
    """The interpreter of the environment, which is made where it is missing or older than what it should hold.

    Raises:
        QuixError: the packages could not be installed.
    """
    python, made = folder / "bin" / "python", folder / "made-from.txt"
    wanted = requirements.read_text()
    if made.exists() and made.read_text() == wanted:
        return python
    say("Installing Quix Streams into an environment of its own")
    _do(sys.executable, "-m", "venv", "--clear", str(folder))
    (folder / ".gitignore").write_text("*\n")
    _do(str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "-r", str(requirements))
    made.write_text(wanted)
    return python


def _do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise QuixError(f"Quix Streams could not be installed: {said[-1] if said else 'no reason was given'}")

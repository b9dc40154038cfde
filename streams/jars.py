"""Java's libraries, fetched with Maven once on a machine and kept in a cache."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET


class JarError(RuntimeError):
    """Jars cannot be fetched; the message is one sentence for a person."""


def fetch(pom: Path, name: str, title: str, tell: Callable[[str], None] = lambda _: None) -> Path:
    """Return the directory of what a pom asks for, in the version that its property ``name.version`` gives.

    ``tell`` is called with a sentence before what takes long, which calls it by its ``title``.

    Raises:
        JarError: Maven is missing or cannot fetch them.
    """
    version = ET.parse(pom).findtext(f".//{{*}}{name}.version")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vagt"
    jars = cache / f"{name}-{version}"
    if jars.is_dir():
        return jars
    mvn = shutil.which("mvn")
    if mvn is None:
        raise JarError(f"Maven is needed once to fetch {title}: install the package maven.")
    tell(f"Fetching {title} {version} with Maven (only once)")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        new = Path(scratch) / "jars"
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={new}"]
        done = subprocess.run(
            [mvn, "-q", "-B", "-ntp", "-f", str(pom), *goal], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            lines = [line for line in done.stdout.splitlines() if "ERROR" in line] or ["no reason given"]
            raise JarError(f"Maven could not fetch {title} {version}: {lines[0].rstrip('.')}.")
        try:
            new.rename(jars)
        except OSError:
            if not jars.is_dir():  # else another program fetched them meanwhile
                raise
    return jars

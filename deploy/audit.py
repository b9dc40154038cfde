"""Ask for known vulnerabilities of every locked Python package; run as ``python deploy/audit.py [LOCK]``.

It exits with 1 when there are any, and when nobody could be asked, unless ``OFFLINE`` is set: then it says that
nothing was checked. That the service really knows anything is seen by asking for a package with a famous hole too.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
#: Never installed; its holes are known since 2019 (CVE-2019-19844 and others).
_CANARY = ("django", "2.2.0")
_SERVICES = ("pypi", "osv")
_SECONDS = 90


def judged(answer: str, wanted: int) -> tuple[list[str], str | None]:
    """The vulnerabilities that pip-audit's answer (JSON) names, and why it does not count, or ``None`` where it does.

    Args:
        answer: what pip-audit wrote.
        wanted: how many packages it was asked about, the canary included.
    """
    try:
        packages: list[dict[str, Any]] = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return [], "it gave no answer"
    left_out = [one["name"] for one in packages if "vulns" not in one]
    found = {one["name"]: (one["version"], one["vulns"]) for one in packages if one.get("vulns")}
    faults = [
        f"{name} {version}: {hole['id']} ({', '.join(hole['aliases']) or 'no other name'}), "
        f"mended in {', '.join(hole['fix_versions']) or 'no release'}"
        for name, (version, holes) in found.items()
        if name != _CANARY[0]
        for hole in holes
    ]
    if _CANARY[0] not in found:
        return faults, f"it does not know the holes of {' '.join(_CANARY)}"
    if left_out or len(packages) < wanted:
        return faults, f"it left out {wanted - len(packages) + len(left_out)} of {wanted} packages"
    return faults, None


def pins(lock: Path) -> list[str]:
    """``name==version`` of each package that is installed on this kind of machine or another."""
    return re.findall(r"^[A-Za-z0-9._-]+==[^\s;\\]+", lock.read_text(encoding="utf-8"), re.MULTILINE)


def _ask(service: str, wanted: list[str]) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(wanted) + "\n")
        file.flush()
        command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner", "off"]
        command += ["--timeout", "10", "--format", "json", "--vulnerability-service", service, "-r", file.name]
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False).stdout
        except subprocess.TimeoutExpired:
            return ""


def main(lock: Path = _LOCK) -> int:
    """Ask one service after the other, say what they say, and return the exit status."""
    wanted = [*pins(lock), "==".join(_CANARY)]
    reasons = []
    for service in _SERVICES:
        faults, reason = judged(_ask(service, wanted), len(wanted))
        if faults:
            _say("\n".join(faults))
            _say(f"{len(faults)} known vulnerabilities in {lock.name}, says {service}.")
            return 1
        if reason is None:
            _say(f"No known vulnerability in the {len(wanted) - 1} packages of {lock.name}, says {service}.")
            return 0
        reasons.append(f"{service}: {reason}")
    _say(f"NOT CHECKED for known vulnerabilities ({'; '.join(reasons)}): run `make audit` where the internet is.")
    return 0 if os.environ.get("OFFLINE") else 1


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))

"""Write the software bill of materials (CycloneDX 1.6): Python packages, the embedded broker's jars, and the models.

Run as ``python deploy/sbom.py [OUT]``. The same release gives the same bytes: there is neither time nor serial number.
"""

import json
import re
import sys
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent
_OUT = _ROOT / "dist" / "vagt-sbom.cdx.json"
_PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?:\s*;\s*(?P<marker>[^\\]+))?")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")

Component = dict[str, Any]


def packages(lock: Path) -> tuple[list[Component], dict[str, list[str]]]:
    """The packages of a lock file, and of each what it needs, by name; ``vagt`` is the product itself."""
    found: list[Component] = []
    needs: dict[str, list[str]] = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        pinned = _PINNED.match(line)
        if pinned:
            found.append(_package(pinned["name"], pinned["version"], pinned["marker"]))
        elif found and (hashed := _HASH.search(line)):
            _property(found[-1], "vagt:locked-sha256", hashed[1])
        elif found and (via := re.match(r"^    # (?:via )?\s*([a-z0-9][a-z0-9._-]*)(?: \(.*\))?$", line)):
            needs.setdefault(via[1], []).append(found[-1]["bom-ref"])
    return found, needs


def jars(folder: Path) -> list[Component]:
    """The jars in a folder, by the Maven coordinates that each carries, else by its file's name."""
    return [_jar(jar) for jar in sorted(folder.glob("*.jar"))]


def models(folder: Path) -> list[Component]:
    """The signed models in the folders of a folder, each with the files that it is made of."""
    return [_model(manifest) for manifest in sorted(folder.glob("*/manifest.json"))]


def bill(lock: Path, jar_folder: Path, model_folder: Path, version: str) -> Component:
    """The whole document."""
    python, needs = packages(lock)
    broker, trained = jars(jar_folder), models(model_folder)
    known = {one["name"]: one["bom-ref"] for one in python}
    product = {"type": "application", "bom-ref": "vagt", "name": "vagt", "version": version}
    own = {*needs.pop("vagt", []), *(one["bom-ref"] for one in broker + trained)}
    graph = [{"ref": "vagt", "dependsOn": sorted(own)}]
    graph += [{"ref": ref, "dependsOn": sorted(needs.get(name, []))} for name, ref in sorted(known.items())]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": product},
        "components": [*python, *broker, *trained],
        "dependencies": graph,
    }


def _package(name: str, version: str, marker: str | None) -> Component:
    purl = f"pkg:pypi/{name}@{version}"
    component: Component = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    licence = _licence(name, version)
    if licence:
        component["licenses"] = [{"expression": licence}]
    if marker:
        _property(component, "vagt:only-where", marker.strip())
    return component


def _licence(name: str, version: str) -> str | None:
    """What a package that is installed here says of its licence (SPDX)."""
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return None
    return about.get("License-Expression") if about["Version"] == version else None


def _jar(jar: Path) -> Component:
    stated = list(_coordinates(jar))
    artifact, _, version = jar.stem.rpartition("-")
    match = re.match(r"(.+?)-(\d.*)$", jar.stem)
    if match:
        artifact, version = match[1], match[2]
    group = next((one["groupId"] for one in stated if one.get("artifactId") == artifact), None)
    purl = f"pkg:maven/{group}/{artifact}@{version}" if group else f"pkg:generic/{artifact}@{version}"
    digest = {"alg": "SHA-256", "content": sha256(jar.read_bytes()).hexdigest()}
    component = {"type": "library", "bom-ref": purl, "name": artifact, "version": version, "purl": purl}
    return {**component, **({"group": group} if group else {}), "hashes": [digest]}


def _coordinates(jar: Path) -> Iterator[dict[str, str]]:
    with zipfile.ZipFile(jar) as inside:
        for name in sorted(inside.namelist()):
            if name.startswith("META-INF/maven/") and name.endswith("/pom.properties"):
                lines = inside.read(name).decode("utf-8", "replace").splitlines()
                yield dict(line.strip().split("=", 1) for line in lines if "=" in line)


def _model(manifest: Path) -> Component:
    stated = json.loads(manifest.read_bytes())
    names = ("manifest.json", "manifest.sig", "model.txt", "tables.json")
    files = [manifest.with_name(name) for name in names if manifest.with_name(name).exists()]
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{stated['name']}@{stated['version']}",
        "name": stated["name"],
        "version": stated["version"],
        "description": stated["event"],
        "hashes": [{"alg": "SHA-256", "content": stated["sha256"]}],
        "components": [
            {
                "type": "file",
                "bom-ref": f"model:{stated['name']}@{stated['version']}/{file.name}",
                "name": file.name,
                "hashes": [{"alg": "SHA-256", "content": sha256(file.read_bytes()).hexdigest()}],
            }
            for file in files
        ],
    }


def _property(component: Component, name: str, value: str) -> None:
    component.setdefault("properties", []).append({"name": name, "value": value})


def main(out: Path = _OUT) -> None:
    """Write the document of this tree."""
    from streams.broker import fetch_jars

    version = re.search(r'^version = "(.+)"$', (_ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    document = bill(_ROOT / "requirements.lock", fetch_jars(), _ROOT / "models", version[1] if version else "0")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(f"Wrote {out}: {len(document['components'])} components\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))

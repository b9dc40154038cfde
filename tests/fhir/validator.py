"""HAPI's FHIR R4 validator, in a process of its own."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

import orjson

from streams import jars

_HERE = Path(__file__).parent


def errors(resources: Iterable[bytes], scratch: Path) -> list[list[str]]:
    """What the validator calls an error in each of these resources (JSON without line breaks).

    Warnings are left out: that a code system is the product's own, and HAPI knows nothing of it.
    """
    found = sorted(jars.fetch(_HERE / "pom.xml", "hapi", "HAPI FHIR").glob("*.jar"))
    classpath = ":".join(map(str, [scratch, *found]))
    (compiler,) = (one for one in found if one.name.startswith("ecj-"))
    make = ["java", "-cp", str(compiler), "org.eclipse.jdt.internal.compiler.batch.Main", "-17", "-nowarn"]
    subprocess.run([*make, "-cp", classpath, "-d", str(scratch), str(_HERE / "Validate.java")], check=True)
    said = subprocess.run(
        ["java", "-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classpath, "Validate"],
        input=b"".join(one + b"\n" for one in resources),
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    return [
        [issue["diagnostics"] for issue in orjson.loads(line)["issue"] if issue["severity"] in {"error", "fatal"}]
        for line in said.splitlines()
    ]

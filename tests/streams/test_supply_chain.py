"""What the product is made of, what is known against it, and how little it may do in a container."""

import json
import re
from pathlib import Path

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy import audit, sbom
from models.registry import FOLDERS

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"
CANARY = {"name": "django", "version": "2.2.0", "vulns": [{"id": "X", "aliases": [], "fix_versions": []}]}


@pytest.fixture(scope="module")
def bill(tmp_path_factory):
    return sbom.bill(LOCK, tmp_path_factory.mktemp("jars"), ROOT / "models", "0.1.0")


def test_the_bill_of_materials_is_valid_and_the_same_every_time(bill, tmp_path):
    text = json.dumps(bill)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert json.dumps(sbom.bill(LOCK, tmp_path, ROOT / "models", "0.1.0")) == text


@pytest.mark.req("VAGT-SEC-05")
def test_the_bill_names_every_locked_package_and_every_model_with_its_hash(bill):
    named = {f"{one['name']}=={one['version']}" for one in bill["components"] if one["type"] == "library"}
    assert named == set(audit.pins(LOCK))
    trained = {one["name"]: one["hashes"][0]["content"] for one in bill["components"] if one["type"].startswith("mach")}
    manifests = [json.loads(folder.joinpath("manifest.json").read_bytes()) for folder in FOLDERS]
    assert trained == {one["name"]: one["sha256"] for one in manifests}


@pytest.mark.req("VAGT-SEC-05")
def test_an_audit_that_found_something_says_so_and_one_that_asked_nobody_is_no_all_clear():
    def answer(*packages):
        return json.dumps({"dependencies": list(packages)})

    clean = {"name": "a", "version": "1", "vulns": []}
    assert audit.judged(answer(clean, CANARY), 2) == ([], None)
    assert audit.judged(answer(clean, {**CANARY, "vulns": []}), 2)[1], "it knows nothing"
    assert audit.judged(answer({"name": "a", "skip_reason": "x"}, CANARY), 2)[1], "it left one out"
    assert audit.judged(answer(CANARY), 2)[1], "it left one out"
    assert audit.judged("", 2)[1]
    holes = {**clean, "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2"]}]}
    assert audit.judged(answer(holes, CANARY), 2)[0] == ["a 1: PYSEC-1 (CVE-1), mended in 2"]


@pytest.mark.parametrize(("offline", "status"), [("", 1), ("1", 0)])
@pytest.mark.req("VAGT-SEC-05")
def test_an_audit_without_internet_says_that_nothing_was_checked(offline, status, monkeypatch, capsys):
    monkeypatch.setattr(audit, "_ask", lambda service, wanted: "")
    monkeypatch.setenv("OFFLINE", offline)
    assert audit.main(LOCK) == status
    assert "NOT CHECKED" in capsys.readouterr().out


@pytest.mark.req("VAGT-SEC-04")
def test_the_image_runs_as_nobody_in_particular_from_locked_packages():
    lines = ROOT.joinpath("deploy", "Dockerfile").read_text()
    assert re.search(r"^USER 10001:10001$", lines, re.MULTILINE)
    assert "--require-hashes" in lines
    assert "npm ci" in lines
    images = re.findall(r"^FROM (\S+)", lines, re.MULTILINE)
    assert images == ["${NODE}", "${PYTHON}", "${PYTHON}"]  # Node.js builds the pages and stays behind
    assert re.search(r"^ARG PYTHON=python:3\.11-slim-\w+$", lines, re.MULTILINE)


@pytest.mark.req("VAGT-SEC-04")
def test_in_compose_nothing_is_writable_but_what_is_named_and_nobody_gains_rights():
    composed = yaml.safe_load(ROOT.joinpath("deploy", "compose.yaml").read_text())
    assert set(composed["services"]) == {"kafka", "worker-1", "worker-2", "board", "monitor", "mllp"}
    for name, service in composed["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service["user"].startswith(("0", "root")), name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert "privileged" not in service, name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        assert not [key for key in service["environment"] if re.search("PASSWORD$|KEY$|SECRET$", key)], name


@pytest.mark.req("VAGT-SEC-04")
def test_in_kubernetes_a_worker_has_no_rights_no_token_and_bounds():
    parts = list(yaml.safe_load_all(ROOT.joinpath("deploy", "kubernetes", "worker.yaml").read_text()))
    by_kind = {part["kind"]: part for part in parts}
    assert by_kind["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1
    pod = by_kind["StatefulSet"]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]["limits"]) >= {"cpu", "memory"}
    assert {one["name"] for one in container["volumeMounts"]} == {"state", "tmp", "secrets"}

"""The files that deploy the service: valid as far as that can be told without a cluster, and true to the code."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from deploy import strimzi
from streams import acls
from streams.settings import Settings
from streams.topics import topics

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "deploy" / "compose.yaml"
UNITS = sorted(ROOT.glob("deploy/systemd/*"))


def manifests(name: str) -> list[Any]:
    return list(yaml.safe_load_all(ROOT.joinpath("deploy", "kubernetes", f"{name}.yaml").read_text()))


def pod(name: str) -> Any:
    (made,) = [one["spec"]["template"]["spec"] for one in manifests(name) if "template" in one.get("spec", {})]
    return made


@pytest.mark.req("VAGT-OPS-10")
@pytest.mark.parametrize("name", ["worker", "board", "mllp", "monitor", "traces"])
def test_every_manifest_is_what_kubernetes_takes_to_the_last_field(name):
    for one in manifests(name):
        kubernetes_validate.validate(one, "1.37", strict=True)


@pytest.mark.parametrize("name", ["worker", "board", "mllp", "monitor"])
def test_a_pod_may_nothing_and_its_probes_ask_where_it_answers(name):
    (container,) = pod(name)["containers"]
    environment = {one["name"]: one.get("value") for one in container["env"]}
    (metrics,) = [one["containerPort"] for one in container["ports"] if one["name"] == "metrics"]
    assert environment["VAGT_METRICS_PORT"] == str(metrics)
    assert environment["VAGT_METRICS_HOST"] == "0.0.0.0"
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "metrics"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
    assert container["livenessProbe"]["timeoutSeconds"] > 5, "a loop is given 5 s to answer"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod(name)["securityContext"]["runAsNonRoot"] is True
    secrets = {name: told for name, told in environment.items() if name.endswith(("PASSWORD", "SECRET", "KEY"))}
    assert all(told.startswith("/run/secrets/") for told in secrets.values()), "a secret is a file, never a value"
    for variable in environment:
        field = variable.removeprefix("VAGT_").lower()
        assert variable == "POD_NAME" or field in Settings.model_fields, variable


def test_a_worker_speaks_to_a_collector_only_where_that_is_wanted():
    def ports(policy: Any) -> set[int]:
        return {port["port"] for way in policy["spec"]["egress"] for port in way["ports"]}

    (traces,) = manifests("traces")
    (own,) = [one for one in manifests("worker") if one["kind"] == "NetworkPolicy"]
    assert traces["spec"]["podSelector"] == own["spec"]["podSelector"], "it adds to what a worker may"
    assert traces["spec"]["policyTypes"] == ["Egress"]
    (port,) = ports(traces)
    assert port not in ports(own)
    assert f"VAGT_OTEL_ENDPOINT=http://127.0.0.1:{port}" in ROOT.joinpath("docs", "traces.md").read_text()


@pytest.mark.req("VAGT-OPS-10")
def test_an_update_leaves_no_gap():
    for name in ("board", "mllp"):
        by_kind = {one["kind"]: one["spec"] for one in manifests(name) if "spec" in one}
        assert by_kind["Deployment"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        assert by_kind["Deployment"]["replicas"] > by_kind["PodDisruptionBudget"]["minAvailable"]
    (container,) = pod("board")["containers"]
    told = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod("board")["terminationGracePeriodSeconds"] >= told + 10, "its pages are let go after that"
    by_kind = {one["kind"]: one["spec"] for one in manifests("worker") if "spec" in one}
    assert by_kind["StatefulSet"]["replicas"] > by_kind["PodDisruptionBudget"]["maxUnavailable"] == 1
    assert by_kind["StatefulSet"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}
    assert by_kind["StatefulSet"]["minReadySeconds"] >= 10, "a worker that falls again at once stops the update"
    assert pod("worker")["terminationGracePeriodSeconds"] >= 30, "longer than a broker is waited for"


@pytest.mark.req("VAGT-OPS-10")
def test_a_compose_file_is_what_docker_compose_takes():
    said = subprocess.run(
        [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", COMPOSE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    composed = yaml.safe_load(COMPOSE.read_text())
    for name, service in composed["services"].items():
        for variable in service["environment"]:
            assert variable.startswith("KAFKA_") or variable.removeprefix("VAGT_").lower() in Settings.model_fields, (
                name
            )
        named = [one.partition(":")[0] for one in service.get("volumes", ())]
        assert set(named) <= set(composed["volumes"]), name
        assert set(service.get("networks", ())) <= set(composed["networks"]), name


def test_there_are_never_more_workers_than_partitions_and_never_fewer_than_two():
    (scaled,) = manifests("scaling")
    (workers,) = [one for one in manifests("worker") if one["kind"] == "StatefulSet"]
    target = scaled["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == (workers["kind"], workers["metadata"]["name"])
    assert scaled["spec"]["maxReplicaCount"] == Settings.model_fields["partitions"].default
    assert scaled["spec"]["minReplicaCount"] == workers["spec"]["replicas"] == 2


def test_the_topics_and_users_of_strimzi_are_those_of_the_code():
    assert strimzi.FILE.read_text() == strimzi.text(), "run `python -m deploy.strimzi`"
    found = manifests("strimzi")
    assert {one["apiVersion"] for one in found} == {"kafka.strimzi.io/v1"}
    assert {one["metadata"]["name"] for one in found if one["kind"] == "KafkaTopic"} == {one.name for one in topics()}
    (worker,) = [one["spec"] for one in found if one["metadata"]["name"] == "vagt-worker"]
    said = {
        (one["resource"]["type"].lower(), one["resource"]["name"], operation)
        for one in worker["authorization"]["acls"]
        for operation in one["operations"]
    }
    wanted = acls.rules(Settings.model_construct(), "worker", "User:vagt-worker")
    assert said == {(one.kind.replace("-", ""), one.name, one.operation) for one in wanted}


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The units, with a program that is on this machine in the place of the installed one."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("Please install systemd to have its units tried.")
    for unit in UNITS:
        tmp_path.joinpath(unit.name).write_text(
            unit.read_text().replace("/opt/vagt/bin/vagt", shutil.which("env") or "")
        )
    return sorted(tmp_path.iterdir())


@pytest.mark.req("VAGT-OPS-10")
def test_systemd_takes_every_unit_without_a_word(units):
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


@pytest.mark.parametrize("unit", [one.name for one in UNITS if one.suffix == ".service"])
def test_systemd_finds_little_that_a_unit_could_do_beyond_its_work(units, unit):
    (path,) = [one for one in units if one.name == unit]
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", "--no-pager", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout[-2000:] + said.stderr


def test_every_setting_in_a_unit_is_one():
    for unit in UNITS:
        for line in unit.read_text().splitlines():
            if line.startswith("Environment=VAGT_"):
                assert line.removeprefix("Environment=VAGT_").partition("=")[0].lower() in Settings.model_fields

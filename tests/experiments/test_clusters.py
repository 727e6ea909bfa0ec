"""The examples of clusters, as far as they can be checked without one."""

import copy
import os
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from packaging.requirements import Requirement

from nas.config import load_config, parse_config
from nas.doctor.fitting import check_fit
from tests.experiments.rayjob import RAYJOB

CLUSTERS = Path(__file__).parents[2] / "experiments/clusters"
CONFIGS = sorted(path for path in CLUSTERS.glob("*.yaml") if path.name != "rayjob.yaml")
SCRIPTS = sorted(CLUSTERS.glob("*.sh"))
KUBERNETES = "1.34"
"""Whose schemas the manifests are checked against."""


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_is_valid_and_opens_with_its_purpose(path: Path):
    assert load_config(path).targets
    header = path.read_text(encoding="utf-8").partition("\nname:")[0]
    assert all(word in header for word in ("Purpose", "Cost", "Expected"))


def test_programs_of_a_config_are_there():
    root = CLUSTERS.parents[1]
    for target in load_config(CLUSTERS / "mixed.yaml").targets:
        assert all((root / word).exists() for word in target.command if word.endswith(".py"))


@pytest.fixture
def documents() -> dict[str, Any]:
    """The manifests of rayjob.yaml by kind."""
    text = (CLUSTERS / "rayjob.yaml").read_text(encoding="utf-8")
    found = list(yaml.safe_load_all(text))
    assert len({document["kind"] for document in found}) == len(found)
    return {document["kind"]: document for document in found}


def templates(job: dict[str, Any]) -> dict[str, Any]:
    """The pod templates of a RayJob."""
    cluster = job["spec"]["rayClusterSpec"]
    groups = {group["groupName"]: group for group in cluster["workerGroupSpecs"]}
    return {
        "submitter": job["spec"]["submitterPodTemplate"],
        "head": cluster["headGroupSpec"]["template"],
        **{name: group["template"] for name, group in groups.items()},
    }


def test_kubernetes_own_manifests_follow_its_schemas(documents):
    job = documents.pop("RayJob")
    assert set(documents) == {"ConfigMap", "PersistentVolumeClaim", "NetworkPolicy"}
    for document in documents.values():
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    for name, template in templates(job).items():
        pod: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", **copy.deepcopy(template)}
        pod["metadata"]["name"] = name
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def test_the_schemas_object_to_what_is_wrong(documents):
    head = templates(documents["RayJob"])["head"]
    pod: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", **head}
    pod["spec"] = {**pod["spec"], "volume": []}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)
    for key, value in {"entryPoint": "nas", "backoffLimit": "3"}.items():
        job = copy.deepcopy(documents["RayJob"])
        job["spec"][key] = value
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(job, RAYJOB)


def test_the_rayjob_has_the_documented_fields(documents):
    jsonschema.Draft202012Validator.check_schema(RAYJOB)
    jsonschema.validate(documents["RayJob"], RAYJOB)
    assert documents["RayJob"]["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}


def test_what_the_rayjob_refers_to_is_in_the_file(documents):
    names = {kind: document["metadata"]["name"] for kind, document in documents.items()}
    volumes = templates(documents["RayJob"])["head"]["spec"]["volumes"]
    assert volumes[0]["configMap"]["name"] == names["ConfigMap"]
    assert volumes[1]["persistentVolumeClaim"]["claimName"] == names["PersistentVolumeClaim"]
    selected = documents["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]
    for template in templates(documents["RayJob"]).values():
        assert template["metadata"]["labels"] == selected
    # An entrypoint, a config and an output that are on the volumes.
    entrypoint = documents["RayJob"]["spec"]["entrypoint"].split()
    assert entrypoint[:2] == ["nas", "run"]
    assert entrypoint[2].removeprefix("/config/") in documents["ConfigMap"]["data"]


def test_the_rayjobs_config_is_valid_and_its_workers_fit_the_pods(documents):
    (text,) = documents["ConfigMap"]["data"].values()
    config = parse_config(yaml.safe_load(text), source="rayjob.yaml")
    assert config.output.is_relative_to("/shared")
    cluster = documents["RayJob"]["spec"]["rayClusterSpec"]
    nodes = [{"CPU": float(cluster["headGroupSpec"]["rayStartParams"]["num-cpus"])}]
    for group in cluster["workerGroupSpecs"]:
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        nodes += [{"CPU": float(limits["cpu"])}] * group["minReplicas"]
    # Even of the fewest pods: training and search go on with what is there.
    assert {check.state for check in check_fit(config, nodes)} <= {"ok", "warn"}


def test_the_rayjob_names_a_version_of_ray_that_we_accept(documents):
    asked = next(
        requirement.specifier
        for line in requires("ridgeline-nas") or ()
        if (requirement := Requirement(line)).name == "ray"
    )
    assert asked.contains(documents["RayJob"]["spec"]["rayClusterSpec"]["rayVersion"])


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_passes_bash_and_shellcheck(path: Path):
    checked = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    program = Path(sys.executable).with_name("shellcheck")
    checked = subprocess.run([program, path], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment whose `ray` and `nas` say how they were called."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("ray", "nas"):
        program = tools / name
        program.write_text(
            f'#!/bin/sh\necho {name} "$@"\n'
            'case "$1" in get-auth-token) mkdir -p ~/.ray; echo secret > ~/.ray/auth_token;; esac\n'
            'echo "mode=$RAY_AUTH_MODE"\n'
        )
        program.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {**clean, "HOME": str(home), "PATH": f"{tools}{os.pathsep}{clean['PATH']}"}


def run(script: str, *arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(CLUSTERS / script), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_a_head_makes_a_token_for_its_owner_and_keeps_its_dashboard_to_itself(shell):
    done = run("node.sh", "head", env={**shell, "NODE_IP": "10.0.0.1"})
    assert done.returncode == 0, done.stderr
    assert (Path(shell["HOME"]) / ".ray/auth_token").stat().st_mode & 0o777 == 0o600
    assert done.stdout.splitlines() == [
        "ray start --block --node-ip-address=10.0.0.1 --head --port=6379"
        " --dashboard-host=127.0.0.1 --dashboard-port=8265",
        "mode=token",
    ]


def test_other_nodes_need_the_heads_token(shell):
    done = run("node.sh", "worker", "head", env=shell)
    assert done.returncode == 1
    assert "copy ~/.ray/auth_token from the head" in done.stderr
    done = run("node.sh", "worker", "head", env={**shell, "RAY_AUTH_TOKEN": "secret"})
    assert done.stdout.splitlines() == ["ray start --block --address=head:6379", "mode=token"]


def test_a_device_offers_its_resource_and_no_cpus(shell):
    done = run("node.sh", "device", "head", "pi", env={**shell, "RAY_AUTH_TOKEN": "secret"})
    assert done.stdout.splitlines()[0] == (
        'ray start --block --address=head:6379 --num-cpus=0 --resources={"pi": 1}'
    )


@pytest.mark.parametrize("arguments", [(), ("worker",), ("device", "head"), ("x",)])
def test_a_node_that_is_called_wrongly_says_how(shell, arguments: tuple[str, ...]):
    done = run("node.sh", *arguments, env=shell)
    assert (done.returncode, done.stdout) == (2, "")
    assert "node.sh device HEAD RESOURCE" in done.stderr
    assert "set -euo" not in done.stderr


def test_a_job_is_submitted_with_the_token_to_the_loopback(shell):
    done = run("submit.sh", "search.yaml", "/shared/runs/mine", env=shell)
    assert done.stdout.splitlines() == [
        "ray job submit --working-dir . -- nas run search.yaml --output /shared/runs/mine",
        "mode=token",
    ]
    assert run("submit.sh", "search.yaml", env=shell).returncode != 0

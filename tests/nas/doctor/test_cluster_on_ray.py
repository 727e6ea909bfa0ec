"""What the doctor makes of clusters: one that starts here, and some that are described to it."""

import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

import pytest

from nas.doctor.check import Check
from nas.doctor.cluster import check_inspection, check_ray, check_token_file
from nas.execution.cluster import worker_environment
from nas.execution.inspection import Inspection, Node
from tests.nas.doctor.configs import config

pytestmark = pytest.mark.ray

ENVIRONMENT = {"OMP_NUM_THREADS": "3"}


def node(**changed: object) -> Node:
    """A node like this machine, but for what is changed."""
    fields: dict[str, object] = {
        "name": "board (10.0.0.2)",
        "resources": {"CPU": 4.0},
        "versions": {"python": platform.python_version(), **_versions()},
        "unseen": (),
        "environment": ENVIRONMENT,
    }
    return Node(**{**fields, **changed})  # pyright: ignore[reportArgumentType]


def _versions() -> dict[str, str]:
    from nas.doctor.packages import installed_versions

    return {"ridgeline-nas": version("ridgeline-nas"), **installed_versions()}


def checks(*nodes: Node, dashboard: str = "", guarded: bool = True) -> list[Check]:
    return list(check_inspection(Inspection(nodes, dashboard, guarded), ENVIRONMENT))


def faults(*nodes: Node, **changed: object) -> list[tuple[str, str]]:
    found = checks(*nodes, **changed)  # pyright: ignore[reportArgumentType]
    return [(check.state, check.found) for check in found if check.state != "ok"]


def test_nodes_like_this_one_are_fine():
    assert faults(node(), node()) == []


@pytest.mark.parametrize(("name", "state"), [("python", "fail"), ("ray", "fail"), ("jax", "warn")])
def test_another_version_on_a_node_is_told(name: str, state: str):
    versions = {**node().versions, name: "1.2.3"}
    (found,) = faults(node(versions=versions))
    assert found[0] == state
    assert found[1].startswith(f"{name} 1.2.3, here ")


def test_a_node_that_does_not_see_the_data_or_the_output_is_told():
    found = faults(node(unseen=("/data/cifar", "/shared/runs/.ridgeline-x1y2")))
    assert found == [("fail", "does not see /data/cifar"), ("fail", "does not see /shared/runs")]
    # Who only measures needs neither.
    assert faults(node(unseen=("/data/cifar",), resources={"pi": 1.0})) == []


def test_a_node_that_cannot_answer_is_told():
    assert faults(node(error="ModuleNotFoundError: No module named 'nas'"))[0][0] == "fail"


def test_workers_that_start_with_something_else_are_told():
    found = faults(node(environment={"OMP_NUM_THREADS": "64"}))
    assert found == [("warn", "workers do not start with OMP_NUM_THREADS")]


@pytest.mark.parametrize(
    ("address", "state"),
    [
        ("", "ok"),
        ("127.0.0.1:8265", "ok"),
        ("localhost:8265", "ok"),
        ("[::1]:8265", "ok"),
        ("10.0.0.1:8265", "warn"),
        ("head:8265", "warn"),
    ],
)
def test_a_dashboard_is_for_its_own_machine(address: str, state: str):
    (found,) = [check for check in checks(node(), dashboard=address) if check.name == "dashboard"]
    assert found.state == state


def test_a_cluster_that_lets_everybody_in_is_told():
    assert faults(node(), guarded=False) == [("warn", "anybody is let in")]


@pytest.mark.parametrize(
    ("folder_mode", "mode", "told"),
    [(0o755, 0o600, False), (0o755, 0o644, True), (0o710, 0o640, True), (0o700, 0o644, False)],
)
def test_a_token_that_others_can_read_is_told(folder_mode: int, mode: int, told: bool):
    # pytest's own folders are closed to others.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = Path(folder) / "auth_token"
        assert list(check_token_file(path)) == []
        path.write_text("x" * 64)
        path.chmod(mode)
        Path(folder).chmod(folder_mode)
        assert [check.advice for check in check_token_file(path)] == [f"chmod 600 {path}"] * told


def test_ray_starts_here_guarded_and_hands_workers_their_environment(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    environment = worker_environment(cpus=3, gpus=0)
    found = {check.name: check for check in check_ray(None, environment)}
    found.pop("token file", None)
    assert {check.state for check in found.values()} == {"ok"}, found
    assert found["Ray"].found == "starts on this machine"
    assert found["tokens"].found == "a process without the cluster's token is turned away"
    assert found["dashboard"].found == "none"


def test_a_config_that_uses_no_ray_starts_none(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    found = {check.name: check for check in check_ray(config(), {})}
    assert found["Ray"].found == "the config does not use it"

"""Measuring on the nodes of a cluster that have the device, one of them alone with it."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from nas.errors import WorkerError
from nas.execution.cluster import start_ray, stop_ray
from nas.execution.measuring import measure_on_nodes

pytestmark = pytest.mark.ray

ROOT = str(Path(__file__).parents[3])
PROGRAM = """
import json, os, sys, time

for line in sys.stdin:
    text = open(json.loads(line)["path"]).read()
    if text.startswith("kill"):
        os.kill(os.getppid(), 9)
        time.sleep(60)
    time.sleep(0.3)
    told = {"text": text, "pid": os.getpid()}
    print(json.dumps({"latency_s": 0.01, "environment": told}), flush=True)
"""


MEASURE_TARGET = """
import json, sys

from nas.execution.cluster import start_ray, stop_ray

start_ray(sys.argv[1])
from nas.config import TargetConfig
from nas.stages.measuring import Measuring
from tests.nas.stages.test_measuring import GENOTYPES, Records, setting_of, untrained

Measuring.network = untrained
records, done = Records(), []
target = TargetConfig(
    name="pi", device="raspberry-pi-5", runtime="onnxruntime", measure_on="pi", threads=1
)
Measuring(setting_of(records)).measure(target, GENOTYPES, "verify", done.append)
stop_ray()
print(json.dumps({
    "asked": sorted(GENOTYPES),
    "measured": sorted(one.genotype for one in records.kept),
    "done": sorted(one.genotype for one in done),
    "rows": [(one.status, one.error, dict(one.environment)) for one in records.kept],
}))
"""


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[Cluster]:
    """A head, a node with a pi, and two with a phone each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("PYTHONPATH", ROOT)
        made = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 1, "include_dashboard": False},
        )
        made.add_node(num_cpus=2, resources={"pi": 1})
        for _ in range(2):
            made.add_node(num_cpus=1, resources={"phone": 1})
        made.wait_for_nodes()
        start_ray(made.address)
        yield made
        stop_ray()
        made.shutdown()


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(PROGRAM))
    return {
        "runtime": "command",
        "command": [sys.executable, str(path)],
        "input_shape": (1, 8),
        "dtype": "float32",
    }


def files(tmp_path: Path, *texts: str) -> list[Path]:
    paths = [tmp_path / f"{position}.onnx" for position in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return paths


def test_networks_are_measured_on_the_node_that_has_the_device(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    paths = files(tmp_path, "a", "b", "c")
    found = dict(measure_on_nodes(paths, resource="pi", options=options))
    assert sorted(found) == [0, 1, 2]
    assert [found[i].path for i in range(3)] == paths
    assert [found[i].environment["device"]["text"] for i in range(3)] == ["a", "b", "c"]
    # One process for all: the runtime starts once.
    assert len({result.environment["device"]["pid"] for result in found.values()}) == 1
    assert all(result.latency_s == 0.01 for result in found.values())
    assert all(result.environment["node"] for result in found.values())


def test_the_node_is_taken_whole_while_it_measures(tmp_path: Path, options: dict[str, Any]) -> None:
    results = measure_on_nodes(files(tmp_path, "a", "b"), resource="pi", options=options)
    next(results)
    assert ray.available_resources().get("pi", 0) == 0
    # Of five CPUs the head's and the phones' are left.
    assert ray.available_resources().get("CPU", 0) == 3
    results.close()


def test_nodes_of_one_device_share_the_networks(tmp_path: Path, options: dict[str, Any]) -> None:
    paths = files(tmp_path, *"abcdefgh")
    found = dict(measure_on_nodes(paths, resource="phone", options=options))
    assert [found[i].environment["device"]["text"] for i in range(8)] == list("abcdefgh")
    assert len({result.environment["device"]["pid"] for result in found.values()}) == 2


def test_network_that_takes_its_node_down_is_a_row(tmp_path: Path, options: dict[str, Any]) -> None:
    paths = files(tmp_path, "a", "kill", "c")
    found = dict(measure_on_nodes(paths, resource="pi", options=options))
    assert [found[i].status for i in range(3)] == ["ok", "failed", "ok"]
    assert (found[1].error or "").startswith("its node was lost 2 times: ")
    assert found[1].path == paths[1]


def test_real_network_is_measured_there(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8]) for name in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])], "relu", values[:1], values[1:]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    path = tmp_path / "relu.onnx"
    path.write_bytes(model.SerializeToString())
    wanted = {"runtime": "onnxruntime", "input_shape": (1, 8), "dtype": "float32"}
    ((_, found),) = measure_on_nodes([path], resource="pi", options=wanted)
    assert found.status in ("ok", "noisy"), found.error
    assert found.latency_s is not None
    assert 0 < found.latency_s < 0.1


def test_target_with_measure_on_is_measured_there(cluster: Cluster) -> None:
    # In a process of its own: here JAX would be running when the next module starts Ray.
    command = [sys.executable, "-c", textwrap.dedent(MEASURE_TARGET), str(cluster.address)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    told = json.loads(found.stdout.splitlines()[-1])
    assert told["measured"] == told["asked"]
    assert told["done"] == told["measured"]
    for status, error, environment in told["rows"]:
        assert status in ("ok", "noisy"), error
        assert environment["node"]
        assert environment["threads"] == 1


def test_device_that_no_node_has_is_one_clear_error(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    with pytest.raises(WorkerError, match=r"no node .* 'jetson'.* there are: phone, pi"):
        list(measure_on_nodes(files(tmp_path, "a"), resource="jetson", options=options))


def test_node_that_is_not_free_is_waited_for_and_then_given_up(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    paths = files(tmp_path, "a", "b")
    first = measure_on_nodes(paths, resource="pi", options=options)
    next(first)
    second = measure_on_nodes(paths, resource="pi", options=options, wait_s=1.0)
    with pytest.raises(WorkerError, match="'pi' became free within 1 s"):
        list(second)
    first.close()


def test_what_a_node_cannot_measure_is_one_clear_error(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    wrong = {**options, "runtime": "abacus", "command": []}
    with pytest.raises(WorkerError, match="node of pi: unknown runtime 'abacus'"):
        list(measure_on_nodes(files(tmp_path, "a"), resource="pi", options=wrong))

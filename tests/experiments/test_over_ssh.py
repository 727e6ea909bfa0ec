"""The example for boards, against an ssh that stays on this machine."""

import sys
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from latency_models.measure import Measured, TimingPlan, measure

SCRIPT = Path(__file__).parents[2] / "experiments/measuring/over_ssh.py"
FAKE_SSH = """#!/bin/sh
test "$1" = -q && test "$2" = pi@board || { echo "no route to $2" >&2; exit 255; }
exec sh -c "$3"
"""


@pytest.fixture
def network(tmp_path: Path) -> Path:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 8]) for name in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])], "relu", values[:1], values[1:]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    path = tmp_path / "a network.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def _measure(tmp_path: Path, network: Path, host: str = "pi@board", **options: str) -> Measured:
    ssh, board = tmp_path / "ssh", tmp_path / "board"
    ssh.write_text(FAKE_SSH)
    ssh.chmod(0o755)
    board.mkdir()
    command = [sys.executable, str(SCRIPT), host, "--ssh", f"{ssh} -q"]
    (result,) = measure(
        [network],
        runtime="command",
        command=[*command, "--python", sys.executable, "--directory", str(board)],
        input_shape=(3, 8),
        dtype="float32",
        timing=TimingPlan(min_time_s=0.05, max_time_s=0.1),
        compute_dtype=options.get("compute_dtype"),
    )
    assert list(board.iterdir()) == []
    return result


def test_network_is_timed_on_the_board_and_removed(tmp_path: Path, network: Path) -> None:
    result = _measure(tmp_path, network)
    assert result.status in ("ok", "noisy"), result.error
    assert result.latency_s is not None
    assert 0 < result.latency_s < 0.1
    assert len(result.samples_s) >= 20
    assert result.compile_s is not None
    assert {"onnxruntime", "governor", "machine"} < set(result.environment["device"])


def test_what_goes_wrong_on_the_board_is_a_row(tmp_path: Path, network: Path) -> None:
    network.write_bytes(b"no network")
    result = _measure(tmp_path, network)
    assert result.status == "failed"
    assert (result.error or "").startswith("the board answered 1: ")


def test_board_out_of_reach_is_a_row(tmp_path: Path, network: Path) -> None:
    result = _measure(tmp_path, network, host="pi@nowhere")
    assert result.error == "the board answered 255: no route to pi@nowhere"


def test_precision_that_cannot_be_told_is_a_row(tmp_path: Path, network: Path) -> None:
    result = _measure(tmp_path, network, compute_dtype="bfloat16")
    assert "cannot be told to compute in bfloat16" in (result.error or "")

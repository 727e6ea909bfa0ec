"""The latency runtimes: installed, and a tiny network really runs on them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from latency_models.measure import RUNTIMES, Runtime, TimingPlan, measure
from nas.config import Config
from nas.doctor.check import Check

INPUT_SHAPE = (1, 8)
"""Of the tiny networks, float32."""
QUICK = TimingPlan(min_samples=5, min_time_s=0.01, max_time_s=0.05, max_warm_up_s=0.05, attempts=1)
TIMEOUT_S = 60.0


def check_runtimes(config: Config | None, networks: Path) -> Iterator[Check]:
    """Runs a tiny network on each runtime that is installed.

    Args:
        config: What is to be run, for which runtimes it needs here; None for whatever is there.
        networks: Where the file for xla is, `tiny.jaxexport`, and that for the others will be.
    """
    targets = () if config is None else config.targets
    needed = {target.runtime for target in targets if target.measure_on is None}
    _write_onnx(networks / "tiny.onnx")
    for name, runtime in RUNTIMES.items():
        yield _check(name, runtime, networks / f"tiny{runtime.suffix}", needed=name in needed)


def _check(name: str, runtime: Runtime, network: Path, *, needed: bool) -> Check:
    advice = f"pip install '{runtime.install}'"
    if not runtime.installed:
        if needed:
            return Check(name, "fail", "not installed, the config measures on it", advice)
        return Check(name, "ok", f"not installed; {advice} brings it")
    try:
        (result,) = measure(
            [network],
            runtime=name,
            input_shape=INPUT_SHAPE,
            dtype="float32",
            timing=QUICK,
            timeout_s=TIMEOUT_S,
        )
    except ValueError as error:
        problem = str(error)
    else:
        if result.latency_s is not None:
            return Check(name, "ok", f"{version(runtime.package)} runs a network")
        problem = result.error or "failed"
    advice = f"{advice} --force-reinstall, or choose another runtime"
    return Check(name, "fail" if needed else "warn", problem, advice)


def _write_onnx(path: Path) -> None:
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, INPUT_SHAPE) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Tanh", ["x"], ["y"])], "tiny", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    path.write_bytes(model.SerializeToString())

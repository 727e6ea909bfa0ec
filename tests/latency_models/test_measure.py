"""Measuring real networks, and files that crash, hang or are not what they should be."""

import os
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
from jax import export
from onnx import TensorProto, helper, numpy_helper

from latency_models.measure import RUNTIMES, Measured, Runtime, TimingPlan, measure

QUICK = TimingPlan(min_time_s=0.02, max_time_s=0.1, max_warm_up_s=0.2, attempts=1)
SHAPE = (1, 64)


def _jaxexport(path: Path, width: int) -> Path:
    weights = jnp.ones((64, width), jnp.float32)

    def network(images: jax.Array) -> jax.Array:
        return jnp.tanh(images @ weights)

    exported = export.export(jax.jit(network))(jax.ShapeDtypeStruct(SHAPE, jnp.float32))
    path.write_bytes(exported.serialize())
    return path


def _onnx(path: Path, width: int) -> Path:
    weights = numpy_helper.from_array(np.ones((64, width), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", width])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, str(path))
    return path


WRITERS = {"xla": _jaxexport, "onnxruntime": _onnx, "openvino": _onnx}
BY_RUNTIME = pytest.mark.parametrize(
    "runtime",
    [
        pytest.param(
            name,
            marks=pytest.mark.skipif(not RUNTIMES[name].installed, reason="not installed"),
        )
        for name in WRITERS
    ],
)


def _check_success(result: Measured) -> None:
    assert result.status in ("ok", "noisy"), result.error
    assert result.latency_s is not None
    assert result.latency_s == pytest.approx(float(np.median(result.samples_s)))
    assert result.confidence_interval_s is not None
    low, high = result.confidence_interval_s
    assert 0 < low <= result.latency_s <= high < 1
    assert result.compile_s is not None
    assert result.compile_s > 0
    assert result.reference_s is not None
    assert min(result.reference_s) > 0
    assert result.attempts == 1


@BY_RUNTIME
def test_runtime_measures_good_files_and_reports_bad_ones(runtime: str, tmp_path: Path) -> None:
    suffix = RUNTIMES[runtime].suffix
    small = WRITERS[runtime](tmp_path / f"small{suffix}", 32)
    large = WRITERS[runtime](tmp_path / f"large{suffix}", 100_000)
    garbage = tmp_path / f"garbage{suffix}"
    garbage.write_bytes(b"not a network")
    missing = tmp_path / f"missing{suffix}"
    files = [small, garbage, missing, large]
    results = list(
        measure(files, runtime=runtime, input_shape=SHAPE, dtype="float32", timing=QUICK)
    )
    assert [result.path for result in results] == files
    assert [result.status == "failed" for result in results] == [False, True, True, False]
    _check_success(results[0])
    _check_success(results[3])
    assert results[0].latency_s is not None
    assert results[3].latency_s is not None
    assert results[3].latency_s > 5 * results[0].latency_s
    assert "no such file" in (results[2].error or "")
    environment = results[0].environment
    assert environment["threads"] == 1
    assert len(environment["cpus"]) == 1
    assert {"python", "device"} < set(environment["versions"])
    assert environment["cpu_model"]
    assert "governor" in environment
    assert results[0].to_dict()["path"] == str(small)


@BY_RUNTIME
def test_wrong_input_shape_is_a_failed_row_that_names_both(runtime: str, tmp_path: Path) -> None:
    path = WRITERS[runtime](tmp_path / f"net{RUNTIMES[runtime].suffix}", 8)
    (result,) = measure([path], runtime=runtime, input_shape=(1, 65), dtype="float32", timing=QUICK)
    assert result.status == "failed"
    assert "expected input" in (result.error or "")
    assert "64" in (result.error or "")


@pytest.fixture
def hazard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A runtime whose networks do what their file says."""
    (tmp_path / "hazard_runtime.py").write_text(
        textwrap.dedent(
            """
            import os, sys, time

            def load(path, *, input_shape, dtype, threads):
                what = path.read_text()
                print("loading", what)
                if what == "crash":
                    print("cannot go on", file=sys.stderr, flush=True)
                    os.abort()
                if what == "exit":
                    os._exit(3)
                if what == "hang":
                    time.sleep(600)
                if what == "compile":
                    time.sleep(0.5)
                return lambda: time.sleep(0.001)

            def describe():
                return {"pid": str(os.getpid()), "cpus": str(len(os.sched_getaffinity(0)))}
            """
        )
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setitem(
        RUNTIMES, "hazard", Runtime("hazard_runtime", ".txt", "a word", ("float32",))
    )
    return "hazard"


def _words(tmp_path: Path, *words: str) -> list[Path]:
    paths = [tmp_path / f"{i}.txt" for i in range(len(words))]
    for path, word in zip(paths, words, strict=True):
        path.write_text(word)
    return paths


def test_crash_and_time_out_are_rows_and_the_rest_is_measured(hazard: str, tmp_path: Path) -> None:
    files = _words(tmp_path, "fine", "crash", "fine", "hang", "exit", "fine")
    results = list(
        measure(files, runtime=hazard, input_shape=SHAPE, dtype="int8", timing=QUICK, timeout_s=2.0)
    )
    statuses = [result.status == "failed" for result in results]
    assert statuses == [False, True, False, True, True, False]
    assert results[1].error == "the process of hazard was ended by SIGABRT: cannot go on"
    assert results[3].error == "no result within 2 s"
    assert "ended with 3" in (results[4].error or "")
    processes = [result.environment["versions"]["pid"] for result in results]
    assert processes[0] == processes[1] != processes[2] == processes[3] != processes[4]


def test_compilation_is_told_apart_from_the_samples(hazard: str, tmp_path: Path) -> None:
    (result,) = measure(
        _words(tmp_path, "compile"), runtime=hazard, input_shape=SHAPE, dtype="int8", timing=QUICK
    )
    assert result.compile_s is not None
    assert 0.5 <= result.compile_s < 5
    assert max(result.samples_s) < 0.5


def test_files_are_asked_for_one_by_one(hazard: str, tmp_path: Path) -> None:
    files = _words(tmp_path, "fine", "fine")
    asked: list[Path] = []

    def ask() -> Iterator[Path]:
        for path in files:
            asked.append(path)
            yield path

    results = measure(ask(), runtime=hazard, input_shape=SHAPE, dtype="int8", timing=QUICK)
    next(results)
    assert asked == files[:1]
    next(results)
    assert asked == files
    results.close()


def test_worker_is_bound_to_as_many_processors_as_threads(hazard: str, tmp_path: Path) -> None:
    for threads in range(1, min(len(os.sched_getaffinity(0)), 2) + 1):
        (result,) = measure(
            _words(tmp_path, "fine"),
            runtime=hazard,
            input_shape=SHAPE,
            dtype="int8",
            threads=threads,
            timing=QUICK,
        )
        assert result.environment["versions"]["cpus"] == str(threads)


def test_abandoned_measurement_ends_its_process(hazard: str, tmp_path: Path) -> None:
    results = measure(
        _words(tmp_path, "fine", "fine"),
        runtime=hazard,
        input_shape=SHAPE,
        dtype="int8",
        timing=QUICK,
    )
    process = int(next(results).environment["versions"]["pid"])
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_runtime_that_does_not_start_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        RUNTIMES, "absent", Runtime("no_such_module", ".x", "nothing", ("float32",))
    )
    with pytest.raises(ValueError, match="'absent' does not start: ModuleNotFoundError"):
        list(measure([tmp_path], runtime="absent", input_shape=SHAPE, dtype="int8"))


def test_options_are_checked_before_anything_starts() -> None:
    valid = "valid: xla, onnxruntime, openvino, command"
    with pytest.raises(ValueError, match=f"unknown runtime 'tvm', {valid}"):
        measure([], runtime="tvm", input_shape=SHAPE, dtype="float32")
    with pytest.raises(ValueError, match="threads must be 1 to"):
        measure([], runtime="xla", input_shape=SHAPE, dtype="float32", threads=10_000)
    with pytest.raises(ValueError, match="unknown dtype 'float64', valid: float32"):
        measure([], runtime="xla", input_shape=SHAPE, dtype="float64")
    with pytest.raises(ValueError, match="compute_dtype of xla: valid are none, the file says"):
        measure([], runtime="xla", input_shape=SHAPE, dtype="float32", compute_dtype="bfloat16")
    with pytest.raises(ValueError, match="command: the program goes with the runtime 'command'"):
        measure([], runtime="xla", input_shape=SHAPE, dtype="float32", command=["true"])
    with pytest.raises(ValueError, match="which needs one"):
        measure([], runtime="command", input_shape=SHAPE, dtype="float32")


def test_runtime_that_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = replace(RUNTIMES["openvino"], package="no_such_package")
    monkeypatch.setitem(RUNTIMES, "openvino", absent)
    assert not absent.installed
    with pytest.raises(ValueError, match=r"pip install 'ridgeline-nas\[openvino\]'"):
        measure([], runtime="openvino", input_shape=SHAPE, dtype="float32")


@pytest.mark.skipif(not RUNTIMES["openvino"].installed, reason="not installed")
@pytest.mark.parametrize("compute_dtype", RUNTIMES["openvino"].compute_dtypes)
def test_openvino_computes_in_what_it_is_told_or_says_that_it_cannot(
    compute_dtype: str, tmp_path: Path
) -> None:
    from latency_models.measure import open_vino

    path = _onnx(tmp_path / "network.onnx", 64)
    precision, capability = {
        "float32": ("f32", "FP32"),
        "bfloat16": ("bf16", "BF16"),
        "float16": ("f16", "FP16"),
    }[compute_dtype]

    def load() -> Any:
        return open_vino.load(
            path, input_shape=SHAPE, dtype="float32", threads=1, compute_dtype=compute_dtype
        )

    if capability not in open_vino.describe()["capabilities"].split(", "):
        with pytest.raises(ValueError, match=f"does not compute in {compute_dtype}"):
            load()
        return
    run = load()
    nodes = run.__self__.get_compiled_model().get_runtime_model().get_ops()
    used = {
        node.get_rt_info()["layerType"].astype(str): node.get_rt_info()["runtimePrecision"]
        for node in nodes
    }
    assert str(used["FullyConnected"].astype(str)) == precision

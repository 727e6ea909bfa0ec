"""JAX and the runtimes: as they are here, and as they might be broken."""

from dataclasses import replace
from pathlib import Path

import pytest

from latency_models.measure import RUNTIMES
from nas.doctor import runtimes
from nas.doctor.accelerators import check_devices, check_jax, check_plugins
from nas.doctor.runtimes import check_runtimes
from tests.nas.doctor.configs import config

CPU = {"version": "0.10.2", "devices": [{"kind": "cpu", "platform": "cpu"}]}
GPU = {"version": "0.10.2", "devices": [{"kind": "NVIDIA H100", "platform": "gpu"}] * 2}
MEASURED = [{"name": "here", "device": "host", "runtime": "openvino"}]


def test_jax_and_every_runtime_run_a_network_here(tmp_path: Path):
    (jax,) = check_jax(None, tmp_path / "tiny.jaxexport", joins=False)
    assert jax.state == "ok", jax
    found = {check.name: check for check in check_runtimes(None, tmp_path)}
    assert set(found) == {"xla", "onnxruntime", "openvino"}
    for check in found.values():
        assert check.state == "ok", check
        assert check.found.endswith("runs a network")


def test_a_jax_that_does_not_load_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "jax.py").write_text("raise ImportError('jaxlib is version 0.1')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (found,) = check_jax(None, tmp_path / "tiny.jaxexport", joins=False)
    assert found.state == "fail"
    assert found.found == "JAX does not start: ImportError: jaxlib is version 0.1"


@pytest.mark.parametrize(
    ("found", "gpus_wanted", "driver", "state", "text"),
    [
        (CPU, False, False, "ok", "0.10.2, 1 x cpu"),
        (CPU, True, False, "fail", "0.10.2, 1 x cpu; the config wants GPUs"),
        (CPU, False, True, "warn", "0.10.2, 1 x cpu; there is a GPU that it does not use"),
        (GPU, True, True, "ok", "0.10.2, 2 x NVIDIA H100"),
    ],
)
def test_devices_are_those_wanted(found, gpus_wanted, driver, state, text, monkeypatch):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    check = check_devices(found, gpus_wanted=gpus_wanted, driver=driver)
    assert (check.state, check.found) == (state, text)


def test_who_told_jax_to_use_the_cpu_is_not_told_of_the_gpu(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert check_devices(CPU, gpus_wanted=False, driver=True).state == "ok"


@pytest.mark.parametrize(
    ("versions", "told"),
    [
        ({"jax": "0.10.2", "jaxlib": "0.10.2"}, []),
        ({"jaxlib": "0.10.2", "jax-cuda13-plugin": "0.10.2"}, []),
        ({"jaxlib": "0.10.2", "jax-cuda13-plugin": "0.10.1"}, ["jax-cuda13-plugin"]),
        ({"jaxlib": "0.10.2", "jax_cuda12_plugin": "0.9.0"}, ["jax_cuda12_plugin"]),
        ({"jaxlib": "0.10.2", "jaxtyping": "0.3.1", "jax2onnx": "0.17"}, []),
    ],
)
def test_a_plugin_of_another_release_is_told(versions, told):
    found = list(check_plugins(versions))
    assert [check.name for check in found] == told
    assert all(check.state == "warn" and "==0.10.2" in check.advice for check in found)


def test_a_runtime_that_is_not_installed_matters_where_it_is_measured_on(tmp_path, monkeypatch):
    missing = replace(RUNTIMES["openvino"], package="no_such_package_anywhere")
    monkeypatch.setattr(runtimes, "RUNTIMES", {"openvino": missing})
    (found,) = check_runtimes(config(), tmp_path)
    assert found.state == "ok"
    (found,) = check_runtimes(config(targets=MEASURED), tmp_path)
    assert (found.state, found.advice) == ("fail", "pip install 'ridgeline-nas[openvino]'")


def test_a_runtime_that_cannot_run_a_network_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(runtimes, "RUNTIMES", {"onnxruntime": RUNTIMES["onnxruntime"]})
    monkeypatch.setattr(runtimes, "_write_onnx", lambda path: path.write_bytes(b"no network"))
    (found,) = check_runtimes(None, tmp_path)
    assert found.state == "warn"
    needed = [{"name": "here", "device": "host", "runtime": "onnxruntime"}]
    (found,) = check_runtimes(config(targets=needed), tmp_path)
    assert found.state == "fail"
    assert "--force-reinstall" in found.advice

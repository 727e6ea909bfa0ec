"""The catalogue's figures, and this machine as a device."""

from dataclasses import fields

import pytest

from latency_models import DEVICES, DTYPE_BYTES, DeviceSpec, find_device, host_device


@pytest.mark.parametrize("name", DEVICES)
def test_every_figure_of_the_catalogue_names_its_source(name: str) -> None:
    spec = DEVICES[name]
    unsourced = {"name", "kind", "sources"}
    given = {
        f.name for f in fields(spec) if getattr(spec, f.name) not in (None, (), {})
    } - unsourced
    assert given == set(spec.sources)
    assert all(spec.sources.values())


@pytest.mark.parametrize("name", DEVICES)
def test_catalogue_is_keyed_by_name_and_uses_known_dtypes(name: str) -> None:
    spec = DEVICES[name]
    assert spec.name == name
    assert set(spec.peak_flops_per_s) <= set(DTYPE_BYTES)


def test_peaks_that_follow_from_units_and_clock() -> None:
    # 4 Cortex-A76 at 2.4 GHz with two 4-lane multiply-add pipes.
    assert DEVICES["raspberry-pi-5"].peak_flops_per_s["float32"] == pytest.approx(153.6e9)
    # 3584 CUDA cores at 1.582 GHz.
    gtx = DEVICES["gtx-1080-ti"].peak_flops_per_s["float32"]
    assert gtx == pytest.approx(3584 * 2 * 1.582e9, rel=1e-3)
    # Half of the published 40 sparse TOPS.
    assert DEVICES["jetson-orin-nano"].peak_flops_per_s["int8"] == pytest.approx(20e12, rel=0.03)


def test_host_reports_its_cores_and_a_plausible_bandwidth() -> None:
    host = find_device("host")
    assert host is host_device()
    assert host.cores is not None
    assert host.cores >= 1
    assert host.memory_bandwidth_bytes_per_s is not None
    assert 1e8 < host.memory_bandwidth_bytes_per_s < 1e13
    assert host.peak_flops_per_s["float32"] > 1e8


def test_unknown_device_names_the_nearest_and_the_valid_ones() -> None:
    with pytest.raises(ValueError, match=r"did you mean 'raspberry-pi-5'.*, valid: host, raspb"):
        find_device("raspberrypi-5")


def test_figures_must_be_positive_and_kinds_known() -> None:
    with pytest.raises(ValueError, match="memory_bandwidth_bytes_per_s must be positive"):
        DeviceSpec("x", "cpu", {"float32": 1e9}, memory_bandwidth_bytes_per_s=0.0)
    with pytest.raises(ValueError, match="unknown kind 'fpga', valid: cpu, gpu"):
        DeviceSpec("x", "fpga", {"float32": 1e9})
    with pytest.raises(ValueError, match="at least one peak"):
        DeviceSpec("x", "cpu", {})

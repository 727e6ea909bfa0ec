"""The catalogue's figures, and this machine as a device."""

import json
import re
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from latency_models import DEVICES, DTYPE_BYTES, CacheLevel, DeviceSpec, find_device, host_device
from latency_models.devices.sourcing import sourced

# Documents that have no address of their own, by the words that find them.
_NAMED_DOCUMENTS = ("copy of NVIDIA's post 'Turing", "copy of Chen et al.", "in GCC")


@pytest.mark.parametrize("name", DEVICES)
def test_every_figure_of_the_catalogue_names_its_source(name: str) -> None:
    spec = DEVICES[name]
    unsourced = {"name", "kind", "sources"}
    given = {f.name for f in fields(spec) if getattr(spec, f.name) not in (None, (), {})}
    assert given - unsourced == set(spec.sources)


@pytest.mark.parametrize("name", DEVICES)
def test_every_source_is_an_address_or_a_named_document(name: str) -> None:
    for field, source in DEVICES[name].sources.items():
        addressed = re.search(r"https?://[a-z0-9.-]+\.[a-z]{2,}", source)
        assert addressed or any(words in source for words in _NAMED_DOCUMENTS), (field, source)


def test_catalogue_has_the_devices_people_ask_for() -> None:
    assert len(DEVICES) >= 60
    assert {
        *("h100", "h200", "a100", "l4", "t4", "b200", "v100", "a10", "l40s"),
        *("tpu-v4", "tpu-v5e", "tpu-v5p", "tpu-v6e"),
        *("jetson-nano", "jetson-tx2", "jetson-xavier-nx", "jetson-orin-nano", "jetson-agx-orin"),
        *("raspberry-pi-3", "raspberry-pi-4", "raspberry-pi-5"),
        *("apple-m1", "apple-m2", "apple-m3", "apple-m4"),
        *("xeon-platinum-8280", "epyc-7742", "epyc-7763", "graviton-3"),
        *("snapdragon-8-gen-3", "google-tensor-g2", "apple-a16", "stm32f746", "stm32h743"),
    } <= set(DEVICES)


@pytest.mark.parametrize("name", DEVICES)
def test_catalogue_is_keyed_by_name_and_uses_known_dtypes(name: str) -> None:
    spec = DEVICES[name]
    assert spec.name == name
    assert set(spec.peak_flops_per_s) <= set(DTYPE_BYTES)


@pytest.mark.parametrize(
    ("name", "dtype", "expected"),
    [
        # 4 Cortex-A76 at 2.4 GHz with two 4-lane multiply-add pipes.
        ("raspberry-pi-5", "float32", 153.6e9),
        # 4 Cortex-A53 at 1.2 GHz with one.
        ("raspberry-pi-3", "float32", 38.4e9),
        # 10 cores at 2.2 GHz with a single 16-lane unit.
        ("xeon-silver-4114", "float32", 704e9),
        # 18 cores at 2.6 GHz with two; int8 in a quarter of the bytes.
        ("xeon-gold-6240", "float32", 2995.2e9),
        ("xeon-gold-6240", "int8", 11980.8e9),
        # 64 Zen 2 cores at 2.25 GHz with two 8-lane units.
        ("epyc-7742", "float32", 4608e9),
        # 64 Neoverse V1 cores at 2.6 GHz with two 8-lane units.
        ("graviton-3", "float32", 5324.8e9),
        # One fast core at 2.84 GHz and three at 2.42 GHz, 16 FLOPs a cycle.
        ("snapdragon-855-kryo-485", "float32", 161.6e9),
        # 4 fast cores at 3.2 GHz with four 4-lane pipes.
        ("apple-m1", "float32", 409.6e9),
        # One multiply-add a cycle at 216 MHz.
        ("stm32f746", "float32", 432e6),
        # CUDA cores x 2 x clock.
        ("gtx-1080-ti", "float32", 3584 * 2 * 1.582e9),
        ("titan-x-pascal", "float32", 3584 * 2 * 1.531e9),
        ("titan-xp", "float32", 3840 * 2 * 1.582e9),
        ("rtx-2080-ti", "float32", 4352 * 2 * 1.545e9),
        ("jetson-tx2", "float32", 256 * 2 * 1.3e9),
        # Half of the published 40 sparse TOPS; half of 2250 TFLOPS' neighbourhood for the B200.
        ("jetson-orin-nano", "int8", 20.48e12),
        ("b200", "bfloat16", 148 * 4 * 1024 * 2 * 1.8353101e9),
        # 33.6 GMAC/s.
        ("eyeriss", "float16", 67.2e9),
    ],
)
def test_peaks_follow_from_units_and_clock(name: str, dtype: str, expected: float) -> None:
    assert DEVICES[name].peak_flops_per_s[dtype] == pytest.approx(expected, rel=1.5e-3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("xeon-silver-4210r", 6 * 8 * 2.4e9),
        ("epyc-7763", 8 * 8 * 3.2e9),
        ("pixel-3", 8 * 3.733e9),
        ("google-tensor-g2", 8 * 6.4e9),
        ("apple-m2", 16 * 6.4e9),
    ],
)
def test_bandwidths_follow_from_channels_and_transfers(name: str, expected: float) -> None:
    assert DEVICES[name].memory_bandwidth_bytes_per_s == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("name", DEVICES)
def test_matrix_units_are_no_slower_than_the_ordinary_ones(name: str) -> None:
    spec = DEVICES[name]
    for dtype, vector in spec.vector_peak_flops_per_s.items():
        assert vector <= spec.peak_flops_per_s[dtype]


def test_source_for_a_field_without_a_figure_is_refused() -> None:
    spec = DeviceSpec("x", "cpu", {"float32": 1e9}, caches=(CacheLevel("L2", 1),))
    assert sourced(spec, "a", caches="b").sources == {"caches": "b", "peak_flops_per_s": "a"}
    with pytest.raises(ValueError, match=r"device 'x': a source for cores, which has no figure"):
        sourced(spec, "a", cores="b")


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


@pytest.mark.parametrize("name", DEVICES)
def test_a_datasheet_is_read_back_from_its_file(name: str, tmp_path: Path) -> None:
    file = tmp_path / "board.json"
    file.write_text(json.dumps(asdict(DEVICES[name])))
    assert find_device(str(file)) == DEVICES[name]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "board.json: Invalid JSON"),
        ("[1]", "board.json: .* got "),
        ('{"name": "x", "kind": "cpu"}', "board.json: peak_flops_per_s: Field required"),
        ('{"name": "x", "kind": "cpu", "peak_flops_per_s": {"float32": "1e9"}}', "valid number"),
        ('{"name": "x", "kind": "cpu", "peak_flops_per_s": {"float32": -1}}', "must be positive"),
        ('{"name": "x", "kind": "fpga", "peak_flops_per_s": {"int8": 1}}', "unknown kind 'fpga'"),
        ('{"name": "x", "kind": "cpu", "peak_flops_per_s": {"int8": Infinity}}', "finite"),
        (
            '{"name": "x", "kind": "cpu", "peak_flops_per_s": {"int8": 1}, "clock": 1}',
            "clock: Unexpected keyword argument, got 1",
        ),
        (
            '{"name": "x", "kind": "cpu", "peak_flops_per_s": {"int8": 1},'
            ' "caches": [{"name": "L1", "size_bytes": 1.5}]}',
            r"caches\.0\.size_bytes: .* got 1\.5",
        ),
    ],
)
def test_a_file_that_is_no_datasheet_is_refused(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "board.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        find_device(str(file))


def test_a_datasheet_that_is_not_there_is_told_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"absent\.json: cannot be read: No such file"):
        find_device(str(tmp_path / "absent.json"))

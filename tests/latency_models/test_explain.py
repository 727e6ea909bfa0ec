"""Explanations of three operators whose times are worked out by hand, and the plot's form."""

import json
from collections.abc import Sequence
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from jaxtyping import Float

from latency_models import (
    DEVICES,
    CacheLevel,
    CostTable,
    DeviceSpec,
    RooflinePredictor,
    Workload,
    activation,
    conv2d,
    global_pool,
    linear,
)
from latency_models.explain import explain
from latency_models.predictor import Prediction

F32 = "float32"
SPEC = DeviceSpec(
    "board",
    "npu",
    {F32: 1e9},
    memory_bandwidth_bytes_per_s=1e8,
    launch_overhead_s=1e-3,
    idle_power_w=2.0,
    energy_per_flop_j={F32: 1e-12},
    memory_energy_per_byte_j=1e-10,
    memory_bytes=8 * 2**20,
)
SVG = "{http://www.w3.org/2000/svg}"


def _network() -> Workload:
    conv = conv2d("conv", (1, 16, 16, 64), out_channels=64, kernel=3, dtype=F32)
    relu = activation("relu", conv.output_shape, function="relu", dtype=F32, inputs=(0,))
    pool = global_pool("pool", conv.output_shape, dtype=F32, inputs=(1,))
    head = linear("head", (1, 64), out_features=4000, dtype=F32, inputs=(2,))
    return Workload((conv, relu, pool, head), 1, F32)


# Seconds by hand: convolution 18,874,368 FLOPs at 1 GFLOP/s and 1 ms to start; relu 16,384 FLOPs,
# fused; pooling 16,448 values of 4 bytes at 100 MB/s, less than its start; the head's 260,000
# parameters and 4064 values likewise.
CONV_S = 18_874_368 / 1e9
RELU_S = 16_384 / 1e9
POOL_S = 16_448 * 4 / 1e8
HEAD_S = 264_064 * 4 / 1e8
TOTAL_S = CONV_S + RELU_S + POOL_S + HEAD_S + 3e-3


class Doubling:
    """Twice the roofline for each operator, and a second for the call."""

    spec = SPEC
    threads = None

    def operator_seconds(self, workload: Workload) -> Float[np.ndarray, " m"]:
        return 2 * np.array([CONV_S + 1e-3, RELU_S, POOL_S + 1e-3, HEAD_S + 1e-3])

    def predict(self, workloads: Sequence[Workload]) -> Prediction:
        totals = np.array([self.operator_seconds(w).sum() + 1 for w in workloads])
        return Prediction(totals, np.zeros_like(totals))

    def predict_population(self, table: CostTable, genotypes: np.ndarray) -> Prediction:
        raise NotImplementedError


def test_operators_are_bound_by_what_takes_longest() -> None:
    operators = explain(_network(), SPEC).operators
    assert [op.bound for op in operators] == ["compute", "compute", "launch", "memory"]


def test_seconds_shares_and_intensities_follow_from_the_roofline() -> None:
    explanation = explain(_network(), SPEC)
    conv, relu, pool, head = explanation.operators
    assert explanation.latency_s == pytest.approx(TOTAL_S)
    assert explanation.roofline_s == pytest.approx(TOTAL_S)
    assert conv.seconds == pytest.approx(CONV_S + 1e-3)
    assert head.share == pytest.approx((HEAD_S + 1e-3) / TOTAL_S)
    assert sum(explanation.share_by_bound().values()) == pytest.approx(1)
    # 2 x 64 + 1 FLOPs an output; weights, inputs and outputs of 4 bytes.
    assert head.intensity_flops_per_byte == pytest.approx(129 * 4000 / (264_064 * 4))
    assert relu.intensity_flops_per_byte is None
    assert pool.efficiency == pytest.approx(POOL_S / (POOL_S + 1e-3))


def test_efficiency_is_the_bound_over_the_predictors_seconds() -> None:
    explanation = explain(_network(), Doubling())
    conv = explanation.operators[0]
    assert conv.efficiency == pytest.approx(CONV_S / (2 * CONV_S + 2e-3))
    assert explanation.latency_s == pytest.approx(2 * TOTAL_S + 1)
    assert explanation.roofline_s == pytest.approx(TOTAL_S)
    assert explanation.beside_operators_s == pytest.approx(1)
    assert "beside the operators: 1e+06 us" in str(explanation)


def test_padding_lowers_the_efficiency_and_not_the_bound() -> None:
    op = conv2d("c", (1, 64, 64, 3), out_channels=12, kernel=3, dtype=F32)
    spec = DeviceSpec("v", "cpu", {F32: 1e9}, launch_overhead_s=1e-12, vector_bits=256)
    explained = explain(Workload((op,), 1, F32), spec).operators[0]
    assert explained.padding == pytest.approx(16 / 12)
    assert explained.efficiency == pytest.approx(12 / 16, rel=1e-6)


def test_fused_operator_runs_in_the_kernel_of_its_producer() -> None:
    assert [op.kernel for op in explain(_network(), SPEC).operators] == [0, 0, 2, 3]


def test_predictor_without_operator_seconds_keeps_the_rooflines() -> None:
    explanation = explain(_network(), RooflinePredictor(SPEC))
    assert explanation.latency_s == pytest.approx(TOTAL_S)
    assert explanation.beside_operators_s == pytest.approx(0, abs=1e-12)


def test_predictor_without_a_datasheet_is_refused_unless_one_is_given() -> None:
    class Alone(Doubling):
        spec = None  # type: ignore[assignment]

    with pytest.raises(ValueError, match="Alone has no datasheet to compare with, pass spec="):
        explain(_network(), Alone())
    assert explain(_network(), Alone(), spec=SPEC).spec is SPEC


def test_energy_and_memory_are_those_of_the_network() -> None:
    body = explain(_network(), SPEC).to_dict()
    # FLOPs: convolution, relu, pooling, head; bytes: 36,864 weights and two maps of 16,384 values.
    flops = 18_874_368 + 16_384 + 16_384 + 516_000
    moved = 4 * (36_864 + 2 * 16_384 + 16_448 + 264_064)
    assert body["energy_j"] == {
        "compute": pytest.approx(flops * 1e-12),
        "memory": pytest.approx(moved * 1e-10),
        "idle": pytest.approx(2 * TOTAL_S),
    }
    assert body["weight_bytes"] == 4 * (36_864 + 260_000)
    assert body["peak_activation_bytes"] == 4 * 2 * 16_384
    assert body["fits_memory"] is True


def test_json_holds_what_the_explanation_does() -> None:
    explanation = explain(_network(), SPEC)
    read = json.loads(explanation.to_json())
    assert read["device"] == "board"
    assert [op["name"] for op in read["operators"]] == ["conv", "relu", "pool", "head"]
    assert read["operators"][1]["intensity_flops_per_byte"] is None


def test_table_lists_the_slowest_first_and_sums_up_the_rest() -> None:
    lines = explain(_network(), SPEC).table(2).splitlines()
    # 18.874368 + 1 ms; then 10.56256 + 1 ms; relu and pooling are 0.016384 + 1.65792 ms.
    assert lines[5].split()[:4] == ["0", "conv", "conv", "1.987e+04"]
    assert lines[6].split()[:4] == ["3", "head", "linear", "1.156e+04"]
    assert lines[7] == "2 more: 1674 us, 5.1%"


def test_plot_has_a_dot_for_each_kernel_with_arithmetic() -> None:
    explanation = explain(_network(), SPEC)
    root = ElementTree.fromstring(explanation.to_svg())
    hints = [title.text or "" for title in root.iterfind(f"{SVG}circle/{SVG}title")]
    # The relu runs in the convolution: 18,890,752 FLOPs and 69,632 values moved.
    assert [hint.split(":")[0] for hint in hints] == ["conv #0", "head #3", "pool #2"]
    assert f"{18_890_752 / (69_632 * 4):.3g} FLOP/byte" in hints[0]


def test_plot_draws_every_ceiling_and_stands_alone() -> None:
    caches = (CacheLevel("L1", 2**10), CacheLevel("L2", 2**20, 4e8))
    spec = replace(SPEC, caches=caches, vector_peak_flops_per_s={F32: 2.5e8})
    svg = explain(_network(), spec).to_svg()
    texts = [text.text for text in ElementTree.fromstring(svg).iterfind(f"{SVG}text")]
    for label in (
        "float32, matrix units: 1 GFLOP/s",
        "float32, vector units: 250 MFLOP/s",
        "L2: 400 MB/s",
        "memory: 100 MB/s",
    ):
        assert label in texts
    assert "href" not in svg
    assert svg.count("http") == 1


def test_plot_copes_without_bandwidths_and_escapes_names() -> None:
    spec = DeviceSpec("a<b", "cpu", {F32: 1e9})
    op = conv2d('x & "y"', (1, 8, 8, 4), out_channels=8, kernel=3, dtype=F32)
    root = ElementTree.fromstring(explain(Workload((op,), 1, F32), spec).to_svg())
    title = root.find(f"{SVG}title")
    assert title is not None
    assert (title.text or "").startswith("a<b: ")


@pytest.mark.parametrize("name", DEVICES)
def test_every_device_of_the_catalogue_explains_a_network_within_its_power(name: str) -> None:
    spec = DEVICES[name]
    dtype = next(iter(spec.peak_flops_per_s))
    conv = conv2d("conv", (1, 56, 56, 24), out_channels=72, kernel=3, dtype=dtype)
    head = linear("head", conv.output_shape, out_features=10, dtype=dtype, inputs=(0,))
    explanation = explain(Workload((conv, head), 1, dtype), spec)
    joules = sum(explanation.energy_j.values())
    assert 0 < explanation.latency_s < 10
    assert joules > 0
    if spec.max_power_w is not None:
        assert joules <= spec.max_power_w * explanation.latency_s * (1 + 1e-9)
    assert all(0 < (op.efficiency or 0) <= 1 + 1e-9 for op in explanation.operators)
    ElementTree.fromstring(explanation.to_svg())

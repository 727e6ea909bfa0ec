"""Operators of a network as the report shows them."""

import pytest

from latency_models import CostTable, DeviceSpec, Slot, activation, conv2d, explain
from nas.stages.operators import network_times, slots_of_operators

SPEC = DeviceSpec(
    name="plain",
    kind="cpu",
    peak_flops_per_s={"float32": 1e9},
    memory_bandwidth_bytes_per_s=1e9,
    launch_overhead_s=1e-6,
)


def table() -> CostTable:
    shape = (1, 8, 8, 4)
    conv = conv2d("conv", shape, out_channels=4, kernel=3, dtype="float32")
    relu = activation("relu", conv.output_shape, function="relu", dtype="float32", inputs=(0,))
    two = (conv, relu)
    return CostTable(
        cardinalities=(2,),
        slots=(Slot("stem", (), (two,)), Slot("stage1.block1", (0,), ((), two), repeat=2)),
        batch_size=1,
        dtype="float32",
    )


def test_operators_belong_to_the_slot_that_they_run_in():
    assert slots_of_operators(table(), (0,)) == ["stem"] * 2
    assert slots_of_operators(table(), (1,)) == ["stem"] * 2 + ["stage1.block1"] * 4


def test_what_is_fused_is_added_to_the_operator_that_starts():
    workload = table().workload((1,))
    explanation = explain(workload, SPEC)
    times = network_times(explanation, slots_of_operators(table(), (1,)))
    assert [(k.name, k.slot) for k in times.kernels] == [
        ("conv", "stem"),
        ("conv", "stage1.block1"),
        ("conv", "stage1.block1"),
    ]
    first = times.kernels[0]
    # 8 x 8 positions, 4 outputs, 3 x 3 x 4 multiply-adds of two FLOPs; the relu on top.
    conv_flops = 8 * 8 * 4 * 3 * 3 * 4 * 2
    assert first.flops == conv_flops + explanation.operators[1].flops
    assert first.bound == "compute"
    assert sum(k.seconds for k in times.kernels) == pytest.approx(times.latency_s)

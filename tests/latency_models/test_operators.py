"""Costs of the operators that networks outside the search spaces have, worked out by hand."""

import json

import numpy as np
import pytest

from latency_models.operators import OP_KINDS, Op
from latency_models.workload import (
    OpArrays,
    Workload,
    activation,
    add,
    attention,
    channel_shuffle,
    concat,
    conv2d,
    convolution,
    elementwise,
    embedding,
    fill,
    layer_norm,
    layout,
    linear,
    matmul,
    norm,
    pool,
    prepend,
    reduction,
    resize,
    softmax,
    transposed_conv,
)

F32, BF16 = "float32", "bfloat16"


def test_oblong_kernel_counts_its_area() -> None:
    # 1x7 on 8x8, padded by 3 along the width only: the size stays, 7 products a channel.
    op = conv2d("c", (1, 8, 8, 4), out_channels=6, kernel=(1, 7), dtype=F32)
    assert op.output_shape == (1, 8, 8, 6)
    assert (op.kernel, op.kernel_area) == ((1, 7), 7)
    assert op.macs == 64 * 6 * 7 * 4
    assert op.params == 7 * 4 * 6


def test_dilation_widens_the_window_but_not_the_work() -> None:
    # Five positions wide without padding: 8 - 5 + 1 = 4.
    op = conv2d("c", (1, 8, 8, 2), out_channels=3, kernel=3, dilation=2, padding=0, dtype=F32)
    assert op.output_shape == (1, 4, 4, 3)
    assert op.macs == 16 * 3 * 9 * 2
    same = conv2d("c", (1, 8, 8, 2), out_channels=3, kernel=3, dilation=2, dtype=F32)
    assert same.output_shape == (1, 8, 8, 3)


def test_padding_may_differ_before_and_after() -> None:
    op = conv2d(
        "c", (1, 8, 8, 1), out_channels=1, kernel=3, stride=2, dtype=F32, padding=[(0, 1)] * 2
    )
    assert op.output_shape == (1, 4, 4, 1)


def test_one_dimensional_convolution() -> None:
    op = convolution("c", (2, 100, 8), out_channels=16, kernel=5, stride=2, bias=True, dtype=F32)
    assert op.output_shape == (2, 50, 16)
    assert op.macs == 2 * 50 * 16 * 5 * 8
    assert op.params == 5 * 8 * 16 + 16
    assert op.flops == 2 * op.macs + 2 * 50 * 16


def test_transposed_convolution_multiplies_every_input_with_the_whole_kernel() -> None:
    op = transposed_conv(
        "t", (1, 4, 4, 8), out_channels=5, kernel=4, stride=2, dtype=F32, bias=True
    )
    assert op.output_shape == (1, 8, 8, 5)
    assert op.macs == 16 * 8 * 16 * 5
    assert op.params == 16 * 8 * 5 + 5
    assert op.flops == 2 * op.macs + 64 * 5
    # (4 - 1) * 2 - 2 * 1 + 3: the size that deep-learning libraries document.
    cropped = transposed_conv(
        "t", (1, 4, 4, 8), out_channels=5, kernel=3, stride=2, padding=1, dtype=F32
    )
    assert cropped.output_shape == (1, 7, 7, 5)


def test_matmul_reads_both_operands_and_has_no_parameters() -> None:
    op = matmul("m", (2, 3, 5, 7), (2, 3, 7, 11), dtype=BF16, inputs=(0, 1))
    assert op.output_shape == (2, 3, 5, 11)
    assert op.macs == 6 * 5 * 7 * 11
    assert (op.flops, op.params) == (2 * op.macs, 0)
    assert op.bytes_read == 6 * (5 * 7 + 7 * 11) * 2
    assert matmul("m", (4, 1, 2, 3), (8, 3, 5), dtype=F32, inputs=(0, 1)).output_shape == (
        4,
        8,
        2,
        5,
    )


def test_prefill_attention_is_quadratic_in_the_length() -> None:
    # 4 heads of 16 over 32 positions: 4*32*32 logits, each with 16 + 16 multiply-accumulates,
    # a scaling and the softmax's five operations.
    op = attention("a", (2, 32, 4, 16), key_length=32, dtype=F32, inputs=(0, 1, 2))
    logits = 2 * 4 * 32 * 32
    assert op.macs == logits * 32
    assert op.flops == logits * (64 + 6)
    assert op.output_shape == (2, 32, 4, 16)
    assert op.bytes_read == 3 * 2 * 32 * 4 * 16 * 4


def test_decoding_reads_the_cache_of_the_shared_heads() -> None:
    # One query of 32 heads against 1000 positions of 8 key-value heads of 128, as in Llama 3 8B:
    # 2 * 1000 * 8 * 128 numbers of cache, two bytes each.
    op = attention(
        "a", (1, 1, 32, 128), key_length=1000, key_value_heads=8, dtype=BF16, inputs=(0, -2, -3)
    )
    assert op.bytes_read == 2 * (32 * 128 + 2 * 1000 * 8 * 128)
    assert op.bytes_written == 2 * 32 * 128
    assert op.macs == 32 * 1000 * 256


def test_attention_refuses_heads_that_cannot_share() -> None:
    with pytest.raises(ValueError, match="3 key-value heads do not divide 4 heads"):
        attention("a", (1, 8, 4, 16), key_length=8, key_value_heads=3, dtype=F32, inputs=(0, 1, 2))
    with pytest.raises(ValueError, match=r"\(n, length, heads, size\)"):
        attention("a", (1, 8, 64), key_length=8, dtype=F32, inputs=(0, 1, 2))


def test_layer_norm_reduces_and_is_not_fused() -> None:
    op = layer_norm("n", (2, 5, 8), dtype=F32)
    assert (op.params, op.flops, op.fused) == (16, 7 * 80, False)
    rms = layer_norm("n", (2, 5, 8), dtype=F32, centred=False, has_shift=False)
    assert (rms.params, rms.flops) == (8, 4 * 80)


def test_softmax_costs_five_flops_an_element() -> None:
    op = softmax("s", (2, 4, 8), dtype=F32)
    assert (op.flops, op.fused) == (5 * 64, False)
    assert op.bytes_read == op.bytes_written == 64 * 4


def test_broadcast_operand_is_read_at_its_own_size() -> None:
    op = elementwise("m", [(2, 8, 8, 4), (2, 1, 1, 4)], dtype=F32, inputs=(0, 1))
    assert op.output_shape == (2, 8, 8, 4)
    assert op.flops == 512
    assert op.input_bytes == (512 + 8) * 4
    assert op.fused
    with pytest.raises(ValueError, match="do not broadcast"):
        elementwise("m", [(2, 3), (2, 4)], dtype=F32, inputs=(0, 1))


def test_reduction_drops_the_axes_and_reads_every_element_once() -> None:
    op = reduction("r", (2, 5, 8), axes=(-1,), dtype=F32)
    assert (op.output_shape, op.flops) == ((2, 5), 80)
    assert reduction("r", (2, 5, 8), axes=(0, 1, 2), dtype=F32).output_shape == ()
    with pytest.raises(ValueError, match=r"axes \(3,\)"):
        reduction("r", (2, 5, 8), axes=(3,), dtype=F32)


def test_embedding_owns_the_table_but_reads_only_its_rows() -> None:
    op = embedding("e", (2, 16), rows=1000, features=64, dtype=BF16)
    assert op.params == 64_000
    assert op.weight_bytes == 128_000
    assert op.bytes_read == 2 * (32 + 32 * 64)
    assert op.bytes_written == 2 * 32 * 64


def test_learned_tokens_are_parameters_and_copied_once_a_sequence() -> None:
    # Two sequences of 4 tokens of 8 features behind one learned token: 2 * 5 * 8 values written.
    op = prepend("class", (2, 4, 8), tokens=1, dtype=F32)
    assert (op.kind, op.output_shape, op.params, op.flops) == ("concat", (2, 5, 8), 8, 0)
    assert (op.bytes_read, op.bytes_written) == ((2 * 4 * 8 + 8) * 4, 2 * 5 * 8 * 4)


def test_a_learned_summand_is_read_once_for_the_whole_batch() -> None:
    op = add("position", (2, 5, 8), params=5 * 8, dtype=BF16, inputs=(-1,))
    assert (op.flops, op.params, op.fused) == (2 * 5 * 8, 40, True)
    assert op.bytes_read == (2 * 5 * 8 + 5 * 8) * 2


def test_concat_copies_its_operands() -> None:
    op = concat("c", [(1, 4, 4, 3), (1, 4, 4, 5)], dtype=F32, inputs=(0, 1))
    assert op.output_shape == (1, 4, 4, 8)
    assert op.bytes_read == op.bytes_written == 128 * 4
    assert concat("c", [(1, 2), (3, 2)], axis=0, dtype=F32, inputs=(0, 1)).output_shape == (4, 2)
    with pytest.raises(ValueError, match="along axis 0"):
        concat("c", [(1, 2), (3, 4)], axis=0, dtype=F32, inputs=(0, 1))


def test_layout_moves_bytes_without_arithmetic() -> None:
    op = channel_shuffle("s", (1, 4, 4, 6), groups=3, dtype=F32)
    assert (op.kind, op.flops, op.fused) == ("layout", 0, False)
    assert op.bytes_read == op.bytes_written == 96 * 4
    padded = layout("p", (1, 4, 4, 6), output_shape=(1, 6, 6, 6), dtype=F32)
    assert padded.bytes_written == 216 * 4
    with pytest.raises(ValueError, match="4 groups do not divide 6 channels"):
        channel_shuffle("s", (1, 4, 4, 6), groups=4, dtype=F32)


def test_resize_interpolates_axis_by_axis() -> None:
    # Two taps an axis: two products and their sum.
    op = resize("r", (1, 4, 4, 3), size=(8, 8), method="linear", dtype=F32)
    assert op.output_shape == (1, 8, 8, 3)
    assert op.flops == 192 * 6
    assert resize("r", (1, 4, 4, 3), size=(8, 8), dtype=F32).flops == 0
    with pytest.raises(ValueError, match="valid: nearest, linear, cubic"):
        resize("r", (1, 4, 4, 3), size=(8, 8), method="lanczos", dtype=F32)


def _of_every_kind() -> tuple[Op, ...]:
    image, words = (1, 8, 8, 4), (1, 8, 16)
    return (
        conv2d("c", image, out_channels=4, kernel=(1, 3), stride=(1, 2), dilation=2, dtype=F32),
        conv2d("d", image, out_channels=4, kernel=3, groups=4, dtype=F32),
        linear("l", words, out_features=8, dtype=F32),
        norm("n", image, dtype=F32),
        activation("a", image, function="relu", dtype=F32),
        add("e", image, dtype=F32, inputs=(-1, -1)),
        pool("p", image, kernel=2, stride=2, padding=0, dtype=F32),
        Op("scale", "s", (image, (1, 4)), image, 256, 0, F32, (-1, -1)),
        transposed_conv("t", image, out_channels=2, kernel=2, stride=2, dtype=F32),
        matmul("m", (1, 8, 16), (1, 16, 8), dtype=F32, inputs=(-1, -2)),
        attention("at", (1, 8, 2, 8), key_length=4, dtype=F32, inputs=(-1, -2, -3)),
        layer_norm("ln", words, dtype=F32),
        softmax("so", words, dtype=F32),
        reduction("r", words, axes=(1,), dtype=F32),
        embedding("em", (1, 8), rows=10, features=16, dtype=F32),
        concat("co", [words, words], dtype=F32, inputs=(-1, -1)),
        layout("la", words, dtype=F32),
        resize("re", image, size=(16, 16), dtype=F32),
        fill("f", image, dtype=F32),
    )


def test_every_kind_survives_json_and_becomes_arrays() -> None:
    ops = _of_every_kind()
    assert tuple(op.kind for op in ops) == OP_KINDS
    workload = Workload(ops, 1, F32)
    assert Workload.from_json(workload.to_json()) == workload
    arrays = OpArrays.of(ops)
    assert arrays.macs.tolist() == [op.macs for op in ops]
    assert arrays.weight_read_bytes.tolist() == [op.bytes_read - op.input_bytes for op in ops]


def test_a_file_has_later_fields_only_where_they_are_used() -> None:
    plain = conv2d("c", (1, 8, 8, 4), out_channels=4, kernel=3, dtype=F32)
    (written,) = json.loads(Workload((plain,), 1, F32).to_json())["ops"]
    assert set(written) == {
        *("kind", "name", "input_shapes", "output_shape", "flops", "params", "dtype", "inputs"),
        *("kernel", "stride", "groups"),
    }


def test_a_file_with_text_for_a_side_is_refused() -> None:
    text = Workload(_of_every_kind()[:1], 1, F32).to_json()
    for before, after in (("[1, 3]", '[1, "3"]'), ('"dilation": 2', '"dilation": "2"')):
        assert before in text
        with pytest.raises(ValueError, match="whole numbers"):
            Workload.from_json(text.replace(before, after))


def test_arrays_know_channels_positions_and_strides() -> None:
    conv = conv2d("c", (2, 8, 6, 4), out_channels=12, kernel=3, stride=2, groups=2, dtype=F32)
    total = reduction("r", (5,), axes=(0,), dtype=F32)
    zeros = Op("layout", "z", (), (3, 7), 0, 0, F32, ())
    arrays = OpArrays.of([conv, total, zeros])
    expected = {
        "batch": [2, 1, 3],
        "in_channels": [4, 5, 0],
        "out_channels": [12, 1, 7],
        "in_positions": [48, 1, 1],
        "out_positions": [12, 1, 1],
        "kernel": [3, 1, 1],
        "kernel_area": [9, 1, 1],
        "stride": [2, 1, 1],
        "groups": [2, 1, 1],
        "other_input_bytes": [0, 0, 0],
    }
    for name, values in expected.items():
        np.testing.assert_array_equal(getattr(arrays, name), values, name)


def test_live_operators_are_those_that_the_last_one_depends_on() -> None:
    shape = (1, 4, 4, 8)
    first, dead, third, total = (
        conv2d("first", shape, out_channels=8, kernel=1, dtype=F32),
        conv2d("dead", shape, out_channels=8, kernel=3, dtype=F32, inputs=(0,)),
        conv2d("third", shape, out_channels=8, kernel=1, dtype=F32, inputs=(0,)),
        add("sum", shape, dtype=F32, inputs=(2, -1)),
    )
    live = Workload((first, dead, third, total), 1, F32).live()
    assert [op.name for op in live.ops] == ["first", "third", "sum"]
    assert [op.inputs for op in live.ops] == [(-1,), (0,), (1, -1)]
    assert live.live() == live


def test_further_inputs_of_the_network_are_alive_from_the_start() -> None:
    # 64 queries, and 1024 + 1024 numbers of cache beside 64 of output.
    decode = attention("a", (1, 1, 4, 16), key_length=16, dtype=F32, inputs=(-1, -2, -3))
    block = Workload.chain([(decode,), (decode,)], batch_size=1, dtype=F32)
    assert [op.inputs for op in block.ops] == [(-1, -2, -3), (0, -2, -3)]
    assert block.peak_activation_bytes == (64 + 2 * 1024 + 64) * 4

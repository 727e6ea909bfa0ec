"""Traced functions against XLA's own counts, a space's own workload, and operators made by hand."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from latency_models.trace import trace
from latency_models.workload import (
    Op,
    Workload,
    activation,
    attention,
    conv2d,
    embedding,
    global_pool,
    layer_norm,
    linear,
    norm,
    pool,
    softmax,
    transposed_conv,
)
from nas.supernet.standalone import network_definition
from tests.nas.supernet import tiny

F32 = "float32"


def array(*shape: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


def xla_flops(function: Callable[..., Any], *arguments: Any) -> float:
    analysis = jax.jit(function).lower(*arguments).compile().cost_analysis()
    assert analysis is not None
    return float(analysis["flops"])


def kinds(workload: Workload) -> list[str]:
    return [op.kind for op in workload.ops]


def same_cost(found: Op, expected: Op) -> None:
    for field in ("kind", "flops", "params", "macs", "output_shape", "bytes_read", "kernel"):
        assert getattr(found, field) == getattr(expected, field), field
    assert (found.stride, found.groups, found.dtype) == (
        expected.stride,
        expected.groups,
        expected.dtype,
    )


def convolution(x: jax.Array, kernel: jax.Array, **options: Any) -> jax.Array:
    chosen: dict[str, Any] = {
        "window_strides": (1, 1),
        "padding": "SAME",
        "dimension_numbers": ("NHWC", "HWIO", "NHWC"),
        **options,
    }
    return lax.conv_general_dilated(x, kernel, **chosen)


def convnet(params: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    x = jax.nn.relu(convolution(x, params["stem"], window_strides=(2, 2)))
    x = jax.nn.relu(convolution(x, params["body"]) + params["bias"])
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return x.mean((1, 2)) @ params["head"]


CONVNET = {
    "stem": array(3, 3, 3, 32),
    "body": array(3, 3, 32, 64),
    "bias": array(64),
    "head": array(64, 10),
}


def test_convnet_flops_agree_with_xla() -> None:
    images = array(2, 96, 96, 3)
    found = trace(convnet, CONVNET, images, params_argnums=0)
    assert found.flops == pytest.approx(xla_flops(convnet, CONVNET, images), rel=0.05)
    assert kinds(found) == ["conv", "activation", "conv", "activation", "pool", "pool", "linear"]
    assert found.params == 9 * 3 * 32 + 9 * 32 * 64 + 64 + 640
    assert (found.batch_size, found.dtype) == (2, F32)
    assert found.input_shape == (2, 96, 96, 3)


def test_convnet_operators_equal_those_made_by_hand() -> None:
    found = trace(convnet, CONVNET, array(2, 96, 96, 3), params_argnums=0)
    half = (2, 48, 48, 32)
    expected = [
        conv2d("", (2, 96, 96, 3), out_channels=32, kernel=3, stride=2, dtype=F32),
        activation("", half, function="relu", dtype=F32),
        conv2d("", half, out_channels=64, kernel=3, bias=True, dtype=F32),
        activation("", (2, 48, 48, 64), function="relu", dtype=F32),
        pool("", (2, 48, 48, 64), kernel=2, stride=2, padding=0, dtype=F32),
        global_pool("", (2, 24, 24, 64), dtype=F32),
        linear("", (2, 64), out_features=10, bias=False, dtype=F32),
    ]
    for op, other in zip(found.ops, expected, strict=True):
        same_cost(op, other)


def test_mlp_flops_agree_with_xla() -> None:
    def mlp(params: list[tuple[jax.Array, jax.Array]], x: jax.Array) -> jax.Array:
        for weights, bias in params[:-1]:
            x = jax.nn.relu(x @ weights + bias)
        return x @ params[-1][0] + params[-1][1]

    params = [(array(m, n), array(n)) for m, n in ((784, 256), (256, 256), (256, 10))]
    found = trace(mlp, params, array(32, 784), params_argnums=0)
    assert found.flops == pytest.approx(xla_flops(mlp, params, array(32, 784)), rel=0.05)
    assert kinds(found) == ["linear", "activation"] * 2 + ["linear"]
    same_cost(found.ops[0], linear("", (32, 784), out_features=256, dtype=F32))


class TransformerBlock(nnx.Module):
    """Pre-norm, with a layer norm before attention and an RMS norm before the two-layer net."""

    def __init__(self, size: int, heads: int) -> None:
        rngs = nnx.Rngs(0)
        self.first = nnx.LayerNorm(size, rngs=rngs)
        self.second = nnx.RMSNorm(size, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(heads, size, decode=False, rngs=rngs)
        self.up = nnx.Linear(size, 4 * size, rngs=rngs)
        self.down = nnx.Linear(4 * size, size, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = x + self.attention(self.first(x))
        return x + self.down(nnx.gelu(self.up(self.second(x))))


def test_attention_block_flops_agree_with_xla() -> None:
    block = TransformerBlock(64, 4)
    found = trace(lambda x: block(x), array(2, 32, 64))
    assert found.flops == pytest.approx(xla_flops(lambda x: block(x), array(2, 32, 64)), rel=0.05)
    leaves: list[jax.Array] = jax.tree.leaves(nnx.state(block, nnx.Param))
    assert found.params == sum(leaf.size for leaf in leaves)
    assert kinds(found) == [
        *("layer_norm", "linear", "linear", "linear", "matmul", "elementwise", "softmax"),
        *("matmul", "linear", "elementwise"),
        *("layer_norm", "linear", "activation", "linear", "elementwise"),
    ]
    whole = attention("", (2, 32, 4, 16), key_length=32, dtype=F32, inputs=(0, 1, 2))
    assert sum(op.macs for op in found.ops if op.kind == "matmul") == whole.macs


def test_standalone_mobilenet_equals_the_spaces_workload_operator_by_operator() -> None:
    space = tiny.small_space()
    architecture = space.decode(space.largest)
    expected = space.workload(architecture, batch_size=2, dtype=F32)
    network = tiny.random_network(architecture)
    definition = network_definition(architecture, "stored", "native")[0]

    def run(params: Any, images: jax.Array) -> jax.Array:
        return nnx.merge(definition, {"blocks": params}, {"blocks": network.statistics})(images)

    found = trace(run, network.params, array(2, 8, 8, 1), params_argnums=0)
    assert (found.macs, found.params) == (expected.macs, expected.params)
    assert kinds(found) == kinds(expected)
    for op, other in zip(found.ops, expected.ops, strict=True):
        same_cost(op, other)
        assert op.inputs == other.inputs


def test_folded_mobilenet_has_a_bias_instead_of_each_norm() -> None:
    space = tiny.small_space()
    architecture = space.decode(space.largest)
    expected = space.workload(architecture, batch_size=1, dtype=F32)
    run = tiny.random_network(architecture).function(implementation="native")
    found = trace(run, array(1, 8, 8, 1))
    shifts = sum(op.params // 2 for op in expected.ops if op.kind == "norm")
    assert (found.macs, found.params) == (expected.macs, expected.params - shifts)
    assert kinds(found) == [kind for kind in kinds(expected) if kind != "norm"]


def test_channels_first_is_written_channels_last() -> None:
    def run(x: jax.Array, kernel: jax.Array, gain: jax.Array) -> jax.Array:
        y = convolution(x, kernel, dimension_numbers=("NCHW", "OIHW", "NCHW"))
        return jax.nn.relu(y * gain[:, None, None] + 1.0)

    found = trace(run, array(1, 4, 8, 6), array(16, 4, 3, 3), array(16), params_argnums=(1, 2))
    assert found.ops[0].input_shapes == ((1, 8, 6, 4),)
    assert [op.output_shape for op in found.ops] == [(1, 8, 6, 16)] * len(found.ops)
    assert found.params == 9 * 4 * 16 + 16


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"feature_group_count": 8, "kernel": (3, 3, 1, 8)},
            {"out_channels": 8, "kernel": 3, "groups": 8},
        ),
        (
            {"feature_group_count": 2, "kernel": (3, 3, 4, 6)},
            {"out_channels": 6, "kernel": 3, "groups": 2},
        ),
        (
            {"rhs_dilation": (2, 2), "kernel": (3, 3, 8, 4)},
            {"out_channels": 4, "kernel": 3, "dilation": 2},
        ),
        (
            {"window_strides": (1, 2), "kernel": (1, 5, 8, 4)},
            {"out_channels": 4, "kernel": (1, 5), "stride": (1, 2)},
        ),
    ],
)
def test_convolutions_equal_those_made_by_hand(
    options: dict[str, Any], expected: dict[str, Any]
) -> None:
    kernel = options.pop("kernel")
    found = trace(
        lambda x, w: convolution(x, w, **options),
        array(1, 12, 12, 8),
        array(*kernel),
        params_argnums=1,
    )
    same_cost(found.ops[0], conv2d("", (1, 12, 12, 8), dtype=F32, **expected))


def test_transposed_convolution_equals_that_made_by_hand() -> None:
    found = trace(
        lambda x, w: lax.conv_transpose(x, w, (2, 2), "SAME"),
        array(1, 6, 6, 8),
        array(4, 4, 8, 5),
        params_argnums=1,
    )
    same_cost(
        found.ops[0],
        transposed_conv("", (1, 6, 6, 8), out_channels=5, kernel=4, stride=2, dtype=F32),
    )


def test_batch_norm_with_stored_statistics_is_one_norm() -> None:
    module = nnx.BatchNorm(4, use_running_average=True, rngs=nnx.Rngs(0))
    definition, params, rest = nnx.split(module, nnx.Param, ...)
    found = trace(
        lambda p, x: nnx.merge(definition, p, rest)(x), params, array(2, 8, 8, 4), params_argnums=0
    )
    (op,) = found.ops
    expected = norm("", (2, 8, 8, 4), dtype=F32)
    assert (op.kind, op.flops, op.params) == (expected.kind, expected.flops, expected.params)
    # The mean and the variance are read beside the scale and the shift.
    assert op.weight_bytes_read >= expected.weight_bytes


@pytest.mark.parametrize(
    "function",
    [
        jax.nn.softmax,
        jax.nn.log_softmax,
        lambda x: jnp.exp(x) / jnp.exp(x).sum(-1, keepdims=True),
    ],
)
def test_softmax_is_one_operator(function: Callable[[jax.Array], jax.Array]) -> None:
    (op,) = trace(function, array(4, 100)).ops
    expected = softmax("", (4, 100), dtype=F32)
    assert op.kind == "softmax"
    assert (op.bytes_read, op.bytes_written) == (expected.bytes_read, expected.bytes_written)
    assert op.flops == pytest.approx(expected.flops, rel=0.25)


def two_pass_layer_norm(x: jax.Array, gain: jax.Array, shift: jax.Array) -> jax.Array:
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred**2).mean(-1, keepdims=True)
    return centred / jnp.sqrt(variance + 1e-6) * gain + shift


def test_layer_norm_written_out_is_one_operator() -> None:
    (op,) = trace(
        two_pass_layer_norm, array(2, 5, 64), array(64), array(64), params_argnums=(1, 2)
    ).ops
    expected = layer_norm("", (2, 5, 64), dtype=F32)
    assert (op.kind, op.params, op.bytes_read) == ("layer_norm", 128, expected.bytes_read)
    assert op.flops == pytest.approx(expected.flops, rel=0.1)


def test_group_norm_is_one_operator() -> None:
    module = nnx.GroupNorm(8, num_groups=2, rngs=nnx.Rngs(0))
    (op,) = trace(lambda x: module(x), array(2, 8, 8, 8)).ops
    assert (op.kind, op.params) == ("layer_norm", 16)


@pytest.mark.parametrize(
    ("function", "flops"),
    [
        (jax.nn.relu, 1),
        (jax.nn.relu6, 2),
        (jax.nn.hard_sigmoid, 4),
        (jax.nn.hard_swish, 5),
        (jax.nn.sigmoid, 4),
        (jax.nn.silu, 5),
        (jnp.tanh, 1),
    ],
)
def test_activation_costs_what_its_table_says(function: Any, flops: int) -> None:
    (op,) = trace(function, array(2, 3, 4)).ops
    assert (op.kind, op.flops, op.inputs) == ("activation", flops * 24, (-1,))


def test_embedding_owns_its_table_and_a_tied_head_reads_it_again() -> None:
    def run(table: jax.Array, ids: jax.Array) -> jax.Array:
        return jnp.take(table, ids, axis=0) @ table.T

    found = trace(run, array(1000, 64), array(2, 7, dtype=jnp.int32), params_argnums=0)
    first, head = found.ops
    same_cost(first, embedding("", (2, 7), rows=1000, features=64, dtype=F32))
    assert (head.kind, head.params, head.weight_bytes_read) == ("linear", 0, 4 * 64_000)
    assert found.params == 64_000


def test_key_value_cache_is_read_whole_but_only_its_new_row_is_written() -> None:
    def decode(q: jax.Array, k: jax.Array, cache: jax.Array) -> tuple[jax.Array, jax.Array]:
        cache = lax.dynamic_update_slice(cache, k, (0, 5, 0))
        return jnp.einsum("bqd,bkd->bqk", q, cache), cache

    found = trace(decode, array(2, 1, 16), array(2, 1, 16), array(2, 100, 16))
    write, product = found.ops
    assert (write.kind, write.bytes_read, write.bytes_written) == ("layout", 128, 128)
    assert product.kind == "matmul"
    assert product.bytes_read == 4 * (2 * 16 + 2 * 100 * 16)
    assert product.inputs == (-1, -3, 0)
    assert found.live() == found


def test_scan_over_stacked_layers_repeats_them_with_their_own_parameters() -> None:
    def run(stack: jax.Array, x: jax.Array) -> jax.Array:
        return lax.scan(lambda h, w: (jax.nn.relu(h @ w), None), x, stack)[0]

    found = trace(run, array(5, 16, 16), array(2, 16), params_argnums=0)
    assert kinds(found) == ["linear", "activation"] * 5
    assert [op.params for op in found.ops if op.kind == "linear"] == [256] * 5
    assert found.params == 5 * 256


def test_scan_with_shared_weights_counts_them_once_and_reads_them_every_time() -> None:
    def run(weights: jax.Array, xs: jax.Array) -> jax.Array:
        start = jnp.zeros((2, 8))
        return lax.scan(lambda h, x: (jnp.tanh(h @ weights + x), h.sum()), start, xs)[0]

    found = trace(run, array(8, 8), array(4, 2, 8), params_argnums=0)
    products = [op for op in found.ops if op.kind == "linear"]
    assert [op.params for op in products] == [64, 0, 0, 0]
    assert [op.weight_bytes_read for op in products] == [256] * 4


def test_conditional_counts_its_most_expensive_branch() -> None:
    def run(x: jax.Array, flag: jax.Array) -> jax.Array:
        return lax.cond(flag, lambda y: y @ y.T @ y, lambda y: y + 1, x)

    found = trace(run, array(8, 4), array(dtype=jnp.bool_))
    assert found.macs == 8 * 8 * 4 * 2
    assert kinds(found) == ["matmul", "matmul"]


def test_gradients_and_rematerialised_parts_count_forwards() -> None:
    @jax.custom_vjp
    def double(x: jax.Array) -> jax.Array:
        return x * 2

    double.defvjp(lambda x: (x * 2, None), lambda _, g: (g * 2,))
    found = trace(lambda x, w: jax.checkpoint(double)(x @ w), array(2, 4), array(4, 4))
    assert kinds(found) == ["matmul", "elementwise"]


def test_while_loop_is_refused() -> None:
    with pytest.raises(ValueError, match="a while loop has no known number of trips"):
        trace(lambda x: lax.while_loop(lambda y: y.sum() < 9, lambda y: y * 2, x), array(3))


def test_all_unknown_primitives_are_named_or_counted_as_elementwise() -> None:
    def run(x: jax.Array) -> jax.Array:
        return jnp.linalg.cholesky(x, symmetrize_input=False) + lax.reduce_precision(
            lax.bessel_i0e(x), 8, 7
        )

    with pytest.raises(ValueError, match="unknown primitives bessel_i0e, cholesky: "):
        trace(run, array(4, 4))
    found = trace(run, array(4, 4), unknown="elementwise")
    assert found.flops >= 3 * 16


def test_dead_code_is_left_out() -> None:
    def run(x: jax.Array, w: jax.Array) -> jax.Array:
        _ = jnp.exp(x @ w).sum()
        return x @ w

    assert kinds(trace(run, array(2, 4), array(4, 4))) == ["matmul"]


def test_dtypes_are_those_of_the_operands_unless_one_is_given() -> None:
    def run(x: jax.Array, w: jax.Array) -> jax.Array:
        return (x @ w).astype(jnp.float32)

    half = trace(run, array(2, 4, dtype=jnp.bfloat16), array(4, 4, dtype=jnp.bfloat16))
    assert (half.dtype, half.ops[0].dtype) == ("bfloat16", "bfloat16")
    given = trace(run, array(2, 4), array(4, 4), dtype="int8", name="net")
    assert (given.dtype, given.ops[0].dtype) == ("int8", "int8")
    assert given.ops[0].name == "net.dot_general"


def test_function_that_computes_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="computes nothing"):
        trace(lambda x: x.reshape(-1), array(2, 4))


def test_concatenation_padding_and_slices_move_what_they_write() -> None:
    def run(x: jax.Array) -> jax.Array:
        half = x[..., :2]
        return jnp.pad(jnp.concatenate([half, x], -1), ((0, 0), (1, 1), (0, 0)))

    found = trace(run, array(1, 8, 4))
    assert kinds(found) == ["layout", "concat", "layout"]
    assert [op.bytes_read for op in found.ops] == [4 * 16, 4 * 48, 4 * 48]
    assert [op.bytes_written for op in found.ops] == [4 * 16, 4 * 48, 4 * 60]


def test_channel_shuffle_is_one_copy() -> None:
    def run(x: jax.Array) -> jax.Array:
        return x.reshape(1, 8, 8, 2, 3).swapaxes(-1, -2).reshape(1, 8, 8, 6)

    assert kinds(trace(run, array(1, 8, 8, 6))) == ["layout"]


def test_workload_of_a_traced_network_survives_json() -> None:
    block = TransformerBlock(16, 2)
    found = trace(lambda x: block(x), array(1, 4, 16))
    assert Workload.from_json(found.to_json()) == found
    np.testing.assert_array_equal(found.arrays.macs, [op.macs for op in found.ops])

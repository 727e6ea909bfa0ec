"""Operators on tensors of any rank: matrix products, attention, norms, element-wise and layout."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from latency_models.operators import Op, Shape

# FLOPs an element, one for each addition, multiplication, comparison, division or exponential.
ACTIVATION_FLOPS: Mapping[str, int] = MappingProxyType(
    {
        "relu": 1,
        "relu6": 2,
        "hard_sigmoid": 4,
        "hard_swish": 5,
        "sigmoid": 4,
        "swish": 5,
        "gelu": 8,
        "tanh": 1,
    }
)
SOFTMAX_FLOPS = 5
"""An element: the running maximum, the difference to it, its exponential, their sum, the quotient.
"""
CENTRED_NORM_FLOPS, RMS_NORM_FLOPS = 5, 3
"""An element: the sum for the mean and the difference to it (not in an RMS norm), the square, its
sum, the product with the inverse deviation. A scale and a shift are one each; what is done once a
row is not counted."""


def fill(name: str, shape: Sequence[int], *, dtype: str, inputs: tuple[int, ...] = (-1,)) -> Op:
    """A constant of the operand's shape, worked out from it: a product with zero.

    Runtimes that run networks as they are written spend a pass over memory on it, compilers none.
    """
    same = tuple(shape)
    return Op("fill", name, (same,), same, math.prod(same), 0, dtype, inputs)


def linear(
    name: str,
    shape: Sequence[int],
    *,
    out_features: int,
    dtype: str,
    bias: bool = True,
    inputs: tuple[int, ...] = (-1,),
) -> Op:
    """Matrix product over the last axis of `shape` (n, ..., features), with a bias by default."""
    features = shape[-1]
    output_shape = (*shape[:-1], out_features)
    return Op(
        kind="linear",
        name=name,
        input_shapes=(tuple(shape),),
        output_shape=output_shape,
        flops=math.prod(output_shape) * (2 * features + bias),
        params=(features + bias) * out_features,
        dtype=dtype,
        inputs=inputs,
    )


def matmul(
    name: str,
    left: Sequence[int],
    right: Sequence[int],
    *,
    dtype: str,
    inputs: tuple[int, int],
) -> Op:
    """Product of two activations (..., m, k) and (..., k, n), leading axes broadcast.

    Raises:
        ValueError: If the shapes do not fit.
    """
    if len(left) < 2 or len(right) < 2 or left[-1] != right[-2]:
        raise ValueError(
            f"op {name!r}: expected (..., m, k) and (..., k, n), got {tuple(left)}, {tuple(right)}"
        )
    batch = broadcast(name, left[:-2], right[:-2])
    output_shape = (*batch, left[-2], right[-1])
    flops = 2 * math.prod(output_shape) * left[-1]
    return Op("matmul", name, (tuple(left), tuple(right)), output_shape, flops, 0, dtype, inputs)


def attention(
    name: str,
    shape: Sequence[int],
    *,
    key_length: int,
    dtype: str,
    inputs: tuple[int, int, int],
    key_value_heads: int | None = None,
    value_size: int | None = None,
) -> Op:
    """Attention of queries `shape` (n, length, heads, size) to `key_length` keys and values.

    One kernel reads queries, keys and values once and keeps the logits to itself (Dao et al.,
    "FlashAttention", NeurIPS 2022). Prefilling has as many queries as keys; decoding has one query,
    and the keys and values are the cache: its bytes count as input bytes. Projections are operators
    of their own. A logit costs, besides its two products, a multiplication by the scale and
    `SOFTMAX_FLOPS`; logits that a mask hides are counted.

    Args:
        name: Of the operator.
        shape: Of the queries.
        key_length: Positions attended to.
        dtype: Of queries, keys and values.
        inputs: Where queries, keys and values come from.
        key_value_heads: Fewer than `heads` where queries share them (grouped-query attention).
        value_size: Of a head's values, `size` if not given.

    Raises:
        ValueError: If the shape is not that of queries, or heads cannot share evenly.
    """
    if len(shape) != 4 or min(*shape, key_length) < 1:
        raise ValueError(
            f"op {name!r}: expected positive (n, length, heads, size) and key_length,"
            f" got {tuple(shape)} and {key_length}"
        )
    batch, length, heads, size = shape
    shared = key_value_heads or heads
    if heads % shared:
        raise ValueError(f"op {name!r}: {shared} key-value heads do not divide {heads} heads")
    values = value_size or size
    logits = batch * heads * length * key_length
    return Op(
        kind="attention",
        name=name,
        input_shapes=(
            (batch, length, heads, size),
            (batch, key_length, shared, size),
            (batch, key_length, shared, values),
        ),
        output_shape=(batch, length, heads, values),
        flops=logits * (2 * (size + values) + 1 + SOFTMAX_FLOPS),
        params=0,
        dtype=dtype,
        inputs=inputs,
    )


def norm(name: str, shape: Sequence[int], *, dtype: str, inputs: tuple[int, ...] = (-1,)) -> Op:
    """Batch normalisation at inference: a scale and a shift for each channel (last axis)."""
    same, params = tuple(shape), 2 * shape[-1]
    return Op("norm", name, (same,), same, 2 * math.prod(same), params, dtype, inputs)


def layer_norm(
    name: str,
    shape: Sequence[int],
    *,
    dtype: str,
    centred: bool = True,
    has_scale: bool = True,
    has_shift: bool = True,
    inputs: tuple[int, ...] = (-1,),
) -> Op:
    """Normalisation with the input's own statistics: layer, group or instance norm; with `centred`
    off an RMS norm.

    Not fused, as it reduces. It reads its input once. Scale and shift have a parameter for each
    element of the last axis.
    """
    same, affine = tuple(shape), has_scale + has_shift
    each = (CENTRED_NORM_FLOPS if centred else RMS_NORM_FLOPS) + affine
    flops, params = each * math.prod(same), affine * same[-1]
    return Op("layer_norm", name, (same,), same, flops, params, dtype, inputs)


def softmax(name: str, shape: Sequence[int], *, dtype: str, inputs: tuple[int, ...] = (-1,)) -> Op:
    """Softmax over the last axis: `SOFTMAX_FLOPS` an element, one pass over memory."""
    same = tuple(shape)
    flops = SOFTMAX_FLOPS * math.prod(same)
    return Op("softmax", name, (same,), same, flops, 0, dtype, inputs)


def activation(
    name: str, shape: Sequence[int], *, function: str, dtype: str, inputs: tuple[int, ...] = (-1,)
) -> Op:
    """Element-wise non-linearity.

    Raises:
        ValueError: If `function` is not a key of `ACTIVATION_FLOPS`.
    """
    if function not in ACTIVATION_FLOPS:
        raise ValueError(
            f"op {name!r}: unknown activation {function!r}, valid: {', '.join(ACTIVATION_FLOPS)}"
        )
    same = tuple(shape)
    flops = ACTIVATION_FLOPS[function] * math.prod(same)
    return Op("activation", name, (same,), same, flops, 0, dtype, inputs)


def add(
    name: str, shape: Sequence[int], *, dtype: str, inputs: tuple[int, ...], params: int = 0
) -> Op:
    """Element-wise sum of equally shaped activations, fused into the producer of the first.

    With `params` there is one more operand, learned, which broadcasts.
    """
    shapes = (tuple(shape),) * len(inputs)
    flops = max(len(inputs) - 1 + (params > 0), 0) * math.prod(shape)
    return Op("elementwise", name, shapes, tuple(shape), flops, params, dtype, inputs)


def elementwise(
    name: str,
    shapes: Sequence[Sequence[int]],
    *,
    dtype: str,
    inputs: tuple[int, ...],
    flops_per_element: int | None = None,
) -> Op:
    """Sum, product or the like of activations that broadcast, fused into the producer of the first.

    Every operand counts with the bytes that it has before it is broadcast; an element of the output
    costs one FLOP less than there are operands unless `flops_per_element` says else.

    Raises:
        ValueError: If the shapes do not broadcast.
    """
    operands = tuple(tuple(shape) for shape in shapes)
    output_shape = broadcast(name, *operands)
    each = len(operands) - 1 if flops_per_element is None else flops_per_element
    flops = each * math.prod(output_shape)
    return Op("elementwise", name, operands, output_shape, flops, 0, dtype, inputs)


def reduction(
    name: str,
    shape: Sequence[int],
    *,
    axes: Sequence[int],
    dtype: str,
    inputs: tuple[int, ...] = (-1,),
) -> Op:
    """Mean, sum, maximum or the like over some axes, which the output does not have: one FLOP for
    each element read (a mean makes one addition less, and a division).

    Raises:
        ValueError: If an axis is not there.
    """
    if any(not -len(shape) <= axis < len(shape) for axis in axes):
        raise ValueError(f"op {name!r}: axes {tuple(axes)} are not in {tuple(shape)}")
    gone = {axis % len(shape) for axis in axes}
    output_shape = tuple(size for axis, size in enumerate(shape) if axis not in gone)
    flops = math.prod(shape)
    return Op("reduce", name, (tuple(shape),), output_shape, flops, 0, dtype, inputs)


def embedding(
    name: str,
    shape: Sequence[int],
    *,
    rows: int,
    features: int,
    dtype: str,
    inputs: tuple[int, ...] = (-1,),
) -> Op:
    """Looks up a row of a table (rows, features) for each index of `shape`.

    All rows are parameters; those that are looked up are read. An index counts with the bytes of
    `dtype`.
    """
    output_shape = (*shape, features)
    return Op(
        kind="embedding",
        name=name,
        input_shapes=(tuple(shape),),
        output_shape=output_shape,
        flops=0,
        params=rows * features,
        dtype=dtype,
        inputs=inputs,
        weights_read=math.prod(output_shape),
    )


def concat(
    name: str,
    shapes: Sequence[Sequence[int]],
    *,
    dtype: str,
    inputs: tuple[int, ...],
    axis: int = -1,
) -> Op:
    """Copies activations into one, behind each other along an axis.

    Raises:
        ValueError: If the other axes differ.
    """
    operands = tuple(tuple(shape) for shape in shapes)
    output = list(operands[0])
    output[axis] = sum(shape[axis] for shape in operands)
    for shape in operands:
        expected = list(output)
        expected[axis] = shape[axis]
        if list(shape) != expected:
            raise ValueError(
                f"op {name!r}: {shape} does not go with {operands[0]} along axis {axis}"
            )
    return Op("concat", name, operands, tuple(output), 0, 0, dtype, inputs)


def prepend(
    name: str, shape: Sequence[int], *, tokens: int, dtype: str, inputs: tuple[int, ...] = (-1,)
) -> Op:
    """Copies sequences `shape` (n, length, features) behind learned tokens that all of them get."""
    batch, length, features = shape
    output_shape = (batch, tokens + length, features)
    params = tokens * features
    return Op("concat", name, (tuple(shape),), output_shape, 0, params, dtype, inputs)


def layout(
    name: str,
    shape: Sequence[int],
    *,
    dtype: str,
    output_shape: Sequence[int] | None = None,
    inputs: tuple[int, ...] = (-1,),
) -> Op:
    """Moves elements without arithmetic: transpose, channel shuffle, space to depth, pad, slice.

    What is read is `shape`, for a slice that which it keeps; `output_shape` is `shape` if not
    given. Reshaping alone moves nothing and is no operator.
    """
    source = tuple(shape)
    target = source if output_shape is None else tuple(output_shape)
    return Op("layout", name, (source,), target, 0, 0, dtype, inputs)


def channel_shuffle(
    name: str, shape: Sequence[int], *, groups: int, dtype: str, inputs: tuple[int, ...] = (-1,)
) -> Op:
    """Interleaves the groups of the last axis: Zhang et al., "ShuffleNet", CVPR 2018.

    Raises:
        ValueError: If the groups do not divide the channels.
    """
    if shape[-1] % groups:
        raise ValueError(f"op {name!r}: {groups} groups do not divide {shape[-1]} channels")
    return layout(name, shape, dtype=dtype, inputs=inputs)


def broadcast(name: str, *shapes: Sequence[int]) -> Shape:
    """The common shape, as NumPy has it.

    Raises:
        ValueError: If there is none.
    """
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    for sizes in zip(*padded, strict=True):
        if len({*sizes} - {1}) > 1:
            listed = ", ".join(str(tuple(shape)) for shape in shapes)
            raise ValueError(f"op {name!r}: shapes {listed} do not broadcast")
    return tuple(next((s for s in sizes if s != 1), 1) for sizes in zip(*padded, strict=True))

"""ONNX operators with weights or statistics as nodes of a graph: convolutions, products, norms,
softmax, attention.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from latency_models.graphs import arithmetic
from latency_models.graphs.onnx_node import Handler, OnnxNode
from latency_models.graphs.values import Value, broadcast_to, make_value, permute, reshape
from latency_models.tensor_operators import (
    CENTRED_NORM_FLOPS,
    RMS_NORM_FLOPS,
    SOFTMAX_FLOPS,
    attention,
    broadcast,
)


def _convolution(node: OnnxNode, *, kernel: int, bias: int | None) -> list[Value]:
    image, weights = replace(node.value(0), channel=1), node.weight(kernel)
    added = None if bias is None or node.optional(bias) is None else node.weight(bias)
    ones = [1] * (len(image.shape) - 2)
    return [
        arithmetic.convolve(
            node.graph,
            node.name,
            image,
            weights,
            node.shapes[0],
            channel=1,
            sides=weights.shape[2:],
            strides=node.attributes.get("strides", ones),
            dilations=node.attributes.get("dilations", ones),
            groups=node.attributes.get("group", 1),
            transposed=node.kind == "ConvTranspose",
            dtype=node.dtypes[0],
            bias=added,
        )
    ]


def _matmul(node: OnnxNode, left: Value, right: Value) -> Value:
    """The product as NumPy has it."""
    # A vector is a row on the left and a column on the right.
    left = reshape(left, (1, *left.shape)) if len(left.shape) == 1 else left
    right = reshape(right, (*right.shape, 1)) if len(right.shape) == 1 else right
    rank = len(left.shape)
    if len(right.shape) == 2:
        contract, batch = ([rank - 1], [0]), ([], [])
    else:
        common = broadcast(node.name, left.shape[:-2], right.shape[:-2])
        left = broadcast_to(left, (*common, *left.shape[-2:]))
        right = broadcast_to(right, (*common, *right.shape[-2:]))
        axes = [*range(len(common))]
        contract, batch = ([len(common) + 1], [len(common)]), (axes, axes)
    found = arithmetic.multiply(
        node.graph, node.name, left, right, contract=contract, batch=batch, dtype=node.dtypes[0]
    )
    return reshape(found, node.shapes[0])


def _product(node: OnnxNode, *, right: int, bias: int | None = None) -> list[Value]:
    found = _matmul(node, node.value(0), node.value(right))
    return [_shifted(node, found, bias)]


def _gemm(node: OnnxNode, *, right: int, bias: int) -> list[Value]:
    sides = (("transA", node.value(0)), ("transB", node.weight(right)))
    left, weights = (
        permute(value, (1, 0)) if node.attributes.get(key) else value for key, value in sides
    )
    return [_shifted(node, _matmul(node, left, weights), bias)]


def _shifted(node: OnnxNode, value: Value, bias: int | None) -> Value:
    if bias is None or node.optional(bias) is None:
        return value
    content = node.constant(bias)
    # Exporters write zero where there is no bias.
    if content is not None and content.size == 1 and not np.any(content):
        return value
    added = node.weight(bias)
    return arithmetic.elementwise(
        node.graph,
        f"{node.name}.bias",
        "add",
        [value, added],
        node.shapes[0],
        dtype=node.dtypes[0],
        flops_each=1,
        nonlinear=False,
    )


def _einsum(node: OnnxNode) -> list[Value]:
    equation = node.attributes["equation"].decode().replace(" ", "")
    terms, _, output = equation.partition("->")
    labels = terms.split(",")
    if len(labels) != 2 or not output or "." in equation:
        raise ValueError(
            f"node {node.name!r} (Einsum): expected two operands, labelled axes and an output,"
            f" got {equation!r}"
        )
    a, b = labels
    batch = [label for label in a if label in b and label in output]
    contract = [label for label in a if label in b and label not in output]
    found = arithmetic.multiply(
        node.graph,
        node.name,
        node.value(0),
        node.value(1),
        contract=([a.index(x) for x in contract], [b.index(x) for x in contract]),
        batch=([a.index(x) for x in batch], [b.index(x) for x in batch]),
        dtype=node.dtypes[0],
    )
    order = batch + [x for x in a + b if x not in batch and x not in contract]
    return [permute(found, [order.index(x) for x in output])]


def _batch_norm(node: OnnxNode) -> list[Value]:
    value = replace(node.value(0), channel=min(1, len(node.shapes[0]) - 1))
    size = math.prod(node.shapes[0])
    # The running mean and variance are part of the scale and the shift by the time it runs.
    found = node.graph.emit(
        "norm",
        node.name,
        [value, node.weight(1), node.weight(2)],
        node.shapes[0],
        flops=2 * size,
        channel=value.channel,
        dtype=node.dtypes[0],
    )
    return [replace(found, order=value.order, any_layout=value.any_layout)]


def _layer_norm(node: OnnxNode) -> list[Value]:
    centred = node.kind not in ("RMSNormalization", "SimplifiedLayerNormalization")
    return [_normalised(node, node.value(0), range(1, len(node.inputs)), centred=centred)]


def _normalised(node: OnnxNode, value: Value, affine: Sequence[int], *, centred: bool) -> Value:
    maps = node.kind in ("InstanceNormalization", "GroupNormalization")
    value = replace(value, channel=1) if maps else value
    given = [node.weight(i) for i in affine if node.optional(i) is not None]
    each = (CENTRED_NORM_FLOPS if centred else RMS_NORM_FLOPS) + len(given)
    found = node.graph.emit(
        "layer_norm",
        node.name,
        [value, *given],
        value.shape,
        flops=each * math.prod(value.shape),
        channel=value.channel,
        dtype=node.dtypes[0],
    )
    return replace(found, any_layout=maps)


def _plain_norm(node: OnnxNode) -> list[Value]:
    centred = node.kind == "MeanVarianceNormalization"
    found = [_normalised(node, node.value(0), (), centred=centred)]
    if node.kind == "LRN":
        # A square, the sum over the window, a product and a sum, a power and a quotient.
        each = 1 + node.attributes["size"] + 2 + 3 + 1
        node.graph.nodes[-1].flops = each * math.prod(node.shapes[0])
    return found


def _skip_layer_norm(node: OnnxNode) -> list[Value]:
    """`com.microsoft`: the sum of two values and maybe a bias, normalised; the sum is an output."""
    centred = node.kind == "SkipLayerNormalization"
    gain, rest = (2, (3, 4)) if centred else (2, (3,))
    operands = [node.value(0), node.value(1)]
    bias = node.optional(rest[-1])
    total = arithmetic.elementwise(
        node.graph,
        f"{node.name}.sum",
        "add",
        operands + ([bias] if bias else []),
        operands[0].shape,
        dtype=node.dtypes[0],
        flops_each=1 + (bias is not None),
        nonlinear=False,
    )
    affine = (gain, *rest[:-1])
    return [
        _normalised(node, total, affine, centred=centred),
        make_value((), "float32", None),
        make_value((), "float32", None),
        total,
    ]


def _softmax(node: OnnxNode) -> list[Value]:
    value = node.value(0)
    if value.known:
        return [node.graph.constant([value], value.shape, value.dtype)]
    flops = SOFTMAX_FLOPS * math.prod(value.shape)
    return [
        node.graph.emit(
            "softmax", node.name, [value], value.shape, flops=flops, dtype=node.dtypes[0]
        )
    ]


def _attention(node: OnnxNode) -> list[Value]:
    """Standard `Attention`: queries, keys and values are (n, heads, length, size), or (n, length,
    heads x size) with the heads as attributes; keys and values of the past come before new ones.
    """
    query, key, value = (node.value(i) for i in range(3))
    past = node.optional(4), node.optional(5)
    if len(query.shape) == 4:
        batch, heads, length, size = query.shape
        _, shared, new, value_size = value.shape
    else:
        heads, shared = node.attributes["q_num_heads"], node.attributes["kv_num_heads"]
        batch, length, width = query.shape
        new, size, value_size = key.shape[1], width // heads, value.shape[-1] // shared
    total = new + (past[0].shape[2] if past[0] is not None else 0)
    return _attended(
        node,
        (query, key, value),
        (batch, length, heads, size),
        key_length=total,
        shared=shared,
        value_size=value_size,
        past=past,
    )


def _grouped_attention(node: OnnxNode) -> list[Value]:
    """`com.microsoft`'s: (n, length, heads x size), past keys and values are inputs 3 and 4 of
    `GroupQueryAttention`, 6 and 7 of `MultiHeadAttention`.
    """
    query, key, value = (node.value(i) for i in range(3))
    grouped = node.kind == "GroupQueryAttention"
    heads = node.attributes["num_heads"]
    shared = node.attributes["kv_num_heads"] if grouped else heads
    past = [node.optional(i) for i in ((3, 4) if grouped else (6, 7))]
    if len(query.shape) != 3 or len(key.shape) != 3:
        raise ValueError(f"node {node.name!r} ({node.kind}): packed operands are not supported")
    batch, length, width = query.shape
    earlier = past[0].shape[2] if past[0] is not None else 0
    return _attended(
        node,
        (query, key, value),
        (batch, length, heads, width // heads),
        key_length=earlier + key.shape[1],
        shared=shared,
        value_size=value.shape[-1] // shared,
        past=(past[0], past[1]),
    )


def _attended(
    node: OnnxNode,
    operands: tuple[Value, Value, Value],
    shape: tuple[int, int, int, int],
    *,
    key_length: int,
    shared: int,
    value_size: int,
    past: tuple[Value | None, Value | None],
) -> list[Value]:
    op = attention(
        node.name,
        shape,
        key_length=key_length,
        dtype=operands[0].dtype,
        inputs=(0, 1, 2),
        key_value_heads=shared,
        value_size=value_size,
    )
    graph = node.graph
    queries, keys, values = (
        graph.fill(value, f"{node.name}.operand") if value.known else value for value in operands
    )
    cached = past[0] is not None and past[1] is not None
    # New rows are written behind those of the past, and both are read as one.
    read = [past[0] or keys, past[1] or values, keys, values] if cached else [keys, values]
    found = graph.emit(
        "attention",
        node.name,
        [queries, *read],
        node.shapes[0],
        flops=op.flops,
        input_shapes=[*op.input_shapes, *([(0,)] * (2 * cached))],
        output_shape=op.output_shape,
        dtype=node.dtypes[0],
    )
    return [found, *(make_value(shape, found.dtype, found.source) for shape in node.shapes[1:])]


LAYERS: Mapping[str, Handler] = MappingProxyType(
    {
        "Conv": lambda node: _convolution(node, kernel=1, bias=2),
        "ConvTranspose": lambda node: _convolution(node, kernel=1, bias=2),
        "ConvInteger": lambda node: _convolution(node, kernel=1, bias=None),
        "QLinearConv": lambda node: _convolution(node, kernel=3, bias=8),
        "MatMul": lambda node: _product(node, right=1),
        "MatMulInteger": lambda node: _product(node, right=1),
        "QLinearMatMul": lambda node: _product(node, right=3),
        "Gemm": lambda node: _gemm(node, right=1, bias=2),
        "QGemm": lambda node: _gemm(node, right=3, bias=6),
        "Einsum": _einsum,
        "BatchNormalization": _batch_norm,
        **dict.fromkeys(("LayerNormalization", "RMSNormalization"), _layer_norm),
        **dict.fromkeys(("InstanceNormalization", "GroupNormalization"), _layer_norm),
        "SimplifiedLayerNormalization": _layer_norm,
        **dict.fromkeys(("LRN", "LpNormalization", "MeanVarianceNormalization"), _plain_norm),
        "SkipLayerNormalization": _skip_layer_norm,
        "SkipSimplifiedLayerNormalization": _skip_layer_norm,
        **dict.fromkeys(("Softmax", "LogSoftmax"), _softmax),
        "Attention": _attention,
        **dict.fromkeys(("MultiHeadAttention", "GroupQueryAttention"), _grouped_attention),
    }
)
"""What becomes of an operator, by its name."""

"""ONNX operators as nodes of a graph: arithmetic, layout, reductions, quantisation.

A quantised operator runs in int8, and so does one that reads what `DequantizeLinear` gives, as
runtimes join them; the scales and zero points of quantisation are not counted.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from latency_models.graphs import arithmetic, movement
from latency_models.graphs.nodes import Graph
from latency_models.graphs.values import Value, broadcast_to
from latency_models.operators import Shape
from latency_models.spatial_operators import RESIZE_FLOPS


@dataclass(frozen=True)
class OnnxNode:
    """A node of a file.

    Attributes:
        graph: Gets what the node becomes.
        kind: Its operator's name, without the domain.
        name: Of the node.
        attributes: By name; absent where the file has none.
        inputs: None where an optional one is left out.
        constants: The small ones among the inputs that are known, else None.
        shapes, dtypes: Of the outputs.
    """

    graph: Graph
    kind: str
    name: str
    attributes: Mapping[str, Any]
    inputs: tuple[Value | None, ...]
    constants: tuple[np.ndarray | None, ...]
    shapes: tuple[Shape, ...]
    dtypes: tuple[str, ...]

    def value(self, number: int) -> Value:
        """An input that has to be there.

        Raises:
            ValueError: If it is not.
        """
        found = self.optional(number)
        if found is None:
            raise ValueError(f"node {self.name!r} ({self.kind}): input {number} is missing")
        return found

    def optional(self, number: int) -> Value | None:
        """An input that may be left out."""
        return self.inputs[number] if number < len(self.inputs) else None

    def weight(self, number: int) -> Value:
        """An input that is a parameter even if it has only one element."""
        value = self.value(number)
        if value.known and not value.weights:
            return self.graph.add_weight(value.shape, value.dtype, trained=True)
        return value

    def constant(self, number: int) -> np.ndarray | None:
        """The content of an input, if it is known and small."""
        return self.constants[number] if number < len(self.constants) else None

    def whole_numbers(self, attribute: str, number: int) -> list[int] | None:
        """What older versions have as an attribute and newer ones as an input; None if left out.

        Raises:
            ValueError: If the input is not known before the network runs.
        """
        if attribute in self.attributes:
            found = self.attributes[attribute]
            return [found] if isinstance(found, int) else [int(x) for x in found]
        if self.optional(number) is None:
            return None
        content = self.constant(number)
        if content is None:
            raise ValueError(
                f"node {self.name!r} ({self.kind}): {attribute} is not known before it runs"
            )
        return [int(x) for x in content.reshape(-1)]


Handler = Callable[[OnnxNode], list[Value]]

# What it computes, FLOPs an element, whether it is more than sums and products with constants.
_ELEMENTWISE: Mapping[str, tuple[str, int, bool]] = MappingProxyType(
    {
        **{name: (name.lower(), 1, False) for name in ("Add", "Sub", "Mul", "Div", "Neg")},
        **{
            name: (name.lower(), 1, True)
            for name in (
                *("Relu", "Erf", "Tanh", "Exp", "Log", "Sqrt", "Reciprocal", "Abs", "Sign"),
                *("Floor", "Ceil", "Round", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan"),
                *("Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "Mod", "Where", "Not", "And"),
                *("Or", "Xor", "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"),
                *("IsNaN", "IsInf", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor"),
                *("ThresholdedRelu", "Shrink", "Trilu"),
            )
        },
        "LeakyRelu": ("leaky_relu", 2, True),
        "PRelu": ("leaky_relu", 2, True),
        "Clip": ("clip", 2, True),
        "Sigmoid": ("logistic", 4, True),
        "HardSigmoid": ("hard_sigmoid", 4, True),
        "HardSwish": ("hard_swish", 5, True),
        "Swish": ("swish", 5, True),
        "Elu": ("elu", 3, True),
        "Celu": ("elu", 4, True),
        "Selu": ("elu", 4, True),
        "Softplus": ("softplus", 3, True),
        "Softsign": ("softsign", 3, True),
        "Mish": ("mish", 5, True),
        "Gelu": ("gelu", 8, True),
        "FastGelu": ("gelu", 8, True),
        "QuickGelu": ("gelu", 6, True),
        "BiasGelu": ("gelu", 9, True),
        "QLinearSigmoid": ("logistic", 4, True),
        "QLinearLeakyRelu": ("leaky_relu", 2, True),
    }
)
# Additions of an n-ary operator are one fewer than its operands.
_VARIADIC: Mapping[str, tuple[str, bool]] = MappingProxyType(
    {"Max": ("max", True), "Min": ("min", True), "Sum": ("add", False), "Mean": ("mean", False)}
)
# Operands that are data, where others are scales and zero points.
_QUANTISED_OPERANDS = MappingProxyType(
    {"QLinearAdd": (0, 3), "QLinearMul": (0, 3), "QLinearSigmoid": (0,), "QLinearLeakyRelu": (0,)}
)
# What a reduction computes, and FLOPs an element beside the sum or comparison.
_REDUCTIONS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "ReduceMean": ("mean", 0),
        "ReduceSum": ("sum", 0),
        "ReduceMax": ("max", 0),
        "ReduceMin": ("min", 0),
        "ReduceProd": ("prod", 0),
        "ReduceL1": ("sum", 1),
        "ReduceL2": ("sum", 1),
        "ReduceSumSquare": ("sum", 1),
        "ReduceLogSum": ("sum", 0),
        "ReduceLogSumExp": ("exp", 1),
    }
)


def _emit_elementwise(
    node: OnnxNode, operands: Sequence[Value], function: str, flops: int, *, nonlinear: bool
) -> list[Value]:
    return [
        arithmetic.elementwise(
            node.graph,
            node.name,
            function,
            operands,
            node.shapes[0],
            dtype=node.dtypes[0],
            flops_each=flops,
            nonlinear=nonlinear,
        )
    ]


def _elementwise(node: OnnxNode) -> list[Value]:
    function, flops, nonlinear = _ELEMENTWISE[node.kind]
    # The limits of Clip and the like are scalars: nothing is read for them.
    numbers = _QUANTISED_OPERANDS.get(node.kind, range(len(node.inputs)))
    operands = [value for i in numbers if (value := node.optional(i)) is not None]
    return _emit_elementwise(node, operands, function, flops, nonlinear=nonlinear)


def _variadic(node: OnnxNode) -> list[Value]:
    function, nonlinear = _VARIADIC[node.kind]
    operands = [value for value in node.inputs if value is not None]
    flops = len(operands) - (node.kind != "Mean")
    return _emit_elementwise(node, operands, function, flops, nonlinear=nonlinear)


def _quantised_sum(node: OnnxNode) -> list[Value]:
    function = {"QLinearAdd": "add", "QLinearMul": "mul"}[node.kind]
    operands = [node.value(0), node.value(3)]
    return _emit_elementwise(node, operands, function, 1, nonlinear=False)


def _power(node: OnnxNode) -> list[Value]:
    exponent = node.constant(1)
    plain = float(exponent.reshape(-1)[0]) if exponent is not None and exponent.size == 1 else None
    if plain in (2.0, 3.0):
        return _emit_elementwise(node, [node.value(0)], "power", int(plain) - 1, nonlinear=True)
    if plain in (0.5, -0.5):
        return _emit_elementwise(node, [node.value(0)], "sqrt", 1, nonlinear=True)
    operands = [node.value(0), node.value(1)]
    return _emit_elementwise(node, operands, "pow", 3, nonlinear=True)


def _same(node: OnnxNode) -> list[Value]:
    outputs = [replace(node.value(0), dtype=node.dtypes[0])]
    known = [
        node.graph.constant((), shape, dtype)
        for shape, dtype in zip(node.shapes[1:], node.dtypes[1:], strict=True)
    ]
    return outputs + known


def _dequantize(node: OnnxNode) -> list[Value]:
    # Stays a value of eight bits, so that its reader computes with eight bits.
    return [node.value(0)]


def _quantize(node: OnnxNode) -> list[Value]:
    value = node.value(0)
    if value.known:
        return [replace(value, dtype=node.dtypes[0])]
    # A quotient, a rounding and a limit on either side.
    quantised = _emit_elementwise(node, [value], "quantize", 4, nonlinear=True)
    scales = [
        node.graph.constant((), shape, dtype)
        for shape, dtype in zip(node.shapes[1:], node.dtypes[1:], strict=True)
    ]
    return quantised + scales


def _reshape(node: OnnxNode) -> list[Value]:
    return [movement.reshape(node.graph, node.name, node.value(0), node.shapes[0])]


def _expand(node: OnnxNode) -> list[Value]:
    return [broadcast_to(node.value(0), node.shapes[0])]


def _transpose(node: OnnxNode) -> list[Value]:
    value = node.value(0)
    axes = node.attributes.get("perm", range(len(value.shape) - 1, -1, -1))
    return [movement.transpose(node.graph, node.name, value, [*axes])]


def _copy(node: OnnxNode) -> list[Value]:
    value = node.value(0)
    read = node.shapes[0] if node.kind in ("Slice", "Compress") else None
    return [
        movement.move(
            node.graph,
            node.name,
            node.kind.lower(),
            [value],
            node.shapes[0],
            read=read,
            channel=value.channel if len(value.shape) == len(node.shapes[0]) else None,
        )
    ]


def _split(node: OnnxNode) -> list[Value]:
    value = node.value(0)
    return [
        movement.move(
            node.graph,
            f"{node.name}.{i}",
            "split",
            [value],
            shape,
            read=shape,
            channel=value.channel,
        )
        for i, shape in enumerate(node.shapes)
    ]


def _concat(node: OnnxNode) -> list[Value]:
    values = [value for value in node.inputs if value is not None]
    channel = next((value.channel for value in values if not value.known), None)
    return [movement.concatenate(node.graph, node.name, values, node.shapes[0], channel=channel)]


def _gather(node: OnnxNode) -> list[Value]:
    return [movement.look_up(node.graph, node.name, node.value(0), node.value(1), node.shapes[0])]


def _scatter(node: OnnxNode) -> list[Value]:
    return [movement.write_into(node.graph, node.name, node.value(0), node.value(2))]


def _known(node: OnnxNode) -> list[Value]:
    return [
        node.graph.constant((), shape, dtype)
        for shape, dtype in zip(node.shapes, node.dtypes, strict=True)
    ]


def _reduce(node: OnnxNode) -> list[Value]:
    function, extra = _REDUCTIONS[node.kind]
    value = node.value(0)
    axes = node.whole_numbers("axes", 1)
    if axes is None or (not axes and not node.attributes.get("noop_with_empty_axes", 0)):
        axes = list(range(len(value.shape)))
    return [_reduced(node, value, axes, function, extra)]


def _reduced(
    node: OnnxNode, value: Value, axes: Sequence[int], function: str, extra: int = 0
) -> Value:
    found = arithmetic.reduce(node.graph, node.name, function, value, axes, dtype=node.dtypes[0])
    if extra and not value.known and found.source == len(node.graph.nodes) - 1:
        node.graph.nodes[-1].flops += extra * math.prod(value.shape)
    return movement.reshape(node.graph, node.name, found, node.shapes[0])


def _global_pool(node: OnnxNode) -> list[Value]:
    value = replace(node.value(0), channel=1)
    function = "max" if node.kind == "GlobalMaxPool" else "mean"
    return [_reduced(node, value, range(2, len(value.shape)), function)]


def _arg_reduce(node: OnnxNode) -> list[Value]:
    return [_reduced(node, node.value(0), [node.attributes.get("axis", 0)], "max")]


def _cumulate(node: OnnxNode) -> list[Value]:
    value = node.value(0)
    if value.known:
        return _known(node)
    flops = math.prod(value.shape)
    return [node.graph.emit("reduce", node.name, [value], node.shapes[0], flops=flops)]


def _top_k(node: OnnxNode) -> list[Value]:
    value = node.value(0)
    if value.known:
        return _known(node)
    length = value.shape[node.attributes.get("axis", -1)]
    flops = math.prod(value.shape) * max((length - 1).bit_length(), 1)
    first = node.graph.emit("reduce", node.name, [value], node.shapes[0], flops=flops)
    return [first] * len(node.shapes)


def _pool(node: OnnxNode) -> list[Value]:
    value, rank = replace(node.value(0), channel=1), len(node.shapes[0])
    sides = [int(side) for side in node.attributes["kernel_shape"]]
    ones = [1] * (rank - 2)
    found = arithmetic.pool_windows(
        node.graph,
        node.name,
        "max" if node.kind == "MaxPool" else "mean",
        value,
        node.shapes[0],
        windows=[1, 1, *sides],
        strides=[1, 1, *node.attributes.get("strides", ones)],
        dilations=[1, 1, *node.attributes.get("dilations", ones)],
    )
    return [found] * len(node.shapes)


def _resize(node: OnnxNode) -> list[Value]:
    value, shape = node.value(0), node.shapes[0]
    if value.known:
        return _known(node)
    method = node.attributes.get("mode", b"nearest").decode()
    changed = sum(a != b for a, b in zip(value.shape, shape, strict=True))
    channel = 1 if len(shape) > 2 and value.shape[1] == shape[1] else value.channel
    found = node.graph.emit(
        "resize",
        node.name,
        [replace(value, channel=channel)],
        shape,
        flops=math.prod(shape) * RESIZE_FLOPS[method] * changed,
        channel=channel,
    )
    return [replace(found, any_layout=True)]


HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        **dict.fromkeys(_ELEMENTWISE, _elementwise),
        **dict.fromkeys(_VARIADIC, _variadic),
        **dict.fromkeys(("QLinearAdd", "QLinearMul"), _quantised_sum),
        "Pow": _power,
        **dict.fromkeys(("Identity", "Cast", "CastLike", "Dropout"), _same),
        "DequantizeLinear": _dequantize,
        **dict.fromkeys(("QuantizeLinear", "DynamicQuantizeLinear"), _quantize),
        **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), _reshape),
        "Expand": _expand,
        "Transpose": _transpose,
        **dict.fromkeys(("Slice", "Pad", "Tile", "DepthToSpace", "SpaceToDepth"), _copy),
        **dict.fromkeys(("ReverseSequence", "Compress"), _copy),
        "Split": _split,
        "Concat": _concat,
        **dict.fromkeys(("Gather", "GatherElements", "GatherND"), _gather),
        **dict.fromkeys(("ScatterND", "ScatterElements", "Scatter"), _scatter),
        **dict.fromkeys(("ConstantOfShape", "Range", "Shape", "Size", "EyeLike"), _known),
        **dict.fromkeys(_REDUCTIONS, _reduce),
        **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), _global_pool),
        "QLinearGlobalAveragePool": _global_pool,
        **dict.fromkeys(("ArgMax", "ArgMin"), _arg_reduce),
        "CumSum": _cumulate,
        "TopK": _top_k,
        **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), _pool),
        **dict.fromkeys(("Resize", "Upsample"), _resize),
    }
)
"""What becomes of an operator, by its name."""

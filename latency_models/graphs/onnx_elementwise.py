"""ONNX operators of equally placed elements, and quantisation, as nodes of a graph.

A quantised operator runs in int8, and so does one that reads what `DequantizeLinear` gives, as
runtimes join them; the scales and zero points of quantisation are not counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from latency_models.graphs import arithmetic
from latency_models.graphs.onnx_node import Handler, OnnxNode
from latency_models.graphs.values import Value

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


ELEMENTWISE: Mapping[str, Handler] = MappingProxyType(
    {
        **dict.fromkeys(_ELEMENTWISE, _elementwise),
        **dict.fromkeys(_VARIADIC, _variadic),
        **dict.fromkeys(("QLinearAdd", "QLinearMul"), _quantised_sum),
        "Pow": _power,
        **dict.fromkeys(("Identity", "Cast", "CastLike", "Dropout"), _same),
        "DequantizeLinear": _dequantize,
        **dict.fromkeys(("QuantizeLinear", "DynamicQuantizeLinear"), _quantize),
    }
)
"""What becomes of an operator, by its name."""

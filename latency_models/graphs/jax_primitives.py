"""JAX's primitives as nodes of a graph, one function for each kind of primitive.

FLOPs an element are this package's: one for each addition, multiplication, comparison, division,
root or transcendental function.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from latency_models.graphs import arithmetic, movement
from latency_models.graphs.nodes import Graph
from latency_models.graphs.values import Value, broadcast_to
from latency_models.operators import Shape

Parameters = Mapping[str, Any]
Emitter = Callable[[Graph, str, Sequence[Value], Parameters, Shape, str], Value]

# (FLOPs an element, whether it is more than sums and products with constants)
ELEMENTWISE: Mapping[str, tuple[int, bool]] = MappingProxyType(
    {
        **dict.fromkeys(("add", "add_any", "sub", "mul", "div", "neg"), (1, False)),
        **dict.fromkeys(
            (
                *("max", "min", "rem", "sign", "abs", "floor", "ceil", "round", "is_finite"),
                *("eq", "ne", "lt", "le", "gt", "ge", "eq_to", "le_to", "lt_to", "nextafter"),
                *("and", "or", "not", "xor", "population_count", "clz"),
                *("shift_left", "shift_right_logical", "shift_right_arithmetic"),
                *("exp", "exp2", "expm1", "log", "log1p", "tanh", "erf", "erfc", "erf_inv"),
                *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh"),
                *("asinh", "acosh", "atanh", "lgamma", "digamma"),
                *("sqrt", "rsqrt", "cbrt", "square", "select_n"),
            ),
            (1, True),
        ),
        "clamp": (2, True),
        # A logarithm, a product and an exponential.
        "pow": (3, True),
        # A negation, an exponential, a sum and a quotient.
        "logistic": (4, True),
    }
)
_SAME = (
    *("convert_element_type", "stop_gradient", "copy", "copy_p", "optimization_barrier"),
    *("reduce_precision", "sharding_constraint", "bitcast_convert_type", "device_put"),
    *("name", "mesh_cast", "reshard", "pvary", "real"),
)
_REDUCTIONS = MappingProxyType(
    {f"reduce_{name}": name for name in ("sum", "max", "min", "prod", "and", "or", "xor")}
    | {"argmax": "max", "argmin": "min"}
)
_CUMULATIVE = ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
_WINDOWS = MappingProxyType(
    {
        "reduce_window_sum": "sum",
        "reduce_window_max": "max",
        "reduce_window_min": "min",
        "reduce_window": "reduce",
    }
)


def _elementwise(
    graph: Graph, name: str, values: Sequence[Value], how: Parameters, shape: Shape, dtype: str
) -> Value:
    flops, nonlinear = ELEMENTWISE[how["primitive"]]
    return arithmetic.elementwise(
        graph,
        name,
        how["primitive"],
        values,
        shape,
        dtype=dtype,
        flops_each=flops,
        nonlinear=nonlinear,
    )


def _integer_power(
    graph: Graph, name: str, values: Sequence[Value], how: Parameters, shape: Shape, dtype: str
) -> Value:
    # Squarings and products by the binary digits of the exponent; a division if it is negative.
    exponent = int(how["y"])
    digits = abs(exponent)
    flops = max(digits.bit_length() - 1 + digits.bit_count() - 1, 0) + (exponent < 0)
    return arithmetic.elementwise(
        graph, name, "power", values, shape, dtype=dtype, flops_each=flops, nonlinear=True
    )


def _same(
    graph: Graph, name: str, values: Sequence[Value], how: Parameters, shape: Shape, dtype: str
) -> Value:
    return replace(values[0], dtype=dtype)


def _reshape(
    graph: Graph, name: str, values: Sequence[Value], how: Parameters, shape: Shape, dtype: str
) -> Value:
    return movement.reshape(graph, name, values[0], shape)


def _broadcast(
    graph: Graph, name: str, values: Sequence[Value], how: Parameters, shape: Shape, dtype: str
) -> Value:
    return broadcast_to(values[0], shape, [int(axis) for axis in how["broadcast_dimensions"]])


def _transpose(
    graph: Graph, name: str, values: Sequence[Value], how: Parameters, shape: Shape, dtype: str
) -> Value:
    return movement.transpose(graph, name, values[0], how["permutation"])


def _move(
    graph: Graph, name: str, values: Sequence[Value], how: Parameters, shape: Shape, dtype: str
) -> Value:
    moved = values[:1]
    keeps = how["primitive"] in ("slice", "dynamic_slice")
    return movement.move(
        graph,
        name,
        how["primitive"],
        moved,
        shape,
        read=shape if keeps else None,
        channel=moved[0].channel,
    )


def _constant(
    graph: Graph, name: str, values: Sequence[Value], how: Parameters, shape: Shape, dtype: str
) -> Value:
    return graph.constant((), shape, dtype)


def _concatenate(
    graph: Graph, name: str, values: Sequence[Value], how: Parameters, shape: Shape, dtype: str
) -> Value:
    channel = next((v.channel for v in values if not v.known), None)
    return movement.concatenate(graph, name, values, shape, channel=channel)


def _gather(
    graph: Graph, name: str, values: Sequence[Value], how: Parameters, shape: Shape, dtype: str
) -> Value:
    return movement.look_up(graph, name, values[0], values[1], shape)


def _scatter(
    graph: Graph, name: str, values: Sequence[Value], how: Parameters, shape: Shape, dtype: str
) -> Value:
    return movement.write_into(graph, name, values[0], values[2])


def _update(
    graph: Graph, name: str, values: Sequence[Value], how: Parameters, shape: Shape, dtype: str
) -> Value:
    return movement.write_into(graph, name, values[0], values[1])


def _reduce(
    graph: Graph, name: str, values: Sequence[Value], how: Parameters, shape: Shape, dtype: str
) -> Value:
    axes = [int(axis) for axis in how["axes"]]
    function = _REDUCTIONS[how["primitive"]]
    return arithmetic.reduce(graph, name, function, values[0], axes, dtype=dtype)


def _cumulate(
    graph: Graph, name: str, values: Sequence[Value], how: Parameters, shape: Shape, dtype: str
) -> Value:
    if values[0].known:
        return graph.constant(values, shape, dtype)
    return graph.emit(
        "reduce", name, values, shape, flops=math.prod(shape), channel=values[0].channel
    )


def _window(
    graph: Graph, name: str, values: Sequence[Value], how: Parameters, shape: Shape, dtype: str
) -> Value:
    return arithmetic.pool_windows(
        graph,
        name,
        _WINDOWS[how["primitive"]],
        values[0],
        shape,
        windows=how["window_dimensions"],
        strides=how["window_strides"],
        dilations=how["window_dilation"],
    )


def _convolution(
    graph: Graph, name: str, values: Sequence[Value], how: Parameters, shape: Shape, dtype: str
) -> Value:
    image_axes, kernel_axes, output_axes = (
        how["dimension_numbers"].lhs_spec,
        how["dimension_numbers"].rhs_spec,
        how["dimension_numbers"].out_spec,
    )
    image, kernel = values
    sides = [kernel.shape[axis] for axis in kernel_axes[2:]]
    transposed = max(how["lhs_dilation"], default=1) > 1
    return arithmetic.convolve(
        graph,
        name,
        replace(image, channel=image_axes[1]),
        kernel,
        shape,
        channel=output_axes[1],
        sides=sides,
        strides=how["lhs_dilation" if transposed else "window_strides"],
        dilations=how["rhs_dilation"],
        groups=how["feature_group_count"],
        transposed=transposed,
        dtype=dtype,
    )


def _product(
    graph: Graph, name: str, values: Sequence[Value], how: Parameters, shape: Shape, dtype: str
) -> Value:
    contract, batch = how["dimension_numbers"]
    return arithmetic.multiply(
        graph,
        name,
        values[0],
        values[1],
        contract=contract,
        batch=batch,
        dtype=dtype,
    )


EMITTERS: Mapping[str, Emitter] = MappingProxyType(
    {
        **dict.fromkeys(ELEMENTWISE, _elementwise),
        "integer_pow": _integer_power,
        **dict.fromkeys(_SAME, _same),
        **dict.fromkeys(("reshape", "squeeze", "expand_dims"), _reshape),
        "broadcast_in_dim": _broadcast,
        "transpose": _transpose,
        **dict.fromkeys(("slice", "dynamic_slice", "pad", "rev"), _move),
        **dict.fromkeys(("iota", "empty", "empty2"), _constant),
        "concatenate": _concatenate,
        "gather": _gather,
        **dict.fromkeys(("scatter", "scatter-add", "scatter_add", "scatter-mul"), _scatter),
        **dict.fromkeys(("scatter-min", "scatter-max"), _scatter),
        "dynamic_update_slice": _update,
        **dict.fromkeys(_REDUCTIONS, _reduce),
        **dict.fromkeys(_CUMULATIVE, _cumulate),
        **dict.fromkeys(_WINDOWS, _window),
        "conv_general_dilated": _convolution,
        "dot_general": _product,
    }
)
"""What becomes of a primitive with one output, by its name."""


def sort(
    graph: Graph, name: str, values: Sequence[Value], shapes: Sequence[Shape], length: int
) -> list[Value]:
    """Sorting, or taking the largest, along an axis of a length: a comparison for each element and
    halving of the axis.
    """
    if all(value.known for value in values):
        return [graph.constant(values, shape, values[0].dtype) for shape in shapes]
    halvings = max((length - 1).bit_length(), 1)
    flops = math.prod(values[0].shape) * halvings
    first = graph.emit("reduce", name, values, shapes[0], flops=flops, function="sort")
    return [first, *(replace(reshape_like(first, shape)) for shape in shapes[1:])]


def split(graph: Graph, name: str, value: Value, shapes: Sequence[Shape]) -> list[Value]:
    """Parts of an array, each copied."""
    return [
        movement.move(
            graph, f"{name}{i}", "split", [value], shape, read=shape, channel=value.channel
        )
        for i, shape in enumerate(shapes)
    ]


def reshape_like(value: Value, shape: Shape) -> Value:
    """Another output of the same node."""
    return replace(value, shape=shape, stored=shape, channel=max(len(shape) - 1, 0))

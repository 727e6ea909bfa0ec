"""How layers are built in an exported Flax module, and what their arrays are called there."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from flax import nnx

from nas.export.expressions import Call, literal
from nas.supernet import layers, nasbench201, token_layers

Arrays: TypeAlias = dict[str, np.ndarray]
Given: TypeAlias = Mapping[str, np.ndarray]


def _conv_norm(layer: layers.ConvNorm, given: Given) -> tuple[Call, Arrays]:
    size, _, channels, out = given["kernel"].shape
    groups = out if layer.depthwise else 1
    call = _call(
        "ConvNorm",
        channels * groups,
        out,
        kernel=size,
        stride=_unless(layer.stride, 1),
        groups=_unless(groups, 1),
        function=_unless(layer.function, ""),
    )
    return call, {"conv.kernel": given["kernel"], **_norm_arrays(given)}


def _norm(layer: layers.Norm, given: Given) -> tuple[Call, Arrays]:
    call = _call("Norm", len(given["scale"]), function=_unless(layer.function, ""))
    return call, _norm_arrays(given)


def _norm_arrays(given: Given) -> Arrays:
    names = {"scale": "scale", "shift": "bias", "mean": "mean", "variance": "var"}
    return {f"norm.{theirs}": given[ours] for ours, theirs in names.items()}


def _conv(layer: layers.Conv, given: Given) -> tuple[Call, Arrays]:
    size, _, channels, out = given["kernel"].shape
    options = {"padding": size // 2, "use_bias": False}
    return _call("nnx.Conv", channels, out, (size, size), **options), dict(given)


def _linear(layer: layers.Linear, given: Given) -> tuple[Call, Arrays]:
    bias = _unless(layer.has_bias, True)
    return _call("nnx.Linear", *given["kernel"].shape, use_bias=bias), dict(given)


def _layer_norm(layer: token_layers.LayerNorm, given: Given) -> tuple[Call, Arrays]:
    options = {"epsilon": token_layers.LAYER_NORM_EPSILON, "use_fast_variance": False}
    call = _call("nnx.LayerNorm", len(given["scale"]), **options)
    return call, {"scale": given["scale"], "bias": given["shift"]}


def _mean_pool(layer: nasbench201.MeanPool, given: Given) -> tuple[Call, Arrays]:
    return Call("MeanPool"), {}


FLAX_CALLS: dict[type, Callable[[Any, Any], tuple[Call, Arrays]]] = {
    layers.ConvNorm: _conv_norm,
    layers.Norm: _norm,
    layers.Conv: _conv,
    layers.Linear: _linear,
    token_layers.LayerNorm: _layer_norm,
    nasbench201.MeanPool: _mean_pool,
}
"""Of a layer and its parameters and statistics, the call that builds it and its arrays."""


def flax_call(layer: nnx.Module, given: Given) -> tuple[Call, Arrays]:
    """The same for one of Flax's own layers, which keep what they were built with as attributes.

    Raises:
        ValueError: If an option is not kept, or cannot be written.
    """
    kind = type(layer)
    options: dict[str, Any] = {}
    for name, parameter in inspect.signature(kind.__init__).parameters.items():
        if name in ("self", "rngs") or parameter.kind is parameter.VAR_KEYWORD:
            continue
        value = getattr(layer, name, parameter.default)
        if value is parameter.empty:
            raise ValueError(f"nnx.{kind.__name__}: expected it to keep its option {name}")
        if isinstance(value, nnx.Variable) or value is parameter.default:
            continue
        options[name] = _unless(value, parameter.default)
    return _call(f"nnx.{kind.__name__}", **options), dict(given)


def _call(name: str, *arguments: Any, **options: Any) -> Call:
    named = {key: literal(value) for key, value in options.items() if value is not _DEFAULT}
    return Call(name, tuple(map(literal, arguments)), {**named, "rngs": "rngs"})


_DEFAULT = object()


def _unless(value: Any, default: Any) -> Any:
    return _DEFAULT if value == default else value

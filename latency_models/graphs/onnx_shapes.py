"""Shapes and number formats in an ONNX file, node after node, by the rules of the `onnx` package.

Where a shape depends on numbers that are known (the size of an input, a constant), those are worked
out by its reference implementation of a few operators on small arrays.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from latency_models.graphs.values import counted_as
from latency_models.operators import Shape

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto, TypeProto

STANDARD = ("", "ai.onnx")
CONTRIBUTED = "com.microsoft"
SHAPED_LIKE: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("Gelu", "FastGelu", "QuickGelu", "BiasGelu"), (0,)),
    **dict.fromkeys(("QLinearSigmoid", "QLinearLeakyRelu", "SimplifiedLayerNormalization"), (0,)),
    **dict.fromkeys(("QLinearAdd", "QLinearMul", "QuantizeLinear", "DequantizeLinear"), (0,)),
    **dict.fromkeys(("SkipLayerNormalization", "SkipSimplifiedLayerNormalization"), (0,) * 4),
    "MultiHeadAttention": (0, 6, 7),
    "GroupQueryAttention": (0, 3, 4),
    "QLinearGlobalAveragePool": (0,),
    "QGemm": (0,),
}
"""Operators of `com.microsoft`, which have no rules, and the input that each output is shaped like.
"""
# Worked out where all inputs are known; they are what exporters say shapes with.
_FOLDED = frozenset(
    (
        *("Add", "And", "Cast", "Ceil", "Concat", "ConstantOfShape", "Div", "Equal", "Expand"),
        *("Floor", "Gather", "Greater", "Identity", "Less", "Max", "Min", "Mod", "Mul", "Neg"),
        *("Not", "Or", "Pow", "Range", "Reciprocal", "ReduceMax", "ReduceMin", "ReduceProd"),
        *("ReduceSum", "Reshape", "Slice", "Split", "Sqrt", "Squeeze", "Sub", "Transpose"),
        *("Unsqueeze", "Where"),
    )
)
_MOST_ELEMENTS = 4096
_EXTERNAL = 1


class Shapes:
    """What is known of the values of a model before it runs.

    Attributes:
        types: Shape and number format by name.
        contents: Of small arrays that are known, by name.
    """

    def __init__(self, model: "ModelProto") -> None:
        self.types: dict[str, TypeProto] = {}
        self.contents: dict[str, np.ndarray] = {}
        self._opsets = list(model.opset_import)
        self._version = {o.domain: o.version for o in model.opset_import}
        self._ir_version = model.ir_version

    def add(self, name: str, kind: int, shape: Sequence[int]) -> None:
        """Says what is known of a value: `kind` is ONNX's number of the format."""
        from onnx import helper

        self.types[name] = helper.make_tensor_type_proto(kind, list(shape))

    def add_tensor(self, name: str, tensor: "TensorProto") -> None:
        """Says what is known of a stored array; one in another file is not opened.

        Raises:
            ValueError: If it is malformed.
        """
        from onnx import numpy_helper

        if min(tensor.dims, default=0) < 0:
            raise ValueError(f"stored array {name!r}: sizes {list(tensor.dims)} are negative")
        self.add(name, tensor.data_type, tensor.dims)
        if tensor.data_location != _EXTERNAL and math.prod(tensor.dims) <= _MOST_ELEMENTS:
            self.contents[name] = numpy_helper.to_array(tensor)

    def add_array(self, name: str, array: np.ndarray) -> None:
        """Says that a value is known."""
        from onnx import helper

        self.add(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        if array.size <= _MOST_ELEMENTS:
            self.contents[name] = array

    def shape(self, name: str) -> Shape:
        """The shape of a value."""
        return tuple(size.dim_value for size in self.types[name].tensor_type.shape.dim)

    def dtype(self, name: str) -> str:
        """The number format of a value, as it is counted.

        Raises:
            ValueError: If it has no counterpart.
        """
        return counted_as(self.format(name))

    def format(self, name: str) -> str:
        """The number format of a value, by NumPy's name."""
        from onnx import TensorProto

        name = TensorProto.DataType.Name(self.types[name].tensor_type.elem_type).lower()
        return {"float": "float32", "double": "float64"}.get(name, name)

    def infer(self, node: "NodeProto", label: str) -> None:
        """Finds the types of a node's outputs, and their contents if they say shapes.

        Further outputs may stay unknown, such as the mask of a dropout.

        Raises:
            ValueError: If the node is malformed, or a size is not known before it runs.
        """
        for name, found in self._output_types(node, label).items():
            sizes = found.tensor_type.shape.dim
            known = found.tensor_type.HasField("shape") and all(
                size.HasField("dim_value") for size in sizes
            )
            if known:
                self.types[name] = found
            elif name == node.output[0]:
                raise ValueError(
                    f"node {label!r} ({node.op_type}): the shape of {name!r} is not known before"
                    " it runs"
                )
        if node.op_type in ("Shape", "Size"):
            self._fold_shape(node)
        elif node.op_type in _FOLDED and node.domain in STANDARD:
            self._fold(node, label)

    def _output_types(self, node: "NodeProto", label: str) -> dict[str, "TypeProto"]:
        from onnx import checker, defs, numpy_helper, shape_inference

        version = self._version.get("", self._version.get("ai.onnx", 1))
        given = [name for name in node.input if name]
        if node.domain not in STANDARD or not defs.has(node.op_type, version):
            return self._like_inputs(node, given)
        try:
            return shape_inference.infer_node_outputs(
                defs.get_schema(node.op_type, version),
                node,
                {name: self.types[name] for name in given},
                {
                    name: numpy_helper.from_array(self.contents[name])
                    for name in given
                    if name in self.contents
                },
                opset_imports=self._opsets,
                ir_version=self._ir_version,
            )
        except (shape_inference.InferenceError, checker.ValidationError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"node {label!r} ({node.op_type}): {reason}") from error

    def _like_inputs(self, node: "NodeProto", given: Sequence[str]) -> dict[str, "TypeProto"]:
        like = SHAPED_LIKE.get(node.op_type, (0,) * len(node.output))
        if node.op_type == "QLinearGlobalAveragePool":
            from onnx import helper

            shape = self.shape(given[0])
            ones = [1] * (len(shape) - 2)
            kind = self.types[given[0]].tensor_type.elem_type
            pooled = helper.make_tensor_type_proto(kind, [*shape[:2], *ones])
            return {node.output[0]: pooled}
        found: dict[str, TypeProto] = {}
        for name, number in zip(node.output, like, strict=False):
            source = node.input[number] if number < len(node.input) else ""
            if name and given:
                found[name] = self.types[source or given[0]]
        return found

    def _fold_shape(self, node: "NodeProto") -> None:
        shape = self.shape(node.input[0])
        if node.op_type == "Size":
            self.contents[node.output[0]] = np.array(math.prod(shape), np.int64)
            return
        limits = {a.name: a.i for a in node.attribute}
        part = slice(limits.get("start"), limits.get("end"))
        self.contents[node.output[0]] = np.array(shape[part], np.int64)

    def _fold(self, node: "NodeProto", label: str) -> None:
        from onnx import helper
        from onnx.reference import ReferenceEvaluator

        given = list(dict.fromkeys(name for name in node.input if name))
        made = [name for name in node.output if name]
        if any(name not in self.contents for name in given):
            return
        if any(math.prod(self.shape(name)) > _MOST_ELEMENTS for name in made):
            return
        graph = helper.make_graph(
            [node],
            "constants",
            [helper.make_value_info(name, self.types[name]) for name in given],
            [helper.make_value_info(name, self.types[name]) for name in made],
        )
        model = helper.make_model(graph, opset_imports=self._opsets, ir_version=self._ir_version)
        try:
            with np.errstate(all="ignore"):
                arrays = ReferenceEvaluator(model).run(None, {n: self.contents[n] for n in given})
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(f"node {label!r} ({node.op_type}): {error}") from error
        for name, array in zip(made, arrays, strict=True):
            self.contents[name] = np.asarray(array)


def attributes(node: "NodeProto") -> dict[str, Any]:
    """A node's attributes as Python values."""
    from onnx import helper

    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def constant(node: "NodeProto", label: str) -> Any:
    """What a `Constant` node holds: an array, or a stored tensor.

    Raises:
        ValueError: If it is sparse or text.
    """
    for name, value in attributes(node).items():
        if name == "value":
            return value
        if name in ("value_int", "value_ints"):
            return np.array(value, np.int64)
        if name in ("value_float", "value_floats"):
            return np.array(value, np.float32)
    raise ValueError(f"node {label!r} (Constant): expected numbers that are not sparse")

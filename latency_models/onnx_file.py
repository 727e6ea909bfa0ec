"""The operators of a network in an ONNX file.

    from latency_models.onnx_file import read_onnx

    workload = read_onnx("resnet50.onnx", batch_size=8)

The file is read, never run: nothing of it is worked out but small arrays that say shapes, and
weights that are kept in other files are not opened, as their sizes are enough. Operators are joined
as `graphs.fusing` says. Stored arrays of floats or of eight bits that an operator reads are its
parameters, unless they have a single element; a `BatchNormalization` has its scale and shift.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latency_models.graphs.fusing import join
from latency_models.graphs.nodes import Graph
from latency_models.graphs.onnx_elementwise import ELEMENTWISE
from latency_models.graphs.onnx_functions import check_functions
from latency_models.graphs.onnx_layers import LAYERS
from latency_models.graphs.onnx_movement import MOVEMENT
from latency_models.graphs.onnx_node import Handler, OnnxNode
from latency_models.graphs.onnx_shapes import (
    CONTRIBUTED,
    SHAPED_LIKE,
    STANDARD,
    Shapes,
    attributes,
    constant,
)
from latency_models.graphs.values import Value, make_value
from latency_models.trace import Unknown, main_dtype
from latency_models.workload import Workload

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

_HANDLERS = {**ELEMENTWISE, **MOVEMENT, **LAYERS}
_WEIGHT_FORMATS = ("float", "double", "bfloat16", "int8", "uint8", "int4", "uint4")


def read_onnx(
    path: str | Path,
    *,
    batch_size: int | None = None,
    dtype: str | None = None,
    sizes: Mapping[str, int] | None = None,
    unknown: Unknown = "error",
) -> Workload:
    """The workload of the network in a file.

    Args:
        path: Of the file.
        batch_size: First size of the inputs; what the file says if not given, or 1 if that leaves
            it open.
        dtype: What all operators run in; without it, each in the dtype of its operands.
        sizes: Other sizes that the file leaves open, by the names that it gives them.
        unknown: What to do with operators that have no meaning here: `error`, or count one FLOP for
            each element of their output, as `elementwise`.

    Raises:
        ValueError: If the file is not an ONNX model, sizes stay open, operators are unknown (all of
            them are named), or the batch size is not what the file has.
        OSError: If the file cannot be read.
    """
    source = Path(path)
    model = _load(source)
    try:
        reader = _Reader(model, Graph(dtype))
        found = reader.unknown_operators()
        if found and unknown == "error":
            raise ValueError(
                f"unknown operators {', '.join(sorted(found))}:"
                ' unknown="elementwise" counts them as element-wise'
            )
        batch = reader.add_inputs(batch_size, sizes or {})
        ops = join(reader.graph, reader.run())
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    except (TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise ValueError(f"{source}: malformed: {error!r}") from error
    return Workload(ops, batch, dtype or main_dtype(ops))


def _load(path: Path) -> "ModelProto":
    import onnx
    from google.protobuf.message import DecodeError

    content = path.read_bytes()
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise ValueError(f"{path}: not an ONNX file: {error}") from error
    if not model.graph.node or not model.opset_import:
        raise ValueError(f"{path}: not an ONNX file: it has no operators")
    if model.functions:
        from onnx import inliner

        try:
            check_functions(model)
            model = inliner.inline_local_functions(model)
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{path}: {' '.join(str(error).split())}") from error
    return model


class _Reader:
    """Goes through the nodes of a model.

    Attributes:
        graph: Gets what they become.
    """

    def __init__(self, model: "ModelProto", graph: Graph) -> None:
        self.graph = graph
        self._file: GraphProto = model.graph
        self._shapes = Shapes(model)
        self._values: dict[str, Value] = {}
        for tensor in self._file.initializer:
            self._shapes.add_tensor(tensor.name, tensor)
            self._add_stored(tensor.name)

    def unknown_operators(self) -> set[str]:
        """Operators without a meaning here, those of other domains with the domain."""
        return {
            node.op_type if node.domain in STANDARD else f"{node.domain}.{node.op_type}"
            for node in self._file.node
            if _handler(node) is None
        }

    def add_inputs(self, batch_size: int | None, sizes: Mapping[str, int]) -> int:
        """Adds the network's inputs, and gives the batch size."""
        inputs = [given for given in self._file.input if given.name not in self._values]
        chosen = dict(sizes)
        missing: set[str] = set()
        batches: list[int] = []
        for given in inputs:
            shape: list[int] = []
            for axis, size in enumerate(given.type.tensor_type.shape.dim):
                name = size.dim_param or f"{given.name}[{axis}]"
                if axis == 0 and size.dim_value < 1:
                    chosen.setdefault(name, batch_size or 1)
                found = size.dim_value if size.dim_value > 0 else chosen.get(name)
                if found is None:
                    missing.add(name)
                shape.append(found or 1)
            batches += shape[:1]
            self._shapes.add(given.name, given.type.tensor_type.elem_type, shape)
            dtype = self.graph.dtype or self._shapes.dtype(given.name)
            self._values[given.name] = self.graph.add_input(shape, dtype)
        if missing:
            raise ValueError(f"sizes of {', '.join(sorted(missing))} are open: give them in sizes=")
        batch = batches[0] if batches else 1
        if batch_size not in (None, batch):
            raise ValueError(f"batch_size must be {batch}, as in the file, got {batch_size}")
        return batch

    def run(self) -> set[int]:
        """Adds all nodes, and gives those that make the network's outputs."""
        for position, node in enumerate(self._file.node):
            label = node.name or next(filter(None, node.output), f"node {position}")
            if node.op_type == "Constant":
                self._add_constant(node, label)
            else:
                self._add_node(node, label)
        outputs = [self._values[out.name] for out in self._file.output if out.name in self._values]
        made = {value.source for value in outputs if value.source is not None}
        return made.union(*(value.after for value in outputs))

    def _add_stored(self, name: str) -> None:
        """A stored array: a weight if it is of numbers that are learned, and more than one."""
        shape = self._shapes.shape(name)
        if not self._shapes.format(name).startswith(_WEIGHT_FORMATS) or np.prod(shape) == 1:
            self._values[name] = make_value(shape, "float32", None)
            return
        dtype = self.graph.dtype or self._shapes.dtype(name)
        self._values[name] = self.graph.add_weight(shape, dtype, trained=True)

    def _add_constant(self, node: "NodeProto", label: str) -> None:
        (name,) = node.output
        content = constant(node, label)
        if isinstance(content, np.ndarray):
            self._shapes.add_array(name, content)
        else:
            self._shapes.add_tensor(name, content)
        self._add_stored(name)

    def _add_node(self, node: "NodeProto", label: str) -> None:
        unmade = [name for name in node.input if name and name not in self._values]
        if unmade:
            raise ValueError(f"node {label!r} ({node.op_type}): no node before makes {unmade[0]!r}")
        self._shapes.infer(node, label)
        names = [name for name in node.output if name in self._shapes.types]
        view = OnnxNode(
            graph=self.graph,
            kind=node.op_type,
            name=label,
            attributes=attributes(node),
            inputs=tuple(self._values[name] if name else None for name in node.input),
            constants=tuple(self._shapes.contents.get(name) for name in node.input),
            shapes=tuple(self._shapes.shape(name) for name in names),
            dtypes=tuple(self.graph.dtype or self._shapes.dtype(name) for name in names),
        )
        try:
            results = (_handler(node) or _as_elementwise)(view)
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(f"node {label!r} ({node.op_type}): malformed, {error!r}") from error
        for name, value in zip(node.output, results, strict=False):
            if name:
                folded = name in self._shapes.contents and not value.weights
                self._values[name] = replace(value, source=None) if folded else value


def _handler(node: "NodeProto") -> Handler | None:
    if node.domain == CONTRIBUTED and node.op_type not in SHAPED_LIKE:
        return None
    if node.domain not in (*STANDARD, CONTRIBUTED):
        return None
    if node.op_type == "Constant":
        return _as_elementwise
    return _HANDLERS.get(node.op_type)


def _as_elementwise(node: OnnxNode) -> list[Value]:
    operands = [value for value in node.inputs if value is not None]
    if all(value.known for value in operands):
        return [
            node.graph.constant(operands, shape, dtype)
            for shape, dtype in zip(node.shapes, node.dtypes, strict=True)
        ]
    flops = sum(map(math.prod, node.shapes))
    first = node.graph.emit(
        "elementwise", node.name, operands, node.shapes[0], flops=flops, function=node.kind
    )
    node.graph.nodes[-1].nonlinear = True
    return [
        make_value(shape, dtype, first.source)
        for shape, dtype in zip(node.shapes, node.dtypes, strict=True)
    ]

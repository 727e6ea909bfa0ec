"""Networks as they are read from a program or a file: values, and the nodes that make them.

A value is known before the network runs (a weight, a constant, and what follows from these alone)
or comes from a node or an input of the network. Only what runs becomes a node: reshaping,
broadcasting and changing the number format are free, and so is moving the channel axis, as runtimes
choose the layout of maps and products of matrices take their operands either way round.

`arithmetic` and `movement` add nodes to a graph, `fusing` turns them into operators.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from latency_models.graphs.values import Value, channels_last, make_value
from latency_models.operators import Shape, Sides


@dataclass
class Node:
    """An operator that is not yet joined with others; attributes beside these are those of `Op`.

    Attributes:
        functions: What it computes, such as `add` or `exp`; one unless nodes were joined.
        weights_read: Elements of weights and constants read.
        nonlinear: Whether an element-wise function is more than sums, products with constants.
        affine: `shift` or `scale` if it adds or multiplies with one known value a channel.
        per_channel: Whether those values vary along the channel axis only.
        columns: Outputs of a convolution or product for which weights are different.
    """

    kind: str
    name: str
    inputs: tuple[int, ...]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    flops: int
    params: int
    weights_read: int
    dtype: str
    functions: frozenset[str] = frozenset()
    kernel: Sides = 1
    stride: Sides = 1
    dilation: Sides = 1
    groups: int = 1
    nonlinear: bool = False
    affine: str = ""
    per_channel: bool = False
    columns: int = 0


@dataclass
class Graph:
    """Nodes in the order that they run.

    Attributes:
        dtype: Of all nodes, where it is not to be that of their operands.
        nodes: Those so far.
        input_count: Inputs of the network.
        weight_sizes: Trainable parameters of each weight, 0 for one that is not trained.
        owned: Weights that an earlier node reads, and has as its `params`.
    """

    dtype: str | None = None
    nodes: list[Node] = field(default_factory=list[Node])
    input_count: int = 0
    weight_sizes: list[int] = field(default_factory=list[int])
    owned: frozenset[int] = frozenset()

    def add_input(self, shape: Sequence[int], dtype: str) -> Value:
        """The network's next input."""
        self.input_count += 1
        return make_value(shape, dtype, -self.input_count)

    def add_weight(self, shape: Sequence[int], dtype: str, *, trained: bool) -> Value:
        """A stored array; its elements are parameters if it is `trained`."""
        self.weight_sizes.append(math.prod(shape) if trained else 0)
        number = frozenset({len(self.weight_sizes) - 1})
        return make_value(shape, dtype, None, weights=number)

    def emit(
        self,
        kind: str,
        name: str,
        operands: Sequence[Value],
        shape: Sequence[int],
        *,
        flops: int,
        channel: int | None = None,
        input_shapes: Sequence[Shape] | None = None,
        output_shape: Shape | None = None,
        dtype: str | None = None,
        function: str = "",
        weights_read: int | None = None,
    ) -> Value:
        """Appends a node and gives its output.

        Args:
            kind: Of the operator.
            name: Of the operator.
            operands: What it reads; those that are known before are weights.
            shape: Of the output, as the program has it.
            flops: Of the operator.
            channel: The output's axis of channels, the last if not given.
            input_shapes: Of the operands that are not known before, if they are not as stored.
            output_shape: What the operator writes, if it is not `shape` with the channels last.
            dtype: Of the output, that of the operands if not given.
            function: What it computes.
            weights_read: Elements of known operands read, if it is not all.
        """
        reads = [value for value in operands if not value.known]
        weights = [value for value in operands if value.known and value.weights]
        numbers = frozenset[int]().union(*(value.weights for value in weights))
        params = sum(self.weight_sizes[number] for number in numbers - self.owned)
        self.owned |= numbers
        computed_in = self.dtype or next((v.dtype for v in [*reads, *weights]), "float32")
        result = make_value(shape, dtype or computed_in, len(self.nodes), channel=channel)
        shapes = input_shapes or [channels_last(value.stored, value.channel) for value in reads]
        earlier = sorted(frozenset[int]().union(*(value.after for value in reads)))
        if weights_read is None:
            weights_read = sum(math.prod(value.stored) for value in weights)
        node = Node(
            kind=kind,
            name=name,
            inputs=(*(v.source for v in reads if v.source is not None), *earlier),
            # An input that only has to have been written.
            input_shapes=(*shapes, *(((0,),) * len(earlier))),
            output_shape=channels_last(result.shape, result.channel)
            if output_shape is None
            else output_shape,
            flops=flops,
            params=params,
            weights_read=weights_read,
            dtype=computed_in,
            functions=frozenset({function}) if function else frozenset(),
        )
        self.nodes.append(node)
        return result

    def constant(self, operands: Sequence[Value], shape: Sequence[int], dtype: str) -> Value:
        """What follows from known values alone."""
        weights = frozenset[int]().union(*(value.weights for value in operands))
        return make_value(shape, dtype, None, weights=weights)

    def fill(self, value: Value, name: str) -> Value:
        """A buffer in memory that a known value is written to."""
        return self.emit("layout", name, [value], value.shape, flops=0, function="fill")

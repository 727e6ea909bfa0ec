"""Joins the nodes of a graph into the operators that this package counts.

Programs write an operator as many: a bias is a sum, batch normalisation a product and a sum, an
activation or a softmax up to ten nodes. In the order of the rules here,

- a bias is part of the convolution or product before it;
- scales and shifts by known values a channel that follow each other are one `norm`;
- the division of a mean is part of the sum;
- element-wise nodes that compute a function of one value are one `activation`;
- nodes between a value and a function of it and its own sums or maxima are one `softmax` (with an
  exponential) or `layer_norm` (with a root), and the scale and shift that follow belong to it;
- an element-wise node runs inside the latest kernel among its operands'. Where that one's output is
  smaller than its own it has to read the larger operand again, and is a `scale`.

A node is only joined with another when nobody else reads what is between them. FLOPs add up, except
that a `norm` has one for its scale and one for its shift.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from latency_models.graphs.nodes import Graph, Node
from latency_models.operators import Op, Shape

_PRODUCTS = frozenset({"conv", "depthwise_conv", "transposed_conv", "linear"})
_ROOTS = frozenset({"sqrt", "rsqrt", "pow"})
# Nodes that a softmax or a norm may take; so few that long recurrences are gone through in no time.
_LARGEST_NORM = 48


def join(graph: Graph, outputs: Iterable[int]) -> tuple[Op, ...]:
    """The operators that the outputs depend on, in the order that they run.

    Args:
        graph: Whose nodes are read; they are changed.
        outputs: Positions of the nodes whose results the network gives.

    Raises:
        ValueError: If nothing runs.
    """
    fusion = _Fusion(graph.nodes, outputs)
    for rule in (
        fusion.fold_bias,
        fusion.merge_affine,
        fusion.absorb_division,
        fusion.merge_unary,
        fusion.collapse_normalisation,
        fusion.absorb_affine,
        fusion.absorb_index_arithmetic,
    ):
        for position in fusion.order():
            if position in fusion.nodes:
                rule(position)
    fusion.order_operands()
    return fusion.operators()


class _Fusion:
    def __init__(self, nodes: Sequence[Node], outputs: Iterable[int]) -> None:
        self.outputs = {i for i in outputs if i >= 0}
        live = set(self.outputs)
        for position in range(len(nodes) - 1, -1, -1):
            if position in live:
                live.update(i for i in nodes[position].inputs if i >= 0)
        self.nodes = {i: nodes[i] for i in sorted(live)}
        self.readers: dict[int, set[int]] = {i: set() for i in self.nodes}
        for position, node in self.nodes.items():
            self._read(position, node.inputs)

    def order(self) -> list[int]:
        return list(self.nodes)

    def _read(self, position: int, inputs: Iterable[int]) -> None:
        for i in inputs:
            if i >= 0:
                self.readers[i].add(position)

    def _only_reader(self, position: int) -> int | None:
        """The node that alone reads another's result."""
        readers = self.readers[position]
        return None if position in self.outputs or len(readers) != 1 else min(readers)

    def _rewire(self, position: int, operands: Sequence[tuple[int, Shape]]) -> None:
        """Gives a node other operands, each of them once."""
        node = self.nodes[position]
        for i in node.inputs:
            if i >= 0 and i in self.readers:
                self.readers[i].discard(position)
        distinct = dict(reversed(operands))
        kept = list(dict.fromkeys(i for i, _ in operands))
        node.inputs = tuple(kept)
        node.input_shapes = tuple(distinct[i] for i in kept)
        self._read(position, kept)

    def _remove(self, position: int) -> Node:
        node = self.nodes.pop(position)
        for i in node.inputs:
            if i >= 0 and i in self.readers:
                self.readers[i].discard(position)
        return node

    def _append(self, position: int, after: int) -> None:
        """Makes a node part of that before it, which alone it reads."""
        removed = self._remove(after)
        for reader in self.readers.pop(after):
            node = self.nodes[reader]
            node.inputs = tuple(position if i == after else i for i in node.inputs)
            self.readers[position].add(reader)
        if after in self.outputs:
            self.outputs = self.outputs - {after} | {position}
        node = self.nodes[position]
        node.params += removed.params
        node.weights_read += removed.weights_read
        node.functions |= removed.functions

    def _next(self, position: int) -> tuple[int, Node] | None:
        """The element-wise node that alone reads another, and nothing else that runs."""
        after = self._only_reader(position)
        if after is None:
            return None
        node = self.nodes[after]
        if node.kind not in ("elementwise", "norm") or node.inputs != (position,):
            return None
        return after, node

    def fold_bias(self, position: int) -> None:
        node, following = self.nodes[position], self._next(position)
        if node.kind not in _PRODUCTS or following is None or not node.columns:
            return
        after, shift = following
        if shift.affine == "shift" and shift.weights_read == node.columns:
            self._append(position, after)
            node.flops += shift.flops
            node.columns = 0

    def merge_affine(self, position: int) -> None:
        node = self.nodes[position]
        found = _scales_and_shifts(node)
        while found and (following := self._next(position)) is not None:
            after, other = following
            if not (more := _scales_and_shifts(other)):
                break
            found = found | more
            self._append(position, after)
        if len(found) > 1:
            node.kind = "norm"
            node.flops = 2 * math.prod(node.output_shape)

    def merge_unary(self, position: int) -> None:
        node = self.nodes[position]
        if not _plain(node):
            return
        operands = list(zip(node.inputs, node.input_shapes, strict=True))
        sources: list[tuple[int, Shape]] = []
        inner: list[int] = []
        for i, shape in operands:
            producer = self.nodes.get(i)
            if producer and _unary(producer) and self._only_reader(i) == position:
                inner.append(i)
                sources.append((producer.inputs[0], producer.input_shapes[0]))
            else:
                sources.append((i, shape))
        elements = math.prod(node.output_shape)
        if not inner or len({i for i, _ in sources}) > 1:
            return
        if any(math.prod(shape) != elements for _, shape in [*operands, *sources]):
            return
        for i in inner:
            removed = self._remove(i)
            del self.readers[i]
            node.flops += removed.flops
            node.nonlinear |= removed.nonlinear
            node.functions |= removed.functions
        self._rewire(position, sources)

    def absorb_division(self, position: int) -> None:
        node, following = self.nodes[position], self._next(position)
        if node.kind not in ("pool", "reduce") or following is None:
            return
        after, divided = following
        if (
            node.functions == frozenset({"sum"})
            and _unary(divided)
            and divided.functions <= {"div", "mul"}
        ):
            self._append(position, after)

    def collapse_normalisation(self, position: int) -> None:
        node = self.nodes[position]
        if node.kind != "elementwise" or len(node.inputs) < 2:
            return
        for source in self._ancestors(position):
            members = self._between(source, position)
            if members is not None:
                functions = [self.nodes[i].functions for i in members]
                found = frozenset[str]().union(*functions)
                if "exp" in found:
                    self._replace("softmax", source, members, position)
                elif found & _ROOTS:
                    self._replace("layer_norm", source, members, position)
                return

    def _ancestors(self, position: int) -> list[int]:
        """Values that a node is a function of, through element-wise nodes and reductions, the
        earliest first.
        """
        found: set[int] = set()
        waiting = [position]
        while waiting and len(found) < _LARGEST_NORM:
            # Breadth first: what is near counts.
            for i in self.nodes[waiting.pop(0)].inputs:
                if i not in found:
                    found.add(i)
                    if i in self.nodes and _joinable(self.nodes[i]):
                        waiting.append(i)
        # Inputs of the network come before all nodes.
        return sorted(found)

    def _between(self, source: int, position: int) -> set[int] | None:
        """Nodes from a value that is read several times to the node that alone uses what they
        give; None if it depends on other values too, or they do not reduce.
        """
        members, waiting, reads = {position}, [position], Counter[int]()
        while waiting:
            for i in self.nodes[waiting.pop()].inputs:
                reads[i] += 1
                if i == source or i in members:
                    continue
                if i not in self.nodes or not _joinable(self.nodes[i]):
                    return None
                members.add(i)
                waiting.append(i)
                if len(members) > _LARGEST_NORM:
                    return None
        inner = members - {position}
        if reads[source] < 2 or not any(_reduces(self.nodes[i]) for i in inner):
            return None
        if inner & self.outputs or any(self.readers[i] - members for i in inner):
            return None
        return members

    def _replace(self, kind: str, source: int, members: set[int], position: int) -> None:
        node = self.nodes[position]
        for i in sorted(members - {position}):
            removed = self._remove(i)
            del self.readers[i]
            node.flops += removed.flops
            node.params += removed.params
            node.weights_read += removed.weights_read
            node.functions |= removed.functions
        self._rewire(position, [(source, node.output_shape)])
        node.kind, node.affine, node.nonlinear = kind, "", True

    def absorb_affine(self, position: int) -> None:
        node = self.nodes[position]
        while node.kind == "layer_norm" and (following := self._next_affine(position)) is not None:
            after, affine = following
            node.flops += affine.flops
            self._append(position, after)

    def _next_affine(self, position: int) -> tuple[int, Node] | None:
        after = self._only_reader(position)
        node = None if after is None else self.nodes[after]
        if after is None or node is None or node.inputs != (position,):
            return None
        return (after, node) if node.kind == "norm" or node.affine else None

    def absorb_index_arithmetic(self, position: int) -> None:
        node = self.nodes[position]
        if node.kind != "embedding":
            return
        (i,) = node.inputs[:1]
        producer = self.nodes.get(i)
        if producer and _unary(producer) and self._only_reader(i) == position:
            self._remove(i)
            del self.readers[i]
            self._rewire(position, [(producer.inputs[0], node.input_shapes[0])])

    def order_operands(self) -> None:
        """Puts first the operand inside whose kernel an element-wise node runs."""
        kernels: dict[int, int] = {}
        for position, node in self.nodes.items():
            kernels[position] = position
            if node.kind not in ("elementwise", "norm"):
                continue
            if not node.inputs:
                node.kind = "layout"
                continue
            operands = list(zip(node.inputs, node.input_shapes, strict=True))
            # What only has to have been written before comes last.
            operands.sort(
                key=lambda operand: (
                    math.prod(operand[1]) > 0,
                    kernels.get(operand[0], operand[0]),
                    math.prod(operand[1]),
                ),
                reverse=True,
            )
            if math.prod(operands[0][1]) < math.prod(node.output_shape) and len(operands) > 1:
                operands.sort(key=lambda operand: math.prod(operand[1]), reverse=True)
                node.kind = "scale"
            else:
                kernels[position] = kernels.get(operands[0][0], position)
                if node.nonlinear and len(operands) == 1:
                    node.kind = "activation"
            node.inputs, node.input_shapes = (tuple(part) for part in zip(*operands, strict=True))

    def operators(self) -> tuple[Op, ...]:
        if not self.nodes:
            raise ValueError("the network computes nothing from its inputs")
        places = {old: new for new, old in enumerate(self.nodes)}
        return tuple(
            Op(
                kind=node.kind,
                name=node.name,
                input_shapes=node.input_shapes,
                output_shape=node.output_shape,
                flops=node.flops,
                params=node.params,
                dtype=node.dtype,
                inputs=tuple(places.get(i, i) for i in node.inputs),
                kernel=node.kernel,
                stride=node.stride,
                groups=node.groups,
                dilation=node.dilation,
                weights_read=None if node.weights_read == node.params else node.weights_read,
            )
            for node in self.nodes.values()
        )


def _scales_and_shifts(node: Node) -> frozenset[str]:
    """What a node does to each channel with values that are known before."""
    if node.kind == "norm":
        return frozenset({"scale", "shift"})
    affine = node.kind == "elementwise" and node.per_channel and node.affine
    return frozenset({affine}) if affine else frozenset()


def _plain(node: Node) -> bool:
    """Whether it is element-wise and reads no weights."""
    return node.kind == "elementwise" and not node.weights_read


def _unary(node: Node) -> bool:
    return _plain(node) and len(node.inputs) == 1


def _reduces(node: Node) -> bool:
    return node.kind in ("reduce", "pool")


def _joinable(node: Node) -> bool:
    return node.kind in ("elementwise", "norm", "reduce") or (
        node.kind == "pool" and node.kernel == 1
    )

"""The operators of any function that JAX can trace, read off its jaxpr.

    from latency_models.trace import trace

    workload = trace(model_function, params, images, params_argnums=0)

The function is not run: arguments may be `jax.ShapeDtypeStruct`. Flax NNX modules go through a
function; `nnx.split(model, nnx.Param, ...)` gives parameters to mark.

What a compiler joins is joined as `graphs.fusing` says. Dead code is left out. A scan runs its body
as often as it is long; of a conditional the branch with the most FLOPs counts; of custom gradients
and rematerialised parts the forward function.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from latency_models.graphs.fusing import join
from latency_models.graphs.jax_primitives import EMITTERS, sort, split
from latency_models.graphs.movement import concatenate
from latency_models.graphs.nodes import Graph
from latency_models.graphs.values import Value, counted_as, make_value, reshape
from latency_models.operators import Op
from latency_models.workload import Workload

if TYPE_CHECKING:
    from jax.extend.core import ClosedJaxpr, Jaxpr

Unknown = Literal["error", "elementwise"]
# Calls, and the parameter that holds what they call.
_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "remat": "jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
}
_MOST_NODES = 1_000_000


def trace(
    function: Callable[..., Any],
    *example_arguments: Any,
    dtype: str | None = None,
    name: str = "",
    params_argnums: int | Sequence[int] = (),
    batch_size: int | None = None,
    unknown: Unknown = "error",
) -> Workload:
    """The workload of one call of a function.

    Args:
        function: Of arrays, or trees of arrays, with static shapes.
        *example_arguments: Arrays, or `jax.ShapeDtypeStruct`, as it would be called.
        dtype: What all operators run in; without it, each in the dtype of its operands. Integers
            and truth values count as the float of their width.
        name: Put before the operators' names.
        params_argnums: Which arguments hold parameters. Without any, the floating-point arrays that
            the function closes over are the parameters; with some, only these are, and what the
            function closes over is read but not counted (running statistics, masks).
        batch_size: Said of the workload; the first size of the first argument without parameters if
            not given.
        unknown: What to do with primitives that have no meaning here: `error`, or count one FLOP
            for each element of their output, as `elementwise`.

    Raises:
        ValueError: For a loop without a fixed length, unknown primitives (all of them are named), a
            dtype that has no counterpart, or a function that computes nothing.
    """
    import jax

    marked = [params_argnums] if isinstance(params_argnums, int) else list(params_argnums)
    marked = [number % len(example_arguments) for number in marked]
    closed = jax.make_jaxpr(function)(*example_arguments)
    walk = _Walk(Graph(dtype), name, constants_trained=not marked, unknown=unknown)
    arguments: list[Value] = []
    avals = iter(closed.in_avals)
    batch_sizes: list[int] = []
    for number, argument in enumerate(example_arguments):
        for aval in (next(avals) for _ in jax.tree.leaves(argument)):
            arguments.append(walk.argument(aval, trained=number in marked))
            if number not in marked and aval.shape:
                batch_sizes.append(aval.shape[0])
    results = walk.call(closed, arguments)
    if walk.unknown_found and unknown == "error":
        raise ValueError(
            f"trace: unknown primitives {', '.join(sorted(walk.unknown_found))}:"
            ' unknown="elementwise" counts them as element-wise'
        )
    outputs = {v.source for v in results if v.source is not None}
    ops = join(walk.graph, outputs.union(*(v.after for v in results)))
    if batch_size is None:
        batch_size = batch_sizes[0] if batch_sizes else 1
    return Workload(ops, batch_size, dtype or main_dtype(ops))


def main_dtype(ops: Sequence[Op]) -> str:
    """The dtype that most FLOPs have."""
    flops: Counter[str] = Counter()
    for op in ops:
        flops[op.dtype] += op.flops
    return flops.most_common(1)[0][0]


class _Walk:
    """Goes through the equations of a jaxpr and those within them.

    Attributes:
        graph: Gets the nodes.
        unknown_found: Names of primitives without a meaning here.
    """

    def __init__(
        self, graph: Graph, name: str, *, constants_trained: bool, unknown: Unknown
    ) -> None:
        self.graph = graph
        self.unknown_found: set[str] = set()
        self._prefix = f"{name}." if name else ""
        self._names: Counter[str] = Counter()
        self._constants_trained = constants_trained
        self._unknown = unknown
        # With the arrays, so that no other gets the identity of one that is gone.
        self._constants: dict[int, tuple[Any, Value]] = {}
        self._slices: dict[tuple[int, int, int], int] = {}

    def argument(self, aval: Any, *, trained: bool) -> Value:
        """A parameter, or the network's next input."""
        if trained:
            return self.graph.add_weight(aval.shape, self._dtype(aval), trained=True)
        return self.graph.add_input(aval.shape, self._dtype(aval))

    def call(self, closed: "ClosedJaxpr", arguments: Sequence[Value]) -> list[Value]:
        """The values that a function gives."""
        return self._run(closed.jaxpr, [self._constant(c) for c in closed.consts], arguments)

    def _run(
        self, jaxpr: "Jaxpr", constants: Sequence[Value], arguments: Sequence[Value]
    ) -> list[Value]:
        values: dict[Any, Value] = dict(zip(jaxpr.constvars, constants, strict=True))
        values.update(zip(jaxpr.invars, arguments, strict=True))

        def read(atom: Any) -> Value:
            return self._constant(atom.val) if hasattr(atom, "val") else values[atom]

        for equation in jaxpr.eqns:
            results = self._equation(equation, [read(atom) for atom in equation.invars])
            values.update(zip(equation.outvars, results, strict=True))
            if len(self.graph.nodes) > _MOST_NODES:
                raise ValueError(f"trace: more than {_MOST_NODES} operators, loops unrolled")
        return [read(atom) for atom in jaxpr.outvars]

    def _equation(self, equation: Any, operands: list[Value]) -> list[Value]:
        primitive, how = equation.primitive.name, equation.params
        shapes = [tuple(variable.aval.shape) for variable in equation.outvars]
        if primitive in _CALLS:
            return self._called(how[_CALLS[primitive]], operands)
        if primitive == "scan":
            return self._scan(how, operands)
        if primitive == "cond":
            return self._most_expensive(how["branches"], operands[1:])
        if primitive == "while":
            raise ValueError(
                "trace: a while loop has no known number of trips; fori_loop with bounds that are"
                " Python integers and scan have"
            )
        name = self._name(equation)
        if primitive == "split":
            return split(self.graph, name, operands[0], shapes)
        if primitive in ("sort", "top_k", "approx_top_k"):
            axis = how.get("dimension", how.get("axis", how.get("reduction_dimension", -1)))
            length = operands[0].shape[axis] if operands[0].shape else 1
            return sort(self.graph, name, operands, shapes, length)
        dtypes = [self._dtype(variable.aval) for variable in equation.outvars]
        if primitive in EMITTERS:
            how = {**how, "primitive": primitive}
            emitter = EMITTERS[primitive]
            return [emitter(self.graph, name, operands, how, shapes[0], dtypes[0])]
        self.unknown_found.add(primitive)
        return self._unknown_outputs(name, primitive, operands, shapes, dtypes)

    def _called(self, callee: Any, operands: Sequence[Value]) -> list[Value]:
        if hasattr(callee, "consts"):
            return self.call(callee, operands)
        return self._run(callee, [], operands)

    def _scan(self, how: Any, operands: Sequence[Value]) -> list[Value]:
        first, last = how["num_consts"], how["num_consts"] + how["num_carry"]
        length, outputs = how["length"], how["num_carry"]
        carried = [
            self.graph.fill(v, self._unique("scan.start")) if v.known and v.shape else v
            for v in operands[first:last]
        ]
        stacked: list[list[Value]] = []
        trips = range(length - 1, -1, -1) if how["reverse"] else range(length)
        for trip in trips:
            sliced = [self._slice(value, trip) for value in operands[last:]]
            results = self.call(how["jaxpr"], [*operands[:first], *carried, *sliced])
            carried = results[:outputs]
            stacked.append(results[outputs:])
        return [*carried, *(self._stack(parts) for parts in zip(*stacked, strict=True))]

    def _slice(self, value: Value, trip: int) -> Value:
        """One trip's share of an array; of a weight, that share of its parameters."""
        length = value.shape[0] if value.shape else 1
        sizes = self.graph.weight_sizes
        numbers: set[int] = set()
        for weight in value.weights:
            if sizes[weight] % length:
                numbers.add(weight)
                continue
            if (weight, length, trip) not in self._slices:
                self._slices[weight, length, trip] = len(sizes)
                sizes.append(sizes[weight] // length)
            numbers.add(self._slices[weight, length, trip])
        return replace(
            value,
            shape=value.shape[1:],
            stored=value.stored[1:],
            weights=frozenset(numbers),
            channel=max(value.channel - 1, 0),
        )

    def _stack(self, parts: Sequence[Value]) -> Value:
        rows = [reshape(part, (1, *part.shape)) for part in parts]
        shape = (len(parts), *parts[0].shape)
        return concatenate(
            self.graph, self._unique("scan.stack"), rows, shape, channel=rows[0].channel
        )

    def _most_expensive(
        self, branches: Sequence["ClosedJaxpr"], operands: Sequence[Value]
    ) -> list[Value]:
        graph, start, owned = self.graph, len(self.graph.nodes), self.graph.owned
        flops: list[int] = []
        names = Counter(self._names)
        for branch in branches:
            self.call(branch, operands)
            flops.append(sum(node.flops for node in graph.nodes[start:]))
            del graph.nodes[start:]
            graph.owned, self._names = owned, Counter(names)
        return self.call(branches[flops.index(max(flops))], operands)

    def _unknown_outputs(
        self,
        name: str,
        primitive: str,
        operands: Sequence[Value],
        shapes: Sequence[tuple[int, ...]],
        dtypes: Sequence[str],
    ) -> list[Value]:
        if all(value.known for value in operands):
            return [
                self.graph.constant(operands, shape, dtype)
                for shape, dtype in zip(shapes, dtypes, strict=True)
            ]
        flops = sum(map(math.prod, shapes))
        first = self.graph.emit(
            "elementwise", name, operands, shapes[0], flops=flops, function=primitive
        )
        self.graph.nodes[-1].nonlinear = True
        return [
            make_value(shape, dtype, first.source)
            for shape, dtype in zip(shapes, dtypes, strict=True)
        ]

    def _constant(self, array: Any) -> Value:
        """A literal or an array that the function closes over."""
        import jax.numpy as jnp

        shape = getattr(array, "shape", ())
        if not shape:
            return make_value((), "float32", None)
        if id(array) not in self._constants:
            floating = jnp.issubdtype(array.dtype, jnp.inexact)
            value = self.graph.add_weight(
                shape, self._dtype(array), trained=self._constants_trained and bool(floating)
            )
            self._constants[id(array)] = (array, value)
        return self._constants[id(array)][1]

    def _dtype(self, array: Any) -> str:
        return self.graph.dtype or counted_as(str(array.dtype))

    def _name(self, equation: Any) -> str:
        scope = str(equation.source_info.name_stack).replace("/", ".")
        return self._unique(
            f"{scope}.{equation.primitive.name}" if scope else equation.primitive.name
        )

    def _unique(self, name: str) -> str:
        count = self._names[name]
        self._names[name] += 1
        return f"{self._prefix}{name}{f'_{count}' if count else ''}"

"""What flows between the nodes of a graph, and what can be done to it without moving anything."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from latency_models.operators import DTYPE_BYTES, Shape

_BYTE_WIDE = ("bool", "uint8", "int4", "uint4", "int2", "uint2", "float8", "float4")
_TWO_BYTES = ("int16", "uint16")
_WORDS = ("int32", "uint32", "int64", "uint64", "key")


@dataclass(frozen=True)
class Value:
    """What flows between nodes.

    Attributes:
        shape: As the program has it.
        dtype: A key of `DTYPE_BYTES`.
        source: Position of its node; -1, -2, ... for an input of the network; None if it is known
            before the network runs.
        stored: The shape in memory, 1 along the axes that are broadcast.
        weights: Numbers of the weights that a known value is computed from.
        channel: The axis of the channels.
        after: Nodes that have written into it in place.
        order: Its axes in the order of memory, where a transposition has not moved anything yet.
        any_layout: Whether the runtime chooses the order, as it does for maps.
    """

    shape: Shape
    dtype: str
    source: int | None
    stored: Shape
    weights: frozenset[int] = frozenset()
    channel: int = 0
    after: frozenset[int] = frozenset()
    order: tuple[int, ...] | None = None
    any_layout: bool = False

    @property
    def known(self) -> bool:
        """Whether it is there before the network runs."""
        return self.source is None


def make_value(
    shape: Sequence[int],
    dtype: str,
    source: int | None,
    *,
    weights: frozenset[int] = frozenset(),
    channel: int | None = None,
) -> Value:
    """A value that is stored as it is, its channels last unless `channel` says else."""
    sizes = tuple(shape)
    last = max(len(sizes) - 1, 0)
    return Value(sizes, dtype, source, sizes, weights, last if channel is None else channel)


def channels_last(shape: Shape, channel: int) -> Shape:
    """The shape with the channel axis moved to the end."""
    return (*shape[:channel], *shape[channel + 1 :], *shape[channel : channel + 1])


def aligned(value: Value, rank: int) -> Value:
    """The value with axes of size 1 put in front, up to the rank."""
    missing = rank - len(value.shape)
    return reshape(value, (*(1,) * missing, *value.shape)) if missing else value


def permute(value: Value, axes: Sequence[int]) -> Value:
    """The value with its axes in another order, nothing moved."""
    places = {axis: place for place, axis in enumerate(axes)}
    order = tuple(places[axis] for axis in value.order or range(len(axes)))
    return replace(
        value,
        shape=tuple(value.shape[axis] for axis in axes),
        stored=tuple(value.stored[axis] for axis in axes),
        channel=places[value.channel] if axes else 0,
        order=None if value.any_layout or list(order) == sorted(order) else order,
    )


def reshape(value: Value, shape: Sequence[int]) -> Value:
    """The same elements with other axes; the channel axis stays where its size and the number of
    elements before it are the same.
    """
    sizes = tuple(shape)
    if sizes == value.shape:
        return value
    before = math.prod(value.shape[: value.channel])
    channels = value.shape[value.channel] if value.shape else 1
    channel = max(len(sizes) - 1, 0)
    for axis, size in enumerate(sizes):
        if size == channels and math.prod(sizes[:axis]) == before and channels > 1:
            channel = axis
            break
    order = None
    if value.order is not None and (regrouped := _regrouped(value, sizes)) is not None:
        order = None if list(regrouped) == sorted(regrouped) else regrouped
    return replace(value, shape=sizes, stored=_restored(value, sizes), channel=channel, order=order)


def keeps_order(value: Value, shape: Sequence[int]) -> bool:
    """Whether a reshape leaves the elements where they are in memory."""
    return value.order is None or _regrouped(value, tuple(shape)) is not None


def _regrouped(value: Value, shape: Shape) -> tuple[int, ...] | None:
    """The order in memory of the axes of another shape; None if elements would have to move."""
    if value.order is None or 0 in shape:
        return None
    rank = {axis: place for place, axis in enumerate(value.order)}
    found: list[tuple[int, list[int]]] = []
    for old, new in _groups(value.shape, shape):
        places = [rank[axis] for axis in old if value.shape[axis] > 1]
        between = [
            axis
            for axis, place in rank.items()
            if places and places[0] < place < places[-1] and value.shape[axis] > 1
        ]
        if places != sorted(places) or set(between) - set(old):
            return None
        found.append((places[0] if places else -1, new))
    return tuple(axis for _, axes in sorted(found, key=lambda group: group[0]) for axis in axes)


def _groups(old: Shape, new: Shape) -> list[tuple[list[int], list[int]]]:
    """Axes of two shapes that together hold the same elements, as finely told apart as can be."""
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(old) or j < len(new):
        left, right = [i] if i < len(old) else [], [j] if j < len(new) else []
        a, b = (old[i] if left else 1), (new[j] if right else 1)
        i, j = i + len(left), j + len(right)
        while a != b:
            if a < b:
                left.append(i)
                a, i = a * old[i], i + 1
            else:
                right.append(j)
                b, j = b * new[j], j + 1
        groups.append((left, right))
    return groups


def _restored(value: Value, shape: Shape) -> Shape:
    """The stored sizes under another shape that differs by axes of size 1, else the shape."""
    if value.stored == value.shape:
        return shape
    sizes = [s for n, s in zip(value.shape, value.stored, strict=True) if n > 1]
    if [n for n in value.shape if n > 1] != [n for n in shape if n > 1]:
        return shape
    remaining = iter(sizes)
    return tuple(next(remaining) if n > 1 else 1 for n in shape)


def broadcast_to(value: Value, shape: Sequence[int], axes: Sequence[int] | None = None) -> Value:
    """The value repeated to a shape; `axes` are where its axes go, the last ones if not given."""
    rank = len(shape)
    places = range(rank - len(value.shape), rank) if axes is None else axes
    stored = [1] * rank
    for place, size, kept in zip(places, value.shape, value.stored, strict=True):
        stored[place] = kept if shape[place] == size else 1
    channel = [*places][value.channel] if value.shape else max(rank - 1, 0)
    return replace(value, shape=tuple(shape), stored=tuple(stored), channel=channel, order=None)


def counted_as(dtype: str) -> str:
    """The key of `DTYPE_BYTES` that another number format counts as: one of its width; integers of
    64 bits, which are indices, count as 32, and formats below a byte as a byte.

    Raises:
        ValueError: For floats of 64 bits and complex numbers.
    """
    if dtype in DTYPE_BYTES:
        return dtype
    for prefixes, found in ((_BYTE_WIDE, "int8"), (_TWO_BYTES, "float16"), (_WORDS, "float32")):
        if dtype.startswith(prefixes):
            return found
    raise ValueError(
        f"dtype must be one of {', '.join(DTYPE_BYTES)}, got {dtype}:"
        " say with dtype= what the network would run in"
    )

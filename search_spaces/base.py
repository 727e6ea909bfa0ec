"""What a search space is: decisions, the networks they name, and what those networks compute.

A genotype is a row of option indices, one a decision; populations are `int64 [n, d]` arrays and
every operation on them is vectorised. Decisions that have no effect (a kernel size of a block that
depth removed) are set to option 0 in the canonical genotype, so that equal networks have equal
keys.

An architecture is the decoded form: a chain of blocks with concrete shapes. It round-trips to JSON
and needs no space to be read back.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Protocol, Self, TypeAlias, TypeVar

import numpy as np
from jaxtyping import Int

from latency_models.quantization import quantized
from latency_models.workload import CostTable, Op, Slot, Workload
from search_spaces.installed import load_installed

Genotype: TypeAlias = Int[np.ndarray, " d"]
Genotypes: TypeAlias = Int[np.ndarray, "n d"]

ARCHITECTURE_VERSION = 1
LARGEST = 1 << 20
"""Size of anything that an architecture in a file may have; the largest networks have 2 ** 16."""
STRICT: dict[str, Any] = {"extra": "forbid", "strict": True}
"""How a config's options of a space are read: no unknown keys, no conversions."""


@dataclass(frozen=True)
class Decision:
    """One choice: a name such as `stage1.depth`, and its options in ascending order of cost."""

    name: str
    options: tuple[float | str, ...]


class Block(Protocol):
    """One link of an architecture's chain: a frozen, hashable dataclass of plain fields.

    It may have `droppable`: whether training may leave out what the block adds to its input
    (drop-connect); its output is then a sum with its input, and nothing comes after that.
    """

    kind: ClassVar[str]

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> tuple[Op, ...]:
        """Operators on an input of `shape`, batch first and channels last; the last one's output
        is the block's.

        There are none where the block hands its input on.
        """
        ...


AnyBlock = TypeVar("AnyBlock", bound=Block)
BLOCKS: dict[str, type[Block]] = {}
"""Block kinds that architectures may hold, by the `kind` in their JSON."""


def register_block(block: type[AnyBlock]) -> type[AnyBlock]:
    """Class decorator that makes a block kind readable from JSON."""
    BLOCKS[block.kind] = block
    return block


@dataclass(frozen=True)
class Architecture:
    """A network with every shape decided.

    Attributes:
        space: Name of the search space it comes from.
        input_shape: Of one input, batch left out: `(height, width, channels)` of an image.
        slots: For each block the name of its place in the supernet, where its weights live; unique.
        blocks: The chain from image to logits.
    """

    space: str
    input_shape: tuple[int, ...]
    slots: tuple[str, ...]
    blocks: tuple[Block, ...]

    def workload(self, *, batch_size: int, dtype: str) -> Workload:
        """Its operators for one forward pass of `batch_size` images.

        In int8 they are those of the network with its products quantised, see `quantized`.
        """
        shape: tuple[int, ...] = (batch_size, *self.input_shape)
        chain: list[tuple[Op, ...]] = []
        for slot, block in zip(self.slots, self.blocks, strict=True):
            try:
                found = _block_ops(block, shape, dtype)
            except (ArithmeticError, IndexError, TypeError) as error:
                raise ValueError(
                    f"architecture: {slot}: no {block.kind} on an input of {shape}: {error}"
                ) from error
            chain.append(found)
            shape = found[-1].output_shape if found else shape
        return Workload.chain(chain, batch_size=batch_size, dtype=dtype)

    def to_json(self) -> str:
        """A readable JSON document; `from_json` gives back an equal architecture."""
        document = {
            "format": "ridgeline-architecture",
            "version": ARCHITECTURE_VERSION,
            "space": self.space,
            "input_shape": list(self.input_shape),
            "blocks": [
                {"slot": slot, "kind": block.kind, **asdict(block)}  # pyright: ignore[reportArgumentType]
                for slot, block in zip(self.slots, self.blocks, strict=True)
            ],
        }
        return json.dumps(document, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: If the text is no architecture of a known version, or names an unknown block
                or field.
        """
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"architecture: expected JSON, got {error}") from None
        if not isinstance(document, Mapping) or document.get("format") != "ridgeline-architecture":
            raise ValueError('architecture: expected "format": "ridgeline-architecture"')
        if document.get("version") != ARCHITECTURE_VERSION:
            raise ValueError(
                f"architecture: version must be {ARCHITECTURE_VERSION}, "
                f"got {document.get('version')!r}"
            )
        space = document.get("space")
        if not isinstance(space, str):
            raise ValueError(f"architecture: space must be a name, got {space!r}")
        shape = document.get("input_shape")
        if not isinstance(shape, list) or not shape or not _is_int_list(shape):
            raise ValueError(
                "architecture: input_shape must be a list of positive integers of at most "
                f"{LARGEST}, got {shape!r:.60}"
            )
        blocks = document.get("blocks")
        if not isinstance(blocks, list) or not blocks:
            raise ValueError("architecture: blocks must be a list of at least one block")
        named = [block.get("slot") for block in blocks if isinstance(block, Mapping)]
        slots = tuple(slot for slot in named if isinstance(slot, str))
        kinds = {str(block.get("kind")) for block in blocks if isinstance(block, Mapping)}
        if not kinds <= set(BLOCKS):
            # Those of another package are registered where its space is loaded.
            load_installed(space)
        if len(set(slots)) != len(blocks):
            raise ValueError("architecture: every block must name a slot of its own")
        return cls(
            space=space,
            input_shape=tuple(shape),
            slots=slots,
            blocks=tuple(_block_from(i, block) for i, block in enumerate(blocks)),
        )


# Modules that postpone the evaluation of annotations have them as texts.
_FIELD_TYPES: dict[Any, type] = {
    name: kind for kind in (int, str, bool) for name in (kind, kind.__name__)
}


def _is_int_list(values: list[Any]) -> bool:
    return all(type(value) is int and 0 < value <= LARGEST for value in values)


def _block_from(position: int, document: Mapping[str, Any]) -> Block:
    where = f"architecture: blocks[{position}]"
    kind = document.get("kind")
    if not isinstance(kind, str) or kind not in BLOCKS:
        raise ValueError(f"{where}: kind must be one of {', '.join(sorted(BLOCKS))}, got {kind!r}")
    block = BLOCKS[kind]
    expected = {field.name: _FIELD_TYPES[field.type] for field in fields(block)}  # pyright: ignore[reportArgumentType]
    given = {key: value for key, value in document.items() if key not in ("kind", "slot")}
    if set(given) != set(expected):
        raise ValueError(f"{where}: expected the fields {sorted(expected)}, got {sorted(given)}")
    for key, value in given.items():
        if type(value) is not expected[key]:
            raise ValueError(f"{where}.{key} must be {expected[key].__name__}, got {value!r}")
        if isinstance(value, int) and not 0 <= value <= LARGEST:
            raise ValueError(f"{where}.{key} must be from 0 to {LARGEST}, got {value!r:.60}")
    return block(**given)


def _block_ops(block: Block, shape: tuple[int, ...], dtype: str) -> tuple[Op, ...]:
    """A block's operators in the form in which networks of that dtype are exported."""
    if dtype == "int8":
        return quantized(block.ops(shape, dtype="float32"))
    return block.ops(shape, dtype=dtype)


class SearchSpace(Protocol):
    """What every space offers."""

    name: ClassVar[str]

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """The choices, in genotype order."""
        ...

    @property
    def slots(self) -> tuple[BlockSlot, ...]:
        """The places of the chain, and every block that each can hold."""
        ...

    @property
    def smallest(self) -> Genotype:
        """The canonical genotype of the cheapest network."""
        ...

    @property
    def largest(self) -> Genotype:
        """The genotype of the network that all others share their weights with."""
        ...

    def sample(self, n: int, rng: np.random.Generator) -> Genotypes:
        """`n` canonical genotypes, each option equally likely."""
        ...

    def canonical(self, genotypes: Genotypes) -> Genotypes:
        """The genotypes with decisions that have no effect set to 0."""
        ...

    def decode(self, genotype: Genotype) -> Architecture:
        """The network that a genotype names."""
        ...

    def encode(self, architecture: Architecture) -> Genotype:
        """The canonical genotype of an architecture of this space."""
        ...

    def workload(self, architecture: Architecture, *, batch_size: int, dtype: str) -> Workload:
        """Operators of one forward pass."""
        ...

    def cost_table(self, *, batch_size: int, dtype: str) -> CostTable:
        """Operators of whole populations, vectorised."""
        ...


PlacedBlock: TypeAlias = tuple[Block, tuple[int, ...]]
"""A block and the shape that it reads, batch left out: `(height, width, channels)` of a map,
`(tokens, channels)` of a sequence."""


@dataclass(frozen=True)
class BlockSlot:
    """One place of a space's chain.

    Attributes:
        name: Unique in the space, such as `stage1.block2`.
        decisions: Genotype columns that choose its block.
        rows: The block for each combination of their options, in C order; None where it is left
            out.
        repeat: How many places in a row hold that same block; it then gives what it reads.
    """

    name: str
    decisions: tuple[int, ...]
    rows: tuple[PlacedBlock | None, ...]
    repeat: int = 1

    @property
    def places(self) -> tuple[str, ...]:
        """The name of each place: the slot's own, numbered from 1 where there are several."""
        if self.repeat == 1:
            return (self.name,)
        return tuple(f"{self.name}{number}" for number in range(1, self.repeat + 1))


class ChainSpace(ABC):
    """A space of chains of blocks: it says what its decisions and slots are, the rest follows."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def decisions(self) -> tuple[Decision, ...]:
        """The choices, in genotype order, options in ascending order of cost."""

    @property
    @abstractmethod
    def slots(self) -> tuple[BlockSlot, ...]:
        """The places of the chain, and every block that each can hold."""

    @abstractmethod
    def canonical(self, genotypes: Genotypes) -> Genotypes:
        """The genotypes with decisions that have no effect set to 0."""

    @property
    def smallest(self) -> Genotype:
        """Every decision at its first option."""
        return np.zeros(len(self.decisions), dtype=np.int64)

    @property
    def largest(self) -> Genotype:
        """Every decision at its last option."""
        return cardinalities(self.decisions) - 1

    def sample(self, n: int, rng: np.random.Generator) -> Genotypes:
        """`n` canonical genotypes, each option of each decision equally likely."""
        counts = cardinalities(self.decisions)
        return self.canonical(rng.integers(0, counts, size=(n, len(counts)), dtype=np.int64))

    def decode(self, genotype: Genotype) -> Architecture:
        """The network with its shapes.

        Raises:
            ValueError: If an entry is outside its decision's options.
        """
        check_genotypes(genotype, self.decisions)
        counts = cardinalities(self.decisions)
        chain: list[tuple[str, PlacedBlock]] = []
        for slot in self.slots:
            row = 0
            for column in slot.decisions:
                row = row * int(counts[column]) + int(genotype[column])
            placed = slot.rows[row]
            if placed is not None:
                chain += [(place, placed) for place in slot.places]
        return Architecture(
            space=self.name,
            input_shape=chain[0][1][1],
            slots=tuple(slot for slot, _ in chain),
            blocks=tuple(block for _, (block, _) in chain),
        )

    def encode(self, architecture: Architecture) -> Genotype:
        """The canonical genotype that decodes to `architecture`.

        Each slot's block leaves some options of its decisions; narrowing goes round until nothing
        changes.

        Raises:
            ValueError: If the architecture is not of this space, naming a slot that does not fit.
        """
        counts = cardinalities(self.decisions)
        possible = [np.ones(count, dtype=bool) for count in counts]
        blocks = dict(zip(architecture.slots, architecture.blocks, strict=True))
        before = -1
        while before != (before := sum(int(options.sum()) for options in possible)):
            for slot in self.slots:
                wanted = blocks.get(slot.places[0])
                reads_image = slot.places[0] == architecture.slots[0]
                sizes = tuple(counts[column] for column in slot.decisions)
                options = np.indices(sizes).reshape(len(sizes), len(slot.rows))
                fits = np.array(
                    [
                        (row[0] if row else None) == wanted
                        and (not reads_image or (row and row[1] == architecture.input_shape))
                        for row in slot.rows
                    ],
                    dtype=bool,
                )
                for column, option in zip(slot.decisions, options, strict=True):
                    fits &= possible[column][option]
                if not fits.any():
                    raise ValueError(f"architecture: {slot.name} is not of this space: {wanted}")
                for column, option in zip(slot.decisions, options, strict=True):
                    possible[column] &= np.isin(np.arange(counts[column]), option[fits])
        genotype = np.array([int(np.argmax(options)) for options in possible], dtype=np.int64)
        if self.decode(genotype) != architecture:
            raise ValueError(
                f"architecture: not of this space ({self.name}); its shapes or slots differ"
            )
        return self.canonical(genotype[None])[0]

    def workload(self, architecture: Architecture, *, batch_size: int, dtype: str) -> Workload:
        """Operators of one forward pass of `batch_size` images, see `Architecture.workload`."""
        return architecture.workload(batch_size=batch_size, dtype=dtype)

    def cost_table(
        self, *, batch_size: int, dtype: str, integers_throughout: bool = False
    ) -> CostTable:
        """The operators of every block that a slot can hold.

        Args:
            batch_size: Images of a forward pass.
            dtype: Of all operators; int8 means that of the products, see `quantized`.
            integers_throughout: Whether all operators are of the dtype in int8 too.
        """
        made: dict[PlacedBlock, tuple[Op, ...]] = {}

        def ops(placed: PlacedBlock | None) -> tuple[Op, ...]:
            if placed is None:
                return ()
            # Rows and slots with equal blocks share their operators: there are far fewer of them.
            if placed not in made:
                block, shape = placed[0], (batch_size, *placed[1])
                made[placed] = (
                    block.ops(shape, dtype=dtype)
                    if integers_throughout
                    else _block_ops(block, shape, dtype)
                )
            return made[placed]

        return CostTable(
            cardinalities=tuple(int(count) for count in cardinalities(self.decisions)),
            slots=tuple(
                Slot(slot.name, slot.decisions, tuple(map(ops, slot.rows)), slot.repeat)
                for slot in self.slots
            ),
            batch_size=batch_size,
            dtype=dtype,
        )


def cardinalities(decisions: Sequence[Decision]) -> Int[np.ndarray, " d"]:
    """Number of options of each decision."""
    return np.array([len(decision.options) for decision in decisions], dtype=np.int64)


def check_genotypes(genotypes: np.ndarray, decisions: Sequence[Decision]) -> None:
    """Raises ValueError, naming the decision, where a genotype is not of the space."""
    counts = cardinalities(decisions)
    if genotypes.shape[-1:] != (len(counts),) or not np.issubdtype(genotypes.dtype, np.integer):
        raise ValueError(
            f"genotype: expected {len(counts)} integers, got {genotypes.dtype} {genotypes.shape}"
        )
    wrong = (genotypes < 0) | (genotypes >= counts)
    if wrong.any():
        column = int(np.argwhere(wrong)[0][-1])
        value = int(genotypes[wrong][0])
        raise ValueError(
            f"genotype: {decisions[column].name} must be from 0 to {counts[column] - 1}, "
            f"got {value}"
        )

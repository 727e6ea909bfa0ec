"""A network as a Python file of its own: Flax NNX modules that import nothing of ours.

The file is written from the network as it is built. What each module is made of stands in the class
`Network`, nested as it is, and what it does is a copy of its `__call__`; so a space of the user's
own is written as ours are. Layers with modes and implementations are written as those of
`nas.export.flax_layers` and of Flax, which have one of each.
"""

from __future__ import annotations

import importlib
import keyword
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
from flax import nnx

from nas.export.bundle import LAYERS, Bundle
from nas.export.expressions import INDENT, Call, Expression, literal, render
from nas.export.flax_calls import FLAX_CALLS, Arrays, flax_call
from nas.supernet.blocks import Network
from nas.supernet.standalone import StandaloneNetwork

_HEADER = '''"""A network of the space {space}, {params:,} parameters; by Ridgeline {version}.

    from {module} import load

    network = load()
    logits = network(images)

Images are float32 [n, {shape}], normalised as card.json says; logits are [n, classes].
The weights are in the safetensors file of this file's name. To train the network further, call
`network.train()` first, which makes batch norms use and follow the batch's statistics, and
`network.eval()` at the end.
"""'''

_LOAD = '''def load(path: str | Path = Path(__file__).with_suffix(".safetensors")) -> Network:
    """The network with its trained weights, ready to classify.

    Raises:
        ValueError: If the file's names and shapes are not the network's.
    """
    network = nnx.eval_shape(lambda: Network(nnx.Rngs(0)))
    load_weights(network, path)
    return network'''


def flax_module(network: StandaloneNetwork, *, name: str) -> tuple[str, Arrays]:
    """The file's text, and the arrays of the safetensors file beside it.

    Args:
        network: What is written.
        name: By which the file is going to be imported.

    Raises:
        ValueError: If a module of the network holds what cannot be written as Python, or runs code
            that cannot be copied.
    """
    architecture, writer = network.architecture, _Writer()
    blocks: dict[str, Expression] = {}

    def describe() -> None:
        built = Network(architecture, mode="stored", implementation="native", rngs=nnx.Rngs(0))
        names = _identifiers(architecture.slots)
        for slot, block in zip(architecture.slots, names, strict=True):
            arrays = _merged(network.params.get(slot, {}), network.statistics.get(slot, {}))
            blocks[block] = writer.module(built.blocks[slot], block, arrays)

    # Built for its structure only: initial values would take a compilation each.
    jax.eval_shape(describe)
    header = _HEADER.format(
        # The name may be any text, and nothing of it may end the docstring.
        space=re.sub(r"[^\w.-]", "_", architecture.space),
        params=sum(leaf.size for leaf in jax.tree.leaves(network.params)),
        version=version("ridgeline-nas"),
        module=name,
        shape=", ".join(map(str, architecture.input_shape)),
    )
    for needed in ("Path", "nnx", "Array", "load_weights", "save_weights"):
        writer.bundle.add(importlib.import_module(LAYERS), needed)
    return _assembled(header, writer.bundle, blocks), writer.arrays


class _Writer:
    """Writes modules as calls, and gathers the code and the arrays that they need."""

    def __init__(self) -> None:
        self.bundle = Bundle()
        self.arrays: Arrays = {}

    def module(self, module: nnx.Module, place: str, arrays: Mapping[str, Any]) -> Call:
        """The call that builds the module.

        Args:
            module: What is written.
            place: Names of the modules that it is in, and its own, with dots between.
            arrays: Its parameters and statistics, nested.
        """
        kind = type(module)
        is_flax = getattr(nnx, kind.__name__, None) is kind and kind not in (nnx.Dict, nnx.List)
        if kind in FLAX_CALLS or is_flax:
            call, own = FLAX_CALLS.get(kind, flax_call)(module, arrays)
            self.arrays |= {f"{place}.{name}": array for name, array in own.items()}
            self.bundle.add(importlib.import_module(LAYERS), call.name.partition(".")[0])
            return call
        if isinstance(module, nnx.List):
            items = tuple(
                self._part(part, f"{place}.{i}", arrays.get(i, arrays.get(str(i), {})))  # pyright: ignore
                for i, part in enumerate(module)
            )
            return Call("nnx.List", items, is_list=True)
        parts = {
            name: self._part(part, f"{place}.{name}", arrays.get(name))
            for name, part in vars(module).items()
            if not name.startswith("_pytree__")
        }
        for name in parts:
            if not name.isidentifier() or keyword.iskeyword(name):
                raise ValueError(f"{place}: expected names that Python takes, got {name!r}")
        if kind is nnx.Dict:
            return Call("nnx.Dict", named=parts)
        self.bundle.add(sys.modules[kind.__module__], kind.__name__)
        return Call(kind.__name__, named=parts)

    def _part(self, part: Any, place: str, arrays: Any) -> Expression:
        if isinstance(part, nnx.Module):
            return self.module(part, place, arrays or {})
        if type(part) in (nnx.Param, nnx.BatchStat):
            self.arrays[place] = np.asarray(arrays)
            self.bundle.imports["jnp"] = "import jax.numpy as jnp"
            zeros = Call("jnp.zeros", (literal(np.shape(arrays)),))
            return Call(f"nnx.{type(part).__name__}", (zeros,))
        try:
            return literal(part)
        except ValueError:
            raise ValueError(
                f"{place}: expected a module, nnx.Param, nnx.BatchStat or plain data, got {part!r}"
            ) from None


def _merged(params: Mapping[str, Any], statistics: Mapping[str, Any]) -> dict[str, Any]:
    """Both trees in one; a module's parameters and statistics have different names."""
    merged = {**params, **statistics}
    for name in params.keys() & statistics.keys():
        merged[name] = _merged(params[name], statistics[name])
    return merged


def _identifiers(slots: Sequence[str]) -> list[str]:
    """Names of attributes for the places of a chain."""
    names = [re.sub(r"\W", "_", slot) for slot in slots]
    return [
        name
        if name.isidentifier()
        and not keyword.iskeyword(name)
        and not hasattr(nnx.Module, name)
        and names.count(name) == 1
        else f"block{number}_{name}"
        for number, name in enumerate(names, start=1)
    ]


def _assembled(header: str, bundle: Bundle, blocks: Mapping[str, Expression]) -> str:
    for name in ("Network", "load"):
        if name in bundle.definitions:
            raise ValueError(f"{name}: is the exported network's name, and cannot be a module's")
    definitions = [*bundle.definitions.values(), _network_class(blocks), _LOAD]
    opening = [header, "from __future__ import annotations", _imports(bundle.imports.values())]
    # As formatters have it: two empty lines around classes and functions, one before a constant.
    spaced = (
        ("\n\n\n" if text.startswith(("class ", "def ", "@")) else "\n\n") + text
        for text in definitions
    )
    return "\n\n".join(opening) + "".join(spaced) + "\n"


def _network_class(blocks: Mapping[str, Expression]) -> str:
    def assigned(name: str, block: Expression) -> str:
        before = f"self.{name} = "
        return f"        {before}{render(block, indent=2 * INDENT, before=len(before))}\n"

    built = "".join(assigned(name, block) for name, block in blocks.items())
    *inner, last = blocks
    run = "".join(f"        x = self.{name}(x)\n" for name in inner)
    return (
        "class Network(nnx.Module):\n"
        '    """The blocks, one after another."""\n\n'
        f"    def __init__(self, rngs: nnx.Rngs) -> None:\n{built}\n"
        "    def __call__(self, x: Array) -> Array:\n"
        f'        """Normalised images to logits."""\n{run}'
        f"        return self.{last}(x)"
    )


def _imports(statements: Iterable[str]) -> str:
    """Python's own first, then the others; one statement a package."""
    names: dict[str, list[str]] = {}
    for statement in statements:
        start, _, name = statement.partition(" import ")
        names.setdefault(start, []).append(name)
    merged = [
        f"{start} import {', '.join(sorted(imported))}" if imported[0] else start
        for start, imported in names.items()
    ]

    def is_own(statement: str) -> bool:
        return statement.split()[1].partition(".")[0] in sys.stdlib_module_names

    groups = ([s for s in merged if is_own(s) is own] for own in (True, False))
    return "\n\n".join("\n".join(sorted(group, key=_import_order)) for group in groups if group)


def _import_order(statement: str) -> tuple[bool, str]:
    return statement.startswith("from"), statement

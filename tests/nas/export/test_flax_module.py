"""The exported Flax module: it stands alone, is readable, and can be trained further."""

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from nas.export.formats import FORMATS
from nas.supernet import blocks
from nas.supernet.standalone import StandaloneNetwork, network_definition
from search_spaces import (
    Architecture,
    NasBench201Options,
    NasBench201Space,
    ResNetOptions,
    ResNetSpace,
    ViTOptions,
    ViTSpace,
    base,
)
from search_spaces.resnet import ResNetStage
from tests.nas.export.alone import run_alone
from tests.nas.supernet import tiny

IMAGE = (16, 16, 3)
SPACES: dict[str, Any] = {
    "mobilenet": lambda: tiny.small_space(),
    "nasbench201": lambda: NasBench201Space(NasBench201Options(widths=[4, 8], cells=1), IMAGE, 10),
    "resnet": lambda: ResNetSpace(
        ResNetOptions(
            [ResNetStage(32, 1, 1), ResNetStage(48, 1, 2)],
            stem_width=32,
            expand_ratios=[0.5, 1.0],
            width_multipliers=[0.5, 1.0],
        ),
        IMAGE,
        10,
    ),
    "vit": lambda: ViTSpace(ViTOptions(8, [8], [1], [1], [1.5], head_width=4), IMAGE, 10),
}


@cache
def network(name: str) -> StandaloneNetwork:
    space = SPACES[name]()
    chosen = space.largest if name in ("mobilenet", "nasbench201") else space.smallest
    return tiny.random_network(space.decode(chosen))


def images(made: StandaloneNetwork, count: int = 3) -> np.ndarray:
    shape = (count, *made.architecture.input_shape)
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def stored_logits(made: StandaloneNetwork, x: np.ndarray) -> np.ndarray:
    definition, _, _ = network_definition(made.architecture, "stored", None)
    model = nnx.merge(definition, {"blocks": made.params}, {"blocks": made.statistics})
    return np.asarray(jax.jit(lambda x: model(x))(x))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory a space with its network's files, the images, and the logits to expect."""
    place = tmp_path_factory.mktemp("written")
    for name in SPACES:
        made, directory = network(name), place / name
        directory.mkdir()
        FORMATS["flax"].write(made, directory / "model.py", "float32")
        np.save(directory / "images.npy", images(made))
        np.save(directory / "expected.npy", stored_logits(made, images(made)))
    exported = place / "mobilenet/model.jaxexport"
    FORMATS["stablehlo"].write(network("mobilenet"), exported, "float32")
    return place


ALONE = """
import importlib.util
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from jax import export

for directory in sorted(Path().iterdir()):
    spec = importlib.util.spec_from_file_location(directory.name, directory / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    images = np.load(directory / "images.npy")
    np.save(directory / "flax.npy", nnx.jit(lambda model, x: model(x))(module.load(), images))
    if directory.name == "mobilenet":
        exported = export.deserialize(bytearray((directory / "model.jaxexport").read_bytes()))
        np.save(directory / "stablehlo.npy", jax.jit(exported.call)(images))
try:
    import nas
except ImportError as error:
    print(error)
"""


def test_the_files_of_every_space_give_the_logits_where_nothing_of_ours_is(written: Path) -> None:
    assert run_alone(ALONE, written) == "nas is not installed here\n"
    for name in SPACES:
        expected = np.load(written / name / "expected.npy")
        tolerance = 1e-4 * np.abs(expected).max()
        assert expected.std() > 100 * tolerance
        for form in ("flax", "stablehlo") if name == "mobilenet" else ("flax",):
            found = np.load(written / name / f"{form}.npy")
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=tolerance)


@pytest.mark.parametrize("name", SPACES)
def test_the_text_is_formatted_has_no_unknown_name_and_imports_four_packages(
    written: Path, name: str
) -> None:
    path = written / name / "model.py"
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--isolated", "--no-cache", "--line-length=100"]
    checked = [[*ruff, "check", "--select=E,F,I", *options, path]]
    checked.append([*ruff, "format", "--check", "--diff", *options, path])
    for command in checked:
        ended = subprocess.run(command, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stdout
    imported = [node for node in ast.walk(ast.parse(path.read_text())) if is_import(node)]
    packages = {str(name).partition(".")[0] for node in imported for name in packages_of(node)}
    allowed = {"__future__", "pathlib", "typing", "math", "flax", "jax", "numpy", "safetensors"}
    assert packages <= allowed


def is_import(node: ast.AST) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def packages_of(node: Any) -> list[str | None]:
    return [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]


def imported_from(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("exported_network", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_in_training_it_normalises_as_the_supernet_does(written: Path) -> None:
    made, x = network("nasbench201"), images(network("nasbench201"), 16)
    definition, _, _ = network_definition(made.architecture, "batch", None)
    arrays = ({"blocks": jax.tree.map(jnp.asarray, a)} for a in (made.params, made.statistics))
    ours = nnx.merge(definition, *arrays)
    model = imported_from(written / "nasbench201/model.py").load()
    model.train()
    expected, found = (
        np.asarray(nnx.jit(lambda model, x: model(x))(one, x)) for one in (ours, model)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_it_is_trained_further_saved_and_loaded(written: Path, tmp_path: Path) -> None:
    module = imported_from(written / "nasbench201/model.py")
    model, x = module.load(), jnp.asarray(images(network("nasbench201"), 8))
    labels = jnp.arange(8)
    before = np.asarray(model.stem.conv.norm.mean[...])
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)

    @nnx.jit
    def step(model: Any, optimizer: Any) -> Any:
        def loss(model: Any) -> Any:
            logits = model(x)
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        value, gradient = nnx.value_and_grad(loss)(model)
        optimizer.update(model, gradient)
        return value

    model.train()
    losses = [float(step(model, optimizer)) for _ in range(10)]
    assert losses[-1] < 0.7 * losses[0]
    model.eval()
    assert not np.allclose(model.stem.conv.norm.mean[...], before)
    module.save_weights(model, tmp_path / "tuned.safetensors")
    again = module.load(tmp_path / "tuned.safetensors")
    np.testing.assert_array_equal(np.asarray(again(x)), np.asarray(model(x)))
    assert not np.allclose(model(x), module.load()(x))


def test_weights_of_another_network_are_refused(written: Path) -> None:
    module = imported_from(written / "vit/model.py")
    with pytest.raises(ValueError, match=r"model\.safetensors: not this network's weights: head"):
        module.load(written / "resnet/model.safetensors")


OWN = '''
"""Layers of a user's own."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
from flax import nnx
from jaxtyping import Array, Float

from nas.supernet.blocks import register_module
from nas.supernet.layers import ConvNorm, Linear
from search_spaces import OpChain, register_block

GAIN = 0.5
LIMIT = 4 * GAIN


def clipped(x: Float[Array, "*n"], limit: float = LIMIT) -> Float[Array, "*n"]:
    return jax.numpy.clip(x, -limit, limit)


@register_block
@dataclass(frozen=True)
class OwnBlock:
    kind: ClassVar[str] = "own_block"
    in_channels: int
    classes: int

    def ops(self, shape: tuple[int, ...], *, dtype: str) -> Any:
        chain = OpChain(self, shape, dtype)
        chain.linear("classifier", self.classes, bias=True)
        return chain.ops


class Scaled(nnx.Module):
    def __init__(self, size: int, rngs: nnx.Rngs) -> None:
        self.bias = nnx.Param(jax.random.normal(rngs.params(), (size,)))
        self.pair = (1, "a")

    def __call__(self, x: Float[Array, "n c"]) -> Float[Array, "n c"]:
        return clipped(x + self.bias[...] * self.pair[0])

    def unused(self, *given: int) -> int:
        return len(given)


@register_module(OwnBlock)
class OwnModule(nnx.Module):
    """Several parts of Flax's and our own."""

    def __init__(self, block: OwnBlock, *, rngs: nnx.Rngs, **options: Any) -> None:
        channels = block.in_channels
        self.conv = ConvNorm(channels, 6, kernel=3, function="relu", rngs=rngs, **options)
        self.steps = nnx.List([Scaled(6, rngs), nnx.LayerNorm(6, epsilon=1e-3, rngs=rngs)])
        self.last = nnx.Linear(6, 4, use_bias=False, rngs=rngs)
        self.classifier = Linear(4, block.classes, bias=True, rngs=rngs)
        self.attribute = ATTRIBUTE

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n classes"]:
        y = self.conv(x).mean((1, 2))
        for step in self.steps:
            y = step(y) * GAIN
        return self.classifier(self.last(y))
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes a network of the block above, its module's `attribute` as given."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(base, "BLOCKS", dict(base.BLOCKS))
    monkeypatch.setattr(blocks, "MODULES", dict(blocks.MODULES))

    def make(attribute: str = "None", **changes: str) -> StandaloneNetwork:
        text = OWN.replace("ATTRIBUTE", attribute)
        for old, new in changes.items():
            text = text.replace(old, new)
        (tmp_path / "own_layers.py").write_text(text)
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, "own_layers", raising=False)
        module = importlib.import_module("own_layers")
        block = module.OwnBlock(in_channels=3, classes=5)
        return tiny.random_network(Architecture("own", (4, 4, 3), ("1.class",), (block,)))

    yield make
    sys.modules.pop("own_layers", None)


def test_a_users_own_layers_are_written_with_all_that_they_name(own: Any, tmp_path: Path) -> None:
    made, directory = own(), tmp_path / "own"
    directory.mkdir()
    FORMATS["flax"].write(made, directory / "model.py", "float32")
    text = (directory / "model.py").read_text()
    for line in ("GAIN = 0.5", "LIMIT = 4 * GAIN", "self.block1_1_class = OwnModule("):
        assert line in text
    assert "class Scaled(Parts):" in text
    for word in ("own_layers", "nas.", "search_spaces", "register", "jaxtyping"):
        assert word not in text
    found = FORMATS["flax"].run(directory / "model.py", images(made))
    np.testing.assert_allclose(found, stored_logits(made, images(made)), rtol=1e-4, atol=1e-5)


def test_a_spaces_name_stays_a_name(own: Any, tmp_path: Path) -> None:
    made = own()
    hostile = replace(made.architecture, space='"""\nraise SystemExit\n"""')
    FORMATS["flax"].write(replace(made, architecture=hostile), tmp_path / "model.py", "float32")
    names = list(ast.walk(ast.parse((tmp_path / "model.py").read_text())))
    assert not any(isinstance(node, ast.Name) and node.id == "SystemExit" for node in names)


@pytest.mark.parametrize(
    ("attribute", "change", "told"),
    [
        ("nnx.relu", {}, r"block1_1_class\.attribute: expected a module, nnx\.Param, .* got <"),
        (
            'nnx.Dict({"a-b": 1})',
            {},
            r"block1_1_class\.attribute: expected names that Python takes",
        ),
        ("jax.numpy.ones(2)", {}, r"block1_1_class\.attribute: expected a module, nnx\.Param"),
        (
            "None",
            {
                "* GAIN": "* layers.NORM_EPSILON",
                "import jax\n": "from nas.supernet import layers\nimport jax\n",
            },
            r"nas\.supernet: expected a module with a file of Python source",
        ),
        (
            "None",
            {"clipped": "load"},
            "load: is the exported network's name, and cannot be a module's",
        ),
        (
            "None",
            {"    return jax": "    import pandas\n\n    return jax"},
            "own_layers: a function that imports pandas when it runs cannot be copied",
        ),
    ],
)
def test_what_cannot_be_written_is_told(
    own: Any, tmp_path: Path, attribute: str, change: dict[str, str], told: str
) -> None:
    made = own(attribute, **change)
    with pytest.raises(ValueError, match=told):
        FORMATS["flax"].write(made, tmp_path / "model.py", "float32")
    assert not (tmp_path / "model.py").exists()
    assert not (tmp_path / "model.safetensors").exists()

"""NAS-Bench-201's networks in JAX: their size, their forms and files, and their pooling."""

from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest

from nas.export.formats import FORMATS
from nas.supernet.layers import mean_pool_3x3
from nas.supernet.standalone import StandaloneNetwork, network_definition, untrained
from search_spaces import NasBench201Options, NasBench201Space
from search_spaces.nasbench201_cell import read_cells
from tests.nas.supernet import tiny

PUBLISHED = NasBench201Space(NasBench201Options(), (32, 32, 3), 10)
SMALL = NasBench201Space(NasBench201Options(widths=[4, 8], cells=1), (8, 8, 3), 10)

# Every operation; what leads nowhere; a network that its input does not reach; one without convs.
MIXED = "|nor_conv_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|nor_conv_1x1~0|avg_pool_3x3~1|none~2|"
DISCONNECTED = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|avg_pool_3x3~2|"
POOLED = "|none~0|+|none~0|none~1|+|avg_pool_3x3~0|none~1|none~2|"
IDENTITY = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"


def architecture(space: NasBench201Space, text: str) -> Any:
    return space.decode(read_cells([text])[0])


@cache
def network(text: str, *, as_written: bool = False) -> StandaloneNetwork:
    space = SMALL.as_written if as_written else SMALL
    return tiny.random_network(architecture(space, text))


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 8, 8, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("text", "params"),
    # Parameters for CIFAR-10: NAS-Bench-201 v1.1 via NASLib.
    [
        (
            "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|"
            "+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|",
            802_426,
        ),
        ("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_1x1~2|", 344_346),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", 73_306),
    ],
)
def test_a_network_as_written_has_its_published_parameters(text: str, params: int) -> None:
    _, shapes, _ = network_definition(architecture(PUBLISHED.as_written, text), "stored", None)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == params


@pytest.mark.parametrize("text", [MIXED, DISCONNECTED, POOLED, IDENTITY])
def test_a_network_as_compiled_has_its_workloads_parameters(text: str) -> None:
    made = architecture(SMALL, text)
    _, shapes, _ = network_definition(made, "stored", None)
    workload = made.workload(batch_size=1, dtype="float32")
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == workload.params


def test_an_untrained_network_runs_and_its_seed_decides_it() -> None:
    made = architecture(SMALL, IDENTITY)
    first, again, other = (untrained(made, seed=seed) for seed in (0, 0, 1))
    logits = jax.jit(first.function())(images(2))
    assert logits.shape == (2, 10)
    assert np.isfinite(logits).all()
    np.testing.assert_array_equal(kernel_of(first), kernel_of(again))
    assert not np.array_equal(kernel_of(first), kernel_of(other))


def kernel_of(made: StandaloneNetwork) -> np.ndarray:
    return made.params["stem"]["conv"]["kernel"]


@pytest.mark.parametrize("text", [MIXED, POOLED, IDENTITY])
def test_what_compiling_leaves_out_does_not_change_the_logits(text: str) -> None:
    written = network(text, as_written=True)
    compiled = StandaloneNetwork(
        network(text).architecture,
        part_of(written.params, network(text).params),
        part_of(written.statistics, network(text).statistics),
    )
    np.testing.assert_allclose(
        jax.jit(compiled.function())(images(3)),
        jax.jit(written.function())(images(3)),
        rtol=1e-5,
        atol=1e-5,
    )


def part_of(whole: Any, wanted: Any) -> Any:
    """The leaves of `whole` that `wanted` has too."""
    if not isinstance(wanted, dict):
        return whole
    return {name: part_of(whole[name], inner) for name, inner in wanted.items()}


def test_a_cell_that_the_input_does_not_reach_gives_equal_logits() -> None:
    logits = np.asarray(jax.jit(network(DISCONNECTED).function())(images(3)))
    np.testing.assert_array_equal(logits[1:], logits[:-1])


@pytest.mark.parametrize("name", list(FORMATS))
@pytest.mark.parametrize("text", [MIXED, DISCONNECTED])
def test_a_file_gives_the_logits_of_the_unfolded_network(
    name: str, text: str, tmp_path: Path
) -> None:
    made = network(text)
    path = tmp_path / f"network{FORMATS[name].suffix}"
    FORMATS[name].write(made, path, "float32")
    expected = stored_logits(made, images(3))
    np.testing.assert_allclose(
        FORMATS[name].run(path, images(3)), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max()
    )


def stored_logits(made: StandaloneNetwork, x: np.ndarray) -> np.ndarray:
    from flax import nnx

    definition, _, _ = network_definition(made.architecture, "stored", None)
    model = nnx.merge(definition, {"blocks": made.params}, {"blocks": made.statistics})
    return np.asarray(model(jnp.asarray(x)))


def test_an_onnx_file_has_the_workloads_convolutions_and_pools(tmp_path: Path) -> None:
    made = network(MIXED)
    FORMATS["onnx"].write(made, tmp_path / "n.onnx", "float32")
    found = [node.op_type for node in onnx.load(tmp_path / "n.onnx").graph.node]
    ops = made.architecture.workload(batch_size=1, dtype="float32").ops
    assert found.count("Conv") == sum(op.kind == "conv" for op in ops)
    # One in each of the two cells and one in the reduction; the head's mean is no AveragePool.
    assert found.count("AveragePool") == 2 + 1


@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (1, 4, 4, 2), (1, 1, 2, 1)])
@pytest.mark.parametrize("implementation", ["native", "shifted"])
def test_a_mean_pool_counts_only_what_is_there(shape: Any, implementation: Any) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    expected = np.empty_like(x)
    for i in range(shape[1]):
        for j in range(shape[2]):
            window = x[:, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
            expected[:, i, j] = window.mean((1, 2))
    found = mean_pool_3x3(jnp.asarray(x), implementation=implementation)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)

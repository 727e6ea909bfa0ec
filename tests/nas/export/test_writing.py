"""A network's directory: what is written reads back, and wrong logits are refused."""

import jax
import numpy as np
import pytest

from nas.config.models import SpaceConfig
from nas.data import load_dataset, prepare
from nas.evaluation.subnets import SubnetEvaluation
from nas.export.writing import read_network, write_network
from nas.supernet.elastic import initial_weights
from nas.supernet.standalone import StandaloneNetwork, subnet

SPACE = {
    "name": "mobilenet",
    "stem_width": 8,
    "stages": [{"width": 8, "stride": 2, "activation": "relu", "squeeze_excite": True}],
    "head_width": 16,
    "feature_width": 16,
    "kernel_sizes": [3],
    "expand_ratios": [1],
    "depths": [1],
    "width_multipliers": [1.0],
    "resolutions": [8],
}


@pytest.fixture(scope="module")
def shipped() -> tuple[StandaloneNetwork, np.ndarray, np.ndarray]:
    """An untrained network, images, and the subnet's logits for them."""
    dataset = load_dataset("digits", path=None, search_fraction=0.3, seed=0)
    space = SpaceConfig.model_validate(SPACE).build(image_shape=(8, 8, 1), classes=10)
    weights = initial_weights(space, seed=0)
    architecture = space.decode(space.largest)
    evaluation = SubnetEvaluation(
        space, weights, dataset, calibration_images=100, batch_size=100, seed=0
    )
    statistics = evaluation.statistics(architecture)
    images = prepare(
        dataset.test.images[:100],
        mean=dataset.mean.astype(np.float32),
        std=dataset.std.astype(np.float32),
        resolution=8,
    )
    logits = np.asarray(evaluation.logits(architecture, statistics, images))
    return subnet(weights, architecture, statistics), np.asarray(images), logits


def test_a_directory_reads_back_to_the_same_network(shipped, tmp_path):
    network, images, logits = shipped
    directory = tmp_path / "net"
    write_network(network, directory, formats=["stablehlo", "flax"], images=images, logits=logits)
    restored = read_network(directory)
    assert restored.architecture == network.architecture
    for tree, other in (
        (restored.params, network.params),
        (restored.statistics, network.statistics),
    ):
        assert jax.tree.structure(tree) == jax.tree.structure(other)
        jax.tree.map(np.testing.assert_array_equal, tree, other)
    assert {path.name for path in directory.iterdir()} == {
        "architecture.json",
        "model.jaxexport",
        "model.py",
        "model.safetensors",
        "weights.safetensors",
    }


def test_files_of_an_earlier_export_do_not_outlive_their_weights(shipped, tmp_path):
    network, images, logits = shipped
    stale = ["card.json", "MODEL_CARD.md", "model_int8.onnx", "model.onnx", "model.py"]
    for name in [*stale, "notes.txt"]:
        (tmp_path / name).write_text("earlier")
    write_network(network, tmp_path, formats=["flax"], images=images, logits=logits)
    assert {path.name for path in tmp_path.iterdir()} == {
        "architecture.json",
        "model.py",
        "model.safetensors",
        "notes.txt",
        "weights.safetensors",
    }
    assert (tmp_path / "model.py").read_text() != "earlier"


@pytest.mark.parametrize("wrong", [1.01, np.nan])
def test_logits_that_differ_are_refused(shipped, tmp_path, wrong):
    network, images, logits = shipped
    with pytest.raises(ValueError, match=r"model\.py: its logits differ from the network's"):
        write_network(network, tmp_path, formats=["flax"], images=images, logits=logits * wrong)


def test_a_missing_file_is_named(shipped, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"architecture\.json"):
        read_network(tmp_path)

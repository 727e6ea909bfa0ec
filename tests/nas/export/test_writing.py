"""A network's directory: what is written reads back, and wrong logits are refused."""

import json

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
    differences = write_network(
        network,
        tmp_path / "net",
        formats=["stablehlo"],
        images=images,
        logits=logits,
        card={"a": 1},
    )
    restored = read_network(tmp_path / "net")
    assert restored.architecture == network.architecture
    for tree, other in (
        (restored.params, network.params),
        (restored.statistics, network.statistics),
    ):
        assert jax.tree.structure(tree) == jax.tree.structure(other)
        jax.tree.map(np.testing.assert_array_equal, tree, other)
    card = json.loads((tmp_path / "net/card.json").read_text())
    assert card == {"a": 1, "max_logit_difference": differences}
    assert {path.name for path in (tmp_path / "net").iterdir()} == {
        "architecture.json",
        "card.json",
        "model.jaxexport",
        "weights.safetensors",
    }


@pytest.mark.parametrize("wrong", [1.01, np.nan])
def test_logits_that_differ_are_refused_and_leave_no_card(shipped, tmp_path, wrong):
    network, images, logits = shipped
    with pytest.raises(ValueError, match=r"model\.jaxexport: its logits differ from the network's"):
        write_network(
            network, tmp_path, formats=["stablehlo"], images=images, logits=logits * wrong, card={}
        )
    assert not (tmp_path / "card.json").exists()


def test_a_missing_file_is_named(shipped, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"architecture\.json"):
        read_network(tmp_path)

"""Spaces, data and recipes that compile and train in seconds."""

from typing import Any

import jax
import numpy as np

from nas.data import Dataset, Split
from nas.data.dataset import channel_statistics
from nas.supernet.elastic import Weights, initial_weights
from nas.supernet.recipe import Recipe
from nas.supernet.standalone import StandaloneNetwork, network_definition
from search_spaces import Architecture, MobileNetOptions, MobileNetSpace, SearchSpace
from search_spaces.mobilenet import MobileNetStage

STAGES = [MobileNetStage(8, 1), MobileNetStage(16, 2, "hard_swish", squeeze_excite=True)]


def space(**options: Any) -> MobileNetSpace:
    """Two stages at 8 pixels; every decision has at least two options."""
    chosen: dict[str, Any] = {
        "stages": STAGES,
        "stem_width": 8,
        "head_width": 16,
        "feature_width": 16,
        "kernel_sizes": [3, 5, 7],
        "expand_ratios": [1.0, 2.0],
        "depths": [1, 2],
        "width_multipliers": [0.5, 1.0],
        "resolutions": [7, 8],
        **options,
    }
    return MobileNetSpace(MobileNetOptions(**chosen), (8, 8, 1), 10)


def small_space(**options: Any) -> MobileNetSpace:
    """Few blocks, where the number of compilations matters."""
    chosen: dict[str, Any] = {
        "kernel_sizes": [3, 5],
        "expand_ratios": [1.0],
        "width_multipliers": [1.0],
        "resolutions": [8],
        **options,
    }
    return space(**chosen)


def random_weights(made: SearchSpace, *, seed: int = 0) -> Weights:
    """Shared weights away from their initial zeros and identities, as NumPy arrays."""
    return filled(jax.eval_shape(lambda: initial_weights(made, seed=0)), seed=seed)


def random_network(architecture: Architecture, *, seed: int = 0) -> StandaloneNetwork:
    """A network with random parameters and statistics."""
    _, params, statistics = network_definition(architecture, "stored", None)
    filled_statistics = jax.tree.map(lambda leaf: leaf**2 + 0.5, filled(statistics, seed=seed + 1))
    return StandaloneNetwork(architecture, filled(params, seed=seed), filled_statistics)


def filled(shapes: Any, *, seed: int) -> Any:
    """Normally distributed arrays, scaled to keep activations about 1."""
    rng = np.random.default_rng(seed)

    def draw(leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        fan_in = max(int(np.prod(leaf.shape[:-1])), 1)
        values = rng.standard_normal(leaf.shape) / np.sqrt(fan_in)
        return (values + (len(leaf.shape) == 1)).astype(leaf.dtype)

    return jax.tree.map(draw, shapes)


def dataset(*, train: int = 64, search: int = 37, test: int = 20) -> Dataset:
    """Noise with labels, of 8x8 grey pixels."""
    rng = np.random.default_rng(0)

    def split(count: int) -> Split:
        images = rng.integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)
        return Split(images, rng.integers(0, 10, count, dtype=np.int32))

    splits = split(train), split(search), split(test)
    mean, std = channel_statistics(splits[0].images)
    return Dataset("noise", tuple("0123456789"), *splits, mean=mean, std=std, digest="")


def recipe(**changes: Any) -> Recipe:
    chosen: dict[str, Any] = {
        "strategy": "sandwich",
        "phases": (),
        "epochs": 2,
        "batch_size": 32,
        "learning_rate": 0.1,
        "warmup_epochs": 0,
        "optimizer": "sgd",
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "clip_norm": 0.0,
        "ema_decay": 0.0,
        "drop_connect": 0.0,
        "label_smoothing": 0.1,
        "random_subnets": 1,
        "sampling": "uniform",
        "candidates": 10,
        "kd_ratio": 1.0,
        "checkpoint_every": 1,
        "crop_padding": 1,
        "flip": True,
        "cutout": 2,
        **changes,
    }
    return Recipe(**chosen)

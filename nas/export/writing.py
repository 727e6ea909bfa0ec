"""A network's directory: architecture, weights, and each format, checked by loading it back."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from safetensors.numpy import load_file, save_file

from nas.export.formats import FORMATS, replace_file
from nas.supernet.standalone import StandaloneNetwork
from search_spaces.base import Architecture

TOLERANCE = 1e-3
"""Largest difference of a logit that the check accepts, relative to the largest logit."""


def write_network(
    network: StandaloneNetwork,
    directory: Path,
    *,
    formats: Sequence[str],
    images: Float[np.ndarray, "n h w c"],
    logits: Float[np.ndarray, "n classes"],
    card: Mapping[str, Any],
) -> dict[str, float]:
    """Writes everything there is to a network.

    Args:
        network: What is shipped.
        directory: Made if missing; files of an earlier export are replaced.
        formats: Keys of `FORMATS`.
        images: Prepared images for the check.
        logits: What the network has to give for them.
        card: Figures for `card.json`.

    Returns:
        For each format the largest difference of a logit.

    Raises:
        ValueError: If a written file does not give the logits.
    """
    directory.mkdir(parents=True, exist_ok=True)
    replace_file(directory / "architecture.json", network.architecture.to_json().encode())
    weights = directory / "weights.safetensors"
    save_file(
        {
            **_flat(network.params, "params"),
            **_flat(network.statistics, "statistics"),
        },
        weights.with_name(weights.name + ".part"),
    )
    os.replace(weights.with_name(weights.name + ".part"), weights)
    differences: dict[str, float] = {}
    for name in formats:
        path = directory / f"model{FORMATS[name].suffix}"
        FORMATS[name].write(network, path, "float32")
        found = FORMATS[name].run(path, images)
        differences[name] = float(np.abs(found - logits).max())
        if not differences[name] <= TOLERANCE * float(np.abs(logits).max()):
            raise ValueError(
                f"{path}: its logits differ from the network's by {differences[name]:.3g}, "
                f"expected at most {TOLERANCE:g} of {float(np.abs(logits).max()):.3g}"
            )
    document = {**card, "max_logit_difference": differences}
    replace_file(directory / "card.json", json.dumps(document, indent=2).encode())
    return differences


def read_network(directory: Path) -> StandaloneNetwork:
    """The network that `write_network` wrote.

    Raises:
        OSError: If a file is missing.
        ValueError: If the architecture is none.
    """
    architecture = Architecture.from_json((directory / "architecture.json").read_text())
    arrays = load_file(directory / "weights.safetensors")
    return StandaloneNetwork(
        architecture,
        _nested(arrays, "params", architecture.slots),
        _nested(arrays, "statistics", architecture.slots),
    )


def _flat(tree: Mapping[str, Any], prefix: str) -> dict[str, np.ndarray]:
    flat: dict[str, np.ndarray] = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        name = "/".join([prefix, *(entry.key for entry in path)])
        flat[name] = np.ascontiguousarray(leaf)
    return flat


def _nested(arrays: Mapping[str, np.ndarray], prefix: str, slots: Sequence[str]) -> dict[str, Any]:
    tree: dict[str, Any] = {slot: {} for slot in slots}
    for name, array in arrays.items():
        first, *inner = name.split("/")
        if first != prefix:
            continue
        place = tree
        for key in inner[:-1]:
            place = place.setdefault(key, {})
        place[inner[-1]] = array
    return tree

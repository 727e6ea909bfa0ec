"""A network's directory: architecture, weights, and each format, checked by loading it back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from safetensors.numpy import load_file

from nas.export.formats import FORMATS, replace_arrays, replace_file
from nas.export.model_card import model_card
from nas.supernet.standalone import StandaloneNetwork
from search_spaces.base import Architecture

TOLERANCE = 1e-3
"""Largest difference of a logit that the check accepts, relative to the largest logit."""


INT8_FILE = "model_int8.onnx"
CARDS = ("card.json", "MODEL_CARD.md")


def write_network(
    network: StandaloneNetwork,
    directory: Path,
    *,
    formats: Sequence[str],
    images: Float[np.ndarray, "n h w c"],
    logits: Float[np.ndarray, "n classes"],
) -> dict[str, float]:
    """Writes the network's architecture and weights, and a file in each format.

    Args:
        network: What is shipped.
        directory: Made if missing; the files of an earlier export are removed, whose weights might
            be others.
        formats: Keys of `FORMATS`.
        images: Prepared images for the check.
        logits: What the network has to give for them.

    Returns:
        For each format the largest difference of a logit.

    Raises:
        ValueError: If the network cannot be written in a format, or a written file does not give
            the logits.
    """
    directory.mkdir(parents=True, exist_ok=True)
    endings = {ending for form in FORMATS.values() for ending in (form.suffix, *form.beside)}
    for name in (*CARDS, INT8_FILE, *(f"model{ending}" for ending in endings)):
        (directory / name).unlink(missing_ok=True)
    replace_file(directory / "architecture.json", network.architecture.to_json().encode())
    arrays = {**_flat(network.params, "params"), **_flat(network.statistics, "statistics")}
    replace_arrays(directory / "weights.safetensors", arrays)
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
    return differences


def write_card(directory: Path, card: Mapping[str, Any]) -> None:
    """Writes what is known of the network, for programs and for people; the last of its files."""
    replace_file(directory / "MODEL_CARD.md", model_card(card).encode())
    replace_file(directory / "card.json", json.dumps(card, indent=2).encode())


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
        flat["/".join([prefix, *(str(entry.key) for entry in path)])] = leaf
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

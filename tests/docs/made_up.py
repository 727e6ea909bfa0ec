"""Files that the pages take for the reader's own."""

import itertools
import json
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
from onnx import TensorProto, helper, numpy_helper

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def make_files(directory: Path) -> None:
    """Networks as ONNX, a table of accuracies, and an exported network."""
    write_network(directory / "network.onnx", channels=16, layers=3)
    candidates = directory / "candidates"
    candidates.mkdir()
    write_network(candidates / "small.onnx", channels=8, layers=1)
    write_network(candidates / "deep.onnx", channels=16, layers=6)
    write_network(candidates / "wide.onnx", channels=64, layers=2)
    write_accuracies(directory / "nb201_accuracy.parquet")
    exported = directory / "runs/phones/export/net-0"
    exported.mkdir(parents=True)
    write_network(exported / "model.onnx", channels=8, layers=1)
    given = {"shape": [32, 32, 3], "mean": [0.5] * 3, "std": [0.25] * 3, "classes": [*"abcdefghij"]}
    (exported / "card.json").write_text(json.dumps({"input": given}))


def write_network(path: Path, *, channels: int, layers: int) -> None:
    """A chain of 3x3 convolutions on images `[n, 32, 32, 3]`, ten logits."""
    rng = np.random.default_rng(0)
    nodes = [helper.make_node("Transpose", ["images"], ["x0"], perm=[0, 3, 1, 2])]
    weights = []
    for layer in range(layers):
        shape = (channels, channels if layer else 3, 3, 3)
        weights.append(numpy_helper.from_array(_random(rng, shape), f"w{layer}"))
        convolved, activated = f"c{layer}", f"x{layer + 1}"
        nodes += [
            helper.make_node("Conv", [f"x{layer}", f"w{layer}"], [convolved], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", [convolved], [activated]),
        ]
    weights.append(numpy_helper.from_array(_random(rng, (channels, 10)), "head"))
    nodes += [
        helper.make_node("GlobalAveragePool", [f"x{layers}"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "head"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 32, 32, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 10])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, str(path))


def write_accuracies(path: Path) -> None:
    """Of all cells: ten percent for each 3x3 convolution, one for each skip, ten at least."""
    cells = list(itertools.product(OPS, repeat=6))
    accuracy = [10 + 10 * cell.count("nor_conv_3x3") + cell.count("skip_connect") for cell in cells]
    arch = ["|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*cell) for cell in cells]
    columns = {"cifar100_valid_12": accuracy, "cifar100_test_200": accuracy}
    pd.DataFrame({"arch": arch, **columns}).to_parquet(path)


def _random(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape, np.float32)

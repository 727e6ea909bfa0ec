"""What holds in every space: genotypes, architectures and tables agree on networks and costs."""

import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latency_models import CostTable
from search_spaces import (
    SPACES,
    Architecture,
    FBNetOptions,
    FBNetSpace,
    MobileNetOptions,
    MobileNetSpace,
    NasBench201Options,
    NasBench201Space,
    ResNetOptions,
    ResNetSpace,
    SearchSpace,
    ViTOptions,
    ViTSpace,
)
from search_spaces.base import cardinalities
from search_spaces.mobilenet import MobileNetStage
from search_spaces.resnet import ResNetStage

NAMES = [
    *("mobilenet", "nasbench201", "nasbench201 as written", "fbnet", "resnet", "vit"),
    "own space",
]
OWN_SPACE = Path(__file__).parents[2] / "experiments/own_space.py"


def own_space() -> Any:
    """The space of the example that users start from."""
    spec = importlib.util.spec_from_file_location("example_of_an_own_space", OWN_SPACE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    options = vars(module)["SeparableOptions"]()
    return vars(module)["SeparableSpace"](options, image_shape=(16, 16, 3), classes=10)


@cache
def space(name: str) -> SearchSpace:
    if name == "mobilenet":
        stages = [MobileNetStage(8, 1), MobileNetStage(16, 2, "hard_swish", squeeze_excite=True)]
        return MobileNetSpace(MobileNetOptions(stages, depths=[1, 2]), (16, 16, 3), 10)
    if name == "own space":
        return own_space()
    if name == "fbnet":
        return FBNetSpace(FBNetOptions(), (32, 32, 3), 10)
    if name == "vit":
        options = ViTOptions(4, [16, 24], [1, 3], [1, 2], [1.5, 2.0], head_width=8)
        return ViTSpace(options, (16, 16, 3), 10)
    if name == "resnet":
        stages = [ResNetStage(64, 1, 1), ResNetStage(160, 2, 2)]
        options = ResNetOptions(
            stages, stem_width=48, expand_ratios=[0.25, 0.5, 0.75], resolutions=[15, 16]
        )
        return ResNetSpace(options, (16, 16, 3), 10)
    widths, written = ([8], True) if "written" in name else ([8, 16], False)
    cells = NasBench201Options(widths, cells=2, as_written=written)
    return NasBench201Space(cells, (16, 16, 3), 10)


@cache
def table(name: str) -> CostTable:
    return space(name).cost_table(batch_size=3, dtype="bfloat16")


def genotypes(name: str, count: int = 40) -> np.ndarray:
    """Random ones, canonical or not, and both ends."""
    made, rng = space(name), np.random.default_rng(0)
    counts = cardinalities(made.decisions)
    drawn = rng.integers(0, counts, (count, len(counts)), dtype=np.int64)
    return np.stack([made.smallest, made.largest, *drawn])


every_space = pytest.mark.parametrize("name", NAMES)


def test_every_registered_space_is_here() -> None:
    assert {space(name).name for name in NAMES} == {*SPACES, "separable"}


@every_space
def test_canonical_genotypes_name_the_same_network_and_are_fixed(name: str) -> None:
    made, drawn = space(name), genotypes(name)
    canonical = made.canonical(drawn)
    np.testing.assert_array_equal(made.canonical(canonical), canonical)
    for one, other in zip(drawn, canonical, strict=True):
        assert made.decode(one) == made.decode(other)
    assert ((canonical == drawn) | (canonical == 0)).all()


@every_space
def test_encoding_a_decoded_network_gives_its_canonical_genotype(name: str) -> None:
    made, drawn = space(name), genotypes(name, 6)
    for genotype, canonical in zip(drawn, made.canonical(drawn), strict=True):
        np.testing.assert_array_equal(made.encode(made.decode(genotype)), canonical)


@every_space
def test_an_architecture_survives_json(name: str) -> None:
    for genotype in genotypes(name, 6):
        architecture = space(name).decode(genotype)
        assert Architecture.from_json(architecture.to_json()) == architecture


@every_space
def test_the_cost_table_holds_the_decoded_networks(name: str) -> None:
    made = space(name)
    for genotype in genotypes(name, 6):
        expected = made.workload(made.decode(genotype), batch_size=3, dtype="bfloat16")
        assert table(name).workload(genotype) == expected


@every_space
def test_the_tables_sums_equal_the_workloads_sums(name: str) -> None:
    drawn = genotypes(name)
    workloads = [table(name).workload(genotype) for genotype in drawn]
    for quantity in ("flops", "macs", "params", "weight_bytes", "peak_activation_bytes"):
        expected = [getattr(workload, quantity) for workload in workloads]
        np.testing.assert_array_equal(getattr(table(name), quantity)(drawn), expected)


@every_space
def test_no_network_costs_less_than_the_smallest_or_more_than_the_largest(name: str) -> None:
    macs = table(name).macs(genotypes(name))
    flops = table(name).flops(genotypes(name))
    assert macs.min() == macs[0]
    assert macs.max() == macs[1]
    assert flops.min() == flops[0]
    assert flops.max() == flops[1]


@every_space
def test_samples_are_canonical_and_use_every_option(name: str) -> None:
    made = space(name)
    drawn = made.sample(300, np.random.default_rng(0))
    np.testing.assert_array_equal(made.canonical(drawn), drawn)
    for column, decision in zip(drawn.T, made.decisions, strict=True):
        assert set(column.tolist()) == set(range(len(decision.options)))


@every_space
def test_a_genotype_outside_the_space_is_refused_by_the_decisions_name(name: str) -> None:
    made = space(name)
    wrong = made.largest.copy()
    wrong[-1] += 1
    with pytest.raises(ValueError, match=f"genotype: {made.decisions[-1].name} must be from 0"):
        made.decode(wrong)
    with pytest.raises(ValueError, match="genotype: expected"):
        made.canonical(made.largest[None, :-1])

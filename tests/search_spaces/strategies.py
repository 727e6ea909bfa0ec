"""Random MobileNet and ResNet spaces, and genotypes of them."""

from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from search_spaces import MobileNetOptions, MobileNetSpace, ResNetOptions, ResNetSpace
from search_spaces.base import cardinalities
from search_spaces.mobilenet import MobileNetStage
from search_spaces.resnet import ResNetStage

STAGES = st.builds(
    MobileNetStage,
    width=st.sampled_from([8, 12, 16, 24, 40]),
    stride=st.sampled_from([1, 2]),
    activation=st.sampled_from(["relu", "hard_swish"]),
    squeeze_excite=st.booleans(),
)


def ascending(*values: float) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True).map(sorted)


@st.composite
def spaces(draw: st.DrawFn) -> MobileNetSpace:
    options = MobileNetOptions(
        stages=draw(st.lists(STAGES, min_size=1, max_size=3)),
        stem_width=draw(st.sampled_from([8, 16, 20])),
        stem_stride=draw(st.sampled_from([1, 2])),
        head_width=draw(st.sampled_from([16, 96])),
        feature_width=draw(st.sampled_from([16, 128])),
        kernel_sizes=draw(ascending(1, 3, 5, 7)),
        expand_ratios=draw(ascending(1, 2, 3.5, 6)),
        depths=draw(ascending(1, 2, 3)),
        width_multipliers=draw(ascending(0.5, 0.75, 1.0, 1.5)),
        resolutions=draw(st.just([]) | ascending(16, 20, 32)),
    )
    try:
        return MobileNetSpace(options, (32, 32, draw(st.sampled_from([1, 3]))), 10)
    except ValueError as error:
        assume("round to" not in str(error))
        raise


@st.composite
def spaces_and_genotypes(draw: st.DrawFn) -> tuple[MobileNetSpace, np.ndarray]:
    """A space and one genotype of it, not necessarily canonical."""
    space = draw(spaces())
    chosen = [draw(st.integers(0, int(count) - 1)) for count in cardinalities(space.decisions)]
    return space, np.array(chosen, dtype=np.int64)


RESNET_STAGES = st.builds(
    ResNetStage,
    width=st.sampled_from([48, 64, 100]),
    depth=st.integers(1, 2),
    stride=st.sampled_from([1, 2]),
)


@st.composite
def resnet_spaces(draw: st.DrawFn) -> ResNetSpace:
    options = ResNetOptions(
        stages=draw(st.lists(RESNET_STAGES, min_size=1, max_size=3)),
        stem_width=draw(st.sampled_from([32, 50, 64])),
        stem_stride=draw(st.sampled_from([1, 2])),
        stem_pool=draw(st.booleans()),
        extra_depths=draw(ascending(0, 1, 2)),
        expand_ratios=draw(ascending(0.25, 0.5, 1)),
        width_multipliers=draw(ascending(0.5, 0.75, 1.0)),
        resolutions=draw(st.just([]) | ascending(32, 37, 48)),
    )
    return ResNetSpace(options, (40, 40, draw(st.sampled_from([1, 3]))), 10)


@st.composite
def resnet_spaces_and_genotypes(draw: st.DrawFn) -> tuple[ResNetSpace, np.ndarray]:
    """A space and one genotype of it, not necessarily canonical."""
    space = draw(resnet_spaces())
    chosen = [draw(st.integers(0, int(count) - 1)) for count in cardinalities(space.decisions)]
    return space, np.array(chosen, dtype=np.int64)

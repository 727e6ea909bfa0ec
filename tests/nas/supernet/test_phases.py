"""When the phases of progressive shrinking begin, and what is open in each."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from nas.supernet.phases import default_phases, plan_phases
from nas.supernet.recipe import Phase
from search_spaces import MobileNetOptions, MobileNetSpace, SearchSpace, ViTOptions, ViTSpace
from search_spaces.mobilenet import MobileNetStage
from tests.nas.supernet import tiny


@cache
def once_for_all() -> SearchSpace:
    """One stage with the paper's options."""
    return MobileNetSpace(MobileNetOptions([MobileNetStage(16, 2)]), (32, 32, 3), 10)


def phase(epochs: int = 1, **changes: Any) -> Phase:
    chosen: dict[str, Any] = {"open": {}, "learning_rate": 0.1, "warmup_epochs": 0.0, "subnets": 1}
    return Phase(epochs, **{**chosen, **changes})


def recipe(*phases: Phase, **changes: Any) -> Any:
    return tiny.recipe(strategy="progressive", phases=phases, **changes)


def test_the_default_phases_are_once_for_alls() -> None:
    found = default_phases(once_for_all(), recipe(epochs=605, learning_rate=2.6, warmup_epochs=5.0))
    assert [p.epochs for p in found] == [180, 125, 25, 125, 25, 125]
    np.testing.assert_allclose(
        [p.learning_rate for p in found], [2.6, 0.96, 0.08, 0.24, 0.08, 0.24]
    )
    assert [p.open for p in found] == [
        {},
        {"kernel": "all"},
        {"depth": 2},
        {"depth": "all"},
        {"expand": 2},
        {"expand": "all"},
    ]
    assert [p.subnets for p in found] == [1, 1, 2, 2, 4, 4]
    assert [p.warmup_epochs for p in found] == [5.0, 0, 0, 0, 0, 0]


def test_default_phases_are_those_that_the_space_has_decisions_for() -> None:
    found = default_phases(tiny.small_space(), recipe(epochs=8))
    # No widths to choose; 180 : 125 : 125 of 8 end at 3.3, 5.7 and 8.
    assert [(p.epochs, p.open) for p in found] == [
        (3, {}),
        (3, {"kernel": "all"}),
        (2, {"depth": "all"}),
    ]
    vit = ViTSpace(ViTOptions(), (224, 224, 3), 10)
    found = default_phases(vit, recipe(epochs=5))
    assert [p.open for p in found] == [
        {},
        {"depth": 2},
        {"depth": "all"},
        {"width": 2, "heads": 2, "mlp_ratio": 2},
        {"width": "all", "heads": "all", "mlp_ratio": "all"},
    ]
    assert [p.epochs for p in found] == [1, 1, 1, 1, 1]
    with pytest.raises(
        ValueError, match=r"train\.epochs must be at least 5, one for each phase of vit .* got 4"
    ):
        default_phases(vit, recipe(epochs=4))


def test_options_open_from_the_largest_down_and_stay_open() -> None:
    space = once_for_all()
    planned = plan_phases(
        space,
        recipe(
            phase(2), phase(3, open={"kernel": 2, "depth": 2}), phase(1, open={"kernel": "all"})
        ),
        steps_per_epoch=10,
    )
    assert [(p.start, p.steps, p.opens_widths) for p in planned] == [
        (0, 20, False),
        (20, 30, False),
        (50, 10, False),
    ]
    # resolution, width, depth, then kernel and expand of four blocks.
    assert planned[0].low.tolist() == [0, 0, 2, *[2, 2] * 4]
    assert planned[1].low.tolist() == [0, 0, 1, *[1, 2] * 4]
    assert planned[2].low.tolist() == [0, 0, 1, *[0, 2] * 4]
    assert all(p.high.tolist() == space.largest.tolist() for p in planned)
    widths = plan_phases(space, recipe(phase(), phase(open={"expand": 2})), steps_per_epoch=1)
    assert [p.opens_widths for p in widths] == [False, True]


def test_subnets_are_uniform_in_what_is_open_and_of_one_resolution() -> None:
    space = tiny.space()
    phases = phase(), phase(open={"kernel": 2}, subnets=3)
    planned = plan_phases(space, recipe(*phases), steps_per_epoch=1)[1]
    rng = np.random.default_rng(0)
    drawn = np.stack([planned.sample(space, rng) for _ in range(500)])
    assert drawn.shape == (500, 3, len(space.decisions))
    resolutions = drawn[:, :, 0]
    assert (resolutions == resolutions[:, :1]).all()
    assert abs(resolutions[:, 0].mean() - 0.5) < 5 * 0.5 / 500**0.5
    names = [decision.name for decision in space.decisions]
    kernels = drawn[:, :, names.index("stage2.block2.kernel")]
    # Of 3, 5 and 7 the two largest, equally often.
    assert set(kernels.flat) == {1, 2}
    assert abs((kernels == 2).mean() - 0.5) < 5 * 0.5 / 1500**0.5
    others = [i for i, name in enumerate(names) if i and not name.endswith("kernel")]
    assert (drawn[:, :, others] == space.largest[others]).all()


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        (
            [phase(open={"kernel": 2})],
            r"train\.phases\.0\.open must be empty.* got \{'kernel': 2\}",
        ),
        (
            [phase(), phase(open={"kernl": 2})],
            r"train\.phases\.1\.open: the kinds that mobilenet can open are depth, expand, kernel; "
            r"got 'kernl'",
        ),
        ([phase(), phase(open={"resolution": "all"})], "got 'resolution'"),
        (
            [phase(), phase(open={"kernel": 4})],
            r"train\.phases\.1\.open\.kernel must be from 2 to 3, or all, got 4",
        ),
        (
            [phase(), phase(open={"depth": "all"}), phase(open={"depth": 2})],
            r"train\.phases\.2\.open\.depth must be from 3 to 3, or all, got 2",
        ),
    ],
)
def test_phases_that_do_not_fit_the_space_are_refused(phases: list[Phase], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_phases(once_for_all(), recipe(*phases), steps_per_epoch=1)

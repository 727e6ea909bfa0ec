"""Checkpoints of training, written by Orbax: atomic, so that a kill leaves the last one whole."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from nas.supernet.elastic import Weights

KEPT = 2
MOST_COPIES = 8
"""Times that a checkpoint has as many numbers as there are weights: averages, moments, teacher."""
OTHER_NUMBERS = 10_000_000
"""Of what else a checkpoint holds."""

State = dict[str, Any]
"""Training between two steps: `weights`, the `optimizer`'s state, what the `sampler` has seen, the
number of steps done (`step`), the `guard` against collapses, and where the recipe has them the
moving `average` of the weights and the frozen `teacher`."""


def trained_weights(state: State) -> Weights:
    """The weights to validate, search and ship: the moving average where there is one."""
    return state["average"] if "average" in state else state["weights"]


class Checkpoints:
    """The checkpoints of one training run, by step; the last two are kept.

    Args:
        directory: Where they are; made if missing.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()
        self._manager = ocp.CheckpointManager(
            self._directory,
            options=ocp.CheckpointManagerOptions(
                max_to_keep=KEPT, create=True, enable_async_checkpointing=False
            ),
        )

    @property
    def latest_step(self) -> int | None:
        """Steps done at the newest checkpoint; None where there is none."""
        return self._manager.latest_step()

    def save(self, state: State) -> None:
        """Writes the state of the step that it names; complete once this returns."""
        self._manager.save(int(state["step"]), args=ocp.args.StandardSave(state))
        self._manager.wait_until_finished()

    def restore(self, like: State) -> State:
        """The newest state, placed like `like`; `like` itself where there is none.

        Raises:
            ValueError: If the newest checkpoint cannot be read as such a state.
        """
        step = self.latest_step
        if step is None:
            return like
        try:
            abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
            return dict(self._manager.restore(step, args=ocp.args.StandardRestore(abstract)))
        except Exception as error:
            raise ValueError(
                f"{self._directory / str(step)}: not a checkpoint of this config's supernet "
                f"({error}); use another output directory, or remove this one"
            ) from error

    def close(self) -> None:
        """Releases Orbax's resources."""
        self._manager.close()


def load_weights(directory: Path, expected: Weights | None = None) -> Weights:
    """The newest checkpoint's trained weights, as NumPy arrays, whatever processes wrote them.

    They are the moving average where training kept one.

    Args:
        directory: Of the checkpoints.
        expected: Weights or their shapes; of other ones nothing is read. None for any.

    Raises:
        ValueError: If there is no checkpoint, or the newest is damaged or of another supernet.
    """
    manager = ocp.CheckpointManager(
        directory.absolute(), item_handlers=ocp.StandardCheckpointHandler()
    )
    try:
        step = manager.latest_step()
        if step is None:
            raise ValueError(
                f"{directory}: expected a checkpoint, found none; run the train stage first"
            )
        # Without a placement, Orbax wants the devices back that the state was saved from.
        here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        try:
            saved = jax.tree.map(
                lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here),
                manager.item_metadata(step).tree,
            )
            if expected is not None:
                _check_sizes(saved, expected)
            state = dict(manager.restore(step, args=ocp.args.StandardRestore(saved)))
        except Exception as error:
            # Orbax and what it stands on fail in as many ways as files can be damaged.
            raise ValueError(
                f"{directory / str(step)}: not a checkpoint of this config's supernet "
                f"({' '.join(str(error).split()):.200})"
            ) from error
    finally:
        manager.close()
    return jax.tree.map(np.asarray, trained_weights(state))


def _check_sizes(saved: Any, expected: Any) -> None:
    """Looks at what a checkpoint says of itself before it is read: a few bytes may say a lot.

    Raises:
        ValueError: If its weights have other shapes, or all of it would be senselessly large.
    """

    def shapes(tree: Any) -> dict[str, tuple[int, ...]]:
        leaves = jax.tree_util.tree_leaves_with_path(tree)
        return {jax.tree_util.keystr(path): tuple(leaf.shape) for path, leaf in leaves}

    found, wanted = shapes(trained_weights(saved)), shapes(expected)
    differing = sorted(name for name in found | wanted if found.get(name) != wanted.get(name))
    if differing:
        name = differing[0]
        raise ValueError(
            f"expected weights{name} of shape {wanted.get(name)}, got {found.get(name)}"
        )
    numbers, needed = (
        sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree)) for tree in (saved, expected)
    )
    if numbers > MOST_COPIES * needed + OTHER_NUMBERS:
        raise ValueError(f"expected about {needed:,} weights and the like of them, got {numbers:,}")

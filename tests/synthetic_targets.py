"""Targets whose coefficients are known, and a small space with dead and constant branches.

A target's latencies follow the model that the predictors assume: seconds of the operators that it
runs, each times exp(features . coefficients), with noise on their logarithm.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
from jaxtyping import Float, Int

from latency_models import CostTable, Op, Slot, activation, add, conv2d, global_pool, linear, pool
from latency_models.device_spec import DeviceSpec
from latency_models.meta.op_features import FEATURES, REFERENCE_DEVICE, contributions
from latency_models.meta.prior import broad_prior
from latency_models.op_counts import OpCounts
from latency_models.tensor_operators import fill

CELLS = 4
WIDTHS = (16, 32, 48)
OPTIONS = ("conv3", "conv1", "dead", "constant", "pool", "zero", "skip")
"""`dead` has a branch that nothing reads, `constant` one that does not depend on the input, `zero`
writes what does not depend on the input."""


class BranchySpace:
    """Four cells behind a stem, in the notation `32:conv3-dead-skip-pool`."""

    def cost_table(self, *, batch_size: int, dtype: str) -> CostTable:
        shapes = [(batch_size, 8, 8, width) for width in WIDTHS]
        stem = tuple(
            (
                conv2d(
                    "stem", (batch_size, 16, 16, 3), out_channels=w, kernel=3, stride=2, dtype=dtype
                ),
            )
            for w in WIDTHS
        )
        cells = tuple(_cell(shape, option, dtype) for shape, option in product(shapes, OPTIONS))
        head = tuple(_head(shape, dtype) for shape in shapes)
        slots = [
            Slot("stem", (0,), stem),
            *(Slot(f"cell{i}", (0, i), cells) for i in range(1, CELLS + 1)),
            Slot("head", (0,), head),
        ]
        return CostTable((len(WIDTHS), *(len(OPTIONS),) * CELLS), tuple(slots), batch_size, dtype)

    def read(self, networks: Sequence[str]) -> Int[np.ndarray, "n d"]:
        return np.array([_read(network) for network in networks])

    def write(self, genotypes: Int[np.ndarray, "n d"]) -> list[str]:
        return [
            f"{WIDTHS[g[0]]}:" + "-".join(OPTIONS[option] for option in g[1:]) for g in genotypes
        ]

    def sample(
        self, n: int, rng: np.random.Generator, options: Sequence[str] = OPTIONS[:-2]
    ) -> Int[np.ndarray, "n d"]:
        """Different networks whose cells are of some kinds; without `zero` all depend on the
        input."""
        choices = [OPTIONS.index(option) for option in options]
        rows = np.array(list(product(range(len(WIDTHS)), *[choices] * CELLS)))
        return rng.permutation(rows)[:n]


def _read(network: str) -> list[int]:
    try:
        width, cells = network.split(":")
        found = [WIDTHS.index(int(width)), *map(OPTIONS.index, cells.split("-"))]
    except ValueError:
        raise ValueError(f"expected a network such as 32:conv3-pool-..., got {network!r}") from None
    return found


def _cell(shape: tuple[int, ...], option: str, dtype: str) -> tuple[Op, ...]:
    width = shape[-1]
    conv = conv2d("conv", shape, out_channels=width, kernel=3, dtype=dtype)
    point = conv2d("point", shape, out_channels=width, kernel=1, dtype=dtype)
    zero = fill("zero", shape, dtype=dtype)
    relu = activation("relu", shape, function="relu", dtype=dtype, inputs=(0,))
    constant = conv2d("constant", shape, out_channels=width, kernel=3, dtype=dtype, inputs=(0,))
    return {
        "conv3": (conv, relu),
        "conv1": (point, relu),
        "dead": (conv2d("dead", shape, out_channels=width, kernel=3, dtype=dtype), point),
        "constant": (zero, constant, point, add("add", shape, dtype=dtype, inputs=(1, 2))),
        "pool": (pool("pool", shape, kernel=3, stride=1, dtype=dtype),),
        "zero": (point, fill("zero", shape, dtype=dtype, inputs=(0,))),
        "skip": (),
    }[option]


def _head(shape: tuple[int, ...], dtype: str) -> tuple[Op, ...]:
    return (
        global_pool("pool", shape, dtype=dtype),
        linear("classifier", (shape[0], shape[-1]), out_features=10, dtype=dtype, inputs=(0,)),
    )


def draw_coefficients(
    rng: np.random.Generator, *, scale_std: float = 1.0
) -> Float[np.ndarray, " p"]:
    """A target's coefficients, from the broad prior."""
    prior = broad_prior(scale_std=scale_std)
    return prior.mean + np.sqrt(np.diag(prior.covariance)) * rng.standard_normal(len(FEATURES))


def latencies(
    counts: OpCounts,
    coefficients: Float[np.ndarray, " p"],
    spec: DeviceSpec | None,
    rng: np.random.Generator,
    *,
    form: str = "written",
    noise: float = 0.02,
    threads: int | None = None,
) -> Float[np.ndarray, " n"]:
    """Seconds of networks on a target that runs them in a form."""
    terms = contributions(counts.ops, spec or REFERENCE_DEVICE, threads=threads)
    seconds = counts.dense(form) @ terms.seconds(coefficients) + terms.constant(coefficients)
    return seconds * np.exp(noise * rng.standard_normal(len(seconds)))

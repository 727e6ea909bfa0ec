"""Simple predictors that an evaluation compares with: none of them learns from other targets' fits.

Each is a rank or a time up to a factor for every network of a table. The factor is the median ratio
over the measured networks, where there are any.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from latency_models.roofline import RooflinePredictor
from latency_models.tables import LatencyTable

# Of the ridge, in units of an option's variance over the decisions: a weak pull to the mean.
_RIDGE = 1.0


@dataclass(frozen=True)
class Situation:
    """A device to be adapted to.

    Attributes:
        table: That its measurements are in.
        train: Devices that may be learnt from.
        device: The device.
        measured: Rows of the table that were measured on it.
    """

    table: LatencyTable
    train: Sequence[str]
    device: str
    measured: Int[np.ndarray, " k"]


Baseline = Callable[[Situation], "Float[np.ndarray, ' n'] | None"]


def flops(situation: Situation) -> Float[np.ndarray, " n"]:
    """The number of FLOPs."""
    costs, _ = situation.table.costs(situation.device)
    return _scaled(costs.flops(situation.table.genotypes), situation)


def mean_of_training_devices(situation: Situation) -> Float[np.ndarray, " n"] | None:
    """The mean latency on the training devices, each in units of its own mean; None without any.

    Networks that none of them has measured are taken to be average.
    """
    table = situation.table
    if not situation.train:
        return None
    total, count = np.zeros((2, len(table.genotypes)))
    for device in situation.train:
        rows = table.measured(device)
        latency_s = table.latency_s[device][rows]
        total[rows] += latency_s / latency_s.mean()
        count[rows] += 1
    return _scaled(np.where(count > 0, total / np.maximum(count, 1), 1.0), situation)


def roofline(situation: Situation) -> Float[np.ndarray, " n"] | None:
    """The roofline of the datasheet; None where there is none."""
    target = situation.table.target(situation.device, situation.measured)
    if target.spec is None:
        return None
    predictor = RooflinePredictor(target.spec, threads=target.threads)
    costs, _ = situation.table.costs(situation.device)
    predicted = predictor.predict_population(costs, situation.table.genotypes)
    return _scaled(predicted.mean_s, situation)


def lookup_table(situation: Situation) -> Float[np.ndarray, " n"] | None:
    """Ridge regression of the latency on the options taken; None without measurements."""
    rows = situation.measured
    if len(rows) == 0:
        return None
    return ridge(situation.table.genotypes, rows, situation.table.latency_s[situation.device][rows])


def ridge(
    genotypes: Int[np.ndarray, "n d"],
    rows: Int[np.ndarray, " k"],
    latency_s: Float[np.ndarray, " k"],
) -> Float[np.ndarray, " n"]:
    """Every network's latency by ridge regression on the options of those measured.

    Args:
        genotypes: Of all networks.
        rows: Which of them were measured.
        latency_s: Their latencies.
    """
    one_hot = np.concatenate(
        [np.equal.outer(column, np.unique(column)) for column in genotypes.T], axis=1
    ).astype(float)
    centre, level = one_hot[rows].mean(axis=0), latency_s.mean()
    x = one_hot[rows] - centre
    # In the dual form: fewer measurements than options.
    weights = np.linalg.solve(x @ x.T + _RIDGE * np.eye(len(rows)), latency_s - level)
    predicted = (one_hot - centre) @ (x.T @ weights) + level
    return np.maximum(predicted, latency_s.min() / 10)


BASELINES: dict[str, Baseline] = {
    "flops": flops,
    "mean of training devices": mean_of_training_devices,
    "roofline alone": roofline,
    "look-up table": lookup_table,
}


def _scaled(values: np.ndarray, situation: Situation) -> np.ndarray:
    rows = situation.measured
    if len(rows) == 0:
        return values
    latency_s = situation.table.latency_s[situation.device][rows]
    return values * float(np.nanmedian(latency_s / values[rows]))

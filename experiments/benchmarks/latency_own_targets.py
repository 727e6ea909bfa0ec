"""How well ten measurements predict a hundred other networks on this project's own targets.

Reads the data set that measure_dataset.py wrote. For each target and space ten networks are drawn,
the predictor is adapted to them, and a hundred others are predicted; ten draws. What the pretrained
model knows of these targets, all on one machine, is taken out of it first. In the same run: the
measurements chosen by `propose` instead of at random, the method without what other targets
taught, and ridge regression on one-hot options.

    python experiments/benchmarks/latency_own_targets.py experiments/benchmarks/latencies.parquet

Takes some minutes on one core. Writes latency_own_targets.json beside it.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
from measure_dataset import SPACES, TARGETS

from latency_models import host_device, metrics
from latency_models.baselines import ridge
from latency_models.dataset import read_latencies
from latency_models.meta import MetaModel, TargetInfo, load_pretrained
from latency_models.predictor import Prediction

SAMPLES, TESTED, DRAWS = 10, 100, 10
OWN = ("mobilenet/", "nasbench201/")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    path = parser.parse_args().dataset
    shipped = load_pretrained()
    model = dataclasses.replace(
        shipped,
        without_spec=tuple(t for t in shipped.without_spec if not t.name.startswith(OWN)),
        with_spec=tuple(t for t in shipped.with_spec if not t.target.name.startswith(OWN)),
    )
    rows = []
    for space in SPACES:
        measured = read_latencies(path, space=space)
        for name in measured.targets:
            found = score(space, name, measured.genotypes, measured.of(name), model)
            rows += found
            show(found)
    Path(__file__).with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")


def score(
    space: str, name: str, genotypes: np.ndarray, latency_s: np.ndarray, model: MetaModel
) -> list[dict]:
    """Each method's figures on one target, the means over the draws."""
    target = next(target for target in TARGETS if target.name == name)
    usable = np.flatnonzero(np.isfinite(latency_s))
    table = SPACES[space].cost_table(batch_size=target.batch_size, dtype=target.dtype)
    counts, spec = table.count_networks(genotypes), host_device()
    info = TargetInfo.of(
        spec, dtype=target.dtype, batch_size=target.batch_size, runtime=target.runtime
    )
    figures: dict[str, list[list[float]]] = {}
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        order = rng.permutation(usable)
        pool = order[:-TESTED] if len(order) > TESTED + SAMPLES else order
        about = {"threads": target.threads, "info": info}
        proposed = pool[model.propose_counts(counts.take(pool), SAMPLES, spec, **about, rng=rng)]
        for method, learned, taken in (
            ("ten at random", model, pool[:SAMPLES]),
            ("ten proposed", model, proposed),
            ("without meta-learning", MetaModel(), pool[:SAMPLES]),
        ):
            tested = np.setdiff1d(order, taken)[-TESTED:]
            predictor = learned.adapt_counts(counts.take(taken), latency_s[taken], spec, **about)
            prediction = Prediction.from_log(*predictor.predict_log(counts.take(tested)))
            figures.setdefault(method, []).append(measures(prediction, latency_s[tested]))
        taken, tested = pool[:SAMPLES], np.setdiff1d(order, pool[:SAMPLES])[-TESTED:]
        values = ridge(genotypes, taken, latency_s[taken])[tested]
        certain = Prediction(values, np.zeros(len(tested)))
        figures.setdefault("look-up table", []).append(measures(certain, latency_s[tested]))
    names = ("median_error", "spearman", "within_10", "coverage")
    return [
        {
            "space": space,
            "target": name,
            "method": method,
            "networks": len(usable),
            **dict(zip(names, np.mean(found, axis=0).tolist(), strict=True)),
        }
        for method, found in figures.items()
    ]


def measures(prediction: Prediction, true: np.ndarray) -> list[float]:
    predicted = prediction.median_s
    return [
        metrics.median_relative_error(predicted, true),
        metrics.spearman(predicted, true),
        metrics.fraction_within(predicted, true, tolerance=0.1),
        metrics.coverage(prediction, true) if prediction.std_s.any() else float("nan"),
    ]


def show(rows: list[dict]) -> None:
    for row in rows:
        print(
            f"{row['space']:12} {row['target']:28} {row['method']:22}"
            f" median error {row['median_error']:6.1%}  Spearman {row['spearman']:.3f}"
            f"  within 10 % {row['within_10']:.2f}  coverage {row['coverage']:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

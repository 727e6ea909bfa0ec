"""Do subnets rank with shared weights as they do when each is trained alone?

Takes a study whose supernet is trained, and networks from the smallest to the largest, evenly
spread over MACs, or with `--front` members of a target's front, evenly spread over its order. Each
is tested with the supernet's weights (BatchNorm recalibrated), and after training alone from
scratch with the supernet's recipe for `--epochs` epochs. Prints both test accuracies, their mean
gap and their rank correlation, beside that of the number of MACs, which ranks networks by itself.
The JSON is written after every network, and what it holds is not trained again.

    python experiments/benchmarks/supernet_ranking.py STUDY --networks 8 --epochs 5 --json FILE
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from latency_models.metrics import kendall
from nas.config import parse_config
from nas.stages.measuring import Measuring
from nas.stages.setting import Setting
from nas.stages.train import training_job
from nas.study import Study
from nas.supernet.standalone import classify, train_alone

POOL = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--networks", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--front", metavar="TARGET", help="take members of this target's front")
    parser.add_argument("--front-of", type=Path, help="another study of the space that has it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--alone-only", action="store_true", help="leave the supernet for later")
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    with Study.open(arguments.study, read_only=True) as study:
        config = parse_config(study.config, source=f"{arguments.study}/config.yaml")
        setting = Setting(study, config)
        done = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
        networks = done.setdefault("networks", {})
        done["epochs_alone"], done["epochs_supernet"] = arguments.epochs, config.train.epochs
        genotypes = (
            spread_over_macs(setting, arguments.networks, arguments.seed)
            if arguments.front is None
            else along_front(
                arguments.front_of or arguments.study, arguments.front, arguments.networks
            )
        )
        for genotype in genotypes:
            entry = networks.setdefault(json.dumps(genotype.tolist()), {})
            if "alone" not in entry:
                entry.update(alone(setting, genotype, arguments.epochs, arguments.seed))
            if "supernet" not in entry and not arguments.alone_only:
                architecture = setting.space.decode(genotype)
                measuring = Measuring(setting)
                found = measuring.evaluation.accuracy(architecture, setting.dataset.test)
                entry["supernet"] = found.accuracy
            print(f"\r{genotype.tolist()} {entry}", file=sys.stderr)
            arguments.json.write_text(json.dumps(done, indent=2) + "\n")
    if not arguments.alone_only:
        columns = {
            name: np.array([float(entry[name]) for entry in networks.values()])
            for name in ("macs", "alone", "supernet")
        }
        for row in zip(*columns.values(), strict=True):
            print(f"{row[0] / 1e6:8.2f} M MACs   alone {row[1]:.2%}   supernet {row[2]:.2%}")
        done["kendall_supernet"] = kendall(columns["supernet"], columns["alone"])
        done["kendall_macs"] = kendall(columns["macs"], columns["alone"])
        done["gap"] = float(np.mean(columns["alone"] - columns["supernet"]))
        print(f"mean gap, alone - supernet: {100 * done['gap']:.2f} points")
        taus = f"supernet {done['kendall_supernet']:.3f}, MACs {done['kendall_macs']:.3f}"
        print(f"Kendall's tau with the accuracy alone: {taus}")
        arguments.json.write_text(json.dumps(done, indent=2) + "\n")


def spread_over_macs(setting: Setting, count: int, seed: int) -> list[np.ndarray]:
    """The smallest, the largest, and sampled networks nearest to even steps in log MACs."""
    space = setting.space
    pool = np.concatenate(
        [[space.smallest], space.sample(POOL, np.random.default_rng(seed)), [space.largest]]
    )
    logs = np.log(space.cost_table(batch_size=1, dtype="float32").macs(pool))
    steps = np.linspace(logs[0], logs[-1], count)
    return [pool[int(np.argmin(np.abs(logs - step)))] for step in steps]


def along_front(study: Path, target: str, count: int) -> list[np.ndarray]:
    """Members of the target's front from the first to the last, evenly spread over its order."""
    front = pd.read_parquet(study / "fronts" / f"{target}.parquet")
    rows = np.unique(np.linspace(0, len(front) - 1, count).round().astype(int))
    return [np.array(json.loads(front["genotype"][row])) for row in rows]


def alone(setting: Setting, genotype: np.ndarray, epochs: int, seed: int) -> dict[str, float]:
    architecture, dataset = setting.space.decode(genotype), setting.dataset
    started = time.monotonic()
    network = train_alone(
        architecture,
        dataset,
        dataclasses.replace(training_job(setting).recipe, epochs=epochs),
        seed=seed,
        calibration_images=setting.config.search.calibration_images,
        report=lambda done, total, loss: print(
            f"\repoch {done}/{total} loss {loss:.3f} ", end="", file=sys.stderr, flush=True
        ),
    )
    seconds = time.monotonic() - started
    logits = classify(network, dataset, dataset.test, batch_size=setting.config.search.batch_size)
    workload = architecture.workload(batch_size=1, dtype="float32")
    accuracy = float(np.mean(np.argmax(logits, axis=1) == dataset.test.labels))
    return {"macs": workload.macs, "params": workload.params, "alone": accuracy, "seconds": seconds}


if __name__ == "__main__":
    main()

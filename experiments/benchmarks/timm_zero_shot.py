"""Zero-shot predictions of 1,600 real models on three devices, from whole-network totals.

The table holds throughputs of timm's models with their multiply-accumulates, activations and
parameters, but not their layers, so each model is one operator here: a product of matrices that
has these totals. That leaves out all that a workload knows of single operators; the question is
whether rank and magnitude hold over models that no search space made. Beside it: the
multiply-accumulates and the activations alone.

    python experiments/benchmarks/timm_zero_shot.py TABLE

Takes a minute on one core. Writes timm_zero_shot.json beside it.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd

from latency_models import DEVICES, metrics
from latency_models.meta import load_pretrained
from latency_models.operators import Op
from latency_models.roofline import RooflinePredictor
from latency_models.workload import Workload

DEVICE = {"rtx3090": "rtx-3090", "rtx4090": "rtx-4090", "i9_10940x": "core-i9-10940x"}
DTYPE = {"amp": "float16", "fp32": "float32"}
# Channels that the activations are taken to have.
WIDTH = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path, help="throughputs of timm's models")
    data = pd.read_parquet(parser.parse_args().table)
    totals = ["infer_gmacs", "infer_macts"]
    known = data.dropna(subset=totals).groupby("arch", observed=True)[totals].first()
    rows = []
    for (device, config), part in data.groupby(["device", "config"], observed=True):
        part = part.drop(columns=totals).join(known, on="arch").dropna(subset=totals)
        dtype = DTYPE[part["precision"].iloc[0]]
        workloads = [model(row, dtype) for row in part.itertuples()]
        true = part["latency_ms"].to_numpy() / 1e3
        spec = DEVICES[DEVICE[device]]
        batch_size = int(part["infer_batch_size"].median())
        meta = load_pretrained().for_device(
            spec, batch_size=batch_size, dtype=dtype, runtime="pytorch"
        )
        prediction = meta.predict(workloads)
        roofline = RooflinePredictor(spec).predict(workloads)
        batch = part["infer_batch_size"].to_numpy()
        found = {
            "device": device,
            "config": config,
            "models": len(part),
            "spearman": {
                "zero-shot": metrics.spearman(prediction.median_s, true),
                "roofline": metrics.spearman(roofline.mean_s, true),
                "MACs": metrics.spearman(part["infer_gmacs"].to_numpy() * batch, true),
                "activations": metrics.spearman(part["infer_macts"].to_numpy() * batch, true),
            },
            "spearman_per_image": {
                "zero-shot": metrics.spearman(prediction.median_s / batch, true / batch),
                "roofline": metrics.spearman(roofline.mean_s / batch, true / batch),
                "MACs": metrics.spearman(part["infer_gmacs"].to_numpy(), true / batch),
                "activations": metrics.spearman(part["infer_macts"].to_numpy(), true / batch),
            },
            "median_ratio": float(np.median(prediction.median_s / true)),
            "median_ratio_roofline": float(np.median(roofline.mean_s / true)),
            "coverage": metrics.coverage(prediction, true),
        }
        rows.append(found)
        per_image = "  ".join(f"{k} {v:.3f}" for k, v in found["spearman_per_image"].items())
        print(
            f"{config:38} {len(part):5} models  per image: {per_image}"
            f"  predicted/true {found['median_ratio']:.2f}"
            f" (roofline {found['median_ratio_roofline']:.2f})  coverage {found['coverage']:.2f}",
            flush=True,
        )
    Path(__file__).with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")


def model(row: object, dtype: str) -> Workload:
    """A model's totals as one product of matrices."""
    batch = int(row.infer_batch_size)
    outputs = max(round(row.infer_macts * 1e6 / WIDTH), 1)
    depth = max(round(row.infer_gmacs * 1e9 / (outputs * WIDTH)), 1)
    shape = (batch, outputs, WIDTH)
    flops = 2 * math.prod(shape) * depth
    op = Op(
        kind="linear",
        name=str(row.arch),
        input_shapes=((batch, outputs, depth),),
        output_shape=shape,
        flops=flops,
        params=round(row.param_count * 1e6),
        dtype=dtype,
        inputs=(-1,),
    )
    return Workload((op,), batch, dtype)


if __name__ == "__main__":
    main()

"""python -m latency_models predict: latency, energy and memory of networks in files."""

import argparse
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from latency_models.cli.arguments import (
    NETWORK_HELP,
    Commands,
    add_json,
    add_model,
    add_network_options,
    add_target_options,
    device,
    meta_model,
    print_json,
)
from latency_models.cli.networks import read_network
from latency_models.device import DeviceSpec
from latency_models.energy import EnergyPredictor
from latency_models.explain import Explanation, explain
from latency_models.footprint import memory_footprint
from latency_models.predictor import LatencyPredictor
from latency_models.roofline import RooflinePredictor
from latency_models.workload import Workload

_PredictorFor = Callable[[Workload], LatencyPredictor]


def add_command(commands: Commands) -> None:
    """Adds `predict`."""
    parser = commands.add_parser(
        "predict", help="predict latency, energy and memory of networks, and explain them"
    )
    parser.add_argument("networks", nargs="+", type=Path, help=NETWORK_HELP)
    add_target_options(parser)
    parser.add_argument(
        "--predictor", type=Path, metavar="DIR", help="that `adapt` wrote, in place of --device"
    )
    parser.add_argument(
        "--roofline", action="store_true", help="the uncorrected roofline of --device"
    )
    add_model(parser)
    parser.add_argument(
        "--explain", action="store_true", help="what bounds each operator, and what is lost"
    )
    parser.add_argument(
        "--svg", type=Path, metavar="PATH", help="draw the roofline with one network's operators"
    )
    add_network_options(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints what is predicted of each network."""
    if options.svg is not None and len(options.networks) != 1:
        raise ValueError(f"--svg draws one network, got {len(options.networks)}")
    predictor_for, spec, threads = _predictor(options)
    workloads = [read_network(path, options) for path in options.networks]
    rows: list[dict[str, Any]] = []
    for path, workload in zip(options.networks, workloads, strict=True):
        predictor = predictor_for(workload)
        row = _row(path, workload, predictor, spec, threads)
        if options.explain or options.svg is not None:
            explanation = explain(workload, predictor)
            if options.explain:
                row["explanation"] = explanation
            if options.svg is not None:
                options.svg.write_text(explanation.to_svg(), encoding="utf-8")
        rows.append(row)
    _print(rows, as_json=options.json)
    return 0


def _predictor(options: argparse.Namespace) -> tuple[_PredictorFor, DeviceSpec | None, int | None]:
    """Makes a workload's predictor; and the datasheet behind it, if there is one, with threads."""
    spec = device(options)
    if (spec is None) == (options.predictor is None):
        raise ValueError("expected either --device NAME or --predictor DIR; `devices` lists names")
    if options.predictor is not None:
        return _saved(options)
    assert spec is not None
    if options.roofline:
        if options.model is not None or options.runtime is not None:
            raise ValueError("--roofline is of the datasheet alone: no --model, no --runtime")
        roofline = RooflinePredictor(spec, threads=options.threads)
        return lambda workload: roofline, spec, options.threads
    model = meta_model(options)

    @cache
    def zero_shot(batch_size: int, dtype: str) -> LatencyPredictor:
        return model.for_device(
            spec,
            threads=options.threads,
            batch_size=batch_size,
            dtype=dtype,
            runtime=options.runtime,
        )

    return lambda w: zero_shot(w.batch_size, w.dtype), spec, options.threads


def _saved(options: argparse.Namespace) -> tuple[_PredictorFor, DeviceSpec | None, int | None]:
    from latency_models.meta import load_predictor
    from latency_models.meta.op_features import REFERENCE_DEVICE

    for name in ("threads", "runtime", "roofline", "model"):
        if getattr(options, name):
            raise ValueError(f"--{name} goes with --device, a saved predictor has its own target")
    predictor = load_predictor(options.predictor)
    known = predictor.spec.name != REFERENCE_DEVICE.name
    if not known and (options.explain or options.svg is not None):
        raise ValueError(
            f"{options.predictor}: --explain and --svg need a datasheet,"
            " and this predictor was adapted without --device"
        )
    return lambda workload: predictor, predictor.spec if known else None, predictor.threads


def _row(
    path: Path,
    workload: Workload,
    predictor: LatencyPredictor,
    spec: DeviceSpec | None,
    threads: int | None,
) -> dict[str, Any]:
    prediction = predictor.predict([workload])
    latency_s, std_s = float(prediction.median_s[0]), float(prediction.std_s[0])
    interval = None
    if std_s > 0:
        interval = [float(prediction.quantile_s(q)[0]) for q in (0.05, 0.95)]
    energy_j = None
    if spec is not None:
        energy = EnergyPredictor(spec, threads).predict([workload], np.array([latency_s]))
        energy_j = float(energy.total_j[0])
    memory = memory_footprint(workload)
    return {
        "path": str(path),
        "median_s": latency_s,
        "mean_s": float(prediction.mean_s[0]),
        "std_s": std_s if std_s > 0 else None,
        "interval_90_s": interval,
        "energy_j": energy_j,
        "weight_bytes": memory.weight_bytes,
        "peak_activation_bytes": memory.peak_activation_bytes,
    }


def _print(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json([row | _plain(row.get("explanation")) for row in rows])
        return
    for row in rows:
        print(_line(row))
        if "explanation" in row:
            print(f"{row['explanation']}\n")


def _plain(explanation: Explanation | None) -> dict[str, Any]:
    return {} if explanation is None else {"explanation": explanation.to_dict()}


def _line(row: dict[str, Any]) -> str:
    parts = [f"{row['path']}: {row['median_s'] * 1e3:.4g} ms"]
    if row["interval_90_s"] is not None:
        low, high = (f"{1e3 * bound:.4g}" for bound in row["interval_90_s"])
        parts.append(f"90 % within {low} to {high} ms")
    if row["energy_j"] is not None:
        parts.append(f"{row['energy_j'] * 1e3:.3g} mJ")
    weights, peak = (row[name] / 2**20 for name in ("weight_bytes", "peak_activation_bytes"))
    return ", ".join([*parts, f"{weights:.3g} MiB of weights, {peak:.3g} MiB of activations"])

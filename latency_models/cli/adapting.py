"""python -m latency_models adapt: a predictor for a target, from measurements on it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latency_models.cli.arguments import (
    Commands,
    add_json,
    add_model,
    add_network_options,
    add_target_options,
    device,
    meta_model,
    print_json,
)
from latency_models.cli.networks import MEASURED_HELP, Measured, read_measured

if TYPE_CHECKING:
    from latency_models.meta import MetaLatencyPredictor

_FORMS = {
    "written": "every operator of the network",
    "needed": "the operators that the output depends on",
    "folded": "those of them that depend on the input",
}


def add_command(commands: Commands) -> None:
    """Adds `adapt`."""
    parser = commands.add_parser("adapt", help="make a predictor for a target from measurements")
    parser.add_argument("measured", type=Path, help=MEASURED_HELP)
    add_target_options(parser)
    add_model(parser)
    add_network_options(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Writes the predictor; prints how it fits the measurements, and what it believes."""
    from latency_models.meta import save_predictor

    measured = read_measured(options.measured, options)
    predictor = meta_model(options).adapt(
        measured.measurements, device(options), threads=options.threads, runtime=options.runtime
    )
    save_predictor(predictor, options.output)
    found = _described(measured, predictor) | {"predictor": str(options.output)}
    if options.json:
        print_json(found)
    else:
        _print(found)
    return 0


def _described(measured: Measured, predictor: MetaLatencyPredictor) -> dict[str, Any]:
    from latency_models import metrics

    latency_s = measured.measurements.latency_s
    prediction = predictor.predict(measured.measurements.workloads)
    pairs = zip(measured.paths, latency_s, prediction.median_s, strict=True)
    return {
        "samples": len(latency_s),
        "failed": measured.failed,
        "fit": {
            "median_error": metrics.median_relative_error(prediction.median_s, latency_s),
            "within_10": metrics.fraction_within(prediction.median_s, latency_s, tolerance=0.1),
            "in_90_interval": metrics.coverage(prediction, latency_s),
        },
        "members": [
            {
                "weight": member.weight,
                "form": member.form,
                "noise_std": member.posterior.noise_std,
            }
            for member in predictor.members
        ],
        "networks": [
            {"path": path, "latency_s": float(true), "predicted_s": float(mean)}
            for path, true, mean in pairs
        ],
    }


def _print(found: dict[str, Any]) -> None:
    fit = found["fit"]
    skipped = f", {found['failed']} failed ones left out" if found["failed"] else ""
    print(f"{found['samples']} measurements{skipped}; the predictor is in {found['predictor']}")
    print(
        f"on these same networks: median error {fit['median_error']:.1%},"
        f" within 10 % {fit['within_10']:.0%}, in the 90 % interval {fit['in_90_interval']:.0%}"
    )
    worst = max(found["networks"], key=_error)
    print(
        f"worst: {worst['path']}, {1e3 * worst['latency_s']:.4g} ms measured,"
        f" {1e3 * worst['predicted_s']:.4g} ms predicted"
    )
    print("believes that the target runs")
    for member in found["members"]:
        noise = f"noise {member['noise_std']:.1%}"
        print(f"  {member['weight']:4.0%}  {_FORMS[member['form']]} ({member['form']}), {noise}")


def _error(network: dict[str, Any]) -> float:
    return abs(network["predicted_s"] / network["latency_s"] - 1)

"""python -m latency_models devices | predict | measure."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from latency_models.device import DEVICES, DeviceSpec, find_device
from latency_models.measure import RUNTIMES, TimingPlan, measure
from latency_models.meta import load_predictor, load_pretrained
from latency_models.operators import DTYPE_BYTES
from latency_models.predictor import LatencyPredictor
from latency_models.roofline import RooflinePredictor
from latency_models.workload import Workload


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; a mistake of the user's is one line on standard error and exit code 2."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m latency_models", description="How long will this network take there?"
    )
    commands = parser.add_subparsers(required=True, metavar="devices | predict | measure")

    devices = commands.add_parser("devices", help="list the devices known, with their datasheets")
    devices.add_argument("names", nargs="*", help="only these; `host` is this machine")
    devices.set_defaults(run=_devices)

    predict = commands.add_parser("predict", help="predict the latency of workload files")
    predict.add_argument("workloads", nargs="+", type=Path, help="JSON of Workload.to_json()")
    target = predict.add_mutually_exclusive_group(required=True)
    target.add_argument("--device", help="zero-shot, from this device's datasheet")
    target.add_argument("--predictor", type=Path, help="directory of a saved predictor")
    predict.add_argument("--threads", type=int, help="processors in use (with --device)")
    predict.add_argument(
        "--roofline", action="store_true", help="the uncorrected roofline (with --device)"
    )
    predict.set_defaults(run=_predict)

    timed = commands.add_parser("measure", help="time networks on a runtime of this machine")
    timed.add_argument("files", nargs="+", type=Path)
    timed.add_argument("--runtime", required=True, choices=sorted(RUNTIMES))
    timed.add_argument("--input-shape", required=True, type=_shape, help="such as 1,32,32,3")
    timed.add_argument("--dtype", default="float32", choices=DTYPE_BYTES)
    timed.add_argument("--threads", type=int, default=1)
    timed.add_argument("--min-time", type=float, default=TimingPlan.min_time_s, metavar="SECONDS")
    timed.add_argument("--max-time", type=float, default=TimingPlan.max_time_s, metavar="SECONDS")
    timed.add_argument("--timeout", type=float, default=120.0, metavar="SECONDS")
    timed.set_defaults(run=_measure)

    for command in (devices, predict, timed):
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _devices(options: argparse.Namespace) -> int:
    specs = [find_device(name) for name in options.names] or list(DEVICES.values())
    if options.json:
        print(json.dumps([asdict(spec) for spec in specs], indent=2))
        return 0
    row = "{:18} {:4} {:>11} {:>9} {:>9} {:>6} {:>7}"
    print(row.format("device", "kind", "fp32 GFLOPS", "fp16", "int8", "GB/s", "watt"))
    for spec in specs:
        print(row.format(spec.name, spec.kind, *_figures(spec)))
    return 0


def _figures(spec: DeviceSpec) -> list[str]:
    peaks = spec.peak_flops_per_s
    half = peaks.get("float16", peaks.get("bfloat16"))
    values = [peaks.get("float32"), half, peaks.get("int8"), spec.memory_bandwidth_bytes_per_s]
    figures = ["-" if value is None else f"{value / 1e9:.0f}" for value in values]
    return [*figures, "-" if spec.max_power_w is None else f"{spec.max_power_w:g}"]


def _predict(options: argparse.Namespace) -> int:
    predictor = _predictor(options)
    workloads = [_read_workload(path) for path in options.workloads]
    prediction = predictor.predict(workloads)
    low, high = prediction.quantile_s(0.05), prediction.quantile_s(0.95)
    rows: list[dict[str, Any]] = [
        {
            "path": str(path),
            "mean_s": float(prediction.mean_s[i]),
            "std_s": float(prediction.std_s[i]),
            "interval_90_s": [float(low[i]), float(high[i])],
        }
        for i, path in enumerate(options.workloads)
    ]
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row, a, b in zip(rows, low, high, strict=True):
        interval = f"90 % within {a * 1e3:.4g} to {b * 1e3:.4g} ms"
        print(f"{row['path']}: {row['mean_s'] * 1e3:.4g} ms, {interval}")
    return 0


def _predictor(options: argparse.Namespace) -> LatencyPredictor:
    if options.predictor is not None:
        if options.threads is not None or options.roofline:
            raise ValueError("--threads and --roofline go with --device, not with --predictor")
        return load_predictor(options.predictor)
    spec = find_device(options.device)
    if options.roofline:
        return RooflinePredictor(spec, threads=options.threads)
    return load_pretrained().for_device(spec, threads=options.threads)


def _read_workload(path: Path) -> Workload:
    try:
        return Workload.from_json(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _measure(options: argparse.Namespace) -> int:
    timing = TimingPlan(min_time_s=options.min_time, max_time_s=options.max_time)
    failures = 0
    for result in measure(
        options.files,
        runtime=options.runtime,
        input_shape=options.input_shape,
        dtype=options.dtype,
        threads=options.threads,
        timing=timing,
        timeout_s=options.timeout,
    ):
        failures += result.status == "failed"
        if options.json:
            print(json.dumps(result.to_dict()), flush=True)
        elif result.latency_s is None or result.confidence_interval_s is None:
            print(f"{result.path}: failed, {result.error}", flush=True)
        else:
            low, high = (1e3 * bound for bound in result.confidence_interval_s)
            spread = f"{low:.4g} to {high:.4g} ms, {len(result.samples_s)} samples"
            mark = ", noisy" if result.status == "noisy" else ""
            print(f"{result.path}: {1e3 * result.latency_s:.4g} ms ({spread}{mark})", flush=True)
    return 1 if failures else 0


def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(size) for size in text.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise argparse.ArgumentTypeError(f"expected positive sizes such as 1,32,32,3, got {text!r}")
    return shape


if __name__ == "__main__":
    sys.exit(main())

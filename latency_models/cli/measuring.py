"""python -m latency_models measure: times networks on a runtime, or by a program of the user's."""

import argparse
import json
import shlex
from pathlib import Path

from latency_models.cli.arguments import Commands, positive
from latency_models.measure import COMMAND, Measured, TimingPlan, measure, runtimes
from latency_models.operators import DTYPE_BYTES


def add_command(commands: Commands) -> None:
    """Adds `measure`."""
    parser = commands.add_parser("measure", help="time networks on a runtime of this machine")
    parser.add_argument("files", nargs="+", type=Path, help="what the runtime reads")
    parser.add_argument("--runtime", choices=[*sorted(runtimes()), COMMAND])
    parser.add_argument(
        "--command", metavar="PROGRAM", help='asked about each file: "prog args"; see docs'
    )
    parser.add_argument("--input-shape", required=True, type=_shape, help="such as 1,32,32,3")
    parser.add_argument("--dtype", default="float32", choices=DTYPE_BYTES, help="of the input")
    parser.add_argument("--compute-dtype", choices=DTYPE_BYTES, help="for a runtime that is told")
    parser.add_argument("--threads", type=positive, default=1, metavar="N")
    parser.add_argument("--min-time", type=float, default=TimingPlan.min_time_s, metavar="SECONDS")
    parser.add_argument("--max-time", type=float, default=TimingPlan.max_time_s, metavar="SECONDS")
    parser.add_argument(
        "--confidence",
        type=float,
        default=TimingPlan.confidence,
        metavar="P",
        help="of the median's interval, between 0 and 1",
    )
    parser.add_argument("--timeout", type=float, default=120.0, metavar="SECONDS")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each file")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints each latency once it is known; 1 if a network failed."""
    command = shlex.split(options.command or "")
    if options.runtime is None and not command:
        raise ValueError(f"expected --runtime ({', '.join(sorted(runtimes()))}) or --command")
    failures = 0
    for result in measure(
        options.files,
        runtime=options.runtime or COMMAND,
        input_shape=options.input_shape,
        dtype=options.dtype,
        compute_dtype=options.compute_dtype,
        threads=options.threads,
        timing=TimingPlan(
            min_time_s=options.min_time,
            max_time_s=options.max_time,
            confidence=options.confidence,
        ),
        timeout_s=options.timeout,
        command=command,
    ):
        failures += result.status == "failed"
        text = json.dumps(result.to_dict()) if options.json else _line(result, options.confidence)
        print(text, flush=True)
    return 1 if failures else 0


def _line(result: Measured, confidence: float) -> str:
    if result.latency_s is None or result.confidence_interval_s is None:
        return f"{result.path}: failed, {result.error}"
    low, high = (1e3 * bound for bound in result.confidence_interval_s)
    parts = [
        f"{result.path}: {1e3 * result.latency_s:.4g} ms",
        f"{100 * confidence:g} % within {low:.4g} to {high:.4g} ms",
        f"{len(result.samples_s)} samples",
    ]
    if result.compile_s is not None:
        parts.append(f"compiled in {result.compile_s:.3g} s")
    if result.status == "noisy":
        parts.append("noisy")
    return ", ".join([*parts, *result.marks])


def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(size) for size in text.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise argparse.ArgumentTypeError(f"expected positive sizes such as 1,32,32,3, got {text!r}")
    return shape

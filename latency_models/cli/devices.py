"""python -m latency_models devices: the catalogue, each figure with its source."""

import argparse
from dataclasses import asdict

from latency_models.cli.arguments import Commands, add_json, print_json
from latency_models.device import DEVICES, DeviceSpec, find_device

_DECIMAL = ((1e15, " P"), (1e12, " T"), (1e9, " G"), (1e6, " M"), (1.0, ""))
_BINARY = ((2.0**30, " Gi"), (2.0**20, " Mi"), (2.0**10, " Ki"), (1.0, ""))


def add_command(commands: Commands) -> None:
    """Adds `devices`."""
    parser = commands.add_parser("devices", help="list the devices known, with their datasheets")
    parser.add_argument("names", nargs="*", help="only these; `host` is this machine")
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints a line a device, or all that is known, sources included."""
    specs = [find_device(name) for name in options.names] or list(DEVICES.values())
    if options.json:
        print_json([asdict(spec) for spec in specs])
        return 0
    width = max(len("device"), *(len(spec.name) for spec in specs))
    row = f"{{:{width}}}  {{:4}}" + 6 * " {:>8}"
    print(row.format("device", "kind", "fp32", "fp16", "int8", "bytes/s", "bytes", "watt"))
    for spec in specs:
        print(row.format(spec.name, spec.kind, *_figures(spec)))
    print("fp32, fp16 (or bfloat16), int8: peak FLOP/s; -: not published; --json has the sources")
    return 0


def _figures(spec: DeviceSpec) -> list[str]:
    peaks = spec.peak_flops_per_s
    half = peaks.get("float16", peaks.get("bfloat16"))
    rates = [peaks.get("float32"), half, peaks.get("int8"), spec.memory_bandwidth_bytes_per_s]
    power = "-" if spec.max_power_w is None else f"{spec.max_power_w:.3g}"
    return [
        *(_scaled(rate, _DECIMAL) for rate in rates),
        _scaled(spec.memory_bytes, _BINARY),
        power,
    ]


def _scaled(value: float | None, units: tuple[tuple[float, str], ...]) -> str:
    """Three digits and a prefix, such as 989 T."""
    if value is None:
        return "-"
    unit, prefix = next((pair for pair in units if value >= pair[0]), units[-1])
    whole = f"{value / unit:.0f}"
    return (f"{value / unit:.3g}" if len(whole) < 3 else whole) + prefix

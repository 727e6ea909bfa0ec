"""python -m latency_models propose: which networks are most worth measuring next."""

import argparse
from pathlib import Path

from latency_models.cli.arguments import (
    NETWORK_HELP,
    Commands,
    add_json,
    add_model,
    add_network_options,
    add_target_options,
    device,
    meta_model,
    positive,
    print_json,
)
from latency_models.cli.networks import MEASURED_HELP, read_measured, read_network


def add_command(commands: Commands) -> None:
    """Adds `propose`."""
    parser = commands.add_parser("propose", help="say which networks are most worth measuring next")
    parser.add_argument("candidates", nargs="+", type=Path, help=NETWORK_HELP)
    parser.add_argument("-k", type=positive, default=10, help="how many, 10 if absent")
    parser.add_argument(
        "--measured", type=Path, metavar="FILE", help=f"already, on the target: {MEASURED_HELP}"
    )
    add_target_options(parser)
    add_model(parser)
    add_network_options(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the paths, the most telling network first; none that has been measured."""
    measured = None
    if options.measured is not None:
        measured = read_measured(options.measured, options).measurements
    chosen = meta_model(options).propose(
        [read_network(path, options) for path in options.candidates],
        options.k,
        spec=device(options),
        threads=options.threads,
        runtime=options.runtime,
        measurements=measured,
    )
    paths = [str(options.candidates[position]) for position in chosen]
    if options.json:
        print_json(paths)
    else:
        print("\n".join(paths))
    return 0

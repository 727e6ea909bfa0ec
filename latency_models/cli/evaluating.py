"""python -m latency_models evaluate: accuracy on devices that were not learnt from."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latency_models.cli.arguments import Commands, add_json, not_negative, positive, print_json
from latency_models.cli.progress import Progress

if TYPE_CHECKING:
    from latency_models.evaluation import Score
    from latency_models.meta import MetaModel
    from latency_models.tables import LatencyTable, Split

_NO_MODEL, _PRETRAINED = "none", "pretrained"
_NO_SPLIT = "all devices"
_HEADINGS: Mapping[str, str] = {
    "spearman": "spearman",
    "kendall": "kendall",
    "within_5": "within 5 %",
    "within_10": "within 10 %",
    "median_error": "error %",
    "coverage": "in 90 % int.",
    "violations": "broken %",
    "adapt_s": "adapt s",
}
_RANKS = ("spearman", "kendall")
_Summary = dict[str, dict[str, dict[str, dict[str, float]]]]


def add_command(commands: Commands) -> None:
    """Adds `evaluate`."""
    parser = commands.add_parser(
        "evaluate", help="score predictions on devices that were not learnt from, beside baselines"
    )
    parser.add_argument("--table", type=Path, required=True, metavar="PATH", help="of latencies")
    parser.add_argument("--splits", type=Path, metavar="PATH", help="JSON of splits of devices")
    parser.add_argument("--split", metavar="NAME", help="the devices to learn from and to test")
    parser.add_argument(
        "--space", metavar="NAME", help="without a split: the table's, all devices are tested"
    )
    parser.add_argument(
        "--samples", type=not_negative, default=10, metavar="K", help="measurements a test device"
    )
    parser.add_argument(
        "--seeds", type=positive, default=10, metavar="N", help="choices of the measurements"
    )
    parser.add_argument("--sampler", default="random", help="of the measurements: random, proposed")
    parser.add_argument(
        "--no-ablation", action="store_true", help="leave out what has no datasheet or no learning"
    )
    parser.add_argument(
        "--model",
        metavar="DIR",
        help="that `meta-train` wrote and that knows no test device, in place of one learnt here;"
        " or `pretrained`, or `none` for no learning",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints scores by device and method, the mean and the spread over seeds."""
    from latency_models.evaluation import METHOD, SAMPLERS, evaluate, summary

    if options.sampler not in SAMPLERS:
        raise ValueError(f"--sampler: valid are {', '.join(SAMPLERS)}; got {options.sampler!r}")
    table, split, missing = _devices(options)
    progress = Progress()
    if missing:
        progress(f"not in the table, left out of {split.name}: {', '.join(missing)}")
    model = _model(options.model, table, split, progress)
    scores: list[Score] = []
    for score in evaluate(
        table,
        split,
        model,
        samples=options.samples,
        seeds=options.seeds,
        sampler=options.sampler,
        ablation=not options.no_ablation,
    ):
        if score.method == METHOD:
            progress(f"{score.device}, seed {score.seed}: Spearman {score.spearman:.3f}")
        scores.append(score)
    found = summary(scores)
    if options.json:
        print_json(_everything(options, split, missing, scores, found))
    else:
        _print(options, split, missing, found)
    return 0


def _devices(options: argparse.Namespace) -> tuple[LatencyTable, Split, list[str]]:
    """The table, what to learn from and to test, and devices of the split that it does not have."""
    from latency_models.tables import Split, read_split, read_table

    if options.split is not None and options.splits is not None and options.space is None:
        published = read_split(options.splits, options.split)
        table = read_table(options.table, published.space)
        split = read_split(options.splits, options.split, list(table.latency_s))
        there = {*split.train, *split.test}
        return table, split, [d for d in (*published.train, *published.test) if d not in there]
    if options.space is None or options.split is not None or options.splits is not None:
        raise ValueError("expected --splits PATH with --split NAME, or --space NAME alone")
    if options.model is None:
        raise ValueError(f"--space needs --model: DIR, {_PRETRAINED} or {_NO_MODEL}")
    table = read_table(options.table, options.space)
    return table, Split(_NO_SPLIT, options.space, (), tuple(table.latency_s)), []


def _model(
    given: str | None, table: LatencyTable, split: Split, on_step: Callable[[str], None]
) -> MetaModel:
    """The model to be tested.

    Raises:
        ValueError: If it was trained on a test device.
    """
    from latency_models.evaluation import train_on_split
    from latency_models.meta import PRETRAINED, MetaModel, load_model

    if given is None:
        return train_on_split(table, split, on_step=on_step)
    if given == _NO_MODEL:
        return MetaModel()
    model = load_model(PRETRAINED if given == _PRETRAINED else Path(given))
    known = {target.name.rpartition("/")[2] for target in model.without_spec}
    if learnt := sorted(known & set(split.test)):
        raise ValueError(f"{given}: was trained on devices to be tested: {', '.join(learnt)}")
    return model


def _everything(
    options: argparse.Namespace,
    split: Split,
    missing: Sequence[str],
    scores: Sequence[Score],
    found: _Summary,
) -> dict[str, Any]:
    from latency_models.evaluation import METHOD

    spearman = found["mean"][METHOD]["spearman"]
    return {
        "spearman_mean": spearman["mean"],
        "spearman_std": spearman["std"],
        "table": options.table.name,
        "split": split.name,
        "space": split.space,
        "train": list(split.train),
        "test": list(split.test),
        "missing": missing,
        "model": options.model,
        "samples": options.samples,
        "sampler": options.sampler,
        "seeds": options.seeds,
        "summary": found,
        "scores": [asdict(score) for score in scores],
    }


def _print(
    options: argparse.Namespace, split: Split, missing: Sequence[str], found: _Summary
) -> None:
    learnt = f"learnt from {len(split.train)} devices"
    if options.model is not None:
        learnt = f"model {options.model}"
    print(
        f"{split.name} ({split.space}): {learnt}, tested on {len(split.test)};"
        f" {options.samples} measurements each, {options.sampler}; mean ± spread of"
        f" {options.seeds} seeds"
    )
    if missing:
        print(f"not in the table: {', '.join(missing)}")
    methods = [len(method) for by_method in found.values() for method in by_method]
    row = f"{{:{max(methods) + 2}}}" + len(_HEADINGS) * " {:>12}"
    for device, by_method in found.items():
        print()
        print(row.format(device if device != "mean" else "mean of devices", *_HEADINGS.values()))
        for method, figures in by_method.items():
            cells = [_cell(name, figures[name]) for name in _HEADINGS]
            print(row.format("  " + method, *cells))


def _cell(metric: str, figure: Mapping[str, float]) -> str:
    mean, std = figure["mean"], figure["std"]
    if mean != mean:
        return "-"
    if metric in _RANKS:
        return f"{mean:.3f} ±{std:.3f}"
    if metric == "adapt_s":
        return f"{mean:.3f}"
    return f"{100 * mean:.1f} ±{100 * std:.1f}"

"""The report's figures as SVG and PNG, for papers; drawn by matplotlib, an optional dependency.

Colours are those of Okabe and Ito ("Color universal design", 2008), which colour-blind readers can
tell apart; marks and dashes differ as well. Text in an SVG stays text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.report.data import ReportData
from nas.report.history import Rollback, TrainingPoint
from nas.report.target import Member, Target

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8A8400")
MARKERS = ("o", "s", "D", "^", "v", "P", "*", "X")
DASHES = ("-", "--", ":", "-.", (0, (8, 2)), (0, (4, 1, 1, 1)), (0, (2, 3)), (0, (1, 3)))
BOUND_STYLES = {"compute": ("#D55E00", "s"), "memory": ("#0072B2", "o"), "launch": ("#CC79A7", "^")}
SIZE_INCHES = (5.2, 3.6)
PNG_DPI = 200
STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "none",
    "svg.hashsalt": "ridgeline",
}

Draw = Callable[[Any], None]
"""Draws on matplotlib axes."""


def write_figures(directory: Path, data: ReportData) -> list[Path]:
    """Writes every figure of the report that has something to show, each as SVG and PNG.

    Args:
        directory: Made where it is missing.
        data: What the report shows.

    Returns:
        The files.

    Raises:
        UserError: If matplotlib is not installed.
        OSError: If a file cannot be written.
    """
    figures: dict[str, Draw] = {}
    shown = [target for target in data.targets if target.front]
    if shown:
        figures["fronts"] = lambda axes: _fronts(axes, shown)
    for target in data.targets:
        accuracies = [evaluation.search_accuracy for evaluation in data.evaluations]
        if accuracies:
            figures[f"front-{target.name}"] = _bound(_front, target, accuracies)
        if any(member.measured_s for member in target.front):
            figures[f"audit-{target.name}"] = _bound(_audit, target)
        if target.roofline is not None and target.front:
            figures[f"roofline-{target.name}"] = _bound(_roofline, target)
    advanced = [target for target in data.targets if target.hypervolume and target.reference]
    if advanced:
        figures["hypervolume"] = lambda axes: _hypervolume(axes, advanced)
    if any(point.accuracies for point in data.training):
        figures["training"] = lambda axes: _training(axes, data.training, data.rollbacks)
    return draw_figures(directory, figures)


def draw_figures(directory: Path, figures: dict[str, Draw]) -> list[Path]:
    """Draws each figure and writes it as `NAME.svg` and `NAME.png`.

    Raises:
        UserError: If matplotlib is not installed.
        OSError: If a file cannot be written.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError(
            "figures need matplotlib, which is not installed: pip install 'ridgeline-nas[figures]'"
        ) from None
    directory.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    with rc_context(STYLE):
        for name, draw in figures.items():
            figure = Figure(figsize=SIZE_INCHES, layout="constrained")
            draw(figure.add_subplot())
            formats: dict[str, Any] = {"svg": {"metadata": {"Date": None}}, "png": {"dpi": PNG_DPI}}
            for suffix, options in formats.items():
                path = directory / f"{name}.{suffix}"
                figure.savefig(path, **options)
                written.append(path)
    return written


def series_style(number: int) -> dict[str, Any]:
    """How the n-th of several lines looks."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": DASHES[number % len(DASHES)],
        "linewidth": 1.3,
        "markersize": 4,
    }


def staircase(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points in ascending order that are higher than everything before them."""
    kept: list[tuple[float, float]] = []
    for x, y in sorted(points):
        if not kept or y > kept[-1][1]:
            kept.append((x, y))
    return kept


def _bound(draw: Callable[..., None], *arguments: Any) -> Draw:
    return lambda axes: draw(axes, *arguments)


def _latency_s(member: Member) -> float:
    return member.predicted_s if member.measured_s is None else member.measured_s


def _accuracy(member: Member) -> float:
    return member.search_accuracy if member.test_accuracy is None else member.test_accuracy


def _name_axes(axes: Any, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _fronts(axes: Any, targets: Sequence[Target]) -> None:
    for number, target in enumerate(targets):
        points = staircase(
            (1e3 * _latency_s(member), 100 * _accuracy(member)) for member in target.front
        )
        measured = any(member.measured_s for member in target.front)
        label = target.name if measured else f"{target.name}, predicted"
        axes.plot(
            *zip(*points, strict=True),
            **series_style(number),
            drawstyle="steps-post",
            label=label,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    _name_axes(axes, "latency, ms", "accuracy, %")
    axes.legend(loc="lower right")


def _front(axes: Any, target: Target, accuracies: Sequence[float]) -> None:
    axes.scatter(
        [1e3 * seconds for seconds in target.latency_s],
        [100 * accuracy for accuracy in accuracies],
        s=6,
        color="#999999",
        linewidths=0,
        rasterized=True,
        label="evaluated",
    )
    members = sorted(target.front, key=lambda member: member.predicted_s)
    if members:
        x = [1e3 * member.predicted_s for member in members]
        y = [100 * member.search_accuracy for member in members]
        low = [1e3 * (member.predicted_s - member.interval_low_s) for member in members]
        high = [1e3 * (member.interval_high_s - member.predicted_s) for member in members]
        axes.step(x, y, where="post", color=COLOURS[0], linewidth=1.2)
        level = f"front, {target.interval_level:.0%} interval"
        axes.errorbar(
            x, y, xerr=[low, high], fmt="o", color=COLOURS[0], ecolor="#9ec9e2", ms=4, label=level
        )
    measured = [member for member in members if member.measured_s is not None]
    if measured:
        axes.scatter(
            [1e3 * _latency_s(member) for member in measured],
            [100 * member.search_accuracy for member in measured],
            marker="D",
            s=18,
            color=COLOURS[1],
            zorder=3,
            label="measured",
        )
    if target.latency_limit_s is not None:
        axes.axvline(1e3 * target.latency_limit_s, color=COLOURS[3], linestyle="--", label="limit")
    _name_axes(axes, f"predicted latency on {target.name}, ms", "accuracy on the search split, %")
    axes.legend(loc="lower right")


def _audit(axes: Any, target: Target) -> None:
    measured = [member for member in target.front if member.measured_s is not None]
    x = [1e3 * member.predicted_s for member in measured]
    y = [1e3 * _latency_s(member) for member in measured]
    low = [1e3 * (member.predicted_s - member.interval_low_s) for member in measured]
    high = [1e3 * (member.interval_high_s - member.predicted_s) for member in measured]
    ends = [min(*x, *y), max(*x, *y)]
    axes.plot(ends, ends, color="#666666", linestyle="--", linewidth=1, label="exact")
    axes.errorbar(
        x, y, xerr=[low, high], fmt="D", color=COLOURS[1], ecolor="#9ec9e2", ms=4, label=target.name
    )
    _name_axes(axes, "predicted latency, ms", "measured latency, ms")
    axes.legend(loc="upper left")


def _roofline(axes: Any, target: Target) -> None:
    """The most accurate member's operators under the target's roofline."""
    roofline = target.roofline
    assert roofline is not None
    member = max(target.front, key=_accuracy)
    kernels = [
        kernel
        for kernel in roofline.networks[member.id].kernels
        if min(kernel.flops, kernel.moved_bytes, kernel.seconds) > 0
    ]
    peak = max(roofline.peaks.values())
    ridges = [peak / rate for rate in roofline.bandwidths.values()]
    intensities = [kernel.flops / kernel.moved_bytes for kernel in kernels]
    across = [*intensities, *(ridge / 4 for ridge in ridges), *(4 * ridge for ridge in ridges)]
    low, high = min(across), max(across)
    for name, rate in roofline.bandwidths.items():
        main = name == "memory"
        style = {"color": "black" if main else "#777777", "linestyle": "-" if main else "--"}
        x = [low, min(peak / rate, high)]
        axes.plot(x, [rate * value for value in x], **style, linewidth=1)
        axes.text(low, rate * low, f"{name}, {rate / 1e9:.3g} GB/s", fontsize=7, va="bottom")
    for name, value in roofline.peaks.items():
        axes.axhline(value, color="black", linewidth=1)
        text = f"{name}, {value / 1e9:.3g} GFLOP/s"
        axes.text(high, 1.05 * value, text, fontsize=7, ha="right", va="bottom")
    total_s = sum(kernel.seconds for kernel in kernels)
    for bound, (colour, marker) in BOUND_STYLES.items():
        of_bound = [kernel for kernel in kernels if kernel.bound == bound]
        if of_bound:
            axes.scatter(
                [kernel.flops / kernel.moved_bytes for kernel in of_bound],
                [kernel.flops / kernel.seconds for kernel in of_bound],
                s=[max(6.0, 700 * kernel.seconds / total_s) for kernel in of_bound],
                color=colour,
                marker=marker,
                alpha=0.6,
                label=f"{bound}-bound",
            )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(f"{member.name} on {target.name}", fontsize=9)
    _name_axes(axes, "FLOPs a byte", "FLOPs a second")
    axes.legend(loc="lower right")


def _hypervolume(axes: Any, targets: Sequence[Target]) -> None:
    for number, target in enumerate(targets):
        assert target.reference is not None
        whole = target.reference[0] * target.reference[1]
        counts = [count for count, _ in target.hypervolume]
        volumes = [100 * volume / whole for _, volume in target.hypervolume]
        style = {**series_style(number), "marker": ""}
        axes.plot(counts, volumes, **style, drawstyle="steps-post", label=target.name)
    _name_axes(axes, "evaluations", "hypervolume, % of the reference box")
    axes.legend(loc="lower right")


def _training(axes: Any, training: Sequence[TrainingPoint], rollbacks: Sequence[Rollback]) -> None:
    names = list(dict.fromkeys(name for point in training for name in point.accuracies))
    for number, name in enumerate(names):
        points = [point for point in training if name in point.accuracies]
        axes.plot(
            [point.epoch for point in points],
            [100 * point.accuracies[name] for point in points],
            **series_style(number),
            label=name,
        )
    for rollback in rollbacks:
        axes.axvline(rollback.epoch, color="0.4", linestyle=":", linewidth=1)
    _name_axes(axes, "epoch", "accuracy, %")
    axes.legend(loc="lower right")

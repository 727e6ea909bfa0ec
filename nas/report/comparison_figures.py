"""The comparison's figures as SVG and PNG: fronts, and hypervolumes with their spread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas.report.comparison import ComparedStudy, groups, spread
from nas.report.figures import COLOURS, Draw, draw_figures, series_style, staircase
from nas.report.payload import changes


def write_comparison_figures(directory: Path, studies: Sequence[ComparedStudy]) -> list[Path]:
    """Writes two figures a common target, each as SVG and PNG.

    Args:
        directory: Made where it is missing.
        studies: At least one.

    Returns:
        The files.

    Raises:
        UserError: If matplotlib is not installed.
        OSError: If a file cannot be written.
    """
    figures: dict[str, Draw] = {}
    for target in studies[0].targets:
        figures[f"fronts-{target}"] = lambda axes, target=target: _fronts(axes, target, studies)
        figures[f"hypervolume-{target}"] = lambda axes, target=target: _hypervolume(
            axes, target, studies
        )
    return draw_figures(directory, figures)


def _fronts(axes: Any, target: str, studies: Sequence[ComparedStudy]) -> None:
    for number, (group, members) in enumerate(groups(studies).items()):
        for position, study in enumerate(members):
            points = staircase((1e3 * s, 100 * a) for s, a in study.targets[target].front)
            if points:
                label = group if position == 0 else None
                style = series_style(number)
                axes.plot(*zip(*points, strict=True), **style, drawstyle="steps-post", label=label)
    axes.set_xlabel(f"latency on {target}, ms")
    axes.set_ylabel("accuracy, %")
    axes.legend(loc="lower right")


def _hypervolume(axes: Any, target: str, studies: Sequence[ComparedStudy]) -> None:
    for number, (group, members) in enumerate(groups(studies).items()):
        counts, values = spread([changes(study.targets[target].hypervolume) for study in members])
        style = {**series_style(number), "marker": ""}
        axes.plot(counts, 100 * values[:, 1], **style, drawstyle="steps-post", label=group)
        if len(members) > 1:
            colour = COLOURS[number % len(COLOURS)]
            band = 100 * values[:, 0], 100 * values[:, 2]
            axes.fill_between(counts, *band, step="post", color=colour, alpha=0.2, linewidth=0)
    axes.set_xlabel("evaluations")
    axes.set_ylabel(f"hypervolume on {target}, % of the box")
    axes.legend(loc="lower right")

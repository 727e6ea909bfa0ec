"""`nas compare`: studies beside each other."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.columns import print_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nas.report.comparison import GroupFigures


def register(app: typer.Typer) -> None:
    """Adds the command to the command line."""
    app.command("compare", rich_help_panel="Search")(compare)


def compare(
    studies: Annotated[
        list[Path], typer.Argument(metavar="STUDY...", help="Study directories, two or more.")
    ],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write a page of them.")
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(
            "--figures", metavar="DIR", help="Also write SVG and PNG figures; needs matplotlib."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare studies: fronts and hypervolumes on their common targets, and the spread over seeds.

    Studies that differ only in seed, name and place count as one group.
    """
    if len(studies) < 2:
        raise typer.BadParameter(f"expected at least two studies, got {len(studies)}")
    from nas.report.comparison import group_figures, render_comparison
    from nas.report.html import write_page
    from nas.stages.comparing import compare_studies

    found = compare_studies(studies)
    if html is not None:
        write_page(html, render_comparison(found))
    if figures is not None:
        from nas.report.comparison_figures import write_comparison_figures

        write_comparison_figures(figures, found)
    if as_json:
        print(json.dumps([asdict(group) for group in group_figures(found)], indent=2))
    else:
        _print(group_figures(found))


def _print(found: Sequence[GroupFigures]) -> None:
    header = (
        "target",
        "studies",
        "seeds",
        "evaluations",
        "hypervolume",
        "lowest",
        "highest",
        "verified",
        "search accuracy",
    )
    rows = [
        (
            one.target,
            one.group,
            str(one.studies),
            str(one.evaluations),
            *(f"{value:.4f}" for value in (one.median, one.lowest, one.highest)),
            "-" if one.verified_median is None else f"{one.verified_median:.4f}",
            f"{one.search_accuracy:.2%}",
        )
        for one in found
    ]
    print_columns(header, rows)

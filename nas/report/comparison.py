"""Several studies beside each other, as plain frozen data and as a page.

Studies that differ in nothing but seed, name and place are one group; a group of several shows how
much a result depends on the seed. Hypervolumes of a target are shares of one box for all studies:
between no error at no latency, and 100 % error at the largest of the studies' reference latencies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float, Int

from nas.report.html import CHARTS, read_part, render_page
from nas.report.payload import changes, rounded

GRID = 200
"""Most points of a group's curve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedTarget:
    """One target of one study.

    Attributes:
        front: Latency in seconds and accuracy (0..1), both ascending: of a verified front as tested
            and measured, of another as predicted and on the search split.
        verified: Whether every member was tested and, where the target can be measured, measured.
        hypervolume: Share of the common box after each evaluation, predicted latency and accuracy
            of the search split.
        verified_hypervolume: Of `front`, None unless it is verified.
        best_search_accuracy: Of the most accurate member on the search split; 0 without members.
    """

    front: tuple[tuple[float, float], ...]
    verified: bool
    hypervolume: tuple[tuple[int, float], ...]
    verified_hypervolume: float | None
    best_search_accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedStudy:
    """One study; `targets` holds those that all compared studies have, by name."""

    label: str
    group: str
    seed: int
    evaluations: int
    targets: Mapping[str, ComparedTarget]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFigures:
    """A group's result on a target; hypervolumes are shares of the common box.

    `search_accuracy` is the median over studies of their most accurate member's.
    """

    target: str
    group: str
    studies: int
    evaluations: int
    median: float
    lowest: float
    highest: float
    verified_median: float | None
    search_accuracy: float


def group_figures(studies: Sequence[ComparedStudy]) -> list[GroupFigures]:
    """For each common target and group the median hypervolume at the end and its spread."""
    found: list[GroupFigures] = []
    for target in studies[0].targets:
        for group, members in groups(studies).items():
            ends = [study.targets[target].hypervolume[-1][1] for study in members]
            verified = [
                volume
                for study in members
                if (volume := study.targets[target].verified_hypervolume) is not None
            ]
            accuracies = [study.targets[target].best_search_accuracy for study in members]
            found.append(
                GroupFigures(
                    target=target,
                    group=group,
                    studies=len(members),
                    evaluations=min(study.evaluations for study in members),
                    median=float(np.median(ends)),
                    lowest=min(ends),
                    highest=max(ends),
                    verified_median=(
                        float(np.median(verified)) if len(verified) == len(members) else None
                    ),
                    search_accuracy=float(np.median(accuracies)),
                )
            )
    return found


def groups(studies: Sequence[ComparedStudy]) -> dict[str, list[ComparedStudy]]:
    """The studies by group, in the order of first appearance."""
    found: dict[str, list[ComparedStudy]] = {}
    for study in studies:
        found.setdefault(study.group, []).append(study)
    return found


def spread(
    histories: Sequence[Sequence[tuple[int, float]]],
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n 3"]]:
    """Lowest, median and highest value of several staircases, as long as all of them go on.

    Args:
        histories: Counts, which ascend, and the value from each on.

    Returns:
        Counts, and the three values at each.
    """
    end = min(history[-1][0] for history in histories)
    begin = max(history[0][0] for history in histories)
    counts = np.array(sorted({c for history in histories for c, _ in history if begin <= c <= end}))
    if len(counts) > GRID:
        counts = counts[np.linspace(0, len(counts) - 1, GRID).round().astype(int)]
    values = np.stack(
        [
            np.array([value for _, value in history])[
                np.searchsorted([count for count, _ in history], counts, side="right") - 1
            ]
            for history in histories
        ]
    )
    return counts, np.stack([values.min(0), np.median(values, axis=0), values.max(0)], axis=1)


def render_comparison(studies: Sequence[ComparedStudy]) -> str:
    """The page as text."""
    names = [study.label for study in studies]
    return render_page(
        title=f"{' · '.join(names[:3])} · Ridgeline comparison",
        body=read_part("compare.html"),
        scripts=(*CHARTS, "theme.js", "compare.js"),
        data={
            "studies": [
                {"label": s.label, "group": s.group, "seed": s.seed, "evaluations": s.evaluations}
                for s in studies
            ],
            "figures": [asdict(figures) for figures in group_figures(studies)],
            "targets": [_target_payload(target, groups(studies)) for target in studies[0].targets],
        },
    )


def _target_payload(
    target: str, by_group: Mapping[str, Sequence[ComparedStudy]]
) -> dict[str, object]:
    curves: list[dict[str, object]] = []
    for group, studies in by_group.items():
        counts, values = spread([changes(study.targets[target].hypervolume) for study in studies])
        columns = [rounded(column) for column in values.T.tolist()]
        curves.append(
            {
                "group": group,
                "counts": counts.tolist(),
                "lowest": columns[0],
                "median": columns[1],
                "highest": columns[2],
                "studies": len(studies),
                "fronts": [
                    {
                        "label": study.label,
                        "verified": study.targets[target].verified,
                        "points": study.targets[target].front,
                    }
                    for study in studies
                ],
            }
        )
    return {"name": target, "groups": curves}

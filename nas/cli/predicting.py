"""`nas predict`: the latency of architectures on a study's targets, or on a device."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.columns import figure, print_columns

if TYPE_CHECKING:
    from latency_models import LatencyPredictor
    from search_spaces import Architecture

INTERVAL = (0.05, 0.95)
"""Quantiles between which nine of ten latencies are expected."""


@dataclass(frozen=True)
class _Predicted:
    """One line of the answer."""

    architecture: str
    target: str
    latency_s: float
    interval_s: tuple[float, float]
    params: int
    macs: int


@dataclass(frozen=True)
class _Target:
    """A predictor with what it takes to make workloads for it."""

    name: str
    predictor: LatencyPredictor
    dtype: str
    batch_size: int


def predict(
    files: Annotated[
        list[Path], typer.Argument(metavar="ARCHITECTURE...", help="JSON files, as export writes.")
    ],
    study: Annotated[
        Path | None, typer.Option("--study", metavar="DIR", help="Use this study's predictors.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", help="Only this target of the study.")
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="Predict from a datasheet; `nas devices` lists.")
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="With --device; float32 by default.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="With --device; 1.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="With --device; all cores.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Predict the latency of architectures, on a study's targets or on a device."""
    if (study is None) == (device is None):
        raise typer.BadParameter("expected either --study DIR or --device NAME")
    if device is not None:
        if target is not None:
            raise typer.BadParameter("--target goes with --study")
        targets = [_device_target(device, dtype or "float32", batch_size or 1, threads)]
    else:
        assert study is not None
        if (dtype, batch_size, threads) != (None, None, None):
            raise typer.BadParameter(
                "--dtype, --batch-size and --threads go with --device; a study's targets fix them"
            )
        targets = _study_targets(study, target)
    found = [row for chosen in targets for row in _predict(files, chosen)]
    if as_json:
        print(json.dumps([row.__dict__ for row in found], indent=2))
    else:
        _print(found)


def _device_target(name: str, dtype: str, batch_size: int, threads: int | None) -> _Target:
    from latency_models import DTYPE_BYTES, find_device
    from latency_models.meta import load_pretrained

    if dtype not in DTYPE_BYTES:
        raise typer.BadParameter(f"--dtype must be one of {', '.join(DTYPE_BYTES)}, got {dtype!r}")
    predictor = load_pretrained().for_device(
        find_device(name), threads=threads, batch_size=batch_size, dtype=dtype
    )
    return _Target(name, predictor, dtype, batch_size)


def _study_targets(path: Path, name: str | None) -> list[_Target]:
    from latency_models.meta import load_predictor
    from nas.config import parse_config
    from nas.errors import StudyError
    from nas.study import Study

    with Study.open(path, read_only=True) as study:
        config = parse_config(study.config, source=f"{path}/config.yaml")
        adapted = study.stage_done("adapt")
    names = [target.name for target in config.targets]
    if name is not None and name not in names:
        raise StudyError(f"{path}: --target must be one of {', '.join(names)}, got {name!r}")
    if not adapted:
        raise StudyError(f"{path}: has no predictors yet; `nas adapt {path}` first")
    return [
        _Target(
            target.name,
            load_predictor(path / "predictors" / target.name),
            target.dtype,
            target.batch_size,
        )
        for target in config.targets
        if name in (None, target.name)
    ]


def _predict(files: Sequence[Path], target: _Target) -> list[_Predicted]:
    workloads = [
        _read(file).workload(batch_size=target.batch_size, dtype=target.dtype) for file in files
    ]
    prediction = target.predictor.predict(workloads)
    low, high = (prediction.quantile_s(q) for q in INTERVAL)
    return [
        _Predicted(
            architecture=str(file),
            target=target.name,
            latency_s=float(prediction.median_s[i]),
            interval_s=(float(low[i]), float(high[i])),
            params=workload.params,
            macs=workload.macs // target.batch_size,
        )
        for i, (file, workload) in enumerate(zip(files, workloads, strict=True))
    ]


def _read(file: Path) -> Architecture:
    from nas.errors import UserError
    from search_spaces import Architecture

    try:
        return Architecture.from_json(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise UserError(f"{file}: expected an architecture as JSON, got a binary file") from None
    except ValueError as error:
        raise UserError(f"{file}: {error}") from None


def _print(rows: Sequence[_Predicted]) -> None:
    header = ("architecture", "target", "latency ms", "5 %", "95 %", "params", "MACs")
    print_columns(
        header,
        [
            (
                row.architecture,
                row.target,
                *(figure(value, 1e-3) for value in (row.latency_s, *row.interval_s)),
                f"{row.params:,}",
                f"{row.macs:,}",
            )
            for row in rows
        ],
    )

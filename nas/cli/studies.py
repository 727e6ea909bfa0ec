"""The commands of a search: the whole run, its stages one by one, the schema of its config.

`nas run` and `nas train` make the study directory; the other stages work on one that exists.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from nas.config import Config
    from nas.study import Study

INTERRUPTED = 130

AFTER_TRAINING = ("adapt", "search", "verify", "export", "report")
"""Stages that are gone through again when a study gets another target."""

Source = Annotated[
    Path,
    typer.Argument(metavar="CONFIG|STUDY", help="A config file, or a study directory to continue."),
]
StudyPath = Annotated[
    Path, typer.Argument(metavar="STUDY", help="A study directory, as `nas run` makes it.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override the config: search.evaluations=200. Repeatable.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", metavar="DIR", help="Study directory, instead of the config's output."
    ),
]
Target = Annotated[
    str | None, typer.Option("--target", help="Only the members of this target's front.")
]
Latency = Annotated[
    float | None,
    typer.Option(
        "--latency-ms", help="The most accurate member within this latency; needs --target."
    ),
]
Confidence = Annotated[
    float | None,
    typer.Option(
        "--confidence",
        min=0.5,
        max=0.999,
        help="How surely the latency is kept, 0.5 unless given: the share of timed runs, or of "
        "the prediction's probability, within it. Needs --latency-ms.",
    ),
]
Format = Annotated[
    list[str] | None,
    typer.Option("--format", help="onnx, stablehlo or flax, instead of the config's. Repeatable."),
]
Int8 = Annotated[
    bool,
    typer.Option("--int8", help="Also as ONNX in int8; accuracy and latency of both are measured."),
]
Finetune = Annotated[
    int | None,
    typer.Option(
        "--finetune-epochs", help="Train each exported network on its own for so long first."
    ),
]


Trust = Annotated[
    bool,
    typer.Option(
        "--trust", help="Run the programs and use the server that the study's own config names."
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.command("run", rich_help_panel="Search")(run)
    stages = {
        "train": train,
        "adapt": adapt,
        "search": search,
        "verify": verify,
        "export": export,
        "report": report,
    }
    for name, command in stages.items():
        app.command(name, rich_help_panel="Its stages, one by one")(command)
    app.command("schema", rich_help_panel="Search")(schema)


def run(
    source: Source, overrides: Overrides = None, output: Output = None, trust: Trust = False
) -> None:
    """Run a whole search, or continue one: train, adapt, search, verify, export, report.

    Stages that are complete are not run again, and no evaluation is repeated. A config with more
    targets than the study's, at the end of the list, adds them: all evaluations count for them too.
    """
    with _open_or_create(source, overrides or (), output, trust=trust) as (study, config):
        from nas.stages import STAGES

        for name, stage in STAGES.items():
            if not study.stage_done(name):
                stage(study, config)
        print(f"report: {(study.path / 'report.html').absolute()}")


def train(
    source: Source, overrides: Overrides = None, output: Output = None, trust: Trust = False
) -> None:
    """Train the supernet; makes the study where a config is given."""
    with _open_or_create(source, overrides or (), output, trust=trust) as (study, config):
        _run_stage("train", study, config)


def adapt(study_path: StudyPath, trust: Trust = False) -> None:
    """Give every target a latency predictor, from its datasheet and a few measurements."""
    with _open(study_path, trust=trust) as (study, config):
        _run_stage("adapt", study, config)


def search(study_path: StudyPath, trust: Trust = False) -> None:
    """Search the accuracy-latency fronts of all targets at once."""
    with _open(study_path, trust=trust) as (study, config):
        _run_stage("search", study, config)


def verify(study_path: StudyPath, trust: Trust = False) -> None:
    """Evaluate every member of every front on the test split, and measure it where possible."""
    with _open(study_path, trust=trust) as (study, config):
        _run_stage("verify", study, config)


def export(
    study_path: StudyPath,
    target: Target = None,
    latency_ms: Latency = None,
    confidence: Confidence = None,
    formats: Format = None,
    int8: Int8 = False,
    finetune_epochs: Finetune = None,
    trust: Trust = False,
) -> None:
    """Write networks as ONNX, StableHLO and Flax with weights, each checked against its logits.

    Without options the members that the config chooses, once; with options those chosen here.
    """
    changes: dict[str, Any] = {}
    if confidence is not None and latency_ms is None:
        raise typer.BadParameter("--confidence needs --latency-ms")
    if target is not None:
        choice = {"target": target, "latency_ms": latency_ms, "confidence": confidence or 0.5}
        changes["members"] = [choice]
    elif latency_ms is not None:
        raise typer.BadParameter("--latency-ms needs --target")
    if formats:
        changes["formats"] = formats
    if int8:
        changes["int8"] = True
    if finetune_epochs is not None:
        changes["finetune_epochs"] = finetune_epochs
    with _open(study_path, trust=trust) as (study, config):
        from nas.config import parse_config

        document = config.to_document()
        document["export"].update(changes)
        _run_stage(
            "export", study, parse_config(document, source="nas export"), again=bool(changes)
        )


def report(
    study_path: StudyPath,
    figures: Annotated[
        bool,
        typer.Option("--figures", help="Also write its figures as SVG and PNG; needs matplotlib."),
    ] = False,
) -> None:
    """Write report.html anew."""
    with _open(study_path, trust=True) as (study, config):
        _run_stage("report", study, config, again=True)
        print(f"report: {(study.path / 'report.html').absolute()}")
        if figures:
            from nas.stages.report import figures_of

            print(f"{len(figures_of(study, config))} figures: {study.path.absolute() / 'figures'}")


def schema() -> None:
    """Print the JSON schema of config files."""
    from nas.config import config_schema

    print(json.dumps(config_schema(), indent=2))


def _run_stage(
    name: Literal["train", "adapt", "search", "verify", "export", "report"],
    study: Study,
    config: Config,
    *,
    again: bool = False,
) -> None:
    from nas.errors import StudyError
    from nas.stages import STAGES

    order = list(STAGES)
    for needed in order[: order.index(name)]:
        # A report needs no exported networks: it shows what was verified.
        if not study.stage_done(needed) and (name, needed) != ("report", "export"):
            raise StudyError(
                f"{study.path}: {name} needs {needed} to be complete; "
                f"`nas {needed} {study.path}` first"
            )
    if study.stage_done(name) and not again:
        print(f"{name}: complete already")
        return
    STAGES[name](study, config)


@contextmanager
def _open(path: Path, *, trust: bool) -> Generator[tuple[Study, Config]]:
    """Opens a study; unless it is trusted, its config may not reach out of it."""
    from nas.config import parse_config
    from nas.study import Study

    if path.is_file():
        raise typer.BadParameter(
            f"{path}: expected a study directory; a config file is for `nas run` and `nas train`"
        )
    with Study.open(path) as study, _continuable(study):
        config = parse_config(study.config, source=f"{path}/config.yaml")
        if not trust:
            _refuse_reaching_out(path, config)
        yield study, config


def _refuse_reaching_out(path: Path, config: Config) -> None:
    """A study may come from anybody: that it is continued starts no program and uses no login."""
    from nas.errors import StudyError

    found = [
        f"targets.{target.name} runs the program {' '.join(target.command)}"
        for target in config.targets
        if target.command
    ]
    mlflow = config.tracking.mlflow
    if mlflow is not None and mlflow.uri is not None:
        found.append(f"tracking.mlflow logs in to {mlflow.uri}")
    if found:
        raise StudyError(
            f"{path}/config.yaml: {found[0]}; if you know where the study comes from, add --trust, "
            "or give the config that it was made with instead of the study"
        )


@contextmanager
def _open_or_create(
    source: Path, overrides: Sequence[str], output: Path | None, *, trust: bool
) -> Generator[tuple[Study, Config]]:
    if source.is_dir():
        if overrides or output is not None:
            raise typer.BadParameter(
                f"--set and --output go with a config; the study {source} keeps the config "
                "that it was made with"
            )
        with _open(source, trust=trust) as opened:
            yield opened
        return
    from nas.config import load_config
    from nas.study import Study

    config = load_config(source, overrides)
    if output is not None:
        config = config.model_copy(update={"output": output})
    if Study.exists(config.output):
        # What the study's config reaches out to, the config that is given here names as well.
        with _open(config.output, trust=True) as (study, kept):
            if study.stages() and _adds_targets(kept, config):
                study.write_config(config.to_document())
                for stage in AFTER_TRAINING:
                    study.reopen_stage(stage)
                kept = config
            elif study.stages():
                _refuse_changes(study, kept, config)
            else:
                # Nothing came of the old config, perhaps since its data or options were wrong.
                study.write_config(config.to_document())
                kept = config
            yield study, kept
        return
    with Study.create(config.output, config.to_document()) as study, _continuable(study):
        yield study, config


@contextmanager
def _continuable(study: Study) -> Generator[None]:
    """Says how to go on when the user interrupts."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"\nnas: interrupted; `nas run {study.path}` continues", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


def _adds_targets(kept: Config, asked: Config) -> bool:
    """Whether the config asked for is the study's with more targets, evaluations or time."""
    before, after = kept.to_document(), asked.to_document()
    targets = len(before["targets"])
    if len(after["targets"]) <= targets:
        return False
    after["targets"] = after["targets"][:targets]
    after["output"] = before["output"]
    for limit in ("evaluations", "max_hours", "patience"):
        after["search"][limit] = before["search"][limit]
    return before == after


def _refuse_changes(study: Study, kept: Config, asked: Config) -> None:
    """A study is of one config: results of different settings are never mixed."""
    from nas.errors import StudyError

    before, after = kept.to_document(), asked.to_document()
    before.pop("output")
    after.pop("output")
    changed = _differences(before, after)
    if changed:
        raise StudyError(
            f"{study.path}: holds a study of another config ({', '.join(changed[:3])}); "
            f"--output DIR makes a new one, `nas run {study.path}` continues the old one"
        )


def _differences(before: Any, after: Any, place: str = "") -> list[str]:
    if before == after:
        return []
    if isinstance(before, dict) and isinstance(after, dict):
        prefix = f"{place}." if place else ""
        keys = dict.fromkeys([*before, *after])
        return [
            text
            for key in keys
            for text in _differences(before.get(key), after.get(key), f"{prefix}{key}")
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            text
            for i, pair in enumerate(zip(before, after, strict=True))
            for text in _differences(*pair, f"{place}.{i}")
        ]
    return [f"{place}: {json.dumps(before)} there, {json.dumps(after)} here"]

"""The report as one HTML file that needs nothing else: no server, no network, no library.

The data travels as JSON inside the page, and the page's script puts every text in place as text,
never as markup; a content security policy lets only that one script run and forbids every request.
"""

import base64
import hashlib
import html
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from string import Template as PageTemplate
from typing import Any

from nas.report.data import Member, ReportData, Target, TrainingPoint
from nas.report.drawing import draw_architecture

SCRIPTS = (
    "figures.js",
    "plot.js",
    "pointer.js",
    "front.js",
    "curves.js",
    "architecture.js",
    "table.js",
    "panel.js",
    "ship.js",
    "page.js",
)


def write_report(path: Path, data: ReportData) -> None:
    """Writes the report to `path`, whole or not at all; its directory must exist.

    Raises:
        OSError: If the file cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(render_report(data).encode("utf-8", "replace"))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def render_report(data: ReportData) -> str:
    """The page as text."""
    script = '"use strict";\n(() => {\n' + "\n".join(map(_read, SCRIPTS)) + "\n})();"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; "
        "style-src 'unsafe-inline'; img-src data:"
    )
    return PageTemplate(_read("template.html")).substitute(
        title=html.escape(data.study_name),
        policy=html.escape(policy),
        style=_read("style.css"),
        data=embed_json(report_payload(data)),
        script=script,
    )


def embed_json(value: object) -> str:
    """JSON that is safe inside a script element: no character that HTML could take for markup."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def report_payload(data: ReportData) -> dict[str, Any]:
    """What the page's script reads: evaluations as columns, to six significant digits."""
    evaluations = data.evaluations
    return {
        "study": {
            "name": data.study_name,
            "path": data.study_path,
            "created": data.created,
            "config": data.config,
            "seeds": dict(data.seeds),
            "versions": dict(data.versions),
            "stages": [
                {"name": name, "duration_s": duration_s}
                for name, duration_s in data.stage_durations_s.items()
            ],
            "failed": data.failed_evaluations,
        },
        "dataset": asdict(data.dataset),
        "decisions": [asdict(decision) for decision in data.decisions],
        "evaluations": {
            "id": [evaluation.id for evaluation in evaluations],
            "genotype": [list(map(int, evaluation.genotype)) for evaluation in evaluations],
            "accuracy": _rounded([evaluation.search_accuracy for evaluation in evaluations]),
            "params": [evaluation.params for evaluation in evaluations],
            "macs": [evaluation.macs for evaluation in evaluations],
        },
        "targets": [_target_payload(target) for target in data.targets],
        "training": [_point_payload(point) for point in data.training],
    }


def _point_payload(point: TrainingPoint) -> dict[str, Any]:
    return {
        "epoch": point.epoch,
        "loss": point.loss,
        "smallest_accuracy": point.smallest_accuracy,
        "largest_accuracy": point.largest_accuracy,
        "sampled_accuracy": dict(point.sampled_accuracy),
    }


def _target_payload(target: Target) -> dict[str, Any]:
    return {
        "name": target.name,
        "device": target.device,
        "runtime": target.runtime,
        "dtype": target.dtype,
        "batch_size": target.batch_size,
        "threads": target.threads,
        "measurable": target.measurable,
        "constraints": list(target.constraints),
        "latency_limit_s": target.latency_limit_s,
        "feasible": target.feasible,
        "adaptation_samples": target.adaptation_samples,
        "interval_level": target.interval_level,
        "latency_s": _rounded(target.latency_s),
        "violation": _rounded(target.violation),
        "front": [_member_payload(member) for member in target.front],
        "closest": None if target.closest is None else _member_payload(target.closest),
        "hypervolume": [[count, value] for count, value in target.hypervolume],
        "reference": target.reference,
        "audit": None if target.audit is None else asdict(target.audit),
    }


def _member_payload(member: Member) -> dict[str, Any]:
    return {
        "id": member.id,
        "drawing": draw_architecture(member.architecture),
        "predicted_s": member.predicted_s,
        "interval_low_s": member.interval_low_s,
        "interval_high_s": member.interval_high_s,
        "measured_s": member.measured_s,
        "noisy": member.noisy,
        "search_accuracy": member.search_accuracy,
        "test_accuracy": member.test_accuracy,
        "params": member.params,
        "macs": member.macs,
        "peak_activation_bytes": member.peak_activation_bytes,
        "broke_constraint": member.broke_constraint,
    }


def _rounded(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def _read(name: str) -> str:
    return resources.files("nas.report").joinpath("page", name).read_text("utf-8")

"""The report of a study: one self-contained HTML file.

`write_report(path, data)` writes it; `ReportData` and its parts say what goes in.
"""

from nas.report.data import DatasetSummary, Energy, Evaluation, ReportData
from nas.report.exported import ExportedNetwork, Int8Run, Share
from nas.report.history import (
    Failure,
    Rollback,
    SearchHistory,
    SurrogatePoint,
    TrainingPoint,
    Worker,
)
from nas.report.html import render_report, write_report
from nas.report.operators import Kernel, NetworkTimes, Roofline
from nas.report.target import CONFIDENCES, Audit, Baseline, Member, Target

__all__ = [
    "CONFIDENCES",
    "Audit",
    "Baseline",
    "DatasetSummary",
    "Energy",
    "Evaluation",
    "ExportedNetwork",
    "Failure",
    "Int8Run",
    "Kernel",
    "Member",
    "NetworkTimes",
    "ReportData",
    "Rollback",
    "Roofline",
    "SearchHistory",
    "Share",
    "SurrogatePoint",
    "Target",
    "TrainingPoint",
    "Worker",
    "render_report",
    "write_report",
]

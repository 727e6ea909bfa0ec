"""The report of a study: one self-contained HTML file.

`write_report(path, data)` writes it; `ReportData` and its parts say what goes in.
"""

from nas.report.data import (
    Audit,
    DatasetSummary,
    Evaluation,
    Member,
    ReportData,
    Target,
    TrainingPoint,
)
from nas.report.html import render_report, write_report

__all__ = [
    "Audit",
    "DatasetSummary",
    "Evaluation",
    "Member",
    "ReportData",
    "Target",
    "TrainingPoint",
    "render_report",
    "write_report",
]

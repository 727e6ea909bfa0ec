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
from importlib import resources
from pathlib import Path
from string import Template as PageTemplate

from nas.report.data import ReportData
from nas.report.payload import report_payload

CHARTS = ("figures.js", "plot.js", "lines.js")
"""What every page of ours draws with."""

SCRIPTS = (
    *CHARTS,
    "pointer.js",
    "marks.js",
    "front.js",
    "audit.js",
    "curves.js",
    "architecture.js",
    "comparison.js",
    "table.js",
    "panel.js",
    "network.js",
    "ship.js",
    "roofline.js",
    "time.js",
    "overlay.js",
    "history.js",
    "exported.js",
    "study.js",
    "theme.js",
    "page.js",
)


def write_report(path: Path, data: ReportData) -> None:
    """Writes the report to `path`, whole or not at all; its directory must exist.

    Raises:
        OSError: If the file cannot be written.
    """
    write_page(path, render_report(data))


def render_report(data: ReportData) -> str:
    """The page as text."""
    return render_page(
        title=f"{data.study_name} · Ridgeline report",
        body=read_part("report.html"),
        scripts=SCRIPTS,
        data=report_payload(data),
    )


def render_page(*, title: str, body: str, scripts: Sequence[str], data: object) -> str:
    """A page whose scripts, run in order, find `data` as JSON in the element `data`."""
    script = '"use strict";\n(() => {\n' + "\n".join(map(read_part, scripts)) + "\n})();"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; base-uri 'none'; form-action 'none'; script-src 'sha256-{digest}'; "
        "style-src 'unsafe-inline'; img-src data:"
    )
    return PageTemplate(read_part("template.html")).substitute(
        title=html.escape(title),
        policy=html.escape(policy),
        style=read_part("style.css"),
        body=body,
        data=embed_json(data),
        script=script,
    )


def write_page(path: Path, text: str) -> None:
    """Writes a page to `path`, whole or not at all; its directory must exist.

    Raises:
        OSError: If the file cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(text.encode("utf-8", "replace"))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def embed_json(value: object) -> str:
    """JSON that is safe inside a script element: no character that HTML could take for markup."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def read_part(name: str) -> str:
    """A file of the page's sources."""
    return resources.files("nas.report").joinpath("page", name).read_text("utf-8")

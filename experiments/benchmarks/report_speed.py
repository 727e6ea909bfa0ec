"""How quick the report is in a browser with many evaluations.

Takes a finished study, repeats its evaluations with latencies and accuracies moved by up to 5 %
until there are as many as asked for, writes the report and opens it in headless Chromium. Medians
of the rounds, in milliseconds: until the page has loaded, and from a click to the second frame
after it.

    python experiments/benchmarks/report_speed.py STUDY --evaluations 10000

Needs playwright and a Chromium. Writes report_speed.json beside it.
"""

import argparse
import json
import shutil
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from nas.config import parse_config
from nas.report import ReportData, write_report
from nas.stages.report import report_data
from nas.study import Study

ROUNDS = 5
CLICKS = {
    "switch target": "document.getElementById('tab-1').click()",
    "select a network": "document.querySelectorAll('.pick')[2].click()",
    "pin and compare": (
        "document.querySelector('.network .quiet').click();"
        "document.querySelectorAll('.pick')[0].click()"
    ),
    "show all evaluations": "document.querySelector('.under-plot .quiet').click()",
    "hide a target": "document.querySelector('.toggles input').click()",
    "change theme": "document.getElementById('theme').click()",
}
HOVER = """
const layer = document.querySelector(".plot svg"), box = layer.getBoundingClientRect();
for (let i = 0; i < 100; i++)
  layer.dispatchEvent(new PointerEvent("pointermove", {
    clientX: box.left + 60 + i, clientY: box.top + 60 + i, bubbles: true }));
"""
TIMED = """async () => {
  const begin = performance.now();
  %s;
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return performance.now() - begin;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("--evaluations", type=int, default=10_000)
    arguments = parser.parse_args()
    with Study.open(arguments.study, read_only=True) as study:
        config = parse_config(study.config, source=str(arguments.study))
        data = enlarged(report_data(study, config), arguments.evaluations)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "report.html"
        write_report(path, data)
        size, found = path.stat().st_size, measured(path)
    medians = {name: round(statistics.median(times)) for name, times in found.items()}
    print(f"{len(data.evaluations)} evaluations, {len(data.targets)} targets, {size / 1e6:.1f} MB")
    for name, time_ms in medians.items():
        print(f"{name:24} {time_ms:6d} ms")
    result = {"evaluations": len(data.evaluations), "bytes": size, "milliseconds": medians}
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n")


def enlarged(data: ReportData, count: int) -> ReportData:
    """The report with so many evaluations; what its fronts hold stays."""
    rng = np.random.default_rng(0)
    known = data.evaluations
    source = [*range(len(known)), *rng.integers(0, len(known), count - len(known)).tolist()]
    factor = np.concatenate([np.ones(len(known)), rng.uniform(0.95, 1.05, count - len(known))])
    first = max(evaluation.id for evaluation in known) + 1
    evaluations = [
        replace(
            known[row],
            id=known[row].id if i < len(known) else first + i,
            search_accuracy=min(1.0, known[row].search_accuracy * factor[i]),
        )
        for i, row in enumerate(source)
    ]
    targets = tuple(
        replace(
            target,
            latency_s=[target.latency_s[row] / factor[i] for i, row in enumerate(source)],
            violation=[target.violation[row] for row in source] if target.violation else (),
        )
        for target in data.targets
    )
    history = data.history
    if history is not None:
        history = replace(history, elapsed_s=np.linspace(0.0, 1e4, count).tolist())
    return replace(data, evaluations=tuple(evaluations), targets=targets, history=history)


def measured(path: Path) -> dict[str, list[float]]:
    """Milliseconds of every round."""
    found: dict[str, list[float]] = {"load": [], **{name: [] for name in CLICKS}}
    found["100 moves of the pointer"] = []
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        for _ in range(ROUNDS):
            page: Page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(path.as_uri())
            page.wait_for_selector(".member")
            loaded = "performance.getEntriesByType('navigation')[0].loadEventEnd"
            found["load"].append(page.evaluate(loaded))
            for name, click in CLICKS.items():
                found[name].append(page.evaluate(TIMED % click))
            found["100 moves of the pointer"].append(page.evaluate(TIMED % HOVER))
            page.close()
        browser.close()
    return found


if __name__ == "__main__":
    main()

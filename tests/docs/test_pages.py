"""Every code block of README and docs does what it says."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from nas.config import parse_config
from nas.evolution.sorting import non_dominated_mask
from search_spaces import NasBench201Space
from tests.docs.blocks import WORDS, Block, blocks_of, inline_code
from tests.docs.commands import ROOT, check_command, check_inline, lines_of
from tests.docs.made_up import make_files
from tests.nas.stages import tiny

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
SHELL = ("sh", "bash", "console")


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_block_says_how_it_is_checked(page: Path) -> None:
    for block in blocks_of(page):
        assert block.checks, f"{block.place}: no mark before this block; see tests/docs/blocks.py"
        assert set(block.checks) <= WORDS, block.place


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_in_the_running_text_exist(page: Path) -> None:
    for code in inline_code(page):
        if code:
            check_inline(code)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_a_pages_blocks_hold(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = blocks_of(page)
    monkeypatch.chdir(tmp_path)
    if any("run" in block.checks for block in blocks):
        make_files(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks:
        check_block(block, names)
    if page.name in AFTERWARDS:
        AFTERWARDS[page.name](names)


def check_block(block: Block, names: dict[str, Any]) -> None:
    """Checks a block in the current directory, after those before it on the page."""
    if "file" in block.checks:
        Path(block.checks["file"]).write_text(block.text)
    if "install" in block.checks:
        install(tomllib.loads(block.text)["project"])
    if "config" in block.checks:
        document = yaml.safe_load(tiny.CONFIG) | yaml.safe_load(block.text)
        parse_config(document, source=block.place)
    if "command" in block.checks:
        for line in lines_of(block.text):
            check_command(line)
    if "data" in block.checks:
        parse(block)
    if "test" in block.checks:
        test = (ROOT / block.checks["test"]).read_text()
        assert f"docs/{block.place.partition(':')[0]}" in test, block.place
    if "run" in block.checks and block.language == "python":
        exec(compile(block.text, block.place, "exec"), names)
    elif "run" in block.checks:
        assert block.language in SHELL, block.place
        run_shell(block)


def run_shell(block: Block) -> None:
    """Runs a block as a shell does, with this tree's packages and what the page has installed."""
    for line in lines_of(block.text):
        check_command(line)
    paths = [str(Path.cwd()), str(ROOT)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    script = f'set -euo pipefail\nnas() {{ python -m nas.cli "$@"; }}\n{block.text}'
    ended = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, f"{block.place}: {ended.stderr}"


def install(project: dict[str, Any]) -> None:
    """What pip leaves of a project: its name and its entry points."""
    metadata = Path(f"{project['name'].replace('-', '_')}-{project['version']}.dist-info")
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines: list[str] = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")


def parse(block: Block) -> None:
    """JSON, of which there may be one document a line, YAML or TOML."""
    if block.language == "json":
        try:
            json.loads(block.text)
        except json.JSONDecodeError:
            for line in block.text.splitlines():
                json.loads(line)
    elif block.language == "yaml":
        yaml.safe_load(block.text)
    else:
        assert block.language == "toml", block.place
        tomllib.loads(block.text)


def the_table_was_searched(names: dict[str, Any]) -> None:
    archive = names["result"].archive
    assert isinstance(names["space"], NasBench201Space)
    assert len(archive) == 60
    for target in range(2):
        front = archive.front(target)
        points = np.column_stack((archive.error, archive.costs[:, target]))
        assert set(front) <= set(np.flatnonzero(non_dominated_mask(points)))
        # Six 3x3 convolutions are the most accurate of all.
        assert archive.error[front].min() == pytest.approx(0.3)


def five_hundred_workers_were_busy(names: dict[str, Any]) -> None:
    assert len(names["found"].archive) == 2000
    # 2000 evaluations of a minute each on 500 workers.
    assert names["executor"].clock() >= 240


def the_second_objective_counts(names: dict[str, Any]) -> None:
    archive, table = names["result"].archive, names["table"]
    for row in archive.front(0):
        ops = table.workload(archive.genotypes[row]).ops
        assert archive.costs[row, 1] == max(op.params for op in ops)
        assert sum(op.macs > 0 for op in ops) <= 60


def all_perceptrons_were_trained(names: dict[str, Any]) -> None:
    archive = names["result"].archive
    assert len({tuple(genotype) for genotype in archive.genotypes}) == 9
    # 64 inputs to 8 units.
    assert archive.costs.min() == 512


AFTERWARDS = {
    "search.md": the_table_was_searched,
    "cluster.md": five_hundred_workers_were_busy,
    "objective.md": the_second_objective_counts,
    "evaluator.md": all_perceptrons_were_trained,
}
"""What has to be so once all blocks of a page have run."""

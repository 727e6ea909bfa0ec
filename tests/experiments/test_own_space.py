"""The page on a space of one's own, followed literally."""

import importlib
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from nas.cli import app
from search_spaces import SPACES, Architecture, base, find_space

ROOT = Path(__file__).parents[2]
FILE = (ROOT / "experiments/own_space.py").read_text()
PAGE = (ROOT / "docs/own_space.md").read_text()
CODE = re.findall(r"^```python\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)
PIECES, (USE, BY_NAME) = CODE[:-2], CODE[-2:]
(ENTRY_POINT,) = re.findall(r"^```toml\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)
(COMMAND,) = re.findall(r"^    nas (predict .*)$", PAGE, re.MULTILINE)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the file that the page writes, from which Python imports."""
    (tmp_path / "own_space.py").write_text("\n\n\n".join(PIECES) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    kinds = {k: block for k, block in base.BLOCKS.items() if not k.startswith("separable_")}
    monkeypatch.setattr(base, "BLOCKS", kinds)
    monkeypatch.delitem(sys.modules, "own_space", raising=False)
    return tmp_path


@pytest.fixture
def installed(written: Path) -> Path:
    """The same directory, as a package with the page's entry point."""
    groups = tomllib.loads(ENTRY_POINT)["project"]["entry-points"]
    lines = [
        line
        for group, entries in groups.items()
        for line in (f"[{group}]", *(f"{name} = {target}" for name, target in entries.items()))
    ]
    metadata = written / "own_space-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: own-space\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    importlib.invalidate_caches()
    return written


def test_the_pages_pieces_are_the_example_of_under_150_lines(written: Path) -> None:
    assert (written / "own_space.py").read_text() == FILE
    assert FILE.count("\n") < 150


def test_the_code_of_the_page_runs(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(USE, names)
    # The largest network, by hand: 16x16 maps behind the stem, then 8x8, 4x4 and 2x2.
    stages = [(64, 32, 64), (16, 64, 128), (4, 128, 256)]
    macs = 256 * 27 * 32 + 256 * 10
    for area, before, after in stages:
        macs += area * (25 * before + before * after) + 2 * area * (25 * after + after * after)
    space, genotypes = names["space"], names["genotypes"]
    table = names["table"]
    assert table.macs(space.largest[None]).tolist() == [macs]
    latency_s = names["latency_s"]
    assert np.isfinite(latency_s).all()
    assert (latency_s > 0).all()
    order = np.argsort(table.macs(genotypes))
    assert latency_s[order[-100:]].mean() > latency_s[order[:100]].mean()
    single = names["predictor"].predict([table.workload(genotype) for genotype in genotypes[:5]])
    np.testing.assert_allclose(single.median_s, latency_s[:5], rtol=1e-6)
    assert len(capsys.readouterr().out.split()) == 3
    exec(BY_NAME, names)


def test_an_installed_spaces_architectures_are_read_without_importing_it(installed: Path) -> None:
    names: dict[str, Any] = {}
    exec(USE, names)
    text = names["architecture"].to_json()
    Path("network.json").write_text(text)
    for kind in [kind for kind in base.BLOCKS if kind.startswith("separable_")]:
        del base.BLOCKS[kind]
    del sys.modules["own_space"]
    answer = CliRunner().invoke(app, [*COMMAND.split(), "--json"])
    assert answer.exit_code == 0, answer.output
    (row,) = json.loads(answer.stdout)
    assert row["macs"] == names["table"].macs(names["genotypes"][:1])[0]


def test_a_name_that_nobody_offers_is_refused_with_those_there_are(installed: Path) -> None:
    valid = ", ".join(sorted({*SPACES, "separable"}))
    with pytest.raises(ValueError, match=f"valid: {valid}$"):
        find_space("vgg")
    assert find_space("fbnet").name == "fbnet"
    unknown = {"kind": "vgg_block", "slot": "stem"}
    document = {"format": "ridgeline-architecture", "version": 1, "space": "vgg"}
    document |= {"input_shape": [8, 8, 3], "blocks": [unknown]}
    with pytest.raises(ValueError, match=r"blocks\[0\]: kind must be one of .*, got 'vgg_block'"):
        Architecture.from_json(json.dumps(document))

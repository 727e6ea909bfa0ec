"""The page on a space of one's own, followed literally."""

import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from nas.cli import app
from nas.config import Config, ConfigError, config_schema, parse_config
from nas.supernet import blocks
from nas.supernet.engine import BlockChain
from nas.supernet.standalone import network_definition
from search_spaces import SPACES, Architecture, base, find_space
from tests.nas.supernet import tiny
from tests.nas.supernet.executed import assert_subnet_equals_standalone

ROOT = Path(__file__).parents[2]
FILE = (ROOT / "experiments/own_space.py").read_text()
MODULES_FILE = (ROOT / "experiments/own_modules.py").read_text()
PAGE = (ROOT / "docs/own_space.md").read_text()
CODE = re.findall(r"^```python\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)
PIECES, (USE, MODULES, BY_NAME) = CODE[:-3], CODE[-3:]
(CONFIG,) = re.findall(r"^```yaml\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)
(ENTRY_POINT,) = re.findall(r"^```toml\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)
(COMMAND,) = re.findall(r"^nas (predict .*)$", PAGE, re.MULTILINE)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the files that the page writes, from which Python imports."""
    (tmp_path / "own_space.py").write_text("\n\n\n".join(PIECES) + "\n")
    (tmp_path / "own_modules.py").write_text(MODULES + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    kinds = {k: block for k, block in base.BLOCKS.items() if not k.startswith("separable_")}
    monkeypatch.setattr(base, "BLOCKS", kinds)
    monkeypatch.setattr(blocks, "MODULES", dict(blocks.MODULES))
    for name in ("own_space", "own_modules"):
        monkeypatch.delitem(sys.modules, name, raising=False)
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
    assert (written / "own_modules.py").read_text() == MODULES_FILE
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


def config(**space: Any) -> Config:
    document = yaml.safe_load(CONFIG)
    document["space"] |= space
    return parse_config(document, source="own.yaml")


def test_a_config_names_an_installed_space_and_its_options(installed: Path) -> None:
    made = config().space.build(image_shape=(8, 8, 1), classes=10)
    assert type(made) is find_space("separable")
    options = {option.name: option.options for option in made.decisions}
    assert options["width"] == (8, 16)
    assert options["stage3.depth"] == (1, 2)
    assert options["stage3.block2.kernel"] == (3, 5)
    with pytest.raises(ConfigError, match=r"space\.width is not a key; did you mean widths\?"):
        config(width=[8])
    with pytest.raises(ConfigError, match=r"space\.depths\.0 must be an integer, got 1\.5"):
        config(depths=[1.5])
    valid = "mobilenet, nasbench201, resnet, separable, vit"
    with pytest.raises(ConfigError, match=rf"space\.name must be one of {valid}, got 'vgg'"):
        config(name="vgg")
    del find_space("separable").Options
    with pytest.raises(ConfigError, match="got 'separable', which declares no Options"):
        config()


def test_the_schema_has_the_options_of_an_installed_space(installed: Path) -> None:
    spaces = config_schema()["$defs"]["SpaceConfig"]["oneOf"]
    (found,) = (s for s in spaces if s["properties"]["name"] == {"const": "separable"})
    assert set(found["properties"]) == {"name", "widths", "depths", "kernels"}


def test_the_own_spaces_subnets_are_its_standalone_networks(installed: Path) -> None:
    made = config(widths=[4, 8]).space.build(image_shape=(16, 16, 1), classes=10)
    for genotype in (made.smallest, made.largest):
        architecture = made.decode(genotype)
        shapes = network_definition(architecture, "stored", None)[1]
        workload = architecture.workload(batch_size=1, dtype="float32")
        assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == workload.params
    # The smaller width and depth, and both kernels.
    names = [decision.name for decision in made.decisions]
    genotype = made.smallest
    genotype[names.index("stage2.block1.kernel")] = 1
    weights = tiny.random_weights(made)
    assert_subnet_equals_standalone(BlockChain(), made.decode(genotype), weights)


@pytest.mark.slow
def test_the_own_space_is_searched_from_training_to_export(installed: Path) -> None:
    Path("own.yaml").write_text(CONFIG)
    small = ["train.epochs=4", "train.executor=in_process", "search.executor=in_process"]
    small += ["search.evaluations=8", "search.initial=4", "search.generation_size=4"]
    small += ["targets.0.samples=3", "space.depths=[1]"]
    overrides = [part for override in small for part in ("--set", override)]
    command = [sys.executable, "-m", "nas.cli", "run", "own.yaml", *overrides]
    paths = os.pathsep.join([str(installed), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths}
    subprocess.run(command, check=True, env=environment)
    front: Any = pd.read_csv("runs/separable/fronts/here.csv")
    assert front["test_accuracy"].max() > 0.3
    exported = list(Path("runs/separable/export").glob("*/model.onnx"))
    assert len(exported) >= 1
    assert all("own_" not in path.with_suffix(".py").read_text() for path in exported)


def test_a_block_without_a_module_is_refused(written: Path) -> None:
    names: dict[str, Any] = {}
    exec(USE, names)
    with pytest.raises(ValueError, match=r"block kind must be one of .*, got SeparableStem"):
        network_definition(names["architecture"], "stored", None)


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

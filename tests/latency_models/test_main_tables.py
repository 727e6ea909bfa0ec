"""The commands of `python -m latency_models` about tables of many targets, on tables made here."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from latency_models import load_model, read_card
from latency_models.__main__ import main
from latency_models.dataset import write_latencies

Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def table_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FBNet's networks on three invented devices and on one of the public tables."""
    rng = np.random.default_rng(0)
    blocks = {"skip": 0.0, "k3_e1": 1.0, "k5_e1": 2.0, "k3_e6": 6.0, "k5_e6": 9.0}
    networks = rng.choice([*blocks], (40, 22))
    texts = ["-".join(network) for network in networks]
    costs = np.array([sum(blocks[block] for block in network) for network in networks])
    columns: dict[str, list[Any]] = {"arch": [], "device": [], "latency_ms": []}
    for device, factor in (("pixel3", 5.0), ("a", 1.0), ("b", 2.0), ("c", 7.0)):
        columns["arch"] += texts
        columns["device"] += [device] * len(texts)
        columns["latency_ms"] += list(factor * (costs + 20) * rng.lognormal(0, 0.02, len(texts)))
    path = tmp_path_factory.mktemp("tables") / "latencies.parquet"
    pq.write_table(pa.table(columns), path)
    return path


@pytest.fixture(scope="module")
def splits_path(table_path: Path) -> Path:
    path = table_path.with_name("splits.json")
    split = {"space": "fbnet", "train": ["pixel3", "a", "lost"], "test": ["b", "c"]}
    path.write_text(json.dumps({"splits": {"S": split}}))
    return path


@pytest.fixture(scope="module")
def trained(table_path: Path, splits_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the split's training devices, by the command."""
    model = tmp_path_factory.mktemp("model")
    card = model / "about.json"
    card.write_text('{"licence": "CC0-1.0"}')
    options = ["--splits", str(splits_path), "--split", "S", "--card", str(card)]
    assert main(["meta-train", "--table", f"fbnet={table_path}", *options, "-o", str(model)]) == 0
    return model


def test_meta_train_learns_from_the_training_devices_and_says_so(
    trained: Path, table_path: Path
) -> None:
    model, card = load_model(trained), read_card(trained)
    assert {target.name for target in model.without_spec} == {"fbnet/a", "fbnet/pixel3"}
    assert [known.target.name for known in model.with_spec] == ["fbnet/pixel3"]
    assert card["licence"] == "CC0-1.0"
    (told,) = card["tables"]
    assert (told["file"], told["networks"]) == ("latencies.parquet", 40)
    assert sorted(told["devices"]) == ["a", "pixel3"]
    digest = subprocess.run(["sha256sum", table_path], capture_output=True, text=True, check=True)
    assert digest.stdout.split()[0] == told["sha256"]


def rows(arguments: list[Any], capsys: Output) -> Any:
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def evaluation(table_path: Path, splits_path: Path) -> list[Any]:
    samples = ["--samples", 4, "--seeds", 2]
    return ["evaluate", "--table", table_path, "--splits", splits_path, "--split", "S", *samples]


def test_evaluate_scores_the_test_devices_beside_baselines(
    table_path: Path, splits_path: Path, trained: Path, capsys: Output
) -> None:
    arguments = evaluation(table_path, splits_path)
    found = rows([*arguments, "--model", trained], capsys)
    assert (found["train"], found["test"]) == (["pixel3", "a"], ["b", "c"])
    assert found["missing"] == ["lost"]
    ours = [score["spearman"] for score in found["scores"] if score["method"] == "meta-learned"]
    assert len(ours) == 4
    assert found["spearman_mean"] == pytest.approx(np.mean(ours))
    methods = set(found["summary"]["mean"])
    baselines = {"flops", "mean of training devices", "look-up table"}
    assert methods == {"meta-learned", "without meta-learning", *baselines}
    assert main([*map(str, arguments), "--model", str(trained), "--no-ablation"]) == 0
    captured = capsys.readouterr()
    assert "not in the table: lost" in captured.out
    assert "without meta-learning" not in captured.out
    assert "b, seed 1" in captured.err
    heading = next(line for line in captured.out.splitlines() if line.startswith("mean of devices"))
    assert heading.split()[3:5] == ["spearman", "kendall"]


def test_evaluate_learns_from_the_split_by_itself(
    table_path: Path, splits_path: Path, trained: Path, capsys: Output
) -> None:
    arguments = [*evaluation(table_path, splits_path), "--no-ablation", "--sampler", "proposed"]
    own = rows(arguments, capsys)
    given = rows([*arguments, "--model", trained], capsys)
    assert own["spearman_mean"] == pytest.approx(given["spearman_mean"])


def test_evaluate_tests_a_data_set_of_ones_own_without_a_split(
    tmp_path: Path, capsys: Output
) -> None:
    rng = np.random.default_rng(0)
    genotypes = rng.integers(0, 9, (30, 22)).tolist()
    one = {
        "space": "fbnet",
        "target": "own",
        "runtime": "onnxruntime",
        "dtype": "float32",
        "threads": 1,
        "batch_size": 1,
        "input_shape": [1, 32, 32, 3],
        "status": "ok",
        **dict.fromkeys(("ci_low_s", "ci_high_s", "compile_s"), 1.0),
        **dict.fromkeys(("reference_before_s", "reference_after_s"), 1.0),
        "samples_s": [],
        "marks": [],
        "attempts": 1,
        "error": None,
        "environment": "",
        "measured_at": "",
    }
    measured = [{**one, "genotype": g, "latency_s": 1.0 + sum(g)} for g in genotypes]
    path = tmp_path / "own.parquet"
    write_latencies(measured, path)
    arguments = ["evaluate", "--table", path, "--space", "fbnet", "--model", "none"]
    found = rows([*arguments, "--samples", 3, "--seeds", 1], capsys)
    assert found["test"] == ["own"]
    assert "mean of training devices" not in found["summary"]["own"]
    output = tmp_path / "model"
    training = ["meta-train", "--table", f"fbnet={path}", "-o", str(output)]
    assert main(training) == 0
    model = load_model(output)
    assert [target.name for target in model.without_spec] == ["fbnet/own"]
    assert model.with_spec == ()
    assert main([*training, "--machine", "raspberry-pi-5"]) == 0
    (known,) = load_model(output).with_spec
    assert (known.target.name, known.info.kind) == ("fbnet/own", "cpu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["meta-train", "--table", "fbnet={table}", "--split", "S", "-o", "x"], "go together"),
        (
            ["meta-train", "--table", "fbnet={table}", "--exclude", "d", "-o", "x"],
            "no such device in the tables: d",
        ),
        (
            ["meta-train", "--table", "fbnet={table}", "--machine", "h100", "-o", "x"],
            "--machine goes with a data set of one machine",
        ),
        (
            ["meta-train", "--table", "mars={table}", "-o", "x"],
            "unknown space 'mars', valid: fbnet",
        ),
        (["evaluate", "--table", "{table}", "--space", "fbnet"], "--space needs --model"),
        (["evaluate", "--table", "{table}"], "expected --splits PATH with --split NAME"),
        (
            ["evaluate", "--table", "{table}", "--splits", "{splits}", "--split", "T"],
            "unknown split 'T', valid: S",
        ),
        (
            ["evaluate", "--table", "{table}", "--space", "fbnet", "--model", "{model}"],
            "was trained on devices to be tested: a, pixel3",
        ),
        (
            ["evaluate", "--table", "{table}", "--space", "fbnet", "--sampler", "best"],
            "--sampler: valid are random, proposed; got 'best'",
        ),
    ],
)
def test_mistakes_are_one_line_and_exit_code_two(
    arguments: list[str],
    message: str,
    table_path: Path,
    splits_path: Path,
    trained: Path,
    capsys: Output,
) -> None:
    places = {"table": table_path, "splits": splits_path, "model": trained}
    capsys.readouterr()
    assert main([argument.format(**places) for argument in arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1

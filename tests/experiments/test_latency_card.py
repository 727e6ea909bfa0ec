"""The measuring campaign: what it still has to measure, and which of two measurements counts."""

import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
import pytest

from latency_models.dataset import read_latencies, write_latencies
from latency_models.measure import Measured, TimingPlan

BENCHMARKS = Path(__file__).parents[2] / "experiments/benchmarks"


@pytest.fixture
def latency_card(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("latency_card")


@pytest.fixture
def campaign(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("measure_dataset")


def log(
    latency_card: Any,
    genotype: tuple[int, ...],
    latency_s: float | None,
    *,
    phase: str = "main",
    reference_s: float = 1e-3,
    status: str = "ok",
) -> dict[str, Any]:
    network: Any = SimpleNamespace(
        space="toy", genotype=genotype, architecture=SimpleNamespace(input_shape=(8, 8, 3))
    )
    target = SimpleNamespace(name="t", runtime="xla", dtype="float32", threads=1, batch_size=2)
    measured = Measured(Path("x"), "failed", error="crashed", environment={"date": phase, "os": 1})
    if latency_s is not None:
        interval = (0.9 * latency_s, 1.1 * latency_s)
        measured = Measured(
            Path("x"),
            status,
            latency_s=latency_s,
            samples_s=(latency_s,) * 5,
            confidence_interval_s=interval,
            compile_s=0.5,
            reference_s=(1e-3, reference_s),
            environment={"date": phase, "os": 1},
        )
    row = {**latency_card.row(network, target, measured), "phase": phase}
    return json.loads(json.dumps(row))


def test_of_two_measurements_the_quiet_one_counts(latency_card: Any) -> None:
    rows = [
        log(latency_card, (1, 2), 3.0, status="noisy"),
        log(latency_card, (1, 2), 2.0, phase="again"),
        log(latency_card, (1, 2), 1.0, phase="repeat"),
        log(latency_card, (0, 0), 5.0),
        log(latency_card, (0, 0), 6.0, phase="again", status="noisy"),
        log(latency_card, (3, 3), None),
    ]
    found = {tuple(row["genotype"]): row for row in latency_card.final_rows(rows)}
    assert {key: row["latency_s"] for key, row in found.items()} == {
        (1, 2): 2.0,
        (0, 0): 5.0,
        (3, 3): None,
    }
    assert len({row["environment"] for row in found.values()}) == 1


def test_measurement_on_a_machine_slower_than_usual_is_noisy(latency_card: Any) -> None:
    rows = [log(latency_card, (i,), 1.0) for i in range(9)]
    rows.append(log(latency_card, (9,), 1.0, reference_s=1.2e-3))
    assert latency_card.noisy_keys(rows) == {("toy", (9,), "t")}
    last = latency_card.final_rows(rows)[-1]
    assert (last["status"], last["marks"]) == ("noisy", ["slowed"])


def test_rows_make_a_data_set_and_a_card(latency_card: Any, tmp_path: Path) -> None:
    rows = [log(latency_card, (0, 1), 1.0), log(latency_card, (1, 1), None)]
    rows.append(log(latency_card, (0, 1), 1.1, phase="repeat"))
    write_latencies(latency_card.final_rows(rows), tmp_path / "x.parquet")
    assert read_latencies(tmp_path / "x.parquet", space="toy").of("t")[0] == 1.0
    card = latency_card.card(rows, spaces={}, plan=TimingPlan(), classes=10, seed=0)
    assert card["licence"] == "CC0-1.0"
    assert card["targets"]["t"]["statuses"] == {"ok": 1, "failed": 1}
    # |ln(1.1 / 1.0)| = 0.0953; the interval is 0.9 to 1.1.
    assert card["targets"]["t"]["repeat_difference"]["median"] == 0.09531
    assert card["targets"]["t"]["interval_half_width"]["median"] == 0.1
    assert list(card["environments"].values()) == [{"os": 1}]
    latency_card.show(json.loads(json.dumps(card)))


def test_only_what_is_missing_is_measured(campaign: Any, latency_card: Any) -> None:
    target = campaign.TARGETS[0]
    half = campaign.Target("xla", "float32", 1, 1, share=0.5)
    networks = [campaign.Network("toy", (i,), i / 4) for i in range(4)]
    rows = [{**log(latency_card, (0,), 1.0), "target": target.name}]
    rows.append({**log(latency_card, (1,), 1.0, status="noisy"), "target": target.name})

    def missing(phase: str) -> set[tuple[tuple[int, ...], str]]:
        keys = campaign.missing_keys(rows, networks, [target, half], phase)
        return {(network.genotype, name) for network, name in keys}

    assert missing("main") == {
        *[((2,), target.name), ((3,), target.name)],
        *[((0,), half.name), ((1,), half.name)],
    }
    assert missing("again") == {((1,), target.name)}
    assert len(missing("repeat")) == 6


def test_line_that_was_cut_off_is_measured_again(campaign: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n{"a": 2}\n{"a"')
    assert campaign.read(path) == [{"a": 1}, {"a": 2}]
    assert path.read_text() == '{"a": 1}\n{"a": 2}\n'


def test_samples_of_the_spaces_are_different_networks_that_the_seed_decides(campaign: Any) -> None:
    given = SimpleNamespace(networks=20, seed=3)
    for space in campaign.SPACES:
        networks = campaign.sample(space, given)
        assert len({network.genotype for network in networks}) == 20
        assert networks == campaign.sample(space, given)
        assert networks != campaign.sample(space, SimpleNamespace(networks=20, seed=4))


@pytest.mark.parametrize("first", ["int8", "float32"])
def test_float32_file_stays_float32_whichever_is_asked_for_first(
    campaign: Any, tmp_path: Path, first: str
) -> None:
    network = campaign.Network("nasbench201", (1, 0, 0, 1, 3, 0), 0.0)
    files = campaign.Files(tmp_path)
    order = sorted(("int8", "float32"), key=lambda dtype: dtype != first)
    paths = {dtype: files.path(network, ("onnx", dtype)) for dtype in order}
    kinds = {d: {node.op_type for node in onnx.load(p).graph.node} for d, p in paths.items()}
    assert "QuantizeLinear" in kinds["int8"]
    assert "QuantizeLinear" not in kinds["float32"]

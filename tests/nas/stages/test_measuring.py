"""Every kind of target is measured in its format and precision, and recorded once."""

import json
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from latency_models.measure import RUNTIMES
from nas.config import TargetConfig
from nas.records import Measurement
from nas.stages.measuring import Measuring
from nas.supernet.standalone import StandaloneNetwork
from search_spaces import Architecture
from tests.nas.supernet import tiny

SPACE = tiny.small_space()
GENOTYPES = [tuple(int(option) for option in one) for one in (SPACE.smallest, SPACE.largest)]


class Records:
    """The part of a study that measuring uses."""

    def __init__(self) -> None:
        self.kept: list[Measurement] = []

    def measurements(self, target: str, purpose: str) -> list[Measurement]:
        return [one for one in self.kept if (one.target, one.purpose) == (target, purpose)]

    def record_measurement(self, found: Measurement) -> None:
        self.kept.append(found)


def untrained(measuring: Measuring, architecture: Architecture) -> StandaloneNetwork:
    """In place of `Measuring.network`, which needs a trained supernet."""
    del measuring
    return tiny.random_network(architecture)


def setting_of(records: Records) -> Any:
    """What measuring needs of a study, without one."""
    return SimpleNamespace(
        study=records, space=SPACE, dataset=tiny.dataset(), config=SimpleNamespace(seed=0)
    )


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Measures untrained networks."""
    monkeypatch.setattr(Measuring, "network", untrained)
    return Measuring(setting_of(Records()))


def _measure(measuring: Any, **target: Any) -> list[Measurement]:
    found: list[Measurement] = []
    config = TargetConfig(name="it", batch_size=2, **target)
    measuring.measure(config, GENOTYPES, "adapt", found.append)
    assert [one.genotype for one in found] == GENOTYPES
    assert measuring._setting.study.kept == found
    return found


@pytest.mark.parametrize(
    ("runtime", "dtype", "told"),
    [
        ("onnxruntime", "int8", None),
        ("openvino", "float32", None),
        ("openvino", "int8", None),
        ("openvino", "bfloat16", "bfloat16"),
    ],
)
def test_target_is_measured_in_its_precision(
    measuring: Any, runtime: str, dtype: str, told: str | None
) -> None:
    if not RUNTIMES[runtime].installed:
        pytest.skip(f"{runtime} is not installed")
    for one in _measure(measuring, runtime=runtime, dtype=dtype):
        if told and one.error and "does not compute in" in one.error:
            pytest.skip(one.error)
        assert one.status in ("ok", "noisy"), one.error
        assert one.environment.get("compute_dtype") == told
        assert one.environment["compile_s"] > 0


def test_program_of_the_users_gets_the_file_and_what_to_compute_in(
    measuring: Any, tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            """
            import json, sys
            for line in sys.stdin:
                told = json.loads(line)
                told["head"] = open(told["path"], "rb").read(4).hex()
                print(json.dumps({"latency_s": [1, 2, 3], "environment": told}), flush=True)
            """
        )
    )
    command = (sys.executable, str(program))
    for one in _measure(
        measuring, runtime="command", command=command, dtype="float16", device="raspberry-pi-5"
    ):
        told = one.environment["device"]
        assert one.latency_s == 2.0
        assert told["path"].endswith(".onnx")
        assert told["compute_dtype"] == "float16"
        assert told["input_shape"] == [2, 8, 8, 1]
        assert one.environment["marks"] == ["imprecise"]
        assert json.dumps(one.environment)


def test_what_was_measured_before_is_not_measured_again(measuring: Any) -> None:
    command = (sys.executable, "-c", "raise SystemExit")
    known = [Measurement("it", genotype, "adapt", "ok", 1.0) for genotype in GENOTYPES]
    measuring._setting.study.kept += known
    assert _measure(measuring, runtime="command", command=command) == known

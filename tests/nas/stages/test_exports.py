"""What is exported, as a user takes it: the page followed, the cards' commands, int8 measured."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import yaml
from scipy.stats import binomtest

from nas.config import parse_config
from nas.errors import UserError
from nas.stages.exported import exported_networks
from nas.stages.int8 import runs
from nas.stages.setting import Setting
from nas.study import Study
from tests.nas.export.alone import run_alone
from tests.nas.stages import tiny

PAGE = (Path(__file__).parents[3] / "docs/exports.md").read_text()


def blocks_of(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)\n```$", text, re.DOTALL | re.MULTILINE)


def card_of(directory: Path) -> Any:
    return json.loads((directory / "card.json").read_text())


@pytest.fixture
def exported(finished: Path, tmp_path: Path) -> Path:
    """A copy of one exported network's directory, apart from its study."""
    source = sorted((finished / "export").iterdir())[0]
    return Path(shutil.copytree(source, tmp_path / "network"))


def test_the_page_and_the_card_load_every_format_where_nothing_of_ours_is(exported: Path) -> None:
    prepare, *loading = blocks_of((exported / "MODEL_CARD.md").read_text())
    given, *ways = blocks_of(PAGE)
    code = [given.replace("np.zeros(", "np.random.default_rng(0).random("), "found = []"]
    for block in [*ways, *loading]:
        code += [block, "found.append(np.asarray(logits))"]
    # The card's own images are made with its figures in place of the file's.
    compared = prepare.replace("np.zeros((1,", "pixels[:1].reshape((1,").replace(
        ", np.float32)  #", ")  #"
    )
    code += ["of_file = images", compared, "assert np.allclose(images, of_file[:1], atol=1e-6)"]
    code.append("print(len(found), all(np.allclose(found[0], f, atol=1e-4) for f in found))")
    code.append("print(Path('tuned.safetensors').exists(), np.ptp(found[0], axis=1).min() > 0.1)")
    # OpenVINO sends usage statistics unless its telemetry is hidden from it.
    hidden = "sys.modules['openvino_telemetry'] = None\n"
    # ONNX Runtime, OpenVINO, StableHLO, Flax and its training, then the card's three.
    assert run_alone(hidden + "\n".join(code), exported) == "8 True\nTrue True\n"


def test_a_card_has_the_studys_figures_and_says_what_was_only_predicted(finished: Path) -> None:
    with Study.open(finished, read_only=True) as study:
        measured = {one.genotype: one for one in study.measurements("onnx", "verify")}
        tested = {one.genotype: one.accuracy for one in study.evaluations("test")}
        dataset = Setting(study, parse_config(study.config, source="study")).dataset
    for directory in (finished / "export").iterdir():
        card, text = card_of(directory), (directory / "MODEL_CARD.md").read_text()
        accuracy = card["accuracy"]
        assert accuracy["value"] == card["test_accuracy"] == tested[tuple(card["genotype"])]
        correct = round(accuracy["value"] * len(dataset.test))
        expected = binomtest(correct, len(dataset.test)).proportion_ci(method="wilson")
        assert accuracy["interval"] == pytest.approx([expected.low, expected.high])
        assert f"{accuracy['value']:.2%} (95% interval {expected.low:.2%}" in text
        assert card["data"]["sha256"] == dataset.digest
        assert dataset.digest in text
        assert card["formats"]["onnx"]["opset"] >= 13
        assert "has ONNX's operator set" in text
        for name, target in card["targets"].items():
            (row,) = re.findall(rf"^\| {name} \|.*$", text, re.MULTILINE)
            if name == "pi":
                assert "predicted, not measured; 90% interval" in row
                assert target["measured_s"] is None
                assert f"| {target['predicted_s'] * 1e3:.3g} |" in row
            else:
                assert "measured" in row
                assert "predicted" not in row
                assert f"| {target['measured_s'] * 1e3:.3g} |" in row
        if "onnx" in card["targets"]:
            found, row = measured[tuple(card["genotype"])], card["targets"]["onnx"]
            assert (row["measured_s"], row["samples"]) == (found.latency_s, len(found.samples_s))
            assert row["samples_interval_s"] == np.quantile(found.samples_s, [0.05, 0.95]).tolist()
            assert row["environment"]["runtime"] == "onnxruntime"
        assert card["provenance"]["seed"] == 0
        assert card["provenance"]["config"]["name"] == "tiny"
        assert "licence of the data is not known" in text


def test_int8_is_tested_and_measured_beside_float32_and_shown(nas: Any, copied: Any) -> None:
    study = copied()
    assert nas("export", study, "--target", "onnx", "--format", "onnx", "--int8")[0] == 0
    (directory,) = (d for d in (study / "export").iterdir() if "int8" in card_of(d))
    int8, text = card_of(directory)["int8"], (directory / "MODEL_CARD.md").read_text()
    with Study.open(study, read_only=True) as opened:
        dataset = Setting(opened, parse_config(opened.config, source="study")).dataset
    scaled = (dataset.test.images / 255.0 - dataset.mean) / dataset.std
    for dtype, name in (("float32", "model.onnx"), ("int8", "model_int8.onnx")):
        session = onnxruntime.InferenceSession(str(directory / name))
        (logits,) = session.run(None, {session.get_inputs()[0].name: scaled.astype(np.float32)})
        correct = (np.argmax(np.asarray(logits), axis=1) == dataset.test.labels).mean()
        assert int8["accuracy"][dtype]["value"] == pytest.approx(correct)
        assert f"{correct:.2%}" in text
    (run,) = int8["latency"]
    assert (run["runtime"], run["batch_size"], run["threads"]) == ("onnxruntime", 1, 1)
    for dtype in ("float32", "int8"):
        low, high = run[dtype]["interval_s"]
        assert 0 < low <= run[dtype]["latency_s"] <= high
    assert nas("report", study)[0] == 0
    page = (study / "report.html").read_text()
    assert f'"int8_s":{run["int8"]["latency_s"]}' in page
    assert len(exported_networks(study)) == len(list((study / "export").iterdir()))


def test_both_files_are_measured_as_the_targets_of_this_machine_are() -> None:
    document = yaml.safe_load(tiny.CONFIG)
    target = {"device": "host", "runtime": "onnxruntime", "batch_size": 4, "threads": 2}
    document["targets"] += [
        {"name": "again", **target},
        {"name": "once more", **target, "dtype": "int8"} | {"name": "more"},
        {"name": "ov", **target, "runtime": "openvino", "dtype": "bfloat16"},
    ]
    config = parse_config(document, source="test")
    assert runs(config) == [("onnxruntime", 1, 1), ("onnxruntime", 4, 2)]
    document["targets"] = [{"name": "pi", "device": "raspberry-pi-5"}]
    assert runs(parse_config(document, source="test")) == [("onnxruntime", 1, 1)]


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"formats": {}}', '{"formats": 3, "params": 1}', "[" * 100_000],
)
def test_a_damaged_card_is_told(tmp_path: Path, text: str) -> None:
    card = tmp_path / "export/net/card.json"
    card.parent.mkdir(parents=True)
    card.write_text(text)
    with pytest.raises(UserError, match=r"card\.json: expected a card as nas export writes it"):
        exported_networks(tmp_path)


def test_a_card_of_an_earlier_version_is_left_out(tmp_path: Path) -> None:
    card = tmp_path / "export/net/card.json"
    card.parent.mkdir(parents=True)
    card.write_text('{"network": "net", "params": 3}')
    assert exported_networks(tmp_path) == ()

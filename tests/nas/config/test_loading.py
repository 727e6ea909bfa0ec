"""A config is what its file says, and every mistake is one line that names the key."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nas.config import Config, ConfigError, load_config, parse_config
from search_spaces import ResNetOptions, ResNetSpace
from search_spaces.resnet import ResNetStage

MINIMAL = """
name: tiny
data: {name: digits}
space: {name: mobilenet, stages: [{width: 16, stride: 1}]}
targets: [{name: here, runtime: xla}]
"""


@pytest.fixture
def write(tmp_path: Path):
    def to_file(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def document(**changes: Any) -> dict[str, Any]:
    return {**yaml.safe_load(MINIMAL), **changes}


def refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_short_file_is_completed_by_the_defaults(write):
    config = load_config(write(MINIMAL))
    assert config.output == Path("runs/tiny")
    assert config.targets[0].device == "host"
    assert config.targets[0].samples == 10
    assert config.search.evaluations == 300
    assert config.space.options.kernel_sizes == [3, 5, 7]


def test_a_target_without_a_runtime_is_predicted_only(write):
    config = load_config(write(MINIMAL), ["targets=[{name: pi, device: raspberry-pi-5}]"])
    assert not config.targets[0].measurable
    assert config.targets[0].samples == 0


def test_a_device_may_be_a_datasheet_whose_path_lasts(write):
    config = load_config(write(MINIMAL), ["targets=[{name: npu, device: boards/my.npu.json}]"])
    assert config.targets[0].device == str(Path.cwd() / "boards/my.npu.json")
    assert config.targets[0].device_name == "my.npu"


def test_a_device_elsewhere_is_measured_over_ray_or_by_a_program(write):
    over_ray = "{name: a, device: raspberry-pi-5, runtime: xla, measure_on: pi}"
    by_program = "{name: b, device: raspberry-pi-5, runtime: command, command: [phone.py, -v]}"
    config = load_config(write(MINIMAL), [f"targets=[{over_ray}, {by_program}]"])
    assert [target.measurable for target in config.targets] == [True, True]
    assert [target.samples for target in config.targets] == [10, 10]
    assert config.targets[1].command == ("phone.py", "-v")
    assert config.targets[1].command_reads == "onnx"


def test_the_space_is_built_for_the_images_of_the_data(write):
    space = load_config(write(MINIMAL)).space.build(image_shape=(8, 8, 1), classes=10)
    architecture = space.decode(space.smallest)
    assert architecture.input_shape == (8, 8, 1)


@pytest.mark.parametrize("text", ["3e-5", "0.00003", "3.0e-05"])
def test_numbers_are_read_as_yaml_1_2_reads_them(write, text: str):
    config = load_config(write(MINIMAL), [f"train.weight_decay={text}"])
    assert config.train.weight_decay == 3e-5


@pytest.mark.parametrize("word", ["on", "no", "y"])
def test_words_that_yaml_1_1_takes_for_booleans_stay_words(write, word: str):
    assert load_config(write(MINIMAL), [f"name={word}"]).name == word


def test_overrides_reach_keys_list_entries_and_sections_left_out(write):
    config = load_config(
        write(MINIMAL),
        ["search.evaluations=7", "targets.0.threads=2", "data.augment.flip=true", "seed=5"],
    )
    assert config.search.evaluations == 7
    assert config.targets[0].threads == 2
    assert config.data.augment.flip
    assert config.seed == 5


def test_the_data_path_is_made_absolute(write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    config = load_config(write(MINIMAL), ["data.path=images"])
    assert config.data.path == tmp_path / "images"


@given(
    seed=st.integers(0, 2**32 - 1),
    decay=st.floats(0.0, 1.0),
    multipliers=st.lists(st.floats(0.1, 2.0), min_size=1, unique=True).map(sorted),
    flip=st.booleans(),
)
def test_a_resolved_config_reads_back_equal(
    seed: int, decay: float, multipliers: list[float], flip: bool
):
    given_document = document(
        seed=seed,
        train={"weight_decay": decay},
        space={
            "name": "mobilenet",
            "stages": [{"width": 16, "stride": 1}],
            "width_multipliers": multipliers,
        },
        data={"name": "digits", "augment": {"flip": flip}},
    )
    config = parse_config(given_document, source="test")
    written = yaml.safe_load(yaml.safe_dump(config.to_document()))
    assert parse_config(written, source="test") == config


def test_a_strategy_decides_how_many_epochs_and_subnets_there_are_unless_given():
    phases = [{"epochs": 4}, {"epochs": 3, "open": {"kernel": 2, "depth": "all"}}]
    progressive = {"strategy": "progressive", "phases": phases}
    config = parse_config(document(train=progressive), source="test")
    assert (config.train.epochs, config.train.random_subnets) == (7, 0)
    assert config.train.phases[1].open == {"kernel": 2, "depth": "all"}
    written = yaml.safe_load(yaml.safe_dump(config.to_document()))
    assert parse_config(written, source="test") == config
    plain = parse_config(document(), source="test").train
    assert (plain.strategy, plain.epochs, plain.random_subnets) == ("sandwich", 30, 2)


def test_every_option_of_a_resnet_space_has_a_default_and_can_be_given():
    published = parse_config(document(space={"name": "resnet"}), source="test")
    made = published.space.build(image_shape=(224, 224, 3), classes=10)
    assert made == ResNetSpace(ResNetOptions(), (224, 224, 3), 10)
    chosen = {"stages": [{"width": 64, "depth": 1, "stride": 2}], "stem_pool": False}
    small = parse_config(document(space={"name": "resnet", **chosen}), source="test")
    options = ResNetOptions([ResNetStage(64, 1, 2)], stem_pool=False)
    assert small.space.options == options


def test_configs_are_immutable(write):
    config = load_config(write(MINIMAL))
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 1


MISTAKES = {
    "tracking.wandb.projct=x": "tracking.wandb.projct is not a key; did you mean project? The keys",
    "search.population_size=1": "search.population_size must be at least 2, got 1",
    "search.populaton_size=8": "search.populaton_size is not a key; did you mean population_size?",
    "nme=x": "keys are data, export, name, output, search, seed, space, targets, tracking, train,",
    "targets.0.runtim=xla": "targets.0.runtim is not a key; did you mean runtime? The keys of",
    "space.kernels=[3]": "The keys of space are depths, expand_ratios,",
    "space.stages.0.widht=3": "space.stages.0.widht is not a key; did you mean width?",
    "space.kernel_sizes=[three]": 'space.kernel_sizes.0 must be an integer, got "three"',
    "space.kernel_sizes=[4]": "space.kernel_sizes must be odd, got [4]",
    "space.name=densenet": "space.name must be one of mobilenet, nasbench201, resnet, vit, got",
    "space.name=fbnet": "resnet, vit, got 'fbnet'",
    "seed='1'": 'seed must be an integer, got "1"',
    "seed=1.5": "seed must be an integer, got 1.5",
    "seed=true": "seed must be an integer, got true",
    "verify.remeasure=yes": 'verify.remeasure must be true or false, got "yes"',
    "train.learning_rate=.nan": "train.learning_rate must be a finite number, got NaN",
    "train=fast": 'train must be a mapping, got "fast"',
    "train.warmup_epochs=99": "train.warmup_epochs must be at most epochs, 30, got 99",
    "train.strategy=fair": (
        "train.strategy must be one of 'sandwich', 'single_path' or 'progressive'"
    ),
    "train={strategy: single_path, random_subnets: 1}": (
        "train.random_subnets must be 0 or left out unless strategy is sandwich, got 1"
    ),
    "train.phases=[{epochs: 2}]": (
        "train.phases must be empty unless strategy is progressive, got 1"
    ),
    "train={strategy: single_path, drop_connect: 0.2}": (
        "train.drop_connect must be 0 for the strategy single_path"
    ),
    "train={strategy: progressive, sampling: macs}": (
        "train.sampling must be uniform for the strategy progressive, got macs"
    ),
    "train={strategy: single_path, sampling: best_up}": (
        "train.sampling must be uniform or macs for the strategy single_path, got best_up"
    ),
    "train={strategy: progressive, epochs: 3, phases: [{epochs: 2}]}": (
        "train.epochs must be left out or those of the phases, 2, got 3"
    ),
    "train={strategy: progressive, phases: [{epochs: 2, open: {kernel: 1}}]}": (
        "train.phases.0.open.kernel must be at least 2, got 1"
    ),
    "train={strategy: progressive, phases: [{epochs: 2, open: {kernel: some}}]}": (
        "train.phases.0.open.kernel must be one of 'all', got \"some\""
    ),
    "train={strategy: progressive, phases: [{epochs: 2, warmup_epochs: 3}]}": (
        "train.phases.0.warmup_epochs must be at most epochs, 2, got 3"
    ),
    "train={executor: in_process, workers: 2}": "train.workers must be 1 for the",
    "train.workers=3": "train.batch_size must be a multiple of train.workers, 3, got 64",
    "data=null": "data must be a mapping, got null",
    "data.name=mnist": "data.name must be one of cifar10, cifar100, digits, ",
    "targets=[]": "targets must have 1 or more entries, got []",
    "targets.0.device=toaster": "targets.0.device must be one of",
    "targets.0.runtime=abacus": "targets.0.runtime must be one of",
    "targets.0.dtype=int8": "targets.0.dtype must be one of float32, bfloat16, float16",
    "targets.0.device=raspberry-pi-5": "targets.0.runtime must be left out",
    "targets.0.runtime=command": "targets.0.command must be given for runtime command and for no",
    "targets.0.command=[phone.py]": "targets.0.command must be given for runtime command and for",
    "targets.0.measure_on=pi": "targets.0.measure_on needs a runtime, and the device that its",
    "targets=[{name: pi, device: t4, measure_on: pi}]": "targets.0.measure_on needs a runtime, and",
    "targets=[{name: a, runtime: command, command: [a], command_reads: stablehlo, dtype: int8}]": (
        "targets.0.dtype int8 needs command_reads: onnx, got stablehlo"
    ),
    "targets=[{name: pi, device: t4, samples: 3}]": "targets.0.samples must be 0 or left out",
    "targets=[{name: a, runtime: xla}, {name: a}]": "targets: names must be unique, got a 2 times",
    "targets=[{name: ../a}]": "targets.0.name must match",
    "targets.0.objectives=[]": "targets.0.objectives must have 1 or more entries, got []",
    "targets.0.objectives=[speed]": "targets.0.objectives.0 must be one of 'latency', 'energy',",
    "targets.0.objectives=[energy, energy]": (
        "targets.0.objectives must be different ones, got energy 2 times"
    ),
    "targets.0.weight=-1": "targets.0.weight must be at least 0.0, got -1",
    "targets.0.weight=0": "targets: at least one needs a weight above 0",
    "targets.0.confidence=1.0": "targets.0.confidence must be less than 1.0, got 1.0",
    "search.algorithm=annealing": "search.algorithm must be one of 'guided', 'nsga2' or 'random'",
    "search.initial=1": "search.initial must be at least 2, got 1",
    "search={algorithm: random, warm_start: runs/a}": (
        "search.warm_start must be left out unless algorithm is guided, got "
    ),
    "search.population_size=9": (
        "search.population_size must be left out unless algorithm is nsga2, got 9"
    ),
    "targets.0.constraints=[speed <= 3]": "the quantity must be one of latency_s, latency_ms,",
    "targets.0.constraints=[params]": "constraint must look like 'latency_ms <= 5', got 'params'",
    "export.members=some": "export.members must be one of 'all', got \"some\"",
    "export.members=3": "export.members must be a list, got 3",
    "export.members=[{target: there}]": "export.members: target must be one of here, got 'there'",
    "export.formats=[tflite]": "export.formats.0 must be one of 'onnx', 'stablehlo' or 'flax'",
    "export={int8: true, formats: [stablehlo, flax]}": (
        "export.int8 needs onnx among the formats, got stablehlo, flax"
    ),
    "export.int8=3": "export.int8 must be true or false, got 3",
}


@pytest.mark.parametrize(("override", "expected"), MISTAKES.items(), ids=MISTAKES)
def test_a_mistake_names_the_key_and_what_was_expected(write, override: str, expected: str):
    path = write(MINIMAL)
    message = refusal(path, override)
    assert message.startswith(f"{path} with --set {override}: ")
    assert expected in message


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("evaluations", "expected section.key=value"),
        ("=3", "expected section.key=value"),
        ("search..evaluations=3", "expected section.key=value"),
        ("name.first=3", "name is 'tiny' and has no keys"),
        ("targets.1.threads=3", "positions of targets are 0 to 0, got 1"),
        ("targets.x.threads=3", "positions of targets are 0 to 0, got x"),
        ("name=[a", "line 1, column 3"),
    ],
)
def test_an_override_that_fits_nowhere_is_refused(write, override: str, expected: str):
    message = refusal(write(MINIMAL), override)
    assert message.startswith(f"--set {override}: ")
    assert expected in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected a mapping of settings, got nothing"),
        ("- a", "expected a mapping of settings, got a list"),
        ("name: a\nname: b", "line 2, column 1: name is given twice"),
        ("name: a\n\tseed: 1", "line 2"),
        ("1: a", "keys must be words, got 1"),
        ("name: !!python/object:os.system {}", "could not determine a constructor"),
        ("name: &a [*a]", "an entry contains itself"),
        ("name: tiny", "data is required; space is required; targets is required"),
    ],
)
def test_a_file_that_is_no_config_is_refused(write, text: str, expected: str):
    path = write(text)
    message = refusal(path)
    assert message.startswith(f"{path}:")
    assert expected in message


def test_a_missing_file_is_named(tmp_path: Path):
    assert refusal(tmp_path / "none.yaml") == f"{tmp_path / 'none.yaml'}: no such config file"


def test_a_file_that_is_no_text_is_refused(tmp_path: Path):
    (tmp_path / "config.yaml").write_bytes(b"\xff\xfe\x00")
    assert "is not text in UTF-8" in refusal(tmp_path / "config.yaml")


def test_only_the_first_mistakes_are_told_and_the_rest_counted():
    wrong = document(
        seed=-1, search={"evaluations": 0, "workers": 0, "batch_size": 0, "population_size": 0}
    )
    with pytest.raises(ConfigError, match=r"; and 2 more$"):
        parse_config(wrong, source="test")


def test_equal_spaces_are_equal_configs_however_they_are_written():
    short = parse_config(document(), source="test")
    whole = parse_config(document(space=short.to_document()["space"]), source="test")
    assert isinstance(short, Config)
    assert short == whole


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("targets.0.objectives=[speed]", "targets.0.objectives.0 must be one of"),
        ("export.formats=[pdf]", "export.formats.0 must be one of"),
        ("targets=[5]", "targets.0 must be a mapping, got 5"),
    ],
)
def test_a_list_is_not_said_to_be_short_because_an_entry_is_wrong(write, override: str, told: str):
    message = refusal(write(MINIMAL), override)
    assert told in message
    assert "or more entries" not in message
    empty = override.partition("=")[0]
    assert "must have 1 or more entries, got []" in refusal(write(MINIMAL), f"{empty}=[]")

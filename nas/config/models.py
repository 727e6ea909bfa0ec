"""The sections of a config, their defaults and what each value must satisfy.

The models check one file on its own: whether the data are there, and whether the images fit the
space, is seen when they are loaded. Attribute docstrings become the JSON schema's descriptions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    field_validator,
    model_validator,
)

from latency_models import DEVICES
from latency_models.device import DATASHEET_SUFFIX
from latency_models.measure import COMMAND, runtimes
from nas.config.section import Section
from nas.config.spaces import supernet_space
from nas.config.tracking import TrackingConfig
from nas.data import DATASETS
from nas.evolution.constraints import parse_constraint
from search_spaces import SearchSpace

HOST = "host"
"""The device name that means the machine the search runs on."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Count = Annotated[int, Field(ge=0)]
PositiveCount = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0.0)]
ComputeDtype = Literal["auto", "float32", "bfloat16"]


def _known(names: Iterable[str]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(sorted(names))}, got {value!r}")
        return value

    return AfterValidator(check)


def _device(value: str) -> str:
    if value.endswith(DATASHEET_SUFFIX):
        return str(Path(value).expanduser().absolute())
    names = [HOST, *DEVICES]
    if value not in names:
        raise ValueError(
            f"must be one of {', '.join(sorted(names))}, or a datasheet such as "
            f"board{DATASHEET_SUFFIX}, got {value!r}"
        )
    return value


def _runtime(value: str) -> str:
    names = [*runtimes(), COMMAND]
    if value not in names:
        raise ValueError(f"must be one of {', '.join(sorted(names))}, got {value!r}")
    return value


class AugmentConfig(Section):
    """What is done to training images, on the device, anew in every epoch."""

    crop_padding: Count = 0
    """Pixels of padding around the image before a random crop of its size."""
    flip: bool = False
    """Whether half of the images are mirrored left to right."""
    cutout: Count = 0
    """Side in pixels of a square that is blanked at a random place; 0 for none."""


class DataConfig(Section):
    """The images."""

    name: Annotated[str, _known(DATASETS)]
    """Which data set."""
    path: Path | None = None
    """Where its files lie, from the current directory; null where a library brings the data."""
    search_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """Part of the official training images that the search evaluates on and training never sees."""
    image_size: Annotated[int, Field(ge=8)] | None = None
    """Side in pixels to which image_folder scales its images; others have their own size."""
    augment: AugmentConfig = AugmentConfig()

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()


def _trainable(name: str) -> str:
    supernet_space(name)
    return name


class SpaceConfig(Section):
    """Which networks can be built: the name of a search space and that space's own options."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, AfterValidator(_trainable)]
    """Which search space."""

    @cached_property
    def options(self) -> Any:
        """The options as the dataclass that the space declares."""
        return self._adapter.validate_json(json.dumps(self.model_extra), strict=True)

    def build(self, *, image_shape: tuple[int, int, int], classes: int) -> SearchSpace:
        """The space for images of `image_shape` (height, width, channels).

        Raises:
            ValueError: If the images do not fit the options.
        """
        space = supernet_space(self.name)
        return space(options=self.options, image_shape=image_shape, classes=classes)

    @property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(supernet_space(self.name).Options)

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        # Options kept as they were understood, with defaults, make equal spaces equal configs.
        assert self.model_extra is not None
        self.model_extra.update(self._adapter.dump_python(self.options, mode="json"))
        return self


def _opening_form(value: Any) -> str:
    return "<all>" if isinstance(value, str) else "<count>"


class PhaseConfig(Section):
    """A part of training with the strategy progressive; has its own learning rate schedule."""

    epochs: PositiveCount
    open: dict[
        str,
        Annotated[
            Annotated[Literal["all"], Tag("<all>")] | Annotated[int, Field(ge=2), Tag("<count>")],
            Discriminator(_opening_form),
        ],
    ] = Field(default_factory=dict[str, Any])
    """For each kind of decision (the last part of its name, such as kernel or depth) the number of
    its largest options that are drawn from now on, or all; kinds that no phase has named yet stay
    at their largest option. Empty in the first phase, which trains the largest network."""
    learning_rate: PositiveFloat | None = None
    """Its highest value; null for that of the whole training."""
    warmup_epochs: Annotated[float, Field(ge=0.0)] | None = None
    """null for that of the whole training in the first phase, and for 0 in the others."""
    subnets: PositiveCount = 1
    """Subnets drawn each step."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_warmup(self.warmup_epochs or 0.0, self.epochs)
        return self


def _check_warmup(warmup_epochs: float, epochs: int) -> None:
    if warmup_epochs > epochs:
        raise ValueError(f"warmup_epochs must be at most epochs, {epochs}, got {warmup_epochs:g}")


def _default_epochs(given: Mapping[str, Any]) -> int:
    return sum(phase.epochs for phase in given["phases"]) or 30


def _default_random_subnets(given: Mapping[str, Any]) -> int:
    return 2 if given["strategy"] == "sandwich" else 0


class TrainConfig(Section):
    """How the supernet is trained: the strategy, which chooses the subnets of a step and what they
    learn from, the optimizer, and a learning rate that warms up and falls as a cosine.
    """

    strategy: Literal["sandwich", "single_path", "progressive"] = "sandwich"
    """sandwich: the largest subnet learns from the labels, the smallest and random ones from it;
    single_path: one random subnet a step, from the labels; progressive: the largest network first,
    which then teaches subnets of ever more options."""
    phases: tuple[PhaseConfig, ...] = ()
    """With the strategy progressive, what opens when; empty for Once-for-All's phases, scaled to
    the epochs: the largest network, smaller kernels, less depth, then all other decisions."""
    epochs: PositiveCount = Field(default_factory=_default_epochs)
    """30, or those of the phases, unless given."""
    batch_size: PositiveCount = 64
    """Images a step, over all workers together."""
    learning_rate: PositiveFloat = 0.1
    """Its highest value, after the warm-up."""
    warmup_epochs: Annotated[float, Field(ge=0.0)] = 1.0
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """sgd is with Nesterov momentum; adamw is what transformers want, with learning rates near
    0.001 and weight_decay near 0.05."""
    momentum: Fraction = 0.9
    """With the optimizer adamw its beta 1; beta 2 is 0.999."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 3e-5
    """Of the kernels of products and convolutions; nothing else decays."""
    clip_norm: Annotated[float, Field(ge=0.0)] = 0.0
    """Norm to which longer gradients are shortened; 0 for none."""
    ema_decay: Fraction = 0.0
    """What the moving average of the weights keeps of itself at a step, such as 0.999; it is then
    what is validated, searched and exported. 0 for no average."""
    drop_connect: Fraction = 0.0
    """Rate at which the largest subnet's last block that adds to its input leaves out what it adds,
    for each image anew; earlier blocks' rates are lower, linearly. 0 for none."""
    label_smoothing: Fraction = 0.1
    random_subnets: Count = Field(default_factory=_default_random_subnets)
    """With the strategy sandwich, subnets drawn each step besides the smallest and the largest; 2
    unless given."""
    sampling: Literal["uniform", "macs", "best_up", "worst_up"] = "uniform"
    """How random subnets are drawn. uniform: each option equally often; macs: uniformly over
    multiply-accumulates; best_up and worst_up, with the strategy sandwich only: of candidates with
    equal multiply-accumulates the one that is estimated best, or worst."""
    candidates: Annotated[int, Field(ge=2)] = 50
    """Networks among which the best or the worst is chosen."""
    kd_ratio: Annotated[float, Field(ge=0.0)] = 1.0
    """With the strategy progressive, how much the teacher's predictions count beside the labels."""
    checkpoint_every: PositiveCount = 1
    """Epochs between two checkpoints."""
    validation_images: PositiveCount = 1000
    """Images of the search split on which networks are validated after an epoch."""
    validation_subnets: Count = 4
    """Validated besides the largest and the smallest; drawn once, spread over
    multiply-accumulates."""
    compute_dtype: ComputeDtype = "auto"
    """What is multiplied in; weights and sums are float32 either way. auto is bfloat16 on TPUs and
    on GPUs of compute capability 8 and above, float32 elsewhere."""
    warm_up: bool = True
    """Whether all blocks are compiled before the first step, several at a time; or each when a
    network first has it."""
    executor: Literal["ray", "in_process"] = "ray"
    """in_process trains in the driver, for debugging; the results are the same."""
    workers: PositiveCount = 1
    """Ray workers, which share every batch."""
    cpus_per_worker: PositiveCount = 2
    gpus_per_worker: Annotated[float, Field(ge=0.0)] = 0.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_warmup(self.warmup_epochs, self.epochs)
        self._check_strategy()
        if self.executor == "in_process" and self.workers != 1:
            raise ValueError(
                f"train.workers must be 1 for the executor in_process, got {self.workers}"
            )
        if self.batch_size % self.workers:
            raise ValueError(
                f"train.batch_size must be a multiple of train.workers, {self.workers}, "
                f"got {self.batch_size}"
            )
        return self

    def _check_strategy(self) -> None:
        if self.phases and self.strategy != "progressive":
            raise ValueError(
                f"phases must be empty unless strategy is progressive, got {len(self.phases)} for "
                f"{self.strategy}"
            )
        total = sum(phase.epochs for phase in self.phases)
        if self.phases and self.epochs != total:
            raise ValueError(
                f"epochs must be left out or those of the phases, {total}, got {self.epochs}"
            )
        if self.strategy == "progressive" and self.sampling != "uniform":
            raise ValueError(
                f"sampling must be uniform for the strategy progressive, got {self.sampling}"
            )
        if self.strategy != "sandwich" and self.sampling in ("best_up", "worst_up"):
            raise ValueError(
                f"sampling must be uniform or macs for the strategy {self.strategy}, got "
                f"{self.sampling}"
            )
        if self.drop_connect and self.strategy == "single_path":
            raise ValueError(
                f"drop_connect must be 0 for the strategy single_path, which hardly trains the "
                f"largest subnet, got {self.drop_connect:g}"
            )
        if self.random_subnets and self.strategy != "sandwich":
            raise ValueError(
                f"random_subnets must be 0 or left out unless strategy is sandwich, got "
                f"{self.random_subnets} for {self.strategy}"
            )


Objective = Literal["latency", "energy", "peak_memory", "params", "macs"]


def _default_samples(given: Mapping[str, Any]) -> int:
    return 10 if given["runtime"] is not None else 0


class TargetConfig(Section):
    """What the networks are meant to run on; owns a front.

    A target with a runtime is measured: on this machine, on the nodes of a Ray cluster that have
    the device, or by a program of the user's; without one it is predicted from the device's
    datasheet.
    """

    name: Name
    device: Annotated[str, AfterValidator(_device)] = HOST
    """A device that `nas devices` lists, the JSON file of a datasheet of one's own, or host for
    this machine."""
    runtime: Annotated[str, AfterValidator(_runtime)] | None = None
    """What executes the network when it is measured; null for a target that is only predicted."""
    measure_on: Annotated[str, Field(min_length=1)] | None = None
    """Custom resource of the Ray nodes that are the device; null for measuring on this machine."""
    command: tuple[str, ...] = ()
    """With runtime command, the program that measures and its arguments."""
    command_reads: Literal["onnx", "stablehlo"] = "onnx"
    """With runtime command, the file format that the program takes."""
    dtype: Literal["float32", "bfloat16", "float16", "int8"] = "float32"
    batch_size: PositiveCount = 1
    threads: PositiveCount = 1
    samples: Count = Field(default_factory=_default_samples)
    """Networks that are measured to adapt the predictor; 10 unless the target is only predicted."""
    constraints: tuple[str, ...] = ()
    """What members of the front must satisfy, such as latency_ms <= 5 or params <= 2e6."""
    confidence: Annotated[float, Field(ge=0.5, lt=1.0)] = 0.9
    """How sure a predicted latency must be to keep its constraints."""
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1)] = ("latency",)
    """What is traded against accuracy; the front is ordered by the first."""
    weight: Annotated[float, Field(ge=0.0)] = 1.0
    """How much this front matters beside the other targets' when networks are proposed."""

    @property
    def measurable(self) -> bool:
        """Whether networks can be measured on it here."""
        return self.runtime is not None

    @property
    def device_name(self) -> str:
        """The device's name; a datasheet's is that of its file."""
        return Path(self.device).name.removesuffix(DATASHEET_SUFFIX)

    @field_validator("objectives")
    @classmethod
    def _distinct(cls, objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
        for name in objectives:
            if objectives.count(name) > 1:
                raise ValueError(
                    f"must be different ones, got {name} {objectives.count(name)} times"
                )
        return objectives

    @field_validator("constraints")
    @classmethod
    def _parse(cls, constraints: tuple[str, ...]) -> tuple[str, ...]:
        for constraint in constraints:
            parse_constraint(constraint)
        return constraints

    @model_validator(mode="after")
    def _check(self) -> Self:
        elsewhere = self.measure_on is not None or self.runtime == COMMAND
        if self.runtime is not None and self.device != HOST and not elsewhere:
            raise ValueError(
                f"runtime must be left out: {self.device} is not this machine and can only be "
                f"predicted, unless measure_on names the Ray nodes that are one or runtime is "
                f"{COMMAND}; device: {HOST} is measured"
            )
        if self.measure_on is not None and (self.runtime is None or self.device == HOST):
            raise ValueError(
                f"measure_on needs a runtime, and the device that its nodes are; got runtime "
                f"{self.runtime or 'null'} and device {self.device}"
            )
        if (self.runtime == COMMAND) != bool(self.command):
            raise ValueError(
                f"command must be given for runtime {COMMAND} and for no other, got "
                f"{list(self.command)} for runtime {self.runtime or 'null'}"
            )
        known = runtimes()
        if self.runtime in known and self.dtype not in known[self.runtime].dtypes:
            valid = ", ".join(known[self.runtime].dtypes)
            raise ValueError(
                f"dtype must be one of {valid} for runtime {self.runtime}, got {self.dtype!r}"
            )
        if self.runtime == COMMAND and (self.command_reads, self.dtype) == ("stablehlo", "int8"):
            raise ValueError("dtype int8 needs command_reads: onnx, got stablehlo")
        if self.runtime is None and self.samples:
            raise ValueError(
                f"samples must be 0 or left out for a target without a runtime, got {self.samples}"
            )
        return self


_ALGORITHMS_OPTIONS = {"initial": "guided", "warm_start": "guided", "population_size": "nsga2"}


class SearchConfig(Section):
    """How the space is searched, and who evaluates."""

    algorithm: Literal["guided", "nsga2", "random"] = "guided"
    """guided chooses what to evaluate by predicted accuracy, nsga2 breeds, random samples."""
    evaluations: PositiveCount = 300
    """Networks whose accuracy is evaluated, each once for all targets."""
    mode: Literal["asynchronous", "synchronous"] = "asynchronous"
    """asynchronous gives a free worker the next network at once; synchronous waits for whole
    generations, so that the same seed ends with the same networks."""
    max_hours: PositiveFloat | None = None
    """Hours of one run after which no more networks are proposed; null for no limit."""
    patience: PositiveCount | None = None
    """Ends the search when for so many evaluations no front has grown; null for never."""
    least_growth: Annotated[float, Field(ge=0.0)] = 1e-3
    """Growth of a front's hypervolume, relative to it, below which it has not grown."""
    initial: Annotated[int, Field(ge=2)] | None = None
    """With guided, networks evaluated before any is chosen by prediction; null for 16."""
    warm_start: Path | None = None
    """With guided, a finished study of the same space: the search begins with its fronts."""
    population_size: Annotated[int, Field(ge=2)] | None = None
    """With nsga2, how many survive a generation; null for 48."""
    generation_size: PositiveCount = 16
    """Networks that are proposed at a time in the synchronous mode."""
    mutation_rate: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    """Probability with which a decision of an offspring is drawn anew."""
    calibration_images: PositiveCount = 512
    """Training images from which a subnet's BatchNorm statistics are computed anew."""
    batch_size: PositiveCount = 500
    """Images evaluated at a time."""
    compute_dtype: ComputeDtype = "auto"
    """As for train. Networks are measured and exported with what float32 gives."""
    executor: Literal["ray", "in_process"] = "ray"
    """in_process evaluates in the driver, for debugging; the results are the same."""
    workers: PositiveCount = 2
    """Most Ray workers, which evaluate one network each at a time; they start where a node has
    room, also while the search runs."""
    cpus_per_worker: PositiveCount = 1
    gpus_per_worker: Annotated[float, Field(ge=0.0)] = 0.0
    timeout_s: PositiveFloat | None = None
    """Seconds after which a Ray worker that still evaluates a network is replaced; the second time
    the network has failed. null is 30 times the mean of those that succeeded but at least 600, and
    3600 before the first."""

    @field_validator("warm_start")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.timeout_s is not None and self.executor == "in_process":
            raise ValueError(
                "search.timeout_s must be null for the executor in_process, which cannot end an "
                f"evaluation; got {self.timeout_s:g}"
            )
        for name, algorithm in _ALGORITHMS_OPTIONS.items():
            value = getattr(self, name)
            if value is not None and self.algorithm != algorithm:
                raise ValueError(
                    f"{name} must be left out unless algorithm is {algorithm}, got {value}"
                )
        return self


class VerifyConfig(Section):
    """What is done to every member of every front after the search."""

    remeasure: bool = True
    """Whether members are measured on the targets that can be measured."""


class MemberChoice(Section):
    """The most accurate member of one target's front, within a latency."""

    target: str
    latency_ms: PositiveFloat | None = None
    """Highest latency, measured where possible, predicted elsewhere; null for no limit."""
    confidence: Annotated[float, Field(ge=0.5, lt=1.0)] = 0.5
    """Share of timed runs, or probability of the prediction, that has to keep the latency."""


def _members_form(value: Any) -> str:
    return "<all>" if isinstance(value, str) else "<choices>"


class ExportConfig(Section):
    """Which networks leave the study, and how."""

    members: Annotated[
        Annotated[Literal["all"], Tag("<all>")]
        | Annotated[tuple[MemberChoice, ...], Tag("<choices>")],
        Discriminator(_members_form),
    ] = "all"
    """all, or a list of choices."""
    formats: Annotated[tuple[Literal["onnx", "stablehlo", "flax"], ...], Field(min_length=1)] = (
        "onnx",
        "stablehlo",
        "flax",
    )
    """Files that are written of each network; flax is a Python file to train it further with."""
    int8: bool = False
    """Whether each network is also written as ONNX in int8, and accuracy and latency of both are
    measured; some seconds a network, more with many or large test images."""
    finetune_epochs: Count = 0
    """Epochs for which each exported network is trained on its own first."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.int8 and "onnx" not in self.formats:
            raise ValueError(f"int8 needs onnx among the formats, got {', '.join(self.formats)}")
        return self


def _default_output(given: Mapping[str, Any]) -> Path:
    return Path("runs") / given["name"]


class Config(Section):
    """A whole search."""

    name: Name
    """What the study is called."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Decides everything random in the run."""
    output: Path = Field(default_factory=_default_output)
    """The study directory; runs/NAME unless given."""
    data: DataConfig
    space: SpaceConfig
    train: TrainConfig = TrainConfig()
    targets: Annotated[tuple[TargetConfig, ...], Field(min_length=1)]
    search: SearchConfig = SearchConfig()
    verify: VerifyConfig = VerifyConfig()
    export: ExportConfig = ExportConfig()
    tracking: TrackingConfig = TrackingConfig()

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [target.name for target in self.targets]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(
                    f"targets: names must be unique, got {name} {names.count(name)} times"
                )
        if not any(target.weight > 0 for target in self.targets):
            raise ValueError("targets: at least one needs a weight above 0")
        choices = () if self.export.members == "all" else self.export.members
        for choice in choices:
            if choice.target not in names:
                raise ValueError(
                    f"export.members: target must be one of {', '.join(names)}, "
                    f"got {choice.target!r}"
                )
        return self

    def to_document(self) -> dict[str, Any]:
        """Everything resolved, as plain data that `parse_config` reads back to an equal config."""
        return self.model_dump(mode="json")

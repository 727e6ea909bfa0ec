"""Arguments that several commands have, and what they stand for."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latency_models.device import DeviceSpec, find_device
from latency_models.operators import DTYPE_BYTES

if TYPE_CHECKING:
    from latency_models.meta import MetaModel

Commands = Any
"""What `argparse.ArgumentParser.add_subparsers` returns; its class is private."""

NETWORK_HELP = "a workload as JSON (Workload.to_json) or an ONNX model (.onnx)"


def add_json(parser: argparse.ArgumentParser) -> None:
    """For a command that can print JSON."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def print_json(found: Any) -> None:
    """As JSON that other languages read too: a figure that makes no sense is null."""
    print(json.dumps(_finite(found), indent=2, allow_nan=False))


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """How the networks run that are read from files."""
    group = parser.add_argument_group("networks", "a workload in JSON says these by itself")
    group.add_argument("--batch-size", type=positive, metavar="N", help="of an ONNX model")
    group.add_argument("--dtype", choices=DTYPE_BYTES, help="that an ONNX model is to run in")
    group.add_argument(
        "--size",
        action="append",
        default=[],
        type=_named_size,
        metavar="NAME=N",
        help="a size that an ONNX model leaves open; may be repeated",
    )
    group.add_argument(
        "--unknown",
        choices=("error", "elementwise"),
        default="error",
        help="what to do with ONNX operators that have no meaning here",
    )


def add_target_options(parser: argparse.ArgumentParser) -> None:
    """What is known of a target."""
    parser.add_argument("--device", metavar="NAME", help="of its datasheet; `host` is this machine")
    parser.add_argument("--threads", type=positive, metavar="N", help="cores in use; all if absent")
    parser.add_argument(
        "--runtime", metavar="NAME", help="what runs the networks, such as tflite or onnxruntime"
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Which meta-learned model."""
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="that `meta-train` wrote, not the pretrained one"
    )


def meta_model(options: argparse.Namespace) -> MetaModel:
    """The model of `add_model`."""
    from latency_models.meta import load_model, load_pretrained

    return load_pretrained() if options.model is None else load_model(options.model)


def device(options: argparse.Namespace) -> DeviceSpec | None:
    """The datasheet of `add_target_options`, if one was named."""
    return None if options.device is None else find_device(options.device)


def positive(text: str) -> int:
    """A whole number of at least 1."""
    return _whole(text, 1)


def not_negative(text: str) -> int:
    """A whole number of at least 0."""
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"expected a number of at least {least}, got {text!r}")
    return int(text)


def _named_size(text: str) -> tuple[str, int]:
    name, _, size = text.rpartition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"expected a size such as length=128, got {text!r}")
    return name, positive(size)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and value != value else value

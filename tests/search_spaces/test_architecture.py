"""What is read back as an architecture, and what is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from search_spaces import Architecture
from search_spaces.mobilenet import InvertedResidual, MobileNetHead, MobileNetStem

ARCHITECTURE = Architecture(
    "mobilenet",
    (8, 8, 1),
    ("stem", "stage1.block1", "head"),
    (
        MobileNetStem(1, 8, 1),
        InvertedResidual(8, 16, 8, 3, 1, "relu", 0),
        MobileNetHead(8, 16, 16, 10),
    ),
)


def test_the_document_reads_well() -> None:
    document = json.loads(ARCHITECTURE.to_json())
    assert document["input_shape"] == [8, 8, 1]
    assert document["blocks"][1] == {
        "slot": "stage1.block1",
        "kind": "inverted_residual",
        "in_channels": 8,
        "expanded_channels": 16,
        "out_channels": 8,
        "kernel": 3,
        "stride": 1,
        "activation": "relu",
        "squeeze_channels": 0,
    }


def block(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["blocks"][1].update(changes)


def top(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.update(changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (top(format="other"), 'expected "format": "ridgeline-architecture"'),
        (top(version=2), "version must be 1, got 2"),
        (top(space=None), "space must be a name, got None"),
        (
            top(input_shape=[]),
            r"input_shape must be a list of positive integers of at most 1048576, got \[\]",
        ),
        (top(input_shape=[8, 8, True]), "input_shape must be a list of positive integers"),
        (top(input_shape=None), "input_shape must be a list of positive integers"),
        (top(blocks=[]), "blocks must be a list of at least one block"),
        (top(blocks={"a": 1}), "blocks must be a list of at least one block"),
        (top(blocks=["stem"]), "every block must name a slot of its own"),
        (block(slot="stem"), "every block must name a slot of its own"),
        (block(slot=None), "every block must name a slot of its own"),
        (
            block(kind="transformer"),
            r"blocks\[1\]: kind must be one of .*inverted_residual, .*'trans",
        ),
        (block(kind=["stem"]), r"blocks\[1\]: kind must be one of .*, got \['stem'\]"),
        (block(colour="red"), r"blocks\[1\]: expected the fields \['activation', .*'colour'"),
        (block(kernel="3"), r"blocks\[1\]\.kernel must be int, got '3'"),
        (block(kernel=3.0), r"blocks\[1\]\.kernel must be int, got 3\.0"),
        (block(kernel=True), r"blocks\[1\]\.kernel must be int, got True"),
        (block(stride=-1), r"blocks\[1\]\.stride must be from 0 to 1048576, got -1"),
    ],
)
def test_a_changed_document_is_refused_with_the_place(
    change: Callable[[dict[str, Any]], None], message: str
) -> None:
    document = json.loads(ARCHITECTURE.to_json())
    change(document)
    with pytest.raises(ValueError, match=f"^architecture: .*{message}"):
        Architecture.from_json(json.dumps(document))


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", "[" * 100_000])
def test_what_is_no_architecture_at_all_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^architecture: "):
        Architecture.from_json(text)


def test_a_block_that_does_not_fit_the_one_before_is_refused() -> None:
    document = json.loads(ARCHITECTURE.to_json())
    block(out_channels=24)(document)
    broken = Architecture.from_json(json.dumps(document))
    with pytest.raises(ValueError, match="mobilenet_head: expected 8 input channels, got 24"):
        broken.workload(batch_size=1, dtype="float32")

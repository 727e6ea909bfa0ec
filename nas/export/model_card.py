"""A network's model card: what `card.json` says, for people.

The sections follow Mitchell et al., "Model Cards for Model Reporting", FAT* 2019, as far as a
search knows what belongs into them, and the last but one says what it does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nas.export.loading import commands, fenced, preparation

LISTED_CLASSES = 20


def model_card(card: Mapping[str, Any]) -> str:
    """The card as Markdown, from the content of `card.json`."""
    parts = [
        [f"# {card['network']}", ""],
        _task(card),
        _accuracy(card),
        _latency(card),
        _int8(card) if "int8" in card else [],
        _loading(card),
        _limits(card),
        _provenance(card),
    ]
    return "\n".join(line for part in parts for line in part)


def _task(card: Mapping[str, Any]) -> list[str]:
    data, given = card["data"], card["input"]
    classes = list(map(str, given["classes"]))
    named = ", ".join(classes[:LISTED_CLASSES])
    more = len(classes) - LISTED_CLASSES
    shape = "x".join(map(str, given["shape"]))
    return [
        f"Classifies images of {shape} (height, width, channels) into {len(classes)} classes: "
        f"{named}{f' and {more} more' if more > 0 else ''}.",
        "",
        *_table(
            ("", ""),
            [
                ("search space", card["provenance"]["space"]),
                ("parameters", f"{card['params']:,}"),
                ("multiply-accumulates an image", f"{card['macs']:,}"),
                ("data", data["name"]),
                (
                    "images",
                    f"{data['train_images']:,} train, {data['search_images']:,} search, "
                    f"{data['test_images']:,} test",
                ),
                ("SHA-256 of the data", f"`{data['sha256']}`"),
            ],
        ),
    ]


def _accuracy(card: Mapping[str, Any]) -> list[str]:
    lines = ["## Accuracy", ""]
    if card["accuracy"] is None:
        lines.append("It was not tested.")
    else:
        lines.append(f"Top-1 on the test split: {_share(card['accuracy'])}.")
    if "finetune_epochs" in card:
        lines[-1] += (
            f" The weights in the files were trained for {card['finetune_epochs']} more epochs: "
            f"{_share(card['accuracy_finetuned'])}."
        )
    lines += [
        "",
        "The interval is Wilson's (1927): it says what the choice of so many test images leaves "
        "open, and nothing of other images.",
        "",
    ]
    return lines


def _share(accuracy: Mapping[str, Any]) -> str:
    low, high = accuracy["interval"]
    return (
        f"{accuracy['value']:.2%} ({accuracy['confidence']:.0%} interval {low:.2%} to {high:.2%}, "
        f"{accuracy['images']:,} images)"
    )


def _latency(card: Mapping[str, Any]) -> list[str]:
    rows = [
        (name, target["device"], _setting(target), *_known_latency(target))
        for name, target in card["targets"].items()
    ]
    lines = [
        "## Latency",
        "",
        *_table(("target", "device", "run as", "ms", "how it is known"), rows),
    ]
    for name, target in card["targets"].items():
        lines += _environment(name, target["environment"])
    return lines


def _environment(name: str, environment: Mapping[str, str]) -> list[str]:
    told = ", ".join(f"{key} {value}" for key, value in environment.items())
    return [f"Where {name} was measured: {told}.", ""] if told else []


def _setting(target: Mapping[str, Any]) -> str:
    threads = target["threads"]
    return (
        f"{target['runtime'] or 'any runtime'}, {target['dtype']}, batch of "
        f"{target['batch_size']}, {threads} thread{'s' if threads > 1 else ''}"
    )


def _known_latency(target: Mapping[str, Any]) -> tuple[str, str]:
    level = f"{target['interval_level']:.0%}"
    if target["measured_s"] is None:
        tried = "; measuring it failed" if target["measured_status"] == "failed" else ""
        low, high = target["interval_s"]
        interval = f"{level} interval {_ms(low)} to {_ms(high)}"
        return _ms(target["predicted_s"]), f"predicted, not measured{tried}; {interval}"
    noisy = " on a disturbed machine" if target["measured_status"] == "noisy" else ""
    text = f"measured{noisy}: median of {target['samples']} samples"
    if target["samples_interval_s"]:
        low, high = target["samples_interval_s"]
        text += f", {level} of them {_ms(low)} to {_ms(high)}"
    return _ms(target["measured_s"]), text


def _int8(card: Mapping[str, Any]) -> list[str]:
    int8 = card["int8"]
    lines = [
        "## In int8",
        "",
        f"`{int8['file']}` is `model.onnx` quantised after training, with scales from "
        f"{int8['calibration_images']} training images. Accuracies of both files are of ONNX "
        "Runtime on the whole test split; latencies were measured on one machine one after the "
        "other.",
        "",
    ]
    accuracies = [
        ("top-1 accuracy", *(_share(int8["accuracy"][dtype]) for dtype in ("float32", "int8")))
    ]
    latencies = [
        (
            f"{run['runtime']}, batch of {run['batch_size']}, threads: {run['threads']}",
            *(_measured(run[dtype]) for dtype in ("float32", "int8")),
        )
        for run in int8["latency"]
    ]
    lines += _table(("", "float32", "int8"), [*accuracies, *latencies])
    for run in int8["latency"]:
        lines += _environment(run["runtime"], run["environment"])
    return lines


def _measured(found: Mapping[str, Any]) -> str:
    if found["latency_s"] is None:
        return f"failed: {found['error']}"
    low, high = found["interval_s"]
    noisy = ", on a disturbed machine" if found["status"] == "noisy" else ""
    return (
        f"{_ms(found['latency_s'])} ms (median of {found['samples']} samples, its 95% interval "
        f"{_ms(low)} to {_ms(high)}{noisy})"
    )


def _loading(card: Mapping[str, Any]) -> list[str]:
    lines = [
        "## How to load it",
        "",
        "In the directory of this file. Every format takes the same images, and any number of "
        "them.",
        "",
        *fenced(preparation(card)),
    ]
    for title, code in commands(card):
        lines += [f"{title}:", "", *fenced(code)]
    opsets = {
        str(found["file"] if "file" in found else found["files"][0]): found["opset"]
        for found in (card["formats"].get("onnx"), card.get("int8"))
        if found is not None
    }
    lines += [f"`{file}` has ONNX's operator set {opset}." for file, opset in opsets.items()]
    return [*lines, ""]


def _limits(card: Mapping[str, Any]) -> list[str]:
    formats = card["formats"]
    differences = ", ".join(
        f"{name} {found['max_logit_difference']:.1e}" for name, found in formats.items()
    )
    points = [
        f"The files gave the network's logits for {card['checked_images']} test images on the "
        f"machine that wrote them; the largest difference of a logit was: {differences}. Other "
        "machines, runtimes and versions were not tried.",
        "The members of a front were compared on the same test split; the best of several looks "
        "a little better there than it is.",
        "Nothing is known of images that differ from the test split's in origin or preparation, "
        "nor of how accuracy differs between groups of them.",
        "A latency holds for the runtime, precision, batch size and threads beside it, on a "
        "machine that does nothing else.",
        "The licence of the data is not known to the search, nor whether it covers networks that "
        "were trained on them.",
    ]
    if "int8" not in card:
        points.append("The network was not quantised for this card.")
    if any(target["measured_s"] is None for target in card["targets"].values()):
        points.append("Where a latency is predicted, the network has never run on that target.")
    return ["## Limits", "", *(f"- {point}" for point in points), ""]


def _provenance(card: Mapping[str, Any]) -> list[str]:
    origin = card["provenance"]
    rows = [
        ("study", origin["study"]),
        ("seed", origin["seed"]),
        ("written", origin["created"]),
        ("commit of ridgeline-nas", origin["commit"] or "not known"),
        *origin["versions"].items(),
    ]
    return [
        "## Where it comes from",
        "",
        *_table(("", ""), rows),
        "`card.json` has all figures of this page, and under `provenance.config` the whole "
        "configuration; `architecture.json` has the architecture.",
        "",
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    def line(cells: Sequence[object]) -> str:
        return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"

    return [line(head), f"|{'---|' * len(head)}", *map(line, rows), ""]


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g}"

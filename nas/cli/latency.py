"""The commands about latency alone; `nas measure` and `nas predict` have files of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.columns import figure, print_columns
from nas.cli.measuring import measure
from nas.cli.predicting import predict

if TYPE_CHECKING:
    from latency_models import DeviceSpec

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.command("devices", rich_help_panel="Latency")(devices)
    app.command("measure", rich_help_panel="Latency")(measure)
    app.command("predict", rich_help_panel="Latency")(predict)


def devices(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Show this one in full, with its sources.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the devices that latency can be predicted for, this machine among them."""
    from latency_models import DEVICES, find_device

    specs = [find_device(name)] if name else [find_device("host"), *DEVICES.values()]
    if as_json:
        found = [_document(spec) for spec in specs]
        print(json.dumps(found[0] if name else found, indent=2))
    elif name:
        _print_datasheet(specs[0])
    else:
        header = ("device", "kind", "float32 GFLOP/s", "memory GB/s", "cores", "power W")
        print_columns(header, [_row(spec) for spec in specs])


def _row(spec: DeviceSpec) -> tuple[str, ...]:
    return (
        spec.name,
        spec.kind,
        figure(spec.peak_flops_per_s.get("float32"), 1e9),
        figure(spec.memory_bandwidth_bytes_per_s, 1e9),
        figure(spec.cores),
        figure(spec.max_power_w),
    )


def _document(spec: DeviceSpec) -> dict[str, Any]:
    from pydantic_core import to_jsonable_python

    fields = {name: getattr(spec, name) for name in spec.__dataclass_fields__}
    return {
        name: dict(value) if name in ("peak_flops_per_s", "sources") else to_jsonable_python(value)
        for name, value in fields.items()
    }


def _print_datasheet(spec: DeviceSpec) -> None:
    document = _document(spec)
    sources = document.pop("sources")
    for name, value in document.items():
        if value is None or value == []:
            continue
        text = value if isinstance(value, str) else json.dumps(value)
        source = f"  ({sources[name]})" if name in sources else ""
        print(f"{name}: {text}{source}")

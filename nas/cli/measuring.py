"""`nas measure`: the latency of network files on this machine."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.columns import figure, print_columns

if TYPE_CHECKING:
    from latency_models.measure import Measured

DTYPES = {"FLOAT": "float32", "FLOAT16": "float16", "BFLOAT16": "bfloat16", "INT8": "int8"}
"""Names of the element types that an ONNX input may have."""


def measure(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Networks as export writes them: .onnx, .jaxexport."
        ),
    ],
    runtime: Annotated[
        str | None,
        typer.Option(
            help="xla, onnxruntime, openvino or command; by the file's ending if left out."
        ),
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(help="With the runtime command: your program and its arguments, in quotes."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Cores and threads to use.")] = 1,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Where the file leaves it open; 1 by default.")
    ] = None,
    input_shape: Annotated[
        str | None,
        typer.Option(help="Such as 1,32,32,3; for files that only your program can read."),
    ] = None,
    compute_dtype: Annotated[
        str | None,
        typer.Option(help="What the runtime is told to compute in, where it can be told."),
    ] = None,
    timeout_s: Annotated[
        float, typer.Option(min=0.1, help="For one file, compilation included.")
    ] = 120.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure the latency of networks, one after another: on this machine, or by your program."""
    from latency_models.measure import COMMAND
    from latency_models.measure import measure as measure_files

    program = _program(command)
    if runtime is None and program:
        runtime = COMMAND
    for file in files:
        if not file.is_file():
            found = "a directory" if file.is_dir() else "nothing"
            raise typer.BadParameter(f"{file}: expected a file, found {found}")
    results: list[tuple[str, Measured]] = []
    for file in files:
        name = runtime or _runtime_of(file)
        shape, dtype = (
            _input_of(file, batch_size) if input_shape is None else (_shape(input_shape), "float32")
        )
        measured = measure_files(
            [file],
            runtime=name,
            input_shape=shape,
            dtype=dtype,
            compute_dtype=compute_dtype,
            threads=threads,
            timeout_s=timeout_s,
            command=program,
        )
        results += [(name, result) for result in measured]
    if as_json:
        documents = [{"runtime": name, **result.to_dict()} for name, result in results]
        print(json.dumps(documents, indent=2))
    else:
        _print(results)
    _report_failures([result for _, result in results])


def _program(command: str | None) -> list[str]:
    """The program and its arguments; quotes group words as in a shell, which is not run."""
    try:
        return shlex.split(command or "")
    except ValueError as error:
        raise typer.BadParameter(f"--command: {error}, got {command!r}") from None


def _shape(text: str) -> tuple[int, ...]:
    sizes = text.split(",")
    if not all(size.strip().isdecimal() and int(size) > 0 for size in sizes):
        raise typer.BadParameter(
            f"--input-shape must be positive sizes such as 1,32,32,3, got {text!r}"
        )
    return tuple(int(size) for size in sizes)


def _runtime_of(file: Path) -> str:
    from latency_models.measure import runtimes

    for name, runtime in runtimes().items():
        if file.suffix == runtime.suffix:
            return name
    endings = ", ".join(f"{runtime.suffix} ({name})" for name, runtime in runtimes().items())
    raise typer.BadParameter(f"{file}: expected a file ending in {endings}, or --runtime")


def _input_of(file: Path, batch_size: int | None) -> tuple[tuple[int, ...], str]:
    """Shape and dtype of the network's input, with the batch size where the file leaves it open."""
    from nas.errors import UserError

    readers = {".onnx": _onnx_input, ".jaxexport": _exported_input}
    if file.suffix not in readers:
        raise UserError(
            f"{file}: expected a file ending in {' or '.join(readers)}, or --input-shape"
        )
    shape, dtype = readers[file.suffix](file)
    batch, *image = shape
    if batch is not None and batch_size not in (None, batch):
        raise UserError(
            f"{file}: is made for a batch size of {batch}, got --batch-size {batch_size}"
        )
    sizes = [size for size in image if size is not None]
    if len(sizes) != len(image):
        raise UserError(f"{file}: expected an input that leaves at most the batch size open")
    return (batch or batch_size or 1, *sizes), dtype


def _onnx_input(file: Path) -> tuple[list[int | None], str]:
    import onnx
    from google.protobuf.message import DecodeError

    from nas.errors import UserError

    try:
        graph = onnx.load(file, load_external_data=False).graph
    except DecodeError:
        raise UserError(f"{file}: is no ONNX model, or an incomplete one") from None
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in stored]
    if len(inputs) != 1 or not inputs[0].type.tensor_type.shape.dim:
        raise UserError(
            f"{file}: expected a model with one tensor as input, got {len(inputs)} inputs"
        )
    tensor = inputs[0].type.tensor_type
    kind = onnx.TensorProto.DataType.Name(tensor.elem_type)
    if kind not in DTYPES:
        raise UserError(f"{file}: expected an input of {', '.join(DTYPES)}, got {kind}")
    shape = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    return shape, DTYPES[kind]


def _exported_input(file: Path) -> tuple[list[int | None], str]:
    from jax import export

    from nas.errors import UserError

    try:
        avals = export.deserialize(bytearray(file.read_bytes())).in_avals
    except Exception as error:
        # The deserialiser fails in as many ways as a file can be damaged.
        raise UserError(f"{file}: is no function serialised by jax.export: {error}") from None
    if len(avals) != 1 or not avals[0].shape:
        raise UserError(f"{file}: expected a function of one array, got one of {len(avals)}")
    shape = [size if isinstance(size, int) else None for size in avals[0].shape]
    return shape, avals[0].dtype.name


def _print(results: Sequence[tuple[str, Measured]]) -> None:
    rows: list[tuple[str, ...]] = []
    for runtime, result in results:
        low, high = result.confidence_interval_s or (None, None)
        figures = (figure(value, 1e-3) for value in (result.latency_s, low, high))
        compiled = figure(result.compile_s, 1)
        samples, marks = str(len(result.samples_s)), ", ".join(result.marks)
        rows.append((str(result.path), runtime, result.status, *figures, samples, compiled, marks))
    titles = ("file", "runtime", "status", "median ms", "low", "high", "samples")
    print_columns((*titles, "compile s", "marks"), rows)


def _report_failures(results: Sequence[Measured]) -> None:
    from nas.errors import UserError

    failed = [result for result in results if result.status == "failed"]
    if failed:
        raise UserError(
            f"{len(failed)} of {len(results)} files could not be measured; "
            f"{failed[0].path}: {failed[0].error}"
        )

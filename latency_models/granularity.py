"""How much more arithmetic an operator takes than it needs, because hardware works in blocks.

A product of matrices with `rows x depth` and `depth x columns` (a convolution is one: rows are the
output's positions, columns its channels, the depth is kernel x kernel x input channels) runs

- on a GPU in tiles of the output, one to a multiprocessor at a time. A tile that is partly outside
  costs as much as a whole one, and so does a last wave of tiles that leaves multiprocessors idle
  (NVIDIA, "Matrix Multiplication Background User's Guide", DU-09799-001, section 3, "Dimension
  Quantization Effects"). The largest tile that gives every multiprocessor work is taken; where even
  the smallest gives too few, the depth is divided over further multiprocessors ("split-K");
- on a CPU with the columns in the lanes of a vector, the channels-last layout of oneDNN;
- on a systolic array with columns and depth along its sides (Jouppi et al., "In-Datacenter
  Performance Analysis of a Tensor Processing Unit", ISCA 2017).

A device whose datasheet does not give the block has no such loss, nor has an operator without
matrix products: element-wise work is spread over flat arrays.
"""

import numpy as np
from jaxtyping import Bool, Float

from latency_models.device_spec import DeviceSpec
from latency_models.op_arrays import OpArrays
from latency_models.operators import DTYPE_BYTES

# The smallest tile that the guide lists among cuBLAS's (section 2.3), and the depth of CUTLASS's.
_SMALLEST_TILE = 64
# Products are added up in 32 bits, of int8 and bfloat16 too (VPDPBUSD, VDPBF16PS, SDOT).
_ACCUMULATOR_BITS = 32
_NARROW_ACCUMULATOR_BITS = 16


def on_matrix_units(ops: OpArrays) -> Bool[np.ndarray, " m"]:
    """Marks the operators that matrix units run: products in which inputs are used again.

    A depthwise convolution multiplies each input with the weights of its own channel only.
    """
    return (ops.macs > 0) & ~ops.is_kind("depthwise_conv")


def padding_factor(ops: OpArrays, spec: DeviceSpec) -> Float[np.ndarray, " m"]:
    """Arithmetic done over arithmetic needed, at least 1 for each operator."""
    factor = np.ones(ops.macs.shape)
    rows, columns, depth = _matrix_sides(ops)
    product = columns > 0
    dense = product & on_matrix_units(ops)
    if spec.vector_bits is not None:
        lanes = _lanes(ops, spec.vector_bits)[product]
        factor[product] *= _rounding(columns[product], lanes)
    if spec.systolic_side is not None:
        sides = (columns[dense], depth[dense])
        factor[dense] *= np.prod([_rounding(s, spec.systolic_side) for s in sides], axis=0)
    if spec.tile_rows is not None and spec.tile_columns is not None and spec.cores is not None:
        tile = (spec.tile_rows, spec.tile_columns)
        factor[dense] *= _wave_factor(rows[dense], columns[dense], depth[dense], tile, spec.cores)
    return factor


def _matrix_sides(ops: OpArrays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and depth of each operator's product; columns are 0 where there is none.

    An operator with weights of its own has `depth + bias` of them for each column, and
    `2 depth + bias` FLOPs for each element of its output, which gives the columns.
    """
    item = np.array([*DTYPE_BYTES.values()], float)[ops.dtype]
    outputs = ops.output_bytes / item
    depth = ops.macs / outputs
    weights = ops.flops / outputs - depth
    product = (ops.macs > 0) & (ops.params > 0) & (weights > 0)
    columns = np.divide(ops.params, weights, out=np.zeros_like(outputs), where=product)
    whole = (columns >= 1) & (np.abs(columns - np.rint(columns)) < 1e-6)
    columns = np.where(whole, np.rint(columns), 0.0)
    rows = np.divide(outputs, columns, out=np.zeros_like(outputs), where=whole)
    return rows, columns, depth


def _lanes(ops: OpArrays, vector_bits: int) -> Float[np.ndarray, " m"]:
    narrow = ops.is_dtype("float16")
    bits = np.where(narrow, _NARROW_ACCUMULATOR_BITS, _ACCUMULATOR_BITS)
    return np.maximum(vector_bits // bits, 1).astype(float)


def _rounding(
    size: Float[np.ndarray, " p"], block: int | Float[np.ndarray, " p"]
) -> Float[np.ndarray, " p"]:
    """The size rounded up to whole blocks, over the size."""
    return np.ceil(size / block) * block / size


def _wave_factor(
    rows: Float[np.ndarray, " p"],
    columns: Float[np.ndarray, " p"],
    depth: Float[np.ndarray, " p"],
    tile: tuple[int, int],
    cores: int,
) -> Float[np.ndarray, " p"]:
    sizes = [tile]
    while max(sizes[-1]) > _SMALLEST_TILE:
        long, short = max(sizes[-1]), min(sizes[-1])
        sizes.append((max(long // 2, _SMALLEST_TILE), short))
    work = np.zeros_like(rows)
    for size in sizes:
        tiles = _fewest_tiles(rows, columns, size)
        waves = np.ceil(tiles / cores)
        chosen = (work == 0) & (tiles >= cores)
        work[chosen] = waves[chosen] * cores * size[0] * size[1]
    tiles = _fewest_tiles(rows, columns, sizes[-1])
    splits = np.maximum(np.minimum(cores // tiles, depth // _SMALLEST_TILE), 1)
    split = cores * sizes[-1][0] * sizes[-1][1] / splits
    return np.where(work > 0, work, split) / (rows * columns)


def _fewest_tiles(
    rows: Float[np.ndarray, " p"], columns: Float[np.ndarray, " p"], size: tuple[int, int]
) -> Float[np.ndarray, " p"]:
    """Tiles that cover the output, lying or upright, whichever takes fewer."""
    a, b = size
    upright = np.ceil(rows / a) * np.ceil(columns / b)
    return np.minimum(upright, np.ceil(rows / b) * np.ceil(columns / a))

"""How much more arithmetic an operator takes than it needs, because hardware works in blocks.

A product of matrices with `rows x depth` and `depth x columns` (a convolution is one: rows are the
output's positions, columns its channels, the depth is kernel x kernel x input channels) runs

- on a GPU in tiles of the output, one to a multiprocessor at a time. A tile that is partly outside
  costs as much as a whole one, and so does a last wave of tiles that leaves multiprocessors idle
  (NVIDIA, "Matrix Multiplication Background User's Guide", DU-09799-001, section 3, "Dimension
  Quantization Effects"). A tile is as thin as the matrix; where tiles are too few for the
  multiprocessors they are halved, and then the depth is divided over multiprocessors ("split-K");
- on a CPU with the columns in the lanes of a vector, the channels-last layout of oneDNN;
- on a systolic array with columns and depth along its sides (Jouppi et al., "In-Datacenter
  Performance Analysis of a Tensor Processing Unit", ISCA 2017).

A device whose datasheet does not give the block has no such loss, but for GPUs whose number of
multiprocessors is known: the tile is the library's, and cuBLAS's largest stands for it. Nor has an
operator without matrix products: element-wise work is spread over flat arrays.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from latency_models.device_spec import DeviceSpec
from latency_models.op_arrays import OpArrays
from latency_models.operators import DTYPE_BYTES

# Rows and columns of cuBLAS's most efficient tile, the first in the guide's list (section 2.3).
_GPU_TILE = (256, 128)
# Tiles that fill a multiprocessor have sides of 64 and more (the guide, section 2.3), those for
# matrices that are thinner sides of 8 and more (cuBLASLt's list, `cublasLtMatmulTile_t`); a
# division of the depth leaves each part 64.
_SMALLEST_FULL_SIDE = 64
_SMALLEST_SIDE = 8
_DEPTH_STEP = 64
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
    if (tile := _tile(spec)) is not None and spec.cores is not None:
        sides = (rows[dense], columns[dense], depth[dense])
        factor[dense] *= _wave_factor(*sides, ops.groups[dense], tile, spec.cores)
    return factor


def _tile(spec: DeviceSpec) -> tuple[int, int] | None:
    if spec.tile_rows is not None and spec.tile_columns is not None:
        return spec.tile_rows, spec.tile_columns
    return _GPU_TILE if spec.kind == "gpu" else None


def _matrix_sides(
    ops: OpArrays,
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Rows, columns and depth of one group's product, the products of a batch stacked in the rows.

    A depthwise convolution is one product with all channels as its columns. Columns are 0 where
    there is no product.
    """
    outputs = np.maximum(
        ops.output_bytes / np.array([*DTYPE_BYTES.values()], float)[ops.dtype], 1.0
    )
    groups = np.where(on_matrix_units(ops), ops.groups, 1)
    columns = np.where(ops.macs > 0, ops.out_channels / groups, 0.0)
    return outputs / np.maximum(ops.out_channels, 1), columns, ops.macs / outputs


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
    groups: Int[np.ndarray, " p"],
    tile: tuple[int, int],
    cores: int,
) -> Float[np.ndarray, " p"]:
    long = _fitted(np.maximum(rows, columns), max(tile))
    short = _fitted(np.minimum(rows, columns), min(tile))
    tiles = groups * _tiles(rows, columns, long, short)
    while (small := (tiles < cores) & (np.maximum(long, short) > _SMALLEST_FULL_SIDE)).any():
        long, short = np.maximum(long, short), np.minimum(long, short)
        long = np.where(small, long / 2, long)
        tiles = groups * _tiles(rows, columns, long, short)
    splits = np.maximum(np.minimum(cores // tiles, depth // _DEPTH_STEP), 1)
    waves = np.ceil(tiles * splits / cores)
    return waves * cores * long * short / splits / (groups * rows * columns)


def _fitted(side: Float[np.ndarray, " p"], tile_side: int) -> Float[np.ndarray, " p"]:
    """Side of the tile, or the next power of two for a matrix that is smaller."""
    power = 2.0 ** np.ceil(np.log2(side))
    return np.clip(power, min(_SMALLEST_SIDE, tile_side), tile_side)


def _tiles(
    rows: Float[np.ndarray, " p"],
    columns: Float[np.ndarray, " p"],
    long: Float[np.ndarray, " p"],
    short: Float[np.ndarray, " p"],
) -> Float[np.ndarray, " p"]:
    """Tiles that cover the output, their longer side along its longer one."""
    longer, shorter = np.maximum(rows, columns), np.minimum(rows, columns)
    return np.ceil(longer / long) * np.ceil(shorter / short)

"""A small space of inverted-residual networks that the tests predict and measure."""

from itertools import product

import pytest

from latency_models import (
    CostTable,
    Op,
    Slot,
    activation,
    add,
    conv2d,
    global_pool,
    linear,
    norm,
    scale,
)

WIDTHS = (8, 16, 24)
KERNELS = (3, 5, 7)
EXPANSIONS = (2, 4, 6)
BLOCKS = 4


@pytest.fixture(scope="session")
def toy_table() -> CostTable:
    """A width for all, then kernel, expansion and presence of each of four blocks."""
    batch_size, dtype, resolution = 1, "float32", 32
    cardinalities = (len(WIDTHS), *(3, 3, 2) * BLOCKS)
    size = resolution // 2
    stem = tuple(_stem(batch_size, resolution, width, dtype) for width in WIDTHS)
    slots = [Slot("stem", (0,), stem)]
    for index in range(BLOCKS):
        rows = tuple(
            _block(f"block{index}", (batch_size, size, size, width), kernel, expansion, dtype)
            if there
            else ()
            for width, kernel, expansion, there in product(WIDTHS, KERNELS, EXPANSIONS, (0, 1))
        )
        first = 1 + 3 * index
        slots.append(Slot(f"block{index}", (0, first, first + 1, first + 2), rows))
    head = tuple(_head((batch_size, size, size, width), dtype) for width in WIDTHS)
    slots.append(Slot("head", (0,), head))
    return CostTable(cardinalities, tuple(slots), batch_size, dtype)


def _stem(batch_size: int, resolution: int, width: int, dtype: str) -> tuple[Op, ...]:
    shape = (batch_size, resolution, resolution, 3)
    conv = conv2d("stem", shape, out_channels=width, kernel=3, stride=2, dtype=dtype)
    return (
        conv,
        norm("stem.norm", conv.output_shape, dtype=dtype, inputs=(0,)),
        activation("stem.act", conv.output_shape, function="relu", dtype=dtype, inputs=(1,)),
    )


def _block(
    name: str, shape: tuple[int, ...], kernel: int, expansion: int, dtype: str
) -> tuple[Op, ...]:
    hidden = shape[-1] * expansion
    expand = conv2d(f"{name}.expand", shape, out_channels=hidden, kernel=1, dtype=dtype)
    wide = expand.output_shape
    return (
        expand,
        norm(f"{name}.norm1", wide, dtype=dtype, inputs=(0,)),
        activation(f"{name}.act1", wide, function="hard_swish", dtype=dtype, inputs=(1,)),
        conv2d(
            f"{name}.depthwise",
            wide,
            out_channels=hidden,
            kernel=kernel,
            groups=hidden,
            dtype=dtype,
            inputs=(2,),
        ),
        global_pool(f"{name}.squeeze", wide, dtype=dtype, inputs=(3,)),
        linear(f"{name}.excite", (shape[0], hidden), out_features=hidden, dtype=dtype, inputs=(4,)),
        scale(f"{name}.scale", wide, dtype=dtype, inputs=(3, 5)),
        conv2d(f"{name}.project", wide, out_channels=shape[-1], kernel=1, dtype=dtype, inputs=(6,)),
        add(f"{name}.add", shape, dtype=dtype, inputs=(7, -1)),
    )


def _head(shape: tuple[int, ...], dtype: str) -> tuple[Op, ...]:
    return (
        global_pool("pool", shape, dtype=dtype),
        linear("classifier", (shape[0], shape[-1]), out_features=10, dtype=dtype, inputs=(0,)),
    )

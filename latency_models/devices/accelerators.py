"""Accelerators for the edge: fixed-function chips and a research chip."""

from latency_models.device_spec import CacheLevel, DeviceSpec
from latency_models.devices.sourcing import KIB, MIB, sourced

_CORAL = "https://pdfslide.net/documents/accelerator-module-datasheet-accelerator-module-datasheet-preliminary-draft-may.html"
_CORAL_NOTES = (
    "https://applied-ee.github.io/embedded/docs/edge-ai/hardware-accelerators/coral-edge-tpu/"
)
_MYRIAD_X = "http://www.tomshardware.com/news/intel-movidius-vpu-ai-inference,35327.html"
_MYRIAD_X_MEMORY = (
    "https://assured-systems.com/faq/what-is-a-movidius-myriad-x-vision-processing-unit"
)
_EYERISS = (
    "copy of Chen et al., 'Eyeriss', IEEE Journal of Solid-State Circuits 52(1), 2017, section VI"
    " and table IV"
)
_EYERISS_POWER = "https://vdocuments.site/ieee-journal-of-solid-state-circuits-1-eyeriss-an-dejan-markovic-y-h-chen-and.html"

ACCELERATORS: tuple[DeviceSpec, ...] = (
    sourced(
        DeviceSpec(
            name="edge-tpu",
            kind="npu",
            peak_flops_per_s={"int8": 4e12},
            caches=(CacheLevel("SRAM", 8 * MIB),),
            max_power_w=2.0,
            process_nm=28,
        ),
        _CORAL,
        caches=_CORAL_NOTES,
        process_nm=_CORAL_NOTES,
    ),
    sourced(
        DeviceSpec(
            name="myriad-x",
            kind="npu",
            peak_flops_per_s={"float16": 1e12},
            memory_bytes=512 * MIB,
            caches=(CacheLevel("on-chip", int(2.5 * MIB), 450e9),),
            max_power_w=1.5,
            process_nm=16,
        ),
        _MYRIAD_X,
        peak_flops_per_s=f"{_MYRIAD_X}: 'more than 1 TOPS' of its Neural Compute Engine, whose"
        " dtype it does not say",
        memory_bytes=f"MA2485: 4 gigabits of LPDDR4 in the package, {_MYRIAD_X_MEMORY}",
    ),
    sourced(
        DeviceSpec(
            name="eyeriss",
            kind="npu",
            peak_flops_per_s={"float16": 67.2e9},
            cores=168,
            frequency_hz=200e6,
            caches=(CacheLevel("global buffer", 108 * KIB),),
            max_power_w=0.278,
            process_nm=65,
        ),
        _EYERISS,
        peak_flops_per_s=f"33.6 GMAC/s x 2, in 16-bit fixed point, {_EYERISS}",
        max_power_w=f"{_EYERISS_POWER} (the chip alone, AlexNet)",
    ),
)

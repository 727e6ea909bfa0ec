"""Microcontrollers. Their main memory is the chip's own static memory."""

from latency_models.device_spec import CacheLevel, DeviceSpec
from latency_models.devices.sourcing import KIB, LLVM, MIB, from_clock, sourced

_H743 = "https://0xhenry.dev/en/study/stm32-architecture"
_F746 = "https://github.com/zephyrproject-rtos/zephyr/blob/0b0d3a5d6a644b7e755482fca03939fd4d9a8743/boards/st/stm32f746g_disco/doc/index.rst"
_ESP32_S3 = "https://docs.zephyrproject.org/4.0.0/boards/espressif/esp32s3_devkitc/doc/index.html"
_ESP32_S3_SIMD = (
    "as kernels written for it say; its SIMD instructions: https://esp32.com/viewtopic.php?p=149383"
)
_ESP32_S3_NODE = "https://github.com/SoCXin/doc/blob/master/docs/espressif/ESP32-S3.rst"
_M7_RATES = (
    "2 FLOPs a cycle in float32 (one multiply-add pipeline, ARM/ARMScheduleM7.td of"
    f" {LLVM}), 4 operations in int8 (SMLAD: two 16-bit multiply-adds, 'single-cycle MAC, SIMD',"
    f" {_H743})"
)

MCUS: tuple[DeviceSpec, ...] = (
    sourced(
        DeviceSpec(
            name="stm32f746",
            kind="mcu",
            peak_flops_per_s=from_clock(1, 216e6, {"float32": 2, "int8": 4}),
            memory_bytes=340 * KIB,
            cores=1,
            frequency_hz=216e6,
        ),
        _F746,
        peak_flops_per_s=f"216 MHz, {_F746}, x {_M7_RATES}",
    ),
    sourced(
        DeviceSpec(
            name="stm32h743",
            kind="mcu",
            peak_flops_per_s=from_clock(1, 480e6, {"float32": 2, "int8": 4}),
            memory_bytes=MIB,
            cores=1,
            frequency_hz=480e6,
            caches=(CacheLevel("L1D", 16 * KIB),),
        ),
        _H743,
        peak_flops_per_s=f"480 MHz, {_H743}, x {_M7_RATES}",
    ),
    sourced(
        DeviceSpec(
            name="esp32-s3",
            kind="mcu",
            peak_flops_per_s=from_clock(2, 240e6, {"int8": 32}),
            memory_bytes=512 * KIB,
            cores=2,
            frequency_hz=240e6,
            vector_bits=128,
            process_nm=40,
        ),
        _ESP32_S3,
        peak_flops_per_s=f"2 cores x 240 MHz, {_ESP32_S3}, x 32 operations a cycle: 16 int8"
        f" multiply-adds in one EE.VMULAS.S8.ACCX, {_ESP32_S3_SIMD}",
        vector_bits=f"16 int8 operands of that instruction, {_ESP32_S3_SIMD}",
        process_nm=_ESP32_S3_NODE,
    ),
)

"""What the public tables' columns were measured on."""

import re

import pytest

from latency_models import DEVICES, DTYPE_BYTES
from latency_models.table_targets import TABLE_TARGETS


@pytest.mark.parametrize("column", TABLE_TARGETS)
def test_target_names_a_device_of_the_catalogue_and_its_source(column: str) -> None:
    target = TABLE_TARGETS[column]
    assert target.device in DEVICES
    assert target.dtype in DTYPE_BYTES
    assert target.threads is None or target.threads >= 1
    assert "https://" in target.source


@pytest.mark.parametrize("column", TABLE_TARGETS)
def test_batch_is_the_suffix_that_a_gpu_column_carries(column: str) -> None:
    suffix = re.fullmatch(r"(?:\d+ti|titan\w*)_(\d+)", column)
    assert TABLE_TARGETS[column].batch_size == (int(suffix[1]) if suffix else 1)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("titan_rtx_256", "gpu"),
        ("gold_6226", "cpu"),
        ("pixel2", "cpu"),
        ("raspi4", "cpu"),
        ("eyeriss", "npu"),
        ("hwnasbench_edgegpu_jetson_tx2", "gpu"),
        ("nnmeter_adreno630gpu_tflite21", "gpu"),
    ],
)
def test_kind_of_the_device_is_what_the_column_says(column: str, kind: str) -> None:
    assert DEVICES[TABLE_TARGETS[column].device].kind == kind


def test_dtype_is_the_one_that_a_column_ends_in() -> None:
    for column, target in TABLE_TARGETS.items():
        if ending := re.search(r"_(int8|fp16|fp32)$", column):
            expected = {"fp16": "float16", "fp32": "float32"}.get(ending[1], ending[1])
            assert target.dtype == expected


def test_columns_without_a_sure_device_are_left_out() -> None:
    doubtful = {"fpga", "desktop_cpu_core_i7_7820x_fp32", "desktop_gpu_gtx_1080ti_fp32"}
    assert not doubtful & set(TABLE_TARGETS)

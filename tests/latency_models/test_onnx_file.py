"""ONNX files against a space's own workload and against operators made by hand."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from latency_models.onnx_file import read_onnx
from latency_models.workload import (
    Op,
    Workload,
    activation,
    attention,
    conv2d,
    convolution,
    embedding,
    layer_norm,
    linear,
    matmul,
    norm,
    pool,
    resize,
    softmax,
    transposed_conv,
)

F32 = "float32"
FLOAT, INT64, INT8, UINT8 = (
    TensorProto.FLOAT,
    TensorProto.INT64,
    TensorProto.INT8,
    TensorProto.UINT8,
)
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file with nodes, the shape of each input, and stored arrays."""

    def save(
        nodes: Sequence[onnx.NodeProto],
        inputs: dict[str, Sequence[int | str]],
        stored: dict[str, np.ndarray] | None = None,
        *,
        output: str = "y",
        formats: dict[str, int] | None = None,
        opset: int = 21,
    ) -> Path:
        graph = helper.make_graph(
            nodes,
            "g",
            [
                helper.make_tensor_value_info(name, (formats or {}).get(name, FLOAT), shape)
                for name, shape in inputs.items()
            ],
            [helper.make_empty_tensor_value_info(output)],
            [numpy_helper.from_array(array, name) for name, array in (stored or {}).items()],
        )
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
        path = tmp_path / "network.onnx"
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
        return path

    return save


def floats(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def kinds(workload: Workload) -> list[str]:
    return [op.kind for op in workload.ops]


def same_cost(found: Op, expected: Op) -> None:
    for field in ("kind", "flops", "params", "macs", "output_shape", "bytes_read", "kernel"):
        assert getattr(found, field) == getattr(expected, field), field
    assert (found.stride, found.groups, found.dtype) == (
        expected.stride,
        expected.groups,
        expected.dtype,
    )


def test_exported_mobilenet_equals_the_spaces_workload(tmp_path: Path) -> None:
    from nas.export.formats import FORMATS
    from tests.nas.supernet import tiny

    space = tiny.small_space()
    architecture = space.decode(space.largest)
    path = tmp_path / "network.onnx"
    FORMATS["onnx"].write(tiny.random_network(architecture), path, F32)
    for batch_size in (1, 4):
        expected = space.workload(architecture, batch_size=batch_size, dtype=F32)
        found = read_onnx(path, batch_size=batch_size)
        # Exporting folds each norm's scale into the convolution and its shift into a bias.
        shifts = sum(op.params // 2 for op in expected.ops if op.kind == "norm")
        assert (found.macs, found.params) == (expected.macs, expected.params - shifts)
        assert kinds(found) == [kind for kind in kinds(expected) if kind != "norm"]
        assert found.input_shape == expected.input_shape
        assert found.batch_size == batch_size


@pytest.mark.parametrize(
    ("name", "params", "giga_macs"),
    [
        # torchvision's documentation of resnet50, vgg19 and squeezenet1_1: parameters, and what it
        # calls GFLOPS; Krizhevsky's network as Caffe has it.
        ("resnet50", 25_557_032, 4.09),
        ("vgg19", 143_667_240, 19.63),
        ("squeezenet", 1_235_496, 0.35),
        ("bvlc_alexnet", 60_965_224, 0.65),
    ],
)
def test_published_networks_have_their_published_totals(
    name: str, params: int, giga_macs: float
) -> None:
    models = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    found = read_onnx(models / f"light_{name}.onnx")
    assert found.params == params
    assert found.macs / 1e9 == pytest.approx(giga_macs, abs=0.01)
    assert found.input_shape == (1, 224, 224, 3)


def test_channels_first_convnet_equals_operators_made_by_hand(write: Write) -> None:
    path = write(
        [
            helper.make_node("Conv", ["x", "w"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1]),
            helper.make_node("BatchNormalization", ["a", "s", "b", "m", "v"], ["n"]),
            helper.make_node("Relu", ["n"], ["r"]),
            helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("GlobalAveragePool", ["p"], ["g"]),
            helper.make_node("Flatten", ["g"], ["f"]),
            helper.make_node("Gemm", ["f", "k", "c"], ["y"], transB=1),
        ],
        {"x": ["batch", 3, 32, 32]},
        {
            "w": floats(16, 3, 3, 3),
            **{name: floats(16) for name in "sbmv"},
            "k": floats(10, 16),
            "c": floats(10),
        },
    )
    found = read_onnx(path, batch_size=2)
    shape = (2, 16, 16, 16)
    expected = [
        conv2d("", (2, 32, 32, 3), out_channels=16, kernel=3, stride=2, dtype=F32),
        norm("", shape, dtype=F32),
        activation("", shape, function="relu", dtype=F32),
        pool("", shape, kernel=2, stride=2, padding=0, dtype=F32),
    ]
    for op, other in zip(found.ops, expected, strict=False):
        same_cost(op, other)
    assert kinds(found)[4:] == ["pool", "linear"]
    same_cost(found.ops[5], linear("", (2, 16), out_features=10, dtype=F32))
    assert found.params == 9 * 3 * 16 + 32 + 170
    assert found.ops[0].input_shapes == ((2, 32, 32, 3),)


@pytest.mark.parametrize(
    ("kind", "attributes", "kernel", "expected"),
    [
        (
            "Conv",
            {"group": 8, "pads": [2, 2, 2, 2]},
            (8, 1, 5, 5),
            conv2d("", (1, 12, 12, 8), out_channels=8, kernel=5, groups=8, dtype=F32),
        ),
        (
            "Conv",
            {"dilations": [2, 2]},
            (4, 8, 3, 3),
            conv2d("", (1, 12, 12, 8), out_channels=4, kernel=3, dilation=2, padding=0, dtype=F32),
        ),
        (
            "Conv",
            {"auto_pad": "SAME_UPPER", "strides": [1, 2]},
            (4, 8, 1, 3),
            conv2d("", (1, 12, 12, 8), out_channels=4, kernel=(1, 3), stride=(1, 2), dtype=F32),
        ),
        (
            "ConvTranspose",
            {"strides": [2, 2], "pads": [1, 1, 1, 1]},
            (8, 5, 4, 4),
            transposed_conv(
                "", (1, 12, 12, 8), out_channels=5, kernel=4, stride=2, padding=1, dtype=F32
            ),
        ),
    ],
)
def test_convolutions_equal_those_made_by_hand(
    write: Write, kind: str, attributes: dict[str, Any], kernel: tuple[int, ...], expected: Op
) -> None:
    node = helper.make_node(kind, ["x", "w"], ["y"], **attributes)
    (op,) = read_onnx(write([node], {"x": [1, 8, 12, 12]}, {"w": floats(*kernel)})).ops
    same_cost(op, expected)


def test_one_dimensional_convolution(write: Write) -> None:
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], pads=[2, 2])
    stored = {"w": floats(16, 8, 5), "b": floats(16)}
    (op,) = read_onnx(write([node], {"x": [2, 8, 100]}, stored)).ops
    same_cost(op, convolution("", (2, 100, 8), out_channels=16, kernel=5, bias=True, dtype=F32))


def test_decomposed_layer_norm_and_gelu_are_one_operator_each(write: Write) -> None:
    path = write(
        [
            helper.make_node("ReduceMean", ["x", "last"], ["mean"]),
            helper.make_node("Sub", ["x", "mean"], ["centred"]),
            helper.make_node("Pow", ["centred", "two"], ["squares"]),
            helper.make_node("ReduceMean", ["squares", "last"], ["variance"]),
            helper.make_node("Add", ["variance", "epsilon"], ["positive"]),
            helper.make_node("Sqrt", ["positive"], ["deviation"]),
            helper.make_node("Div", ["centred", "deviation"], ["normal"]),
            helper.make_node("Mul", ["normal", "gain"], ["scaled"]),
            helper.make_node("Add", ["scaled", "shift"], ["n"]),
            helper.make_node("MatMul", ["n", "w"], ["product"]),
            helper.make_node("Add", ["b", "product"], ["h"]),
            helper.make_node("Div", ["h", "root2"], ["d"]),
            helper.make_node("Erf", ["d"], ["e"]),
            helper.make_node("Add", ["e", "one"], ["f"]),
            helper.make_node("Mul", ["h", "f"], ["g"]),
            helper.make_node("Mul", ["g", "half"], ["y"]),
        ],
        {"x": ["batch", "words", 64]},
        {
            "last": np.array([-1]),
            **{name: np.float32(1) for name in ("two", "epsilon", "root2", "one", "half")},
            "two": np.float32(2),
            **{name: floats(64) for name in ("gain", "shift")},
            "w": floats(64, 256),
            "b": floats(256),
        },
    )
    found = read_onnx(path, batch_size=2, sizes={"words": 5})
    assert kinds(found) == ["layer_norm", "linear", "activation"]
    assert found.ops[0].params == layer_norm("", (2, 5, 64), dtype=F32).params
    same_cost(found.ops[1], linear("", (2, 5, 64), out_features=256, dtype=F32))
    # Quotient, error function, sum and two products.
    assert found.ops[2].flops == 5 * 2 * 5 * 256


def test_norms_with_statistics_of_their_own(write: Write) -> None:
    affine = {"s": floats(64), "b": floats(64)}
    node = helper.make_node("LayerNormalization", ["x", "s", "b"], ["y"])
    (op,) = read_onnx(write([node], {"x": [2, 5, 64]}, affine)).ops
    same_cost(op, layer_norm("", (2, 5, 64), dtype=F32))
    node = helper.make_node("RMSNormalization", ["x", "s"], ["y"])
    (op,) = read_onnx(write([node], {"x": [2, 5, 64]}, {"s": floats(64)}, opset=23)).ops
    expected = layer_norm("", (2, 5, 64), centred=False, has_shift=False, dtype=F32)
    same_cost(op, expected)
    node = helper.make_node("InstanceNormalization", ["x", "s", "b"], ["y"])
    (op,) = read_onnx(write([node], {"x": [2, 64, 8, 8]}, affine)).ops
    same_cost(op, layer_norm("", (2, 8, 8, 64), dtype=F32))


def test_attention_by_parts_multiplies_activations(write: Write) -> None:
    path = write(
        [
            helper.make_node("Transpose", ["k"], ["t"], perm=[0, 1, 3, 2]),
            helper.make_node("MatMul", ["q", "t"], ["logits"]),
            helper.make_node("Mul", ["logits", "scale"], ["scaled"]),
            helper.make_node("Softmax", ["scaled"], ["p"], axis=-1),
            helper.make_node("MatMul", ["p", "v"], ["y"]),
        ],
        {name: [2, 4, 32, 16] for name in "qkv"},
        {"scale": np.float32(0.25)},
    )
    found = read_onnx(path)
    assert kinds(found) == ["matmul", "elementwise", "softmax", "matmul"]
    same_cost(found.ops[0], matmul("", (2, 4, 32, 16), (2, 4, 16, 32), dtype=F32, inputs=(-1, -2)))
    same_cost(found.ops[2], softmax("", (2, 4, 32, 32), dtype=F32))
    assert found.ops[0].inputs == (-1, -2)


def test_attention_operator_reads_its_cache(write: Write) -> None:
    node = helper.make_node(
        "Attention",
        ["q", "k", "v", "", "pk", "pv"],
        ["y", "nk", "nv"],
        q_num_heads=8,
        kv_num_heads=2,
    )
    new, past = [1, 1, 32], [1, 2, 99, 16]
    shapes = {"q": [1, 1, 128], "k": new, "v": new, "pk": past, "pv": past}
    (op,) = read_onnx(write([node], shapes, opset=23)).ops
    expected = attention(
        "",
        (1, 1, 8, 16),
        key_length=100,
        key_value_heads=2,
        dtype=F32,
        inputs=(0, 1, 2),
    )
    same_cost(op, expected)
    assert op.inputs == (-1, -4, -5, -2, -3)


def test_grouped_query_attention_of_onnx_runtime(write: Write) -> None:
    node = helper.make_node(
        "GroupQueryAttention",
        ["q", "k", "v"],
        ["y"],
        domain="com.microsoft",
        num_heads=8,
        kv_num_heads=2,
    )
    found = read_onnx(write([node], {"q": [1, 64, 128], "k": [1, 64, 32], "v": [1, 64, 32]}))
    (op,) = found.ops
    assert op.macs == 8 * 64 * 64 * 32
    assert op.bytes_read == 4 * (64 * 128 + 2 * 64 * 32)


def test_embedding_reads_rows_and_flattening_is_free(write: Write) -> None:
    path = write(
        [
            helper.make_node("Gather", ["table", "ids"], ["rows"]),
            helper.make_node("Shape", ["rows"], ["shape"]),
            helper.make_node("Gather", ["shape", "first"], ["n"], axis=0),
            helper.make_node("Concat", ["n", "rest"], ["target"], axis=0),
            helper.make_node("Reshape", ["rows", "target"], ["y"]),
        ],
        {"ids": ["batch", 7]},
        {"table": floats(1000, 64), "first": np.array([0]), "rest": np.array([-1])},
        formats={"ids": INT64},
    )
    (op,) = read_onnx(path, batch_size=2).ops
    same_cost(op, embedding("", (2, 7), rows=1000, features=64, dtype=F32))


def test_layout_is_copied_and_resized(write: Write) -> None:
    path = write(
        [
            helper.make_node("Split", ["x"], ["a", "b"], axis=1, num_outputs=2),
            helper.make_node("Concat", ["b", "a"], ["c"], axis=1),
            helper.make_node("Pad", ["c", "pads"], ["p"]),
            helper.make_node("Resize", ["p", "", "twice"], ["y"], mode="linear"),
        ],
        {"x": [1, 4, 8, 8]},
        {
            "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
            "twice": np.array([1, 1, 2, 2], np.float32),
        },
    )
    found = read_onnx(path)
    assert kinds(found) == ["layout", "layout", "concat", "layout", "resize"]
    assert [op.bytes_read for op in found.ops[:4]] == [512, 512, 1024, 1024]
    assert found.ops[3].bytes_written == 4 * 100 * 4
    same_cost(found.ops[4], resize("", (1, 10, 10, 4), size=(20, 20), method="linear", dtype=F32))


def test_operators_on_eight_bits_run_in_int8(write: Write) -> None:
    quantised = {"s": np.float32(0.1), "z": np.uint8(128), "wz": np.int8(0)}
    scales = ["x", "s", "z", "w", "s", "wz", "s", "z", "b"]
    path = write(
        [helper.make_node("QLinearConv", scales, ["y"], pads=[1, 1, 1, 1])],
        {"x": [1, 3, 8, 8]},
        {"w": np.ones((4, 3, 3, 3), np.int8), "b": np.ones(4, np.int32), **quantised},
        formats={"x": UINT8},
    )
    found = read_onnx(path)
    (op,) = found.ops
    expected = conv2d("", (1, 8, 8, 3), out_channels=4, kernel=3, bias=True, dtype="int8")
    same_cost(op, expected)
    assert found.dtype == "int8"
    path = write(
        [helper.make_node("MatMulInteger", ["x", "w"], ["y"])],
        {"x": [4, 16]},
        {"w": np.ones((16, 8), np.int8)},
        formats={"x": INT8},
    )
    (op,) = read_onnx(path).ops
    same_cost(op, linear("", (4, 16), out_features=8, bias=False, dtype="int8"))


def test_quantised_and_dequantised_convolution_runs_in_int8(write: Write) -> None:
    quantised = {"s": np.float32(0.1), "z": np.uint8(128), "wz": np.int8(0)}
    path = write(
        [
            helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
            helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
            helper.make_node("DequantizeLinear", ["w", "s", "wz"], ["wd"]),
            helper.make_node("Conv", ["xd", "wd"], ["c"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["c"], ["y"]),
        ],
        {"x": [1, 3, 8, 8]},
        {"w": np.ones((4, 3, 3, 3), np.int8), **quantised},
    )
    quantising, conv, relu = read_onnx(path).ops
    assert (quantising.kind, quantising.dtype) == ("activation", F32)
    same_cost(conv, conv2d("", (1, 8, 8, 3), out_channels=4, kernel=3, dtype="int8"))
    assert (relu.kind, relu.dtype) == ("activation", F32)


def test_given_dtype_is_that_of_all_operators(write: Write) -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    path = write([node], {"x": [4, 16]}, {"w": floats(16, 8)})
    found = read_onnx(path, dtype="float16")
    assert (found.dtype, found.ops[0].dtype) == ("float16", "float16")
    assert found.weight_bytes == 2 * 128


def test_all_unknown_operators_are_named_or_counted_as_elementwise(write: Write) -> None:
    path = write(
        [
            helper.make_node("Det", ["x"], ["d"]),
            helper.make_node("Relu", ["x"], ["r"]),
            helper.make_node("Twist", ["r"], ["y"], domain="my.company"),
        ],
        {"x": [2, 4, 4]},
    )
    with pytest.raises(
        ValueError, match=r"network\.onnx: unknown operators Det, my\.company\.Twist"
    ):
        read_onnx(path)
    found = read_onnx(path, unknown="elementwise")
    assert found.ops[-1].flops == 2 * 32
    assert found.ops[-1].kind == "activation"


def test_open_sizes_are_named(write: Write) -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    path = write([node], {"x": ["batch", "height", "width", 3]})
    with pytest.raises(ValueError, match="sizes of height, width are open"):
        read_onnx(path)
    found = read_onnx(path, batch_size=2, sizes={"height": 8, "width": 4})
    assert found.input_shape == (2, 8, 4, 3)


def test_fixed_batch_cannot_be_changed(write: Write) -> None:
    path = write([helper.make_node("Relu", ["x"], ["y"])], {"x": [4, 3]})
    assert read_onnx(path).batch_size == 4
    with pytest.raises(ValueError, match="batch_size must be 4, as in the file, got 2"):
        read_onnx(path, batch_size=2)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x0a" * 40, b"\xff" * 100])
def test_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "network.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"network\.onnx: not an ONNX file"):
        read_onnx(path)


def test_truncated_file_is_refused(write: Write) -> None:
    path = write(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": [4, 16]}, {"w": floats(16, 8)}
    )
    content = path.read_bytes()
    for length in range(1, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"network\.onnx: "):
            read_onnx(path)


def test_malformed_nodes_are_named(write: Write) -> None:
    path = write([helper.make_node("Relu", ["nowhere"], ["y"], name="first")], {"x": [4, 3]})
    with pytest.raises(ValueError, match=r"node 'first' \(Relu\): no node before makes 'nowhere'"):
        read_onnx(path)
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="product")
    path = write([node], {"x": [4, 3]}, {"w": floats(16, 8)})
    with pytest.raises(ValueError, match=r"node 'product' \(MatMul\): .*ncompatible"):
        read_onnx(path)
    path = write([helper.make_node("MaxPool", ["x"], ["y"], name="pool")], {"x": [1, 3, 8, 8]})
    with pytest.raises(ValueError, match=r"node 'pool' \(MaxPool\): "):
        read_onnx(path)


def test_weights_in_another_file_are_not_opened(write: Write) -> None:
    path = write(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": [4, 64]}, {"w": floats(64, 64)}
    )
    model = onnx.load(path)
    (tensor,) = model.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    path.write_bytes(model.SerializeToString())
    assert read_onnx(path).params == 64 * 64


def test_huge_constants_are_not_worked_out(write: Write) -> None:
    path = write(
        [
            helper.make_node("ConstantOfShape", ["size"], ["zeros"]),
            helper.make_node("ReduceSum", ["zeros"], ["total"]),
            helper.make_node("Mul", ["x", "total"], ["y"]),
        ],
        {"x": [4, 3]},
        {"size": np.array([10**12])},
    )
    assert read_onnx(path).flops == 12

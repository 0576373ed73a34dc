"""Helpers for tests of training that import torch, which the others need not."""

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from training import pages
from training.data import Digits
from training.digits.model import DigitNet
from training.reader import recogniser
from training.writing.alphabet import CHARACTERS, SPACE


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def as_digits(images: np.ndarray, labels: np.ndarray) -> Digits:
    return Digits(torch.from_numpy(images), torch.from_numpy(labels))


def trained(hidden=(32, 16), activation="relu") -> DigitNet:
    """Make a small network whose batch normalisation is not the identity."""
    torch.manual_seed(0)
    model = DigitNet(hidden, activation, dropout=0.2)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    for _ in range(3):
        model(torch.rand(64, 28, 28) ** 3)
    return model.eval()


FEATURES = 12  # of the stand-in for the pretrained recogniser
KNOWN = [
    *reversed(CHARACTERS.replace(SPACE, "")),
    *recogniser.LETTERS,
    *"äöüßéмжя甲乙丙丁",
]


def pretrained() -> ModelProto:
    """Make a tiny network with the pretrained recogniser's interface and names."""
    rng = np.random.default_rng(0)
    rows = len(KNOWN) + 2  # the blank and the space too
    first = recogniser.FIRST
    last = f"{recogniser.LAST}.w_0"
    last_bias = f"{recogniser.LAST}.b_0"
    cell = [recogniser.STRIP_HEIGHT, recogniser.STRIDE]
    weights = {
        first: rng.normal(0, 0.1, (FEATURES, 3, *cell)),
        last: rng.normal(0, 1, (FEATURES, rows)),
        last_bias: rng.normal(0, 1, rows),
    }
    convolution = helper.make_node(
        "Conv",
        ["x", first],
        ["maps"],
        kernel_shape=cell,
        strides=cell,
        dilations=[1, 1],
        group=1,
    )
    node = helper.make_node
    nodes = [
        convolution,
        node("Relu", ["maps"], ["active"]),
        node("Squeeze", ["active"], ["columns"], axes=[2]),
        node("Transpose", ["columns"], [recogniser.FEATURES], perm=[0, 2, 1]),
        node("MatMul", [recogniser.FEATURES, last], ["products"]),
        node("Add", ["products", last_bias], ["sums"]),
        node("Softmax", ["sums"], ["shares"], axis=2),
    ]
    shape = ["N", 3, recogniser.STRIP_HEIGHT, "W"]
    model = as_model(nodes, weights, shape, ["N", "T", rows])
    helper.set_model_props(model, {"character": "\n".join(KNOWN)})
    return onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)


def detector() -> ModelProto:
    """Make a tiny network with the pretrained detector's interface and names."""
    rng = np.random.default_rng(0)
    weights = {
        pages.FIRST: rng.normal(0, 0.3, (FEATURES, 3, 3, 3)),
        "last.w_0": rng.normal(0, 1, (1, FEATURES, 1, 1)),
    }
    node = helper.make_node
    nodes = [
        node("Conv", ["x", pages.FIRST], ["maps"], kernel_shape=[3, 3], pads=[1] * 4),
        node("Relu", ["maps"], ["active"]),
        node("Conv", ["active", "last.w_0"], ["sums"], kernel_shape=[1, 1]),
        node("Sigmoid", ["sums"], ["shares"]),
    ]
    return as_model(nodes, weights, ["N", 3, "H", "W"], ["N", 1, "H", "W"])


def as_model(
    nodes: list[NodeProto],
    weights: dict[str, np.ndarray],
    input_shape: list[int | str],
    output_shape: list[int | str],
) -> ModelProto:
    """Make a model of nodes that lead from "x" to "shares"."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, input_shape)
    shares = helper.make_tensor_value_info("shares", TensorProto.FLOAT, output_shape)
    arrays = []
    for name, array in weights.items():
        arrays.append(numpy_helper.from_array(array.astype(np.float32), name))
    graph = helper.make_graph(nodes, "stand-in", [x], [shares], arrays)
    opset = helper.make_opsetid("", 11)
    return helper.make_model(graph, opset_imports=[opset], ir_version=9)


def answers(
    model: ModelProto, values: np.ndarray, output: str | None = None
) -> np.ndarray:
    """Compute an output of an ONNX model, or another of its values."""
    copy = ModelProto()
    copy.CopyFrom(model)
    if output:
        del copy.graph.output[:]
        copy.graph.output.append(helper.make_empty_tensor_value_info(output))
    file = copy.SerializeToString()
    session = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: values})
    return found

"""Helpers for tests of training. They are not in support.py, so that pytest's main
process need not import torch.
"""

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper

from training import pages, recogniser
from training.alphabet import CHARACTERS, SPACE
from training.data import Digits
from training.model import DigitNet


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
    """Make a tiny network with the interface, the characters and the names of the
    pretrained recogniser.
    """
    rng, rows = np.random.default_rng(0), len(KNOWN) + 2  # the blank and the space too
    weights = {
        recogniser.FIRST: rng.normal(
            0, 0.1, (FEATURES, 3, recogniser.HEIGHT, recogniser.STRIDE)
        ),
        f"{recogniser.LAST}.w_0": rng.normal(0, 1, (FEATURES, rows)),
        f"{recogniser.LAST}.b_0": rng.normal(0, 1, rows),
    }
    sides = [recogniser.HEIGHT, recogniser.STRIDE]
    node = helper.make_node
    nodes = [
        node(
            "Conv",
            ["x", recogniser.FIRST],
            ["maps"],
            kernel_shape=sides,
            strides=sides,
            dilations=[1, 1],
            group=1,
        ),
        node("Relu", ["maps"], ["active"]),
        node("Squeeze", ["active"], ["columns"], axes=[2]),
        node("Transpose", ["columns"], [recogniser.FEATURES], perm=[0, 2, 1]),
        node("MatMul", [recogniser.FEATURES, f"{recogniser.LAST}.w_0"], ["products"]),
        node("Add", ["products", f"{recogniser.LAST}.b_0"], ["sums"]),
        node("Softmax", ["sums"], ["shares"], axis=2),
    ]
    x = helper.make_tensor_value_info(
        "x", TensorProto.FLOAT, ["N", 3, recogniser.HEIGHT, "W"]
    )
    shares = helper.make_tensor_value_info(
        "shares", TensorProto.FLOAT, ["N", "T", rows]
    )
    arrays = [
        numpy_helper.from_array(array.astype(np.float32), name)
        for name, array in weights.items()
    ]
    graph = helper.make_graph(nodes, "pretrained", [x], [shares], arrays)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=9
    )
    helper.set_model_props(model, {"character": "\n".join(KNOWN)})
    return onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)


def detector() -> ModelProto:
    """Make a tiny network with the interface and the names of the pretrained detector."""
    rng, node = np.random.default_rng(0), helper.make_node
    weights = {
        pages.FIRST: rng.normal(0, 0.3, (FEATURES, 3, 3, 3)),
        "last.w_0": rng.normal(0, 1, (1, FEATURES, 1, 1)),
    }
    nodes = [
        node("Conv", ["x", pages.FIRST], ["maps"], kernel_shape=[3, 3], pads=[1] * 4),
        node("Relu", ["maps"], ["active"]),
        node("Conv", ["active", "last.w_0"], ["sums"], kernel_shape=[1, 1]),
        node("Sigmoid", ["sums"], ["shares"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])
    shares = helper.make_tensor_value_info(
        "shares", TensorProto.FLOAT, ["N", 1, "H", "W"]
    )
    arrays = [
        numpy_helper.from_array(array.astype(np.float32), name)
        for name, array in weights.items()
    ]
    graph = helper.make_graph(nodes, "detector", [x], [shares], arrays)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=9
    )


def answers(
    model: ModelProto, values: np.ndarray, output: str | None = None
) -> np.ndarray:
    """Compute an output of an ONNX model, or another one of its values, with ONNX
    Runtime.
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    if output:
        del copy.graph.output[:]
        copy.graph.output.append(helper.make_empty_tensor_value_info(output))
    session = ort.InferenceSession(
        copy.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {session.get_inputs()[0].name: values})
    return found

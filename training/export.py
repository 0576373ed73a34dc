"""DigitNet → an ONNX file with everything inside: normalisation, the layers, softmax, sigmoid, and its history.

The graph is written out by hand, so that the file holds nothing that the network does not need. Ignores:
choosing the weights, and running the file.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from app.inference.classifier import CLASSES, PIXELS, Classifier
from training.model import ACTIVATIONS, OUTPUTS, DigitNet, folded
from training.quantize import Int8Layer, quantized

OPSET = 20  # the first with Gelu
IR_VERSION = 9  # the one that came with opset 20: runs on every ONNX Runtime since 1.17
MAX_DIFFERENCE = 1e-4  # of a probability, in floats
MAX_ROUNDING = 1e-3  # mean difference of the probabilities, in 8 bits
OPERATORS = {"relu": "Relu", "gelu": "Gelu", "tanh": "Tanh", "sigmoid": "Sigmoid"}


class ExportMismatch(Exception):
    """The exported file does not answer as the network does."""


def to_onnx(model: DigitNet, metadata: Mapping[str, str], calibration: Tensor | None = None) -> onnx.ModelProto:
    """The network as an ONNX model: pixels (N, 784) → probabilities (N, 10), legibility (N,).

    Parameters
    ----------
    model : DigitNet
        The trained network; it runs as in evaluation (running statistics, no dropout).
    metadata : mapping of str to str
        Goes into ``metadata_props``.
    calibration : Tensor, optional
        (N, 28, 28) uint8: round the hidden layers to 8 bits, for the range of activations on these images.
        The output layer stays float, so that probabilities near 0 and 1 keep their digits.
    """
    layers: list[tuple[Tensor, Tensor] | Int8Layer] = [*folded(model)]
    if calibration is not None:
        pixels = calibration.cpu().flatten(1).float() / 255
        layers[:-1] = quantized(folded(model)[:-1], ACTIVATIONS[model.activation], pixels)
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    source = "pixels"
    for i, layer in enumerate(layers):
        sums = int8_sum(i, source, layer) if isinstance(layer, Int8Layer) else float_sum(i, source, layer)
        nodes += sums.nodes
        weights += sums.constants
        source = f"sum_{i}"
        if i < len(layers) - 1:
            nodes.append(helper.make_node(OPERATORS[model.activation], [source], [f"hidden_{i}"]))
            source = f"hidden_{i}"
    nodes += [
        helper.make_node("Split", [source, "split"], ["digit_logits", "legibility_logit"], axis=1),
        helper.make_node("Softmax", ["digit_logits"], ["probabilities"], axis=1),
        helper.make_node("Squeeze", ["legibility_logit", "axes"], ["legibility_logits"]),
        helper.make_node("Sigmoid", ["legibility_logits"], ["legibility"]),
    ]
    weights += [
        numpy_helper.from_array(np.array([CLASSES, OUTPUTS - CLASSES]), "split"),
        numpy_helper.from_array(np.array([1]), "axes"),
    ]
    graph = helper.make_graph(
        nodes,
        "DigitNet",
        inputs=[helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", PIXELS])],
        outputs=[
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", CLASSES]),
            helper.make_tensor_value_info("legibility", TensorProto.FLOAT, ["N"]),
        ],
        initializer=weights,
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    helper.set_model_props(proto, dict(metadata))
    onnx.checker.check_model(proto, full_check=True)
    return proto


class Sums(NamedTuple):
    """The part of the graph that makes a layer's weighted sums."""

    nodes: list[onnx.NodeProto]
    constants: list[onnx.TensorProto]


def float_sum(i: int, source: str, layer: tuple[Tensor, Tensor]) -> Sums:
    """The sums of a layer in floats."""
    weight, bias = layer
    node = helper.make_node("Gemm", [source, f"weight_{i}", f"bias_{i}"], [f"sum_{i}"], transB=1)
    return Sums([node], constants(i, weight=weight.numpy(), bias=bias.numpy()))


def int8_sum(i: int, source: str, layer: Int8Layer) -> Sums:
    """The sums of a layer in 8 bits: round the input, multiply integers, scale, add the bias."""
    node, scaled, integers = helper.make_node, f"scaled_{i}", f"integers_{i}"
    nodes = [
        node("QuantizeLinear", [source, f"input_scale_{i}", f"input_zero_{i}"], [integers]),
        node("MatMulInteger", [integers, f"weight_{i}", f"input_zero_{i}"], [f"products_{i}"]),
        node("Cast", [f"products_{i}"], [f"floats_{i}"], to=TensorProto.FLOAT),
        node("Mul", [f"floats_{i}", f"scale_{i}"], [scaled]),
        node("Add", [scaled, f"bias_{i}"], [f"sum_{i}"]),
    ]
    values = constants(
        i,
        weight=layer.weight.numpy(),
        bias=layer.bias.numpy(),
        scale=layer.scale.numpy(),
        input_scale=np.float32(layer.input_scale),
        input_zero=np.uint8(layer.input_zero),
    )
    return Sums(nodes, values)


def constants(i: int, **values: NDArray[Any] | np.generic) -> list[onnx.TensorProto]:
    """The constants of layer i."""
    return [numpy_helper.from_array(np.asarray(value, order="C"), f"{name}_{i}") for name, value in values.items()]


def export(model: DigitNet, path: Path, metadata: Mapping[str, str], images: Tensor) -> None:
    """Write the network to `path`, if the file answers as the network does on real images.

    It is written in 8 bits where their rounding hardly changes an answer, else in floats. The file is written
    beside `path`, checked as the service will load it, and only then put in place.

    Parameters
    ----------
    model : DigitNet
        The trained network.
    path : Path
        Where the file goes; its folder is made where it is missing.
    metadata : mapping of str to str
        What the file says of itself; ``weights``, int8 or float32, is added.
    images : Tensor
        (N, 28, 28) uint8, the images to measure ranges and to compare on.

    Raises
    ------
    ExportMismatch
        In floats, a probability differs by more than MAX_DIFFERENCE; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    floats, int8 = (path.with_name(f".{path.name}.{os.getpid()}.{kind}") for kind in ("float32", "int8"))
    try:
        onnx.save_model(to_onnx(model, {**metadata, "weights": "float32"}), floats)
        difference = differences(model, Classifier(floats), images).max()
        if not difference <= MAX_DIFFERENCE:
            raise ExportMismatch(
                f"{path} was not written: its probabilities would differ from torch's by up to {difference:.2g}, "
                f"more than {MAX_DIFFERENCE:g}."
            )
        onnx.save_model(to_onnx(model, {**metadata, "weights": "int8"}, images), int8)
        rounding = differences(model, Classifier(int8), images).mean()
        (int8 if rounding <= MAX_ROUNDING else floats).replace(path)
    finally:
        floats.unlink(missing_ok=True)
        int8.unlink(missing_ok=True)


@torch.inference_mode()
def differences(model: DigitNet, classifier: Classifier, images: Tensor) -> NDArray[np.float32]:
    """How far the network's and the file's outputs lie apart on (N, 28, 28) uint8 images: (N, 11)."""
    model.eval()
    frames = images.to(next(model.parameters()).device).float() / 255  # (N, 28, 28) in [0, 1]
    logits = model(frames)
    ours = torch.cat([logits[:, :CLASSES].softmax(dim=1), logits[:, CLASSES:].sigmoid()], dim=1).cpu().numpy()
    probabilities, legibility = classifier(frames.cpu().numpy())
    difference: NDArray[np.float32] = np.abs(ours - np.column_stack([probabilities, legibility]))
    return difference

"""Export networks to a self-contained ONNX file: normalisation, layers, their mean, softmax, sigmoid and metadata.

The graph is built by hand, so that the file contains nothing that the network does not need.
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

from app.inference.classifier import CLASSES, FIRST_WEIGHTS, PIXELS, Classifier
from training.model import ACTIVATIONS, OUTPUTS, DigitNet, Ensemble, folded
from training.quantize import Int8Layer, quantized

OPSET = 20  # the first with Gelu
IR_VERSION = 9  # introduced with opset 20; every ONNX Runtime since 1.17 runs it
MAX_DIFFERENCE = 1e-4  # of any probability, in float32
MAX_ROUNDING = 1e-3  # mean over all probabilities, in 8 bits
OPERATORS = {"relu": "Relu", "gelu": "Gelu", "tanh": "Tanh", "sigmoid": "Sigmoid"}


class ExportMismatch(Exception):
    """The exported file does not reproduce the network's outputs."""


def to_onnx(model: Ensemble, metadata: Mapping[str, str], calibration: Tensor | None = None) -> onnx.ModelProto:
    """Convert networks to an ONNX model: pixels (N, 784) → probabilities (N, 10), legibility (N,).

    Parameters
    ----------
    model : Ensemble
        The trained networks, exported in evaluation mode (running statistics, no dropout).
    metadata : mapping of str to str
        Entries of ``metadata_props``.
    calibration : Tensor, optional
        (N, 28, 28) uint8. If given, the hidden layers are quantised to 8 bits, for the range of activations on these
        images. The output layer stays float32, so that probabilities near 0 and 1 keep their precision.
    """
    parts = [part_of(number, network, calibration) for number, network in enumerate(model.networks)]
    nodes = [node for part in parts for node in part.nodes]
    weights = [constant for part in parts for constant in part.constants]
    nodes += [
        helper.make_node("Mean", [part.output for part in parts], ["logits"]),
        helper.make_node("Split", ["logits", "split"], ["digit_logits", "legibility_logit"], axis=1),
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
            *inside(model.networks[0], weights),
        ],
        initializer=weights,
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    helper.set_model_props(proto, dict(metadata))
    onnx.checker.check_model(proto, full_check=True)
    return proto


def inside(network: DigitNet, constants: list[onnx.TensorProto]) -> list[onnx.ValueInfoProto]:
    """Return further outputs, which show what is inside a network: its hidden layers, and the weights of the first."""
    widths = [len(bias) for _, bias in folded(network)[:-1]]
    hidden = [
        helper.make_tensor_value_info(f"hidden_0_{i}", TensorProto.FLOAT, ["N", width])
        for i, width in enumerate(widths)
    ]
    first = [each for each in constants if hidden and each.name == FIRST_WEIGHTS]
    return hidden + [helper.make_tensor_value_info(each.name, each.data_type, list(each.dims)) for each in first]


class Part(NamedTuple):
    """A part of the graph: its nodes and constants, and the name of its output."""

    nodes: list[onnx.NodeProto]
    constants: list[onnx.TensorProto]
    output: str


def part_of(number: int, network: DigitNet, calibration: Tensor | None) -> Part:
    """Compute the logits of one network; for `calibration` see `to_onnx`."""
    layers: list[tuple[Tensor, Tensor] | Int8Layer] = [*folded(network)]
    if calibration is not None:
        pixels = calibration.cpu().flatten(1).float() / 255
        layers[:-1] = quantized(folded(network)[:-1], ACTIVATIONS[network.activation], pixels)
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    source = "pixels"
    for i, layer in enumerate(layers):
        name = f"{number}_{i}"
        sums = int8_sum(name, source, layer) if isinstance(layer, Int8Layer) else float_sum(name, source, layer)
        nodes += sums.nodes
        weights += sums.constants
        source = sums.output
        if i < len(layers) - 1:
            nodes.append(helper.make_node(OPERATORS[network.activation], [source], [f"hidden_{name}"]))
            source = f"hidden_{name}"
    return Part(nodes, weights, source)


def float_sum(i: str, source: str, layer: tuple[Tensor, Tensor]) -> Part:
    """Compute a layer's pre-activations in float32."""
    weight, bias = layer
    node = helper.make_node("Gemm", [source, f"weight_{i}", f"bias_{i}"], [f"sum_{i}"], transB=1)
    return Part([node], constants(i, weight=weight.numpy(), bias=bias.numpy()), f"sum_{i}")


def int8_sum(i: str, source: str, layer: Int8Layer) -> Part:
    """Compute a layer's pre-activations in 8 bits: quantise the input, multiply integers, rescale, add the bias."""
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
    return Part(nodes, values, f"sum_{i}")


def constants(i: str, **values: NDArray[Any] | np.generic) -> list[onnx.TensorProto]:
    """Make the constants of layer i, counted within the network whose number precedes it."""
    return [numpy_helper.from_array(np.asarray(value, order="C"), f"{name}_{i}") for name, value in values.items()]


def export(model: Ensemble, path: Path, metadata: Mapping[str, str], images: Tensor) -> None:
    """Write networks to `path`, if the file reproduces their mean outputs on real images.

    The weights are 8-bit if that changes the outputs by at most MAX_ROUNDING on average, else float32, as they are
    without hidden layers. The file is written beside `path`, loaded as the service would load it, checked, and only
    then moved into place.

    Parameters
    ----------
    model : Ensemble
        The trained networks.
    path : Path
        The file to write; a missing folder is created.
    metadata : mapping of str to str
        The file's metadata; ``weights``, int8 or float32, is added.
    images : Tensor
        (N, 28, 28) uint8, to measure activation ranges and compare outputs on.

    Raises
    ------
    ExportMismatch
        In float32, a probability differs by more than MAX_DIFFERENCE. No file is left behind.
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
        has_hidden_layers = any(len(network.hidden) for network in model.networks)
        (int8 if has_hidden_layers and rounding <= MAX_ROUNDING else floats).replace(path)
    finally:
        floats.unlink(missing_ok=True)
        int8.unlink(missing_ok=True)


@torch.inference_mode()
def differences(model: Ensemble, classifier: Classifier, images: Tensor) -> NDArray[np.float32]:
    """Compute how far the networks' mean and the file's outputs differ on (N, 28, 28) uint8 images: (N, 11)."""
    model.eval()
    frames = images.to(next(model.parameters()).device).float() / 255  # (N, 28, 28) in [0, 1]
    logits = model(frames)
    ours = torch.cat([logits[:, :CLASSES].softmax(dim=1), logits[:, CLASSES:].sigmoid()], dim=1).cpu().numpy()
    probabilities, legibility = classifier(frames.cpu().numpy())
    difference: NDArray[np.float32] = np.abs(ours - np.column_stack([probabilities, legibility]))
    return difference

"""Export networks to a self-contained ONNX file: normalisation, layers, their mean, softmax, sigmoid and metadata.

The graph is built by hand, so that the file contains nothing that the network does not need.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from app.inference.classifier import CLASSES, FIRST_WEIGHTS, PIXELS, Classifier
from training.cache import unfinished
from training.errors import TrainingError
from training.model import ACTIVATIONS, OUTPUTS, DigitNet, Ensemble, folded
from training.quantize import Int8Layer, quantized

OPSET = 20  # the first with Gelu
IR_VERSION = 9  # introduced with opset 20; every ONNX Runtime since 1.17 runs it
MAX_DIFFERENCE = 1e-4  # of any probability, in float32
MAX_ROUNDING = 1e-3  # mean over all probabilities, in 8 bits
OPERATORS = {"relu": "Relu", "gelu": "Gelu", "tanh": "Tanh", "sigmoid": "Sigmoid"}


class Graph:
    """The nodes, constants and outputs of an ONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []

    def add(self, operator: str, inputs: list[str], *outputs: str, **attributes: int) -> str:
        """Add a node; return the name of its first output."""
        self.nodes.append(helper.make_node(operator, inputs, outputs, **attributes))  # type: ignore[arg-type]
        return outputs[0]

    def constant(self, name: str, value: ArrayLike) -> str:
        """Add a constant; return its name."""
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def show(self, name: str, *shape: int | str, kind: int = TensorProto.FLOAT) -> None:
        """Make a value an output of the graph."""
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def model(self, metadata: Mapping[str, str]) -> onnx.ModelProto:
        """Make a model with one input, pixels."""
        pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", PIXELS])
        graph = helper.make_graph(self.nodes, "DigitNet", [pixels], self.outputs, self.constants)
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        helper.set_model_props(proto, dict(metadata))
        onnx.checker.check_model(proto, full_check=True)
        return proto


def to_onnx(model: Ensemble, metadata: Mapping[str, str], calibration: Tensor | None = None) -> onnx.ModelProto:
    """Convert networks to an ONNX model: pixels (N, 784) → probabilities (N, 10), legibility (N,).

    Further outputs show what is inside the first network: its hidden layers, and the weights of the first.

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
    graph = Graph()
    graph.show("probabilities", "N", CLASSES)
    graph.show("legibility", "N")
    graph.add("Mean", [add_network(graph, k, network, calibration) for k, network in enumerate(model.networks)], "mean")
    split = graph.constant("split", [CLASSES, OUTPUTS - CLASSES])
    graph.add("Split", ["mean", split], "digit_logits", "legibility_logit", axis=1)
    graph.add("Softmax", ["digit_logits"], "probabilities", axis=1)
    graph.add("Squeeze", ["legibility_logit", graph.constant("axes", [1])], "legibility_logits")
    graph.add("Sigmoid", ["legibility_logits"], "legibility")
    for constant in graph.constants:
        if len(model.networks[0].hidden) and constant.name == FIRST_WEIGHTS:
            graph.show(FIRST_WEIGHTS, *constant.dims, kind=constant.data_type)
    return graph.model(metadata)


def add_network(graph: Graph, number: int, network: DigitNet, calibration: Tensor | None) -> str:
    """Add the layers of a network; return the name of its logits. For `calibration` see `to_onnx`."""
    layers: list[tuple[Tensor, Tensor] | Int8Layer] = [*folded(network)]
    if calibration is not None:
        pixels = calibration.cpu().flatten(1).float() / 255
        layers[:-1] = quantized(folded(network)[:-1], ACTIVATIONS[network.activation], pixels)
    source = "pixels"
    for i, layer in enumerate(layers):
        add = add_int8_layer if isinstance(layer, Int8Layer) else add_layer
        source = add(graph, f"{number}_{i}", source, layer)  # type: ignore[arg-type]
        if i < len(layers) - 1:
            source = graph.add(OPERATORS[network.activation], [source], f"hidden_{number}_{i}")
            if not number:
                graph.show(source, "N", network.widths[i + 1])
    return source


def add_layer(graph: Graph, i: str, source: str, layer: tuple[Tensor, Tensor]) -> str:
    """Compute a layer's pre-activations in float32."""
    weight, bias = graph.constant(f"weight_{i}", layer[0].numpy()), graph.constant(f"bias_{i}", layer[1].numpy())
    return graph.add("Gemm", [source, weight, bias], f"sum_{i}", transB=1)


def add_int8_layer(graph: Graph, i: str, source: str, layer: Int8Layer) -> str:
    """Compute a layer's pre-activations in 8 bits: quantise the input, multiply integers, rescale, add the bias."""
    weight, bias = graph.constant(f"weight_{i}", layer.weight.numpy()), graph.constant(f"bias_{i}", layer.bias.numpy())
    zero = graph.constant(f"input_zero_{i}", np.uint8(layer.input_zero))
    input_scale = graph.constant(f"input_scale_{i}", np.float32(layer.input_scale))
    integers = graph.add("QuantizeLinear", [source, input_scale, zero], f"integers_{i}")
    products = graph.add("MatMulInteger", [integers, weight, zero], f"products_{i}")
    floats = graph.add("Cast", [products], f"floats_{i}", to=TensorProto.FLOAT)
    scaled = graph.add("Mul", [floats, graph.constant(f"scale_{i}", layer.scale.numpy())], f"scaled_{i}")
    return graph.add("Add", [scaled, bias], f"sum_{i}")


def export(model: Ensemble, path: Path, metadata: Mapping[str, str], images: Tensor) -> None:
    """Write networks to `path`, if the file, loaded as the service would load it, reproduces their mean outputs.

    The weights are 8-bit if that changes the outputs by at most MAX_ROUNDING on average, else float32, as they are
    without hidden layers.

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
    TrainingError
        In float32, a probability differs by more than MAX_DIFFERENCE. No file is left behind.
    """
    with unfinished(path) as file:
        onnx.save_model(to_onnx(model, {**metadata, "weights": "int8"}, images), file)
        is_close = differences(model, Classifier(file), images).mean() <= MAX_ROUNDING
        if not (is_close and all(len(network.hidden) for network in model.networks)):
            onnx.save_model(to_onnx(model, {**metadata, "weights": "float32"}), file)
            require_close(differences(model, Classifier(file), images), MAX_DIFFERENCE, path)


def require_close(differences: NDArray[Any], most: float, path: Path) -> None:
    """Raise TrainingError if a file's probabilities differ from the network's by more than a number."""
    if not (difference := differences.max()) <= most:
        raise TrainingError(
            f"{path} was not written: its probabilities would differ from torch's by up to {difference:.2g}, "
            f"more than {most:g}."
        )


@torch.inference_mode()
def differences(model: Ensemble, classifier: Classifier, images: Tensor) -> NDArray[np.float32]:
    """Compute how far the networks' mean and the file's outputs differ on (N, 28, 28) uint8 images: (N, 11)."""
    model.eval()
    frames = images.to(next(model.parameters()).device).float() / 255  # (N, 28, 28) in [0, 1]
    logits = model(frames)
    ours = torch.cat([logits[:, :CLASSES].softmax(dim=1), logits[:, CLASSES:].sigmoid()], dim=1).cpu().numpy()
    difference: NDArray[np.float32] = np.abs(ours - np.column_stack(classifier(frames.cpu().numpy())))
    return difference

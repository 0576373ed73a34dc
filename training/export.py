"""DigitNet → an ONNX file with everything inside: normalisation, the layers, softmax, and its history.

The graph is written out by hand, a Gemm and an activation for each layer, so that the file holds nothing
that the network does not need. Ignores: choosing the weights, and running the file.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from app.classifier import CLASSES, PIXELS, Classifier
from training.model import DigitNet, folded

OPSET = 20  # the first with Gelu
IR_VERSION = 9  # the one that came with opset 20: runs on every ONNX Runtime since 1.17
MAX_DIFFERENCE = 1e-4
OPERATORS = {"relu": "Relu", "gelu": "Gelu", "tanh": "Tanh", "sigmoid": "Sigmoid"}


class ExportMismatch(Exception):
    """The exported file does not answer as the network does."""


def to_onnx(model: DigitNet, metadata: Mapping[str, str]) -> onnx.ModelProto:
    """The network as an ONNX model: pixels (N, 784) → probabilities (N, 10).

    Parameters
    ----------
    model : DigitNet
        The trained network; it runs as in evaluation (running statistics, no dropout).
    metadata : mapping of str to str
        Goes into ``metadata_props``.
    """
    layers = folded(model)
    nodes, weights = [], []
    source = "pixels"
    for i, (weight, bias) in enumerate(layers):
        weights += [
            numpy_helper.from_array(weight.numpy(), f"weight_{i}"),
            numpy_helper.from_array(bias.numpy(), f"bias_{i}"),
        ]
        nodes.append(helper.make_node("Gemm", [source, f"weight_{i}", f"bias_{i}"], [f"sum_{i}"], transB=1))
        source = f"sum_{i}"
        if i < len(layers) - 1:
            nodes.append(helper.make_node(OPERATORS[model.activation], [source], [f"hidden_{i}"]))
            source = f"hidden_{i}"
    nodes.append(helper.make_node("Softmax", [source], ["probabilities"], axis=1))
    graph = helper.make_graph(
        nodes,
        "DigitNet",
        inputs=[helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", PIXELS])],
        outputs=[helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", CLASSES])],
        initializer=weights,
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    helper.set_model_props(proto, dict(metadata))
    onnx.checker.check_model(proto, full_check=True)
    return proto


def export(model: DigitNet, path: Path, metadata: Mapping[str, str], images: Tensor) -> None:
    """Write the network to `path`, if the file answers as the network does on real images.

    The file is written beside `path`, checked as the service will load it, and only then put in place.

    Parameters
    ----------
    model : DigitNet
        The trained network.
    path : Path
        Where the file goes; its folder is made where it is missing.
    metadata : mapping of str to str
        What the file says of itself.
    images : Tensor
        (N, 28, 28) uint8, the images to compare on.

    Raises
    ------
    ExportMismatch
        A probability differs by more than MAX_DIFFERENCE; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        onnx.save_model(to_onnx(model, metadata), draft)
        difference = parity(model, Classifier(draft), images)
        if not difference <= MAX_DIFFERENCE:
            raise ExportMismatch(
                f"{path} was not written: its probabilities would differ from torch's by up to {difference:.2g}, "
                f"more than {MAX_DIFFERENCE:g}."
            )
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@torch.inference_mode()
def parity(model: DigitNet, classifier: Classifier, images: Tensor) -> float:
    """Largest difference between the network's and the file's probabilities on (N, 28, 28) uint8 images."""
    model.eval()
    frames = images.to(next(model.parameters()).device).float() / 255  # (N, 28, 28) in [0, 1]
    ours = model(frames).softmax(dim=1).cpu().numpy()
    return float(np.abs(ours - classifier(frames.cpu().numpy())).max())

"""Export networks to ONNX files that hold all that serving needs.

The dense network's graph is written in ONNX's textual syntax, so that the file has
nothing that it does not need.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor

from app.digit.classifier import CLASSES, FIRST_WEIGHTS, Classifier
from training.digits.model import (
    ACTIVATIONS,
    DigitNet,
    Ensemble,
    Layer,
    folded,
    logits_of,
)
from training.digits.quantize import Int8Layer, quantized
from training.errors import TrainingError
from training.run import unfinished

# The first with Gelu; with IR version 9, every ONNX Runtime since 1.17 runs it.
OPSET = 20
MAX_DIFFERENCE = 1e-4  # of any probability, in float32
MAX_ROUNDING = 1e-3  # mean over all probabilities, in 8 bits
OPERATORS = {"relu": "Relu", "gelu": "Gelu", "tanh": "Tanh", "sigmoid": "Sigmoid"}


FLOAT_LAYER = "sum_{i} = Gemm <transB = 1> ({source}, weight_{i}, bias_{i})"
INT8_LAYER = """
    integers_{i} = QuantizeLinear ({source}, input_scale_{i}, input_zero_{i})
    products_{i} = MatMulInteger (integers_{i}, weight_{i}, input_zero_{i})
    floats_{i} = Cast <to = 1> (products_{i})
    scaled_{i} = Mul (floats_{i}, scale_{i})
    sum_{i} = Add (scaled_{i}, bias_{i})"""
MODEL = """<ir_version: 9, opset_import: ["": 20]>
    DigitNet (float[N, 784] pixels) => (float[N, 10] probabilities, {outputs})
    <int64[2] split = {{10, 1}}, int64[1] axes = {{1}}> {{
        {layers}
        mean = Mean ({logits})
        digit_logits, legibility_logit = Split <axis = 1> (mean, split)
        probabilities = Softmax <axis = 1> (digit_logits)
        legibility_logits = Squeeze (legibility_logit, axes)
        legibility = Sigmoid (legibility_logits)
    }}"""


def to_onnx(
    model: Ensemble, metadata: Mapping[str, str], calibration: Tensor | None = None
) -> onnx.ModelProto:
    """Make an ONNX model: pixels (N, 784) → probabilities (N, 10), legibility (N,).

    Further outputs show what is inside the first network: its hidden layers, and the
    weights of the first.

    Parameters
    ----------
    model : Ensemble
        The trained networks, exported in evaluation mode (running statistics, no
        dropout).
    metadata : mapping of str to str
        Entries of ``metadata_props``.
    calibration : Tensor, optional
        (N, 28, 28) uint8. If given, the hidden layers are quantised to 8 bits, for the
        range of activations on these images. The output layer stays float32, so that
        probabilities near 0 and 1 keep their precision.
    """
    lines = []
    logits = []
    arrays = dict[str, Tensor]()
    for number, network in enumerate(model.networks):
        operator = OPERATORS[network.activation]
        source = "pixels"
        for place, layer in enumerate(layers_of(network, calibration)):
            i = f"{number}_{place}"
            arrays |= {f"{name}_{i}": array for name, array in layer._asdict().items()}
            kind = INT8_LAYER if isinstance(layer, Int8Layer) else FLOAT_LAYER
            lines.append(kind.format(i=i, source=source))
            source = f"sum_{i}"
            if place < len(network.hidden):
                lines.append(f"hidden_{i} = {operator} ({source})")
                source = f"hidden_{i}"
        logits.append(source)
    outputs = ["float[N] legibility"]
    for place, width in enumerate(model.networks[0].widths[1:-1]):
        outputs.append(f"float[N, {width}] hidden_0_{place}")
    if len(outputs) > 1:
        first = arrays[FIRST_WEIGHTS]
        kind = "int8" if first.dtype == torch.int8 else "float"
        outputs.append(f"{kind}[{first.shape[0]}, {first.shape[1]}] {FIRST_WEIGHTS}")
    text = MODEL.format(
        outputs=", ".join(outputs), layers="\n".join(lines), logits=", ".join(logits)
    )
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.extend(
        numpy_helper.from_array(array.numpy(), name) for name, array in arrays.items()
    )
    helper.set_model_props(proto, dict(metadata))
    onnx.checker.check_model(proto, full_check=True)
    return proto


def layers_of(
    network: DigitNet, calibration: Tensor | None
) -> Sequence[Layer | Int8Layer]:
    """Return the layers of a network; for `calibration` see `to_onnx`."""
    layers = folded(network)
    if calibration is None:
        return layers
    *hidden, last = layers
    pixels = calibration.cpu().flatten(1).float() / 255
    return [*quantized(hidden, ACTIVATIONS[network.activation], pixels), last]


def export(
    model: Ensemble,
    path: Path,
    metadata: Mapping[str, str],
    images: Tensor,
    max_rounding: float = MAX_ROUNDING,
) -> None:
    """Write networks to a file that reproduces their mean outputs when it is served.

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
    max_rounding : float
        The weights have 8 bits if that changes the outputs by at most so much on
        average, else 32, as they have without hidden layers.

    Raises
    ------
    TrainingError
        In float32, a probability differs by more than MAX_DIFFERENCE. No file is left
        behind.
    """
    with unfinished(path) as file:
        onnx.save_model(to_onnx(model, {**metadata, "weights": "int8"}, images), file)
        rounding = differences(model, Classifier(file), images).mean()
        if rounding <= max_rounding and all(each.layers for each in model.networks):
            return
        onnx.save_model(to_onnx(model, {**metadata, "weights": "float32"}), file)
        difference = differences(model, Classifier(file), images).max()
        if not difference <= MAX_DIFFERENCE:
            raise TrainingError(
                f"{path} was not written: its probabilities would differ from torch's "
                f"by up to {difference:.2g}, more than {MAX_DIFFERENCE:g}."
            )


def differences(
    model: Ensemble, classifier: Classifier, images: Tensor
) -> NDArray[np.float32]:
    """Compare the outputs (N, 11) of networks and their file on images (N, 28, 28)."""
    logits = logits_of(model, images.to(next(model.parameters()).device)).cpu()
    digits, legibility = logits.tensor_split([CLASSES], dim=1)
    expected = torch.cat([digits.softmax(dim=1), legibility.sigmoid()], dim=1)
    frames = images.cpu().float() / 255
    found = np.column_stack(classifier(frames.numpy()))
    difference: NDArray[np.float32] = np.abs(expected.numpy() - found)
    return difference

"""Export networks to self-contained ONNX files: normalisation, layers, their mean,
softmax, sigmoid and metadata.

The dense network's graph is written in ONNX's textual syntax, so that the file has
nothing that it does not need.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor

from app.digit.classifier import CLASSES, FIRST_WEIGHTS, Classifier
from training.errors import TrainingError
from training.model import ACTIVATIONS, DigitNet, Ensemble, Layer, folded
from training.quantize import Int8Layer, quantized
from training.run import unfinished

# The first with Gelu; with IR version 9, every ONNX Runtime since 1.17 runs it.
OPSET = 20
MAX_DIFFERENCE = 1e-4  # of any probability, in float32
MAX_ROUNDING = 1e-3  # mean over all probabilities, in 8 bits
OPERATORS = {"relu": "Relu", "gelu": "Gelu", "tanh": "Tanh", "sigmoid": "Sigmoid"}


FLOAT_LAYER = "sum_{i} = Gemm <transB = 1> ({source}, weight_{i}, bias_{i})"
INT8_LAYER = """integers_{i} = QuantizeLinear ({source}, input_scale_{i}, input_zero_{i})
    products_{i} = MatMulInteger (integers_{i}, weight_{i}, input_zero_{i})
    floats_{i} = Cast <to = 1> (products_{i})
    scaled_{i} = Mul (floats_{i}, scale_{i})
    sum_{i} = Add (scaled_{i}, bias_{i})"""
MODEL = """<ir_version: 9, opset_import: ["": 20]>
    DigitNet (float[N, 784] pixels) => (float[N, 10] probabilities, float[N] legibility{shown})
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
    """Convert networks to an ONNX model: pixels (N, 784) → probabilities (N, 10),
    legibility (N,).

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
    lines, logits, shown, constants = list[str](), list[str](), "", dict[str, Tensor]()
    for number, network in enumerate(model.networks):
        source = "pixels"
        for k, layer in enumerate(layers_of(network, calibration)):
            i = f"{number}_{k}"
            lines.append(
                (INT8_LAYER if isinstance(layer, Int8Layer) else FLOAT_LAYER).format(
                    i=i, source=source
                )
            )
            constants |= {
                f"{name}_{i}": value for name, value in layer._asdict().items()
            }
            source = f"sum_{i}"
            if k < len(network.hidden):
                lines.append(f"hidden_{i} = {OPERATORS[network.activation]} ({source})")
                source = f"hidden_{i}"
                shown += (
                    f", float[N, {network.widths[k + 1]}] {source}"
                    if not number
                    else ""
                )
        logits.append(source)
    if shown:
        first = constants[FIRST_WEIGHTS]
        kind = "int8" if first.dtype == torch.int8 else "float"
        shown += f", {kind}[{first.shape[0]}, {first.shape[1]}] {FIRST_WEIGHTS}"
    text = MODEL.format(shown=shown, layers="\n".join(lines), logits=", ".join(logits))
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.extend(
        numpy_helper.from_array(value.numpy(), name)
        for name, value in constants.items()
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
    pixels = calibration.cpu().flatten(1).float() / 255
    return [
        *quantized(layers[:-1], ACTIVATIONS[network.activation], pixels),
        layers[-1],
    ]


def export(
    model: Ensemble, path: Path, metadata: Mapping[str, str], images: Tensor
) -> None:
    """Write networks to `path`, if the file, loaded as the service would load it,
    reproduces their mean outputs.

    The weights are 8-bit if that changes the outputs by at most MAX_ROUNDING on
    average, else float32, as they are without hidden layers.

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
        In float32, a probability differs by more than MAX_DIFFERENCE. No file is left
        behind.
    """
    with unfinished(path) as file:
        onnx.save_model(to_onnx(model, {**metadata, "weights": "int8"}, images), file)
        is_close = differences(model, Classifier(file), images).mean() <= MAX_ROUNDING
        if not (is_close and all(len(network.hidden) for network in model.networks)):
            onnx.save_model(to_onnx(model, {**metadata, "weights": "float32"}), file)
            require_close(
                differences(model, Classifier(file), images), MAX_DIFFERENCE, path
            )


def require_close(differences: NDArray[Any], most: float, path: Path) -> None:
    """Raise TrainingError if a file's probabilities differ from the network's by more
    than a number.
    """
    if not (difference := differences.max()) <= most:
        raise TrainingError(
            f"{path} was not written: its probabilities would differ from torch's by "
            f"up to {difference:.2g}, "
            f"more than {most:g}."
        )


@torch.inference_mode()
def differences(
    model: Ensemble, classifier: Classifier, images: Tensor
) -> NDArray[np.float32]:
    """Compute how far the networks' mean and the file's outputs differ on (N, 28, 28)
    uint8 images: (N, 11).
    """
    model.eval()
    # (N, 28, 28) in [0, 1].
    frames = images.to(next(model.parameters()).device).float() / 255
    logits = model(frames)
    ours = (
        torch.cat(
            [logits[:, :CLASSES].softmax(dim=1), logits[:, CLASSES:].sigmoid()], dim=1
        )
        .cpu()
        .numpy()
    )
    difference: NDArray[np.float32] = np.abs(
        ours - np.column_stack(classifier(frames.cpu().numpy()))
    )
    return difference

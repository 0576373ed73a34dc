"""Export the line network to a self-contained ONNX file: its layers, the temperature, softmax and metadata."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from app.inference.lines import CHARACTERS, LineNetwork
from app.preprocess.strips import STRIP_HEIGHT
from training.cache import unfinished
from training.export import OPSET, require_close
from training.line_paper import normalised

MAX_DIFFERENCE = 1e-3  # of any probability
THRESHOLD = 0.5  # the lowest for which 70 % of Omniglot's characters, and 96 % of words, give an empty text


class Served(nn.Module):
    """The network as it is served: strips (N, 32, W) → probabilities (N, W / 2, C), calibrated by a temperature."""

    def __init__(self, network: nn.Module, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature

    def forward(self, strips: Tensor) -> Tensor:
        """Compute the probabilities."""
        probabilities: Tensor = (self.network(strips) / self.temperature).softmax(dim=2)
        return probabilities


def export(network: nn.Module, temperature: float, path: Path, metadata: Mapping[str, str]) -> None:
    """Write the network to `path`, if the file, loaded as the service loads it, gives the same probabilities.

    Raises TrainingError if one differs by more than MAX_DIFFERENCE. No file is left behind.
    """
    served = Served(network, temperature).eval()
    program = torch.onnx.export(
        served,
        (torch.zeros(2, STRIP_HEIGHT, 64),),
        input_names=["strips"],
        output_names=["probabilities"],
        dynamic_shapes={"strips": {0: "N", 2: 2 * torch.export.Dim("T", min=8)}},
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props.update({**metadata, "characters": CHARACTERS, "threshold": str(THRESHOLD)})
    with unfinished(path) as file:
        program.save(file)
        require_close(differences(served, LineNetwork(file)), MAX_DIFFERENCE, path)


@torch.inference_mode()
def differences(served: Served, file: LineNetwork) -> NDArray[np.float32]:
    """Compute how far the probabilities of the file differ from the network's, on a strip of noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (STRIP_HEIGHT, 160), np.uint8)
    expected = served(normalised(torch.from_numpy(np.float32(pixels) / 255)[None]))[0].numpy()
    difference: NDArray[np.float32] = np.abs(file(pixels) - expected)
    return difference

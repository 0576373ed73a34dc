"""Make the file of the network that finds writing on a page: a pretrained detector,
made grey, with 16-bit weights.

    python -m training.pages    from the pretrained file, within seconds

The detector is PP-OCRv6 small's. It answers with a map of where something is written
(Liao et al. 2020, "Real-time scene text detection with differentiable binarization").
Nothing of it is tuned.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, numpy_helper
from onnx.helper import make_node, set_model_props

from training.errors import exit_status
from training.options import FILE, PAGES_MODEL, parsed
from training.pretrained import Pretrained, assembled, halved
from training.run import unfinished

PRETRAINED = Pretrained(
    "PP-OCRv6_det_small.onnx",
    "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
    "train-pages",
)
FIRST = "conv2d_112.w_0"  # the weights of its first layer
STRIDE = 32  # the sides of its input are multiples of this many pixels
# What serving needs to know. The probabilities and the growth are those with which
# rapidocr uses the network.
SPEC = {
    "stride": str(STRIDE),
    "pixels": str(640 * 640),  # with twice as many, as much is read, at twice the cost
    "threshold": "0.3",
    "least_probability": "0.5",
    "growth": "1.6",
}


def cut(pretrained: ModelProto) -> ModelProto:
    """Make the network grey.

    Parameters
    ----------
    pretrained : ModelProto
        The pretrained network: (N, 3, H, W) colours in [-1, 1] → (N, 1, H, W)
        probabilities.

    Returns
    -------
    ModelProto
        ``pictures`` (N, H, W) float32, grey levels from 0 to 255 → ``writing`` (N, H,
        W) float32 in [0, 1]: the probability that something is written there. H and W
        are multiples of STRIDE.
    """
    graph = pretrained.graph
    weights = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    # The three colours are one grey.
    weights[FIRST] = weights[FIRST].sum(axis=1, keepdims=True)
    weights["half"] = np.array(127.5, np.float32)
    nodes = [
        make_node("Sub", ["pictures", "half"], ["centred"]),
        make_node("Div", ["centred", "half"], ["levels"]),
        make_node("Unsqueeze", ["levels"], [graph.input[0].name], axes=[1]),
        *graph.node,
        make_node("Squeeze", [graph.output[0].name], ["writing"], axes=[1]),
    ]
    shape = ("N", "H", "W")
    pictures = ("pictures", shape)
    return assembled(pretrained, "Finder", nodes, pictures, ("writing", shape), weights)


def make(file: Path, output: Path, pretrained: Pretrained) -> int:
    """Make the file from the pretrained one; return the exit status."""
    model = halved(cut(pretrained.read(file)))
    origin = pretrained.origin("PP-OCRv6 small detector", "its input is grey")
    set_model_props(model, origin | SPEC)
    with unfinished(output) as unfinished_file:
        onnx.save_model(model, unfinished_file)
    print(
        f"{output}: {output.stat().st_size:,} bytes. To serve it: "
        f"DIGITS_PAGES_MODEL={output} digits serve"
    )
    return 0


def main(argv: Sequence[str] | None = None, pretrained: Pretrained = PRETRAINED) -> int:
    """Run the command line; return the exit status."""
    p = argparse.ArgumentParser(
        "python -m training.pages",
        description="Make the file of the network for pages.",
    )
    p.add_argument(
        "--pretrained", default=PRETRAINED.file, help=PRETRAINED.meaning, **FILE
    )
    p.add_argument(
        "--output",
        default=PAGES_MODEL,
        help=f"the file to write ({PAGES_MODEL})",
        **FILE,
    )
    arguments = parsed(p, argv)
    return exit_status(lambda: make(arguments.pretrained, arguments.output, pretrained))


if __name__ == "__main__":
    sys.exit(main())

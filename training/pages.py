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
from onnx import ModelProto, TensorProto, helper, numpy_helper

from training.config import FILE, PAGES_MODEL, parsed
from training.errors import exit_status
from training.pretrained import LICENSE, WHEEL, Pretrained, halved
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
FORM = {
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
    arrays = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    # The three colours are one grey.
    arrays[FIRST] = arrays[FIRST].sum(axis=1, keepdims=True)
    arrays["half"] = np.array(127.5, np.float32)
    nodes = [
        helper.make_node("Sub", ["pictures", "half"], ["centred"]),
        helper.make_node("Div", ["centred", "half"], ["levels"]),
        helper.make_node("Unsqueeze", ["levels"], [graph.input[0].name], axes=[1]),
        *graph.node,
        helper.make_node("Squeeze", [graph.output[0].name], ["writing"], axes=[1]),
    ]
    pictures, writing = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", "H", "W"])
        for name in ("pictures", "writing")
    )
    initializers = [
        numpy_helper.from_array(array, name) for name, array in arrays.items()
    ]
    made = helper.make_graph(nodes, "Finder", [pictures], [writing], initializers)
    model = helper.make_model(made, opset_imports=pretrained.opset_import, ir_version=9)
    onnx.checker.check_model(model)
    return model


def make(pretrained: Path, output: Path) -> int:
    """Write the file; return the exit status."""
    model = halved(cut(PRETRAINED.read(pretrained)))
    origin = {
        "architecture": "PP-OCRv6 small detector",
        "origin": f"{PRETRAINED.name} of {WHEEL}, modified: its input is grey",
        "license": LICENSE,
        "pretrained_sha256": PRETRAINED.sha256,
    }
    helper.set_model_props(model, origin | FORM)
    with unfinished(output) as file:
        onnx.save_model(model, file)
    print(
        f"{output}: {output.stat().st_size:,} bytes. To serve it: "
        f"DIGITS_PAGES_MODEL={output} digits serve"
    )
    return 0


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
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
    return parsed(p, argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    arguments = parse(argv)
    return exit_status(lambda: make(arguments.pretrained, arguments.output))


if __name__ == "__main__":
    sys.exit(main())

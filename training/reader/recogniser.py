"""The reader's file: cut out of a pretrained recogniser, and written with 16-bit
weights.

The recogniser is PP-OCRv6 small. Its last layer has a row for each of 18,710
characters. The reader keeps those of its alphabet and, for something else, those that
are most active on what is no number.
"""

import string
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper
from onnx.helper import make_node, set_model_props
from onnx.utils import Extractor

from training.pretrained import Pretrained, assembled, halved, metadata_of
from training.writing.alphabet import CHARACTERS, MARKS, SPACE

PRETRAINED = Pretrained(
    "PP-OCRv6_rec_small.onnx",
    "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
    "train-lines",
)
# Names in its graph.
FIRST = "conv2d_68.w_0"
LAST = "linear_8"
FEATURES = "p2o.pd_op.transpose.8.0"
# Of strips; their widths are padded to multiples of PADDING.
STRIP_HEIGHT = 48
STRIDE = 8
PADDING = 160
LEAST_CONTRAST = 8  # grey levels that count as full ink in a strip that has less
# Names in the graph of the reader.
HEAD = "head.weight"
BIAS = "head.bias"
LOGITS = "logits"
LETTERS = string.ascii_letters
UNCALIBRATED = {"confidence_scale": "1", "confidence_offset": "0"}
# What serving needs to know.
SPEC = {
    "characters": CHARACTERS,
    "marks": MARKS,
    "space": SPACE,
    "stride": str(STRIDE),
    "padding": str(PADDING),
    # Columns by which a symbol's answer comes after its middle: with 0.3, boxes fit
    # written digits best.
    "delay": "0.3",
    "least_contrast": str(LEAST_CONTRAST),
    # For a squared probability; with 0.4, as many numbers are read, but more words are
    # read as numbers.
    "threshold": "0.5",
    # With 1, more digits are taken for letters that share a stroke with them; with
    # less, more words are read as numbers.
    "other_weight": "0.14",
    **UNCALIBRATED,
}
Floats = NDArray[np.float32]


def characters_of(pretrained: ModelProto) -> list[str]:
    """Return the character of each row of the last layer; the blank's is empty."""
    return ["", *metadata_of(pretrained)["character"].split("\n"), " "]


def cut(pretrained: ModelProto, others: Sequence[int]) -> ModelProto:
    """Cut the reader's network out of the pretrained one.

    Parameters
    ----------
    pretrained : ModelProto
        The pretrained network: (N, 3, 48, W) → probabilities of its characters, for
        each STRIDE pixels.
    others : sequence of int
        The rows of its last layer that stand for something else.

    Returns
    -------
    ModelProto
        ``strips`` (N, 48, W) float32, grey → ``probabilities`` (N, W / 8, C) float32
        over the blank, CHARACTERS and something else; its value ``logits`` has a column
        for each of the rows.
    """
    trunk = Extractor(pretrained).extract_model(["x"], [FEATURES]).graph
    arrays = {t.name: numpy_helper.to_array(t) for t in pretrained.graph.initializer}
    known = [0, *map(characters_of(pretrained).index, CHARACTERS)]
    rows = [*known, *others]
    weights = {t.name: arrays[t.name] for t in trunk.initializer}
    # The three colours are one grey.
    weights[FIRST] = arrays[FIRST].sum(axis=1, keepdims=True)
    weights[HEAD] = arrays[f"{LAST}.w_0"][:, rows]
    weights[BIAS] = arrays[f"{LAST}.b_0"][rows]
    numbers = {"zero": 0, "known": len(known), "all": len(rows), "axis": 2}
    weights |= {name: np.array([number]) for name, number in numbers.items()}
    rest = "something else"  # summed
    nodes = [
        make_node("Unsqueeze", ["strips"], ["x"], axes=[1]),
        *trunk.node,
        make_node("MatMul", [FEATURES, HEAD], ["products"]),
        make_node("Add", ["products", BIAS], [LOGITS]),
        make_node("Softmax", [LOGITS], ["shares"], axis=2),
        make_node("Slice", ["shares", "zero", "known", "axis"], ["characters"]),
        make_node("Slice", ["shares", "known", "all", "axis"], ["rest"]),
        make_node("ReduceSum", ["rest"], [rest], axes=[2], keepdims=1),
        make_node("Concat", ["characters", rest], ["probabilities"], axis=2),
    ]
    strips = ("strips", ("N", STRIP_HEIGHT, "W"))
    probabilities = ("probabilities", ("N", "T", len(known) + 1))
    return assembled(pretrained, "Reader", nodes, strips, probabilities, weights)


def most_active(shares: Floats, characters: Sequence[str], count: int) -> list[int]:
    """Choose the rows for something else: all Latin letters, and the most active ones,
    none of CHARACTERS.

    Parameters
    ----------
    shares : NDArray
        (N, R) float32: for each picture of something else, the highest probability of
        each row.
    characters : sequence of str
        The R rows' characters.
    count : int
        How many to choose.
    """
    activity = shares.sum(axis=0)
    activity[[0, *map(characters.index, CHARACTERS)]] = -1
    activity[[*map(characters.index, LETTERS)]] = np.inf
    return sorted(np.argsort(-activity, kind="stable")[:count].tolist())


def save(model: ModelProto, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a reader's file with 16-bit weights; the metadata overrule SPEC."""
    described = halved(model)
    set_model_props(described, SPEC | dict(metadata))
    onnx.save_model(described, path)

"""The pretrained networks that ours for lines and pages are made from; 16-bit weights.

Both are PP-OCRv6 small, by PaddleOCR's authors, under the Apache License 2.0. The wheel
of rapidocr has them as ONNX.
"""

import hashlib
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from training.data import DEFAULT_ROOT
from training.errors import TrainingError

WHEEL = "rapidocr 3.10.0"
LICENSE = "Apache-2.0, copyright PaddlePaddle Authors"
SHOWN = "data/rapidocr/models"
FOLDER = DEFAULT_ROOT.parent / SHOWN
HALF = ".half"  # ends the name of an array that is stored in 16 bits


class Pretrained(NamedTuple):
    """A file of the wheel, and the target of make that fetches it."""

    name: str
    sha256: str
    target: str

    @property
    def file(self) -> Path:
        """Where the target puts it."""
        return FOLDER / self.name

    @property
    def meaning(self) -> str:
        """What the file is, for the help of a command."""
        return (
            f"{self.name} of {WHEEL}, which make {self.target} fetches "
            f"({SHOWN}/{self.name})"
        )

    def read(self, path: Path) -> ModelProto:
        """Read the file, and only that one; raise TrainingError for any other."""
        expected = f"expected {self.name} of {WHEEL}. To fetch it: make {self.target}"
        if not path.is_file():
            raise TrainingError(f"{path}: no such file; {expected}")
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise TrainingError(
                f"{path}: another network, another version or a truncated file; "
                f"{expected}"
            )
        return onnx.load_from_string(data)


def halved(model: ModelProto) -> ModelProto:
    """Return a copy with weights in 16 bits, which are widened as it is loaded."""
    copy = deepcopy(model)
    casts = []
    for tensor in copy.graph.initializer:
        array = numpy_helper.to_array(tensor)
        name = tensor.name
        if array.dtype == np.float32 and array.size > 1:
            stored = numpy_helper.from_array(array.astype(np.float16), name + HALF)
            tensor.CopyFrom(stored)
            casts.append(
                helper.make_node("Cast", [stored.name], [name], to=TensorProto.FLOAT)
            )
    del copy.graph.node[:]
    copy.graph.node.extend([*casts, *model.graph.node])
    return copy


def widened(model: ModelProto) -> ModelProto:
    """Return a copy whose weights are stored in 32 bits: the inverse of `halved`."""
    copy = deepcopy(model)
    for tensor in copy.graph.initializer:
        if tensor.name.endswith(HALF):
            array = numpy_helper.to_array(tensor).astype(np.float32)
            name = tensor.name.removesuffix(HALF)
            tensor.CopyFrom(numpy_helper.from_array(array, name))
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0].endswith(HALF):
            copy.graph.node.remove(node)
    return copy

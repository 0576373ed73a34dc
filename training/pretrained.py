"""The pretrained networks that ours for lines and pages are made from; 16-bit weights.

Both are PP-OCRv6 small, by PaddleOCR's authors, under the Apache License 2.0. The wheel
of rapidocr has them as ONNX.
"""

import hashlib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor

from training.data import DEFAULT_ROOT
from training.errors import TrainingError

WHEEL = "rapidocr 3.10.0"
LICENSE = "Apache-2.0, copyright PaddlePaddle Authors"
SHOWN = "data/rapidocr/models"
FOLDER = DEFAULT_ROOT.parent / SHOWN
Value = tuple[str, Sequence[str | int]]  # the name and the shape of an input or output
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

    def origin(self, architecture: str, modification: str) -> dict[str, str]:
        """Say what a network made from the file is, for its metadata."""
        return {
            "architecture": architecture,
            "origin": f"{self.name} of {WHEEL}, modified: {modification}",
            "license": LICENSE,
            "pretrained_sha256": self.sha256,
        }

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


def metadata_of(model: ModelProto) -> dict[str, str]:
    """Return the metadata of a file."""
    return {entry.key: entry.value for entry in model.metadata_props}


def arrays_in(model: ModelProto) -> dict[str, Tensor]:
    """Return copies of the arrays of a model by their names."""
    return {
        t.name: torch.tensor(numpy_helper.to_array(t)) for t in model.graph.initializer
    }


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


def assembled(
    pretrained: ModelProto,
    name: str,
    nodes: Sequence[NodeProto],
    taken: Value,
    given: Value,
    weights: Mapping[str, NDArray[Any]],
) -> ModelProto:
    """Make a model with the operators of the pretrained one."""
    arrays = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    ends = [
        helper.make_tensor_value_info(value, TensorProto.FLOAT, shape)
        for value, shape in (taken, given)
    ]
    graph = helper.make_graph(nodes, name, ends[:1], ends[1:], arrays)
    opset = pretrained.opset_import
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    onnx.checker.check_model(model)
    return model

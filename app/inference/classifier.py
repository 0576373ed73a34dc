"""Frames → probabilities and legibility: the ONNX Runtime session, and the metadata of the model file.

Loading runs no code from the file: nothing is unpickled.
"""

import hashlib
import os
from collections.abc import Iterable
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Without this, importing ONNX Runtime writes a machine id to ~/.cache and sends telemetry to its vendor.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime as ort

from app.preprocess.frame import FRAME_SIDE

PIXELS = FRAME_SIDE**2
CLASSES = 10
# Names, types and shapes (without N), as ONNX Runtime reports them.
INPUT = ("pixels", "tensor(float)", [PIXELS])
OUTPUTS = [("probabilities", "tensor(float)", [CLASSES]), ("legibility", "tensor(float)", [])]


class ModelError(Exception):
    """The model file cannot be served; the message names the file and the cause."""


class Classes(NamedTuple):
    """Output of the network for N frames.

    Attributes
    ----------
    probabilities : NDArray
        (N, 10) float32; each row sums to 1 and is indexed by digit.
    legibility : NDArray
        (N,) float32 in [0, 1]: the probability that a frame shows one whole digit.
    """

    probabilities: NDArray[np.float32]
    legibility: NDArray[np.float32]

    def split(self, counts: Iterable[int]) -> list["Classes"]:
        """Split the output into that of consecutive groups, by the number of frames in each."""
        ends = accumulate(counts, initial=0)
        return [Classes(self.probabilities[begin:end], self.legibility[begin:end]) for begin, end in pairwise(ends)]


class Classifier:
    """The dense network, loaded from a model file.

    Parameters
    ----------
    path : Path
        An ONNX file with input ``pixels`` float32 (N, 784) and outputs ``probabilities`` float32 (N, 10) and
        ``legibility`` float32 (N,). Without ``legibility``, as in older files, every frame has a legibility of 1.

    Attributes
    ----------
    version : str
        First 12 hex digits of the file's SHA-256.
    metadata : dict of str to str
        The file's ``metadata_props``.

    Raises
    ------
    ModelError
        The file is missing, unreadable or not ONNX, or has other inputs or outputs.
    """

    def __init__(self, path: Path) -> None:
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise ModelError(
                f"{path}: no such file. Check the path, or train a model: python -m training.train"
            ) from error
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error.strerror}).") from error
        self._session = open_session(path, data)
        self._outputs = [node.name for node in self._session.get_outputs()]
        self.version = hashlib.sha256(data).hexdigest()[:12]
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    @property
    def about(self) -> dict[str, str]:
        """The version and the metadata; no metadata can replace the version."""
        return {"version": self.version} | self.metadata | {"version": self.version}

    def __call__(self, frames: NDArray[np.float32]) -> Classes:
        """Classify frames.

        Parameters
        ----------
        frames : NDArray
            (N, 28, 28) float32 in [0, 1], ink = 1.

        Returns
        -------
        Classes
            Probabilities (N, 10) and legibility (N,).
        """
        probabilities, *legibility = self._session.run(self._outputs, {"pixels": frames.reshape(-1, PIXELS)})
        return Classes(probabilities, legibility[0] if legibility else np.ones(len(frames), np.float32))


def open_session(path: Path, data: bytes) -> ort.InferenceSession:
    """Open a session for the model in `data`, and check its inputs and outputs; `path` is for error messages."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # failures raise exceptions; do not print them too
    try:
        session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise ModelError(f"{path}: truncated, or not an ONNX model.") from error
    inputs = [(node.name, node.type, node.shape[1:]) for node in session.get_inputs()]
    outputs = [(node.name, node.type, node.shape[1:]) for node in session.get_outputs()]
    if inputs != [INPUT] or outputs not in (OUTPUTS, OUTPUTS[:1]):
        raise ModelError(
            f"{path}: has inputs {inputs} and outputs {outputs}; expected float32 pixels (N, {PIXELS}), "
            f"probabilities (N, {CLASSES}) and legibility (N,)."
        )
    return session

"""Frames → probabilities and legibility: the dense network; and how a model file is loaded.

Loading runs no code from the file: nothing is unpickled.
"""

import ctypes
import hashlib
import math
import os
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import accumulate, pairwise
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Without this, importing ONNX Runtime writes a machine id to ~/.cache and sends telemetry to its vendor.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime as ort

from app.preprocess.frame import FRAME_SIDE

PIXELS = FRAME_SIDE**2
CLASSES = 10
CERTAIN = 1e-6  # legibility is clipped this close to 0 and 1
INSIDE, FIRST_WEIGHTS = ("hidden_", "weight_"), "weight_0_0"  # names of outputs that show the inside of the network
Node = tuple[str, list[int | None]]  # an input or output, float32: its name; its shape without N, None for any length


class ModelError(Exception):
    """The model file cannot be served; the message names the file and the cause."""


class Model:
    """A network, loaded from an ONNX file.

    Parameters
    ----------
    path : Path
        The file.
    is_accepted : callable
        Whether these may be its input and its outputs.
    expected : str
        The same, for the error message if it has others.
    training : str
        The module that trains such a network, for the error message if there is no file.

    Attributes
    ----------
    path : Path
        A private copy, which all processes of the service load, whatever becomes of the file.
    sha256, version : str
        The file's SHA-256, and its first 12 hex digits.
    metadata : dict of str to str
        The file's ``metadata_props``.

    Raises
    ------
    ModelError
        The file is missing, unreadable or not ONNX, or has other inputs or outputs.
    """

    def __init__(self, path: Path, is_accepted: Callable[[list[Node]], bool], expected: str, training: str) -> None:
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise ModelError(f"{path}: no such file. Check the path, or train a model: python -m {training}") from error
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error.strerror}).") from error
        self.path = private_copy(data, self)
        self._session = open_session(path, self.path)
        outputs = [node for node in self._session.get_outputs() if not node.name.startswith(INSIDE)]
        nodes = [*self._session.get_inputs(), *outputs]
        if not is_accepted([*map(shape_of, nodes)]) or any(node.type != "tensor(float)" for node in nodes):
            found = ", ".join(f"{node.type} {node.name} {node.shape}" for node in nodes)
            raise ModelError(f"{path}: has {found}; expected float32 {expected}.")
        self._outputs = [node.name for node in outputs]
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.version = self.sha256[:12]
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    def run(
        self, name: str, values: NDArray[np.float32], wanted: Sequence[str] | None = None
    ) -> list[NDArray[np.float32]]:
        """Compute outputs for an input; raise MemoryError if memory is short: nothing else can fail here."""
        try:
            outputs: list[NDArray[np.float32]] = self._session.run(wanted or self._outputs, {name: values})
        except Exception as error:  # ONNX Runtime's own
            raise MemoryError from error
        return outputs

    def unload(self) -> None:
        """Free the session, where only other processes run the network; its file stays for them."""
        del self._session
        return_freed_memory()

    @property
    def about(self) -> dict[str, str]:
        """The version and the metadata; no metadata can replace the version."""
        return {"version": self.version} | self.metadata | {"version": self.version}


def private_copy(data: bytes, owner: object) -> Path:
    """Copy a model to a file, on Linux in memory, that exists as long as its owner; return where processes find it."""
    if hasattr(os, "memfd_create"):
        file = open(os.memfd_create("model"), "wb", buffering=0)  # noqa: SIM115 - it is open while its owner lives
        weakref.finalize(owner, file.close)
        file.write(data)
        return Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")
    with NamedTemporaryFile(prefix="digits-", suffix=".onnx", delete=False) as copy:
        copy.write(data)
    weakref.finalize(owner, Path(copy.name).unlink, missing_ok=True)
    return Path(copy.name)


def open_session(path: Path, copy: Path) -> ort.InferenceSession:
    """Open a session for the copy of a model; `path` is for error messages."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it would keep what the widest strip took
    options.enable_mem_pattern = False  # it is for inputs of one shape, and would keep memory for each width of strips
    options.log_severity_level = 4  # failures raise exceptions; do not print them too
    try:
        session = ort.InferenceSession(copy, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise ModelError(f"{path}: truncated, or not an ONNX model.") from error
    return_freed_memory()  # of what loading took, 17 MB
    return session


def return_freed_memory() -> None:
    """Make glibc's malloc return to the system what was freed."""
    with suppress(AttributeError, TypeError):  # another libc or operating system
        ctypes.CDLL(None).malloc_trim(0)


def shape_of(node: ort.NodeArg) -> Node:
    """Return the name of a session's input or output, and its shape."""
    return node.name, [length if isinstance(length, int) else None for length in node.shape[1:]]


def shape_in(text: str) -> tuple[int, int, int]:
    """Parse the shape of a layer's maps, such as 20x8x8, or its number of units; (0, 0, 0) if it is neither."""
    numbers = [int(part) if part.isdecimal() else 0 for part in text[:30].split("x")]
    count, height, width = (*numbers, 1, 1)[:3] if len(numbers) in (1, 3) else (0, 0, 0)
    return count, height, width


def log_odds_of(legibility: float) -> float:
    """Return the log-odds of a legibility or a probability, clipped to be finite."""
    likely = min(max(legibility, CERTAIN), 1 - CERTAIN)
    return math.log(likely / (1 - likely))


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


class Classifier(Model):
    """The dense network, loaded from a model file; see `Model`.

    Parameters
    ----------
    path : Path
        An ONNX file with input ``pixels`` float32 (N, 784) and outputs ``probabilities`` float32 (N, 10) and
        ``legibility`` float32 (N,). Without ``legibility``, as in older files, every frame has a legibility of 1.
        It may also have the outputs ``hidden_0_0``, ``hidden_0_1`` … of the hidden layers, whose maps are ``layers`` in
        its metadata, and the weights of the first one, ``weight_0_0``.
    """

    def __init__(self, path: Path) -> None:
        nodes: list[Node] = [("pixels", [PIXELS]), ("probabilities", [CLASSES]), ("legibility", [])]
        expected = f"pixels (N, {PIXELS}), probabilities (N, {CLASSES}) and legibility (N,)"
        super().__init__(path, [nodes, nodes[:-1]].__contains__, expected, "training.train")
        widths = {node.name: node.shape[-1] for node in self._session.get_outputs() if node.name.startswith(INSIDE)}
        shapes = [shape_in(text) for text in self.metadata.get("layers", "").split()]
        names = [f"hidden_0_{number}" for number in range(len(shapes))]
        is_complete = FIRST_WEIGHTS in widths and [math.prod(shape) for shape in shapes] == [*map(widths.get, names)]
        self._hidden = [*zip(names, shapes, strict=True)] if is_complete else []

    def hidden(self, frame: NDArray[np.float32]) -> list[tuple[tuple[int, int, int], NDArray[np.float32]]]:
        """Compute the activations of each hidden layer of the first network for a frame, with the shape of its maps."""
        if not self._hidden:
            return []
        names, shapes = zip(*self._hidden, strict=True)
        return [*zip(shapes, self.run("pixels", frame.reshape(1, PIXELS), names), strict=True)]

    def first_weights(self) -> NDArray[np.generic]:
        """Return the weights of the first hidden layer of the first network, (784, units); without units if unknown."""
        if not self._hidden:
            return np.zeros((PIXELS, 0), np.float32)
        (weights,) = self.run("pixels", np.zeros((1, PIXELS), np.float32), [FIRST_WEIGHTS])
        return weights if len(weights) == PIXELS else weights.T

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
        probabilities, *legibility = self.run("pixels", frames.reshape(-1, PIXELS))
        return Classes(probabilities, legibility[0] if legibility else np.ones(len(frames), np.float32))

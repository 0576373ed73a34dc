"""A network: a checked ONNX file, its metadata and its session.

Loading runs no code from the file: nothing is unpickled.
"""

import hashlib
import math
import os
import weakref
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from numpy.typing import NDArray

# Without this, importing ONNX Runtime writes a machine id to ~/.cache and sends
# telemetry to its vendor.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime as ort

from app import malloc

CERTAIN = 1e-6  # legibility is clipped this close to 0 and 1
Values = NDArray[np.float32]
# An input or output, float32: its name; its shape without N, None for any length.
Node = tuple[str, list[int | None]]


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
        The module that trains such a network, for the error message if there is no
        file.
    extras : tuple of str
        How the names of outputs begin that any file may have besides; `run` computes
        them on request only.

    Attributes
    ----------
    path : Path
        A private copy, which all processes of the service load, whatever becomes of the
        file.
    sha256, version : str
        The file's SHA-256, and its first 12 hex digits.
    metadata : dict of str to str
        The file's ``metadata_props``.

    Raises
    ------
    ModelError
        The file is missing, unreadable or not ONNX, or has other inputs or outputs.
    """

    def __init__(
        self,
        path: Path,
        is_accepted: Callable[[list[Node]], bool],
        expected: str,
        training: str,
        extras: tuple[str, ...] = (),
    ) -> None:
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise ModelError(
                f"{path}: no such file. Check the path, or train a model: python -m "
                f"{training}"
            ) from error
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error.strerror}).") from error
        self.path = private_copy(data, self)
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.version = self.sha256[:12]
        try:
            session = self.session
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise ModelError(f"{path}: truncated, or not an ONNX model.") from error
        self.metadata: dict[str, str] = session.get_modelmeta().custom_metadata_map
        all_outputs = session.get_outputs()
        outputs = [node for node in all_outputs if not node.name.startswith(extras)]
        nodes = [*session.get_inputs(), *outputs]
        is_float = all(node.type == "tensor(float)" for node in nodes)
        if not (is_float and is_accepted([*map(shape_of, nodes)])):
            found = ", ".join(f"{node.type} {node.name} {node.shape}" for node in nodes)
            raise ModelError(f"{path}: has {found}; expected float32 {expected}.")
        self.outputs = [node.name for node in outputs]

    @cached_property
    def session(self) -> ort.InferenceSession:
        """The session, opened on first use."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # The arena would keep what the widest strip took.
        options.enable_cpu_mem_arena = False
        # Patterns are for inputs of one shape: each width of strips would keep its own.
        options.enable_mem_pattern = False
        # Failures raise exceptions: do not print them too.
        options.log_severity_level = 4
        session = ort.InferenceSession(
            self.path, options, providers=["CPUExecutionProvider"]
        )
        malloc.trim()  # of what loading took, 17 MB
        return session

    def run(
        self, name: str, values: Values, wanted: Sequence[str] | None = None
    ) -> list[Values]:
        """Compute outputs for an input; raise MemoryError if memory is short."""
        session = self.session
        try:
            return [*session.run(wanted or self.outputs, {name: values})]
        except Exception as error:  # ONNX Runtime's own; nothing else can fail here
            raise MemoryError from error

    def unload(self) -> None:
        """Free the session until the network runs again."""
        del self.session
        malloc.trim()

    @property
    def about(self) -> dict[str, str]:
        """The version and the metadata; no metadata can replace the version."""
        return {"version": self.version} | self.metadata | {"version": self.version}


def private_copy(data: bytes, owner: object) -> Path:
    """Copy a model to a file, on Linux in memory, that lives as long as its owner."""
    if hasattr(os, "memfd_create"):
        # It stays open while its owner lives.
        file = open(os.memfd_create("model"), "wb", buffering=0)  # noqa: SIM115
        weakref.finalize(owner, file.close)
        file.write(data)
        return Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")
    with NamedTemporaryFile(prefix="digits-", suffix=".onnx", delete=False) as copy:
        copy.write(data)
    weakref.finalize(owner, Path(copy.name).unlink, missing_ok=True)
    return Path(copy.name)


def shape_of(node: ort.NodeArg) -> Node:
    """Return the name of an input or output of a session, and its shape."""
    lengths = node.shape[1:]
    return node.name, [each if isinstance(each, int) else None for each in lengths]


def log_odds_of(legibility: float) -> float:
    """Return the log-odds of a legibility or a probability, clipped to be finite."""
    likely = min(max(legibility, CERTAIN), 1 - CERTAIN)
    return math.log(likely / (1 - likely))

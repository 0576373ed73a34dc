"""A body of the Open Inference Protocol V2 → pictures or frames, and readings → the response.

A tensor stands in the JSON, or behind it: the protocol's binary extension.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from app.inference.classifier import PIXELS, rounded
from app.inference.reading import Reading
from app.preprocess.frame import FRAME_SIDE
from app.preprocess.maps import Map
from app.web.errors import InvalidInference
from app.web.tensors import BinarySize, InferOutput, InferRequest, InferResponse, OutputName, OutputTensor
from app.web.uploads import MAX_PICTURES, bytes_of, check_count, json_object

HEADER = "Inference-Header-Content-Length"
MAX_VALUES = MAX_PICTURES * PIXELS + 10_000  # in the JSON: frames, and what is around them
LENGTH_BYTES = 4  # of the length before each element of a BYTES tensor, little-endian
DATATYPES: dict[OutputName, Literal["INT64", "FP32"]] = {
    "digit": "INT64",
    "probabilities": "FP32",
    "legibility": "FP32",
}
BINARY_TYPES = {"INT64": "<i8", "FP32": "<f4"}


class Inference:
    """A request that has been parsed; everything raises InvalidInference where it is not as the protocol has it."""

    def __init__(self, body: bytes, json_bytes: int | None) -> None:
        end = len(body) if json_bytes is None else json_bytes
        if end > len(body):
            raise InvalidInference(f"The body has {len(body)} bytes, fewer than {HEADER} says.")
        try:
            self.request = InferRequest.model_validate(json_object(body[:end], MAX_VALUES))
        except ValidationError as error:
            raise InvalidInference("; ".join(map(sentence, error.errors())) + ".") from error
        (self.input,) = self.request.inputs
        self.binary = body[end:]
        size = self.input.parameters.binary_data_size
        if (size or 0) != len(self.binary):
            raise InvalidInference(f"There are {len(self.binary)} bytes behind the JSON; binary_data_size is {size}.")
        if (size is None) == (self.input.data is None):
            raise InvalidInference("Send either data in the JSON or binary_data_size and the data behind it.")

    @property
    def has_frames(self) -> bool:
        """Whether the input is frames, and no pictures."""
        return self.input.name == "pixels"

    def pictures(self) -> list[bytes]:
        """The encoded pictures in the input `picture`."""
        count = self.count("BYTES", [])
        if self.input.data is None:
            return elements(self.binary, count)
        if self.input.parameters.content_type != "base64":
            raise InvalidInference(
                "Send pictures behind the JSON, or in base64 with the parameter content_type: base64."
            )
        if len(self.input.data) != count:
            raise InvalidInference(f"There are {len(self.input.data)} pictures in the data, and {count} by the shape.")
        return list(map(bytes_of, self.input.data))

    def frames(self) -> Map:
        """The (n, 28, 28) frames in the input `pixels`."""
        count = self.count("FP32", [PIXELS])
        try:
            values = np.frombuffer(self.binary, "<f4") if self.input.data is None else np.array(self.input.data, float)
        except (ValueError, TypeError, OverflowError) as error:
            raise InvalidInference("The data is not numbers, or its rows differ in length.") from error
        if values.size != count * PIXELS:
            raise InvalidInference(f"There are {values.size} pixels in the data, and {count * PIXELS} by the shape.")
        if not ((values >= 0) & (values <= 1)).all():
            raise InvalidInference("Pixels lie between 0, the ground, and 1, the ink.")
        return values.astype(np.float32).reshape(count, FRAME_SIDE, FRAME_SIDE)

    def count(self, datatype: str, rest: list[int]) -> int:
        """How many pictures there are by the shape, which is that number and the rest."""
        if self.input.datatype != datatype:
            raise InvalidInference(f"The datatype of {self.input.name} is {datatype}.")
        count, *others = self.input.shape or [0]
        if count < 1 or others != rest:
            raise InvalidInference(f"The shape of {self.input.name} is [{', '.join(map(str, ['n', *rest]))}], n > 0.")
        check_count(count)
        return count

    def response(self, readings: Sequence[Reading], version: str) -> tuple[InferResponse, bytes]:
        """What is answered: the JSON, and what stands behind it."""
        tensors, binary = [], b""
        arrays = arrays_of(readings)
        for output in self.request.outputs or [InferOutput(name=name) for name in arrays]:
            values = arrays[output.name]
            tensor = OutputTensor(name=output.name, shape=list(values.shape), datatype=DATATYPES[output.name])
            is_binary = output.parameters.binary_data
            if self.request.parameters.binary_data_output if is_binary is None else is_binary:
                data = values.astype(BINARY_TYPES[tensor.datatype]).tobytes()
                tensor.parameters = BinarySize(binary_data_size=len(data))
                binary += data
            else:
                tensor.data = values.ravel().tolist()
            tensors.append(tensor)
        return InferResponse(model_version=version, id=self.request.id, outputs=tensors), binary


def elements(tensor: bytes, count: int) -> list[bytes]:
    """The elements of a BYTES tensor: each stands behind its length."""
    found, end = [], 0
    for _ in range(count):
        start = end + LENGTH_BYTES
        end = start + int.from_bytes(tensor[end:start], "little")
        found.append(tensor[start:end])
    if end != len(tensor):
        raise InvalidInference(
            f"The binary data is not {count} pictures, each behind its length in {LENGTH_BYTES} bytes."
        )
    return found


def arrays_of(readings: Sequence[Reading]) -> dict[OutputName, NDArray[Any]]:
    """The output tensors, rounded as /predict has them."""
    return {
        "digit": np.array([reading.digit for reading in readings]),
        "probabilities": np.array([rounded(reading.probabilities) for reading in readings]),
        "legibility": np.array([reading.legibility for reading in readings]).round(6),
    }


def sentence(error: Mapping[str, Any]) -> str:
    """What is wrong, and where."""
    return f"{'.'.join(map(str, error['loc']))}: {error['msg']}"

"""Bodies of the Open Inference Protocol V2: request → pictures or frames → response.

Tensors are part of the JSON, or follow it as the protocol's binary extension defines.
"""

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from app.answers.conversion import values_of
from app.answers.errors import InvalidInference
from app.digit.classifier import PIXELS
from app.digit.reading import Reading
from app.picture.frame import FRAME_SIDE
from app.picture.maps import Map
from app.web.parameters import in_words
from app.web.payloads import MAX_PICTURES
from app.web.tensors import (
    BinarySize,
    InferOutput,
    InferRequest,
    InferResponse,
    OutputName,
    OutputTensor,
)
from app.web.uploads import bytes_of, check_count, json_object

HEADER = "Inference-Header-Content-Length"
# In the JSON: the pixels of frames, and a margin for the rest.
MAX_TENSOR_VALUES = MAX_PICTURES * PIXELS + 10_000
# Size of the little-endian length before each element of a BYTES tensor.
LENGTH_BYTES = 4
BINARY_TYPES = {"INT64": "<i8", "FP32": "<f4"}


class Inference:
    """A parsed request; raises InvalidInference if it violates the protocol."""

    def __init__(self, body: bytes, json_bytes: int | None) -> None:
        end = len(body) if json_bytes is None else json_bytes
        if end > len(body):
            raise InvalidInference(
                f"The body has {len(body)} bytes, but {HEADER} is {json_bytes}."
            )
        content = json_object(body[:end], MAX_TENSOR_VALUES)
        try:
            self.request = InferRequest.model_validate(content)
        except ValidationError as error:
            raise InvalidInference(in_words(error.errors())) from error
        (self.input,) = self.request.inputs
        self.binary = body[end:]
        size = self.input.parameters.binary_data_size
        if (size or 0) != len(self.binary):
            raise InvalidInference(
                f"The JSON is followed by {len(self.binary)} bytes, but "
                f"binary_data_size is {size}."
            )
        if (size is None) == (self.input.data is None):
            raise InvalidInference(
                "Send either data in the JSON, or binary_data_size and the data after "
                "the JSON."
            )

    def pictures(self) -> list[bytes]:
        """Return the encoded pictures in the input `picture`."""
        count = self.count("BYTES", [])
        data = self.input.data
        if data is None:
            return elements(self.binary, count)
        if self.input.parameters.content_type != "base64":
            raise InvalidInference(
                "Send pictures after the JSON, or in base64 with the parameter "
                "content_type: base64."
            )
        if len(data) != count:
            raise InvalidInference(
                f"The data has {len(data)} pictures, but the shape has {count}."
            )
        return list(map(bytes_of, data))

    def frames(self) -> Map:
        """Return the (n, 28, 28) frames in the input `pixels`."""
        count = self.count("FP32", [PIXELS])
        data = self.input.data
        try:
            values = (
                np.frombuffer(self.binary, "<f4") if data is None else numbers(data)
            )
        except (ValueError, TypeError, OverflowError) as error:
            raise InvalidInference(
                "Some values are not numbers, or the rows differ in length."
            ) from error
        if values.size != count * PIXELS:
            raise InvalidInference(
                f"The data has {values.size} pixels, but the shape has "
                f"{count * PIXELS}."
            )
        if not ((values >= 0) & (values <= 1)).all():
            raise InvalidInference("Pixels must be between 0 (background) and 1 (ink).")
        return values.astype(np.float32).reshape(count, FRAME_SIDE, FRAME_SIDE)

    def count(self, datatype: str, rest: list[int]) -> int:
        """Return n; check that the input has the datatype and the shape [n, *rest]."""
        if self.input.datatype != datatype:
            raise InvalidInference(
                f"The datatype of {self.input.name} must be {datatype}."
            )
        count, *others = self.input.shape or [0]
        if count < 1 or others != rest:
            shape = ", ".join(map(str, ["n", *rest]))
            raise InvalidInference(
                f"The shape of {self.input.name} must be [{shape}], n > 0."
            )
        check_count(count)
        return count

    def response(
        self, readings: Sequence[Reading], version: str
    ) -> tuple[InferResponse, bytes]:
        """Return the JSON of the response, and the binary data after it."""
        arrays = arrays_of(readings)
        wanted = self.request.outputs or [InferOutput(name=name) for name in arrays]
        tensors = []
        binary = b""
        for output in wanted:
            values = arrays[output.name]
            tensor = OutputTensor(
                name=output.name,
                shape=list(values.shape),
                datatype="INT64" if output.name == "digit" else "FP32",
            )
            is_binary = output.parameters.binary_data
            if is_binary is None:
                is_binary = self.request.parameters.binary_data_output
            if is_binary:
                data = values.astype(BINARY_TYPES[tensor.datatype]).tobytes()
                tensor.parameters = BinarySize(binary_data_size=len(data))
                binary += data
            else:
                tensor.data = values.ravel().tolist()
            tensors.append(tensor)
        response = InferResponse(model_version=version, outputs=tensors)
        if self.request.id is not None:
            response.id = self.request.id
        return response, binary


def numbers(data: list[Any]) -> NDArray[np.float64]:
    """Convert nested lists of numbers; raise TypeError for a text.

    NumPy's error would quote it, however long.
    """
    rows = [data]
    for row in rows:
        if any(isinstance(each, str) for each in row):
            raise TypeError
        rows += [each for each in row if isinstance(each, list)]
    return np.array(data, float)


def elements(tensor: bytes, count: int) -> list[bytes]:
    """Return the elements of a BYTES tensor; each is preceded by its length."""
    found = []
    end = 0
    for _ in range(count):
        start = end + LENGTH_BYTES
        end = start + int.from_bytes(tensor[end:start], "little")
        found.append(tensor[start:end])
    if end != len(tensor):
        raise InvalidInference(
            f"The binary data is not {count} pictures, each preceded by its length in "
            f"{LENGTH_BYTES} bytes."
        )
    return found


def arrays_of(readings: Sequence[Reading]) -> dict[OutputName, NDArray[Any]]:
    """Return the output tensors, rounded as in /predict."""
    answers = list(map(values_of, readings))
    return {
        name: np.array([answer[name] for answer in answers])
        for name in get_args(OutputName)
    }

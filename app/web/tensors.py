"""Models of the Open Inference Protocol V2."""

from typing import Annotated, Any, Literal

from pydantic import MISSING, FailFast, Field, NonNegativeInt

from app.answers.responses import Complete, Described
from app.digit.classifier import CLASSES, PIXELS

NAME = "digits"
OutputName = Literal["digit", "probabilities", "legibility"]


class InputParameters(Described):
    """Parameters of an input tensor."""

    binary_data_size: NonNegativeInt | None = None
    """Number of bytes after the JSON, in place of data."""
    content_type: Literal["base64"] | None = None
    """Encoding of the pictures in data."""


class OutputParameters(Described):
    """Parameters of an output tensor."""

    binary_data: bool | None = None
    """Whether to send it after the JSON. Defaults to the request's
    binary_data_output.
    """


class RequestParameters(Described):
    """Default parameters of the output tensors."""

    binary_data_output: bool = False
    """Whether to send output tensors after the JSON."""


class InferInput(Described):
    """Encoded pictures, or frames in the network's input format."""

    name: Literal["picture", "pixels"]
    # Otherwise there may be 200,000 errors.
    shape: Annotated[list[int], FailFast()] = Field(max_length=3)
    """[n] for pictures, [n, 784] for frames; n is at most 256."""
    datatype: Literal["BYTES", "FP32"]
    """BYTES for pictures, FP32 for frames."""
    parameters: InputParameters = InputParameters()
    data: list[Any] | None = None
    """Pictures in base64, or the pixels of frames, from 0 (background) to 1 (ink)."""


class InferOutput(Described):
    """A requested output tensor."""

    name: OutputName
    parameters: OutputParameters = OutputParameters()


class InferRequest(Described):
    """A request to read pictures or frames."""

    id: str | None = Field(default=None, max_length=1000)
    """Returned in the response."""
    parameters: RequestParameters = RequestParameters()
    inputs: list[InferInput] = Field(min_length=1, max_length=1)
    outputs: list[InferOutput] | None = Field(default=None, min_length=1, max_length=3)
    """Outputs to return. Defaults to all."""


class BinarySize(Described):
    """Parameters of an output tensor that follows the JSON."""

    binary_data_size: int
    """Number of bytes after the JSON."""


class OutputTensor(Described):
    """An output tensor, with its data here or after the JSON."""

    name: OutputName
    shape: list[int]
    datatype: Literal["INT64", "FP32"]
    parameters: BinarySize | MISSING = MISSING
    data: list[int] | list[float] | MISSING = MISSING


class InferResponse(Described):
    """The response to an inference request."""

    model_name: str = NAME
    model_version: str
    id: str | MISSING = MISSING
    """The id of the request."""
    outputs: list[OutputTensor]


class TensorMetadata(Described):
    """The name, type and shape of a tensor; -1 stands for the number of pictures."""

    name: str
    datatype: str
    shape: list[int]


def tensor(name: str, datatype: str, *each: int) -> TensorMetadata:
    """Describe a tensor by the shape of each picture's part of it."""
    return TensorMetadata(name=name, datatype=datatype, shape=[-1, *each])


class ModelMetadata(Complete):
    """The metadata of the model. A request has one of its inputs."""

    name: str = NAME
    versions: list[str]
    platform: str = "onnxruntime_onnx"
    inputs: list[TensorMetadata] = Field(
        default=[tensor("picture", "BYTES"), tensor("pixels", "FP32", PIXELS)]
    )
    outputs: list[TensorMetadata] = Field(
        default=[
            tensor("digit", "INT64"),
            tensor("probabilities", "FP32", CLASSES),
            tensor("legibility", "FP32"),
        ]
    )


class ModelReady(Complete):
    """The model is ready."""

    name: str = NAME
    ready: Literal[True] = True


class ServerMetadata(Complete):
    """The metadata of the service."""

    name: str = NAME
    version: str
    extensions: list[str] = Field(default=["binary_tensor_data"])


class ServerLive(Complete):
    """The service is running."""

    live: Literal[True] = True


class ServerReady(Complete):
    """The service is ready."""

    ready: Literal[True] = True

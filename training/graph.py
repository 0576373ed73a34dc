"""An ONNX graph as a torch module, to train a network of which there is only the file,
and write it back.
"""

from collections.abc import Callable
from typing import Any

import onnx
import torch
import torch.nn.functional as F
from onnx import ModelProto, numpy_helper
from torch import Tensor, nn

Operator = Callable[..., Tensor]
# Inputs of a BatchNormalization that are not trained: mean and variance.
STATISTICS = slice(3, 5)


class Graph(nn.Module):
    """The part of an ONNX graph that computes one of its values from its input.

    Its parameters are the graph's float arrays, except the statistics of batch
    normalisation, which always uses these.

    Parameters
    ----------
    model : ModelProto
        A model with one input, sorted topologically, as ONNX demands, with operators
        that OPERATORS knows.
    output : str
        Name of the value to compute.
    """

    def __init__(self, model: ModelProto, output: str) -> None:
        super().__init__()
        self.input, self.output = model.graph.input[0].name, output
        self.nodes = nodes_until(model, output)
        self.last_use = {
            name: place for place, node in enumerate(self.nodes) for name in node.input
        }
        read = {name for node in self.nodes for name in node.input}
        fixed = {
            name
            for node in self.nodes
            if node.op_type == "BatchNormalization"
            for name in node.input[STATISTICS]
        }
        arrays = {
            t.name: torch.from_numpy(numpy_helper.to_array(t).copy())
            for t in model.graph.initializer
        }
        self.names = [
            name for name in arrays if is_weight(arrays[name]) and name in read - fixed
        ]
        self.weights = nn.ParameterList(
            nn.Parameter(arrays[name]) for name in self.names
        )
        self.constants = {
            name: array for name, array in arrays.items() if name not in self.names
        }

    def __getitem__(self, name: str) -> nn.Parameter:
        """Return a weight by its name."""
        weight: nn.Parameter = self.weights[self.names.index(name)]
        return weight

    def forward(self, values: Tensor) -> Tensor:
        """Compute the output for an input."""
        known = {
            **self.constants,
            **dict(zip(self.names, self.weights, strict=True)),
            self.input: values,
        }
        for place, node in enumerate(self.nodes):
            attributes = {
                each.name: onnx.helper.get_attribute_value(each)
                for each in node.attribute
            }
            known[node.output[0]] = OPERATORS[node.op_type](
                *(known[name] for name in node.input), **attributes
            )
            for name in {*node.input}:
                if self.last_use[name] == place:  # so that its memory is freed
                    del known[name]
        output: Tensor = known[self.output]
        return output

    def write_to(self, model: ModelProto) -> None:
        """Replace the arrays of a model that have the names of the weights."""
        weights = dict(zip(self.names, self.weights, strict=True))
        for tensor in model.graph.initializer:
            if tensor.name in weights:
                tensor.CopyFrom(
                    numpy_helper.from_array(
                        weights[tensor.name].detach().numpy(), tensor.name
                    )
                )


def nodes_until(model: ModelProto, output: str) -> list[onnx.NodeProto]:
    """Return the nodes up to the one that computes this value."""
    nodes = list(model.graph.node)
    last = next(place for place, node in enumerate(nodes) if output in node.output)
    return nodes[: last + 1]


def is_weight(array: Tensor) -> bool:
    """Return whether an array of a graph is trained: several floats, not a constant
    such as 0.5.
    """
    return array.is_floating_point() and array.numel() > 1


def padded_after(
    values: Tensor, kernel_shape: list[int], auto_pad: bytes, fill: float
) -> Tensor:
    """Pad for a kernel that moves by one pixel, so that the output has the size of the
    input (SAME_UPPER).
    """
    if auto_pad != b"SAME_UPPER":
        return values
    rows, columns = (side - 1 for side in kernel_shape)
    return F.pad(
        values,
        (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2),
        value=fill,
    )


def conv(
    values: Tensor,
    weight: Tensor,
    *,
    strides: list[int],
    group: int,
    kernel_shape: list[int],
    dilations: list[int],
    pads: tuple[int, ...] = (0, 0, 0, 0),
    auto_pad: bytes = b"NOTSET",
) -> Tensor:
    """Convolve; the bias is added by another node."""
    values = padded_after(values, kernel_shape, auto_pad, 0.0)
    return F.conv2d(values, weight, None, strides, list(pads[:2]), dilations, group)


def max_pool(
    values: Tensor,
    *,
    kernel_shape: list[int],
    strides: list[int],
    auto_pad: bytes,
    **_: Any,
) -> Tensor:
    """Take the maximum of windows."""
    return F.max_pool2d(
        padded_after(values, kernel_shape, auto_pad, -torch.inf), kernel_shape, strides
    )


def reshape(values: Tensor, shape: Tensor) -> Tensor:
    """Reshape; a 0 in the shape keeps that axis."""
    return values.reshape(
        [side or values.shape[axis] for axis, side in enumerate(shape.tolist())]
    )


def sliced(
    values: Tensor,
    starts: Tensor,
    ends: Tensor,
    axes: Tensor,
    _steps: Tensor | None = None,
) -> Tensor:
    """Take a part along some axes."""
    for axis, start, end in zip(
        axes.tolist(), starts.tolist(), ends.tolist(), strict=True
    ):
        index = [slice(None)] * values.ndim
        index[axis] = slice(start, end)
        values = values[tuple(index)]
    return values


def squeezed(values: Tensor, *, axes: list[int]) -> Tensor:
    """Remove axes of length 1."""
    return values.squeeze(tuple(axes))


def unsqueezed(values: Tensor, *, axes: list[int]) -> Tensor:
    """Add an axis of length 1."""
    (axis,) = axes
    return values.unsqueeze(axis)


OPERATORS: dict[str, Operator] = {
    "Add": torch.add,
    "AveragePool": lambda values, kernel_shape, strides, **_: F.avg_pool2d(
        values, kernel_shape, strides
    ),
    "BatchNormalization": lambda values, weight, bias, mean, variance, epsilon, **_: (
        F.batch_norm(values, mean, variance, weight, bias, eps=epsilon)
    ),
    "Concat": lambda *values, axis: torch.cat(values, axis),
    "Conv": conv,
    "Div": torch.div,
    "Erf": torch.erf,
    "HardSigmoid": lambda values, alpha, beta: (alpha * values + beta).clamp(0, 1),
    "Identity": lambda values: values,
    "MatMul": torch.matmul,
    "MaxPool": max_pool,
    "Mul": torch.mul,
    "Pow": torch.pow,
    "ReduceMean": lambda values, axes, keepdims=1: values.mean(axes, bool(keepdims)),
    "Relu": torch.relu,
    "Reshape": reshape,
    "Shape": lambda values: torch.tensor(values.shape),
    "Sigmoid": torch.sigmoid,
    "Slice": sliced,
    "Softmax": lambda values, axis: values.softmax(axis),
    "Sqrt": torch.sqrt,
    "Squeeze": squeezed,
    "Sub": torch.sub,
    "Transpose": lambda values, perm: values.permute(perm),
    "Unsqueeze": unsqueezed,
}

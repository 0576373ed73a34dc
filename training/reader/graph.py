"""An ONNX graph as a torch module, to train a network of which there is only the file.

The trained weights can be written back.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from onnx import ModelProto, helper, numpy_helper
from torch import Tensor, nn

from training.pretrained import arrays_in

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
        self.input = model.graph.input[0].name
        self.output = output
        self.nodes = []
        self.last_use: dict[str, int] = {}
        fixed = set()
        for place, node in enumerate(model.graph.node):
            self.nodes.append(node)
            self.last_use |= dict.fromkeys(node.input, place)
            if node.op_type == "BatchNormalization":
                fixed |= {*node.input[STATISTICS]}
            if output in node.output:
                break
        self.constants = arrays_in(model)
        read = self.last_use.keys() - fixed
        self.names = []
        for name, array in self.constants.items():
            # Floats, but no constant such as 0.5.
            if name in read and array.is_floating_point() and array.numel() > 1:
                self.names.append(name)
        self.weights = nn.ParameterList(map(self.constants.pop, self.names))
        pairs = zip(self.names, self.weights, strict=True)
        self.named: dict[str, nn.Parameter] = dict(pairs)

    def __getitem__(self, name: str) -> nn.Parameter:
        """Return a weight by its name."""
        return self.named[name]

    def forward(self, values: Tensor) -> Tensor:
        """Compute the output for an input."""
        known = {**self.constants, **self.named, self.input: values}
        for place, node in enumerate(self.nodes):
            attributes = {
                each.name: helper.get_attribute_value(each) for each in node.attribute
            }
            known[node.output[0]] = OPERATORS[node.op_type](
                *(known[name] for name in node.input), **attributes
            )
            for name in {*node.input}:
                if self.last_use[name] == place:  # so that its memory is freed
                    del known[name]
        return known[self.output]

    def write_to(self, model: ModelProto) -> None:
        """Replace the arrays of a model that have the names of the weights."""
        for tensor in model.graph.initializer:
            if tensor.name in self.names:
                array = self[tensor.name].detach().numpy()
                tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def padded_after(
    values: Tensor, kernel_shape: list[int], auto_pad: bytes, fill: float
) -> Tensor:
    """Pad for a kernel that moves by one pixel, so that the size stays (SAME_UPPER)."""
    if auto_pad != b"SAME_UPPER":
        return values
    rows, columns = (side - 1 for side in kernel_shape)
    left = columns // 2
    top = rows // 2
    return F.pad(values, (left, columns - left, top, rows - top), value=fill)


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
    ceil_mode: int,
) -> Tensor:
    """Take the maximum of windows."""
    values = padded_after(values, kernel_shape, auto_pad, -torch.inf)
    return F.max_pool2d(values, kernel_shape, strides, ceil_mode=bool(ceil_mode))


def reshape(values: Tensor, shape: Tensor) -> Tensor:
    """Reshape; a 0 in the shape keeps that axis."""
    sides = [side or values.shape[axis] for axis, side in enumerate(shape.tolist())]
    return values.reshape(sides)


def sliced(
    values: Tensor,
    start: Tensor,
    end: Tensor,
    axis: Tensor,
    _step: Tensor | None = None,
) -> Tensor:
    """Take a part along one axis."""
    whole = [slice(None)] * int(axis)
    return values[*whole, int(start) : int(end)]


OPERATORS: dict[str, Callable[..., Tensor]] = {
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
    "Squeeze": lambda values, axes: values.squeeze(tuple(axes)),
    "Sub": torch.sub,
    "Transpose": lambda values, perm: values.permute(perm),
    "Unsqueeze": lambda values, axes: values.unsqueeze(*axes),
}

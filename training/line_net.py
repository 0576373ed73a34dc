"""The line network: a strip of grey pixels → for every second column, what is written there.

Convolutions halve the strip's height until one row is left, and its width once; there is no recurrence. It is trained
with connectionist temporal classification (Graves et al. 2006), and has no fixed width.
"""

from torch import Tensor, nn

from app.inference.lines import CLASSES
from app.preprocess.strips import STRIP_HEIGHT

CHANNELS = 16, 32, 64, 128, 192  # after the convolutions over both axes; the last are those along the line too
DILATIONS = 1, 2, 3  # of the convolutions along the line


class LineNet(nn.Module):
    """A convolutional network for strips of any width."""

    def __init__(self) -> None:
        super().__init__()
        one, two, three, four, width = CHANNELS
        self.features = nn.Sequential(
            *convolution(1, one, nn.MaxPool2d(2)),
            *convolution(one, two, nn.MaxPool2d((2, 1))),
            *convolution(two, three, nn.MaxPool2d((2, 1))),
            *convolution(three, four),
            nn.Conv2d(four, width, (STRIP_HEIGHT // 8, 1), bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.context = nn.ModuleList([along(width, dilation) for dilation in DILATIONS])
        self.head = nn.Conv1d(width, CLASSES, 1)

    def forward(self, strips: Tensor) -> Tensor:
        """Compute logits.

        Parameters
        ----------
        strips : Tensor
            (N, STRIP_HEIGHT, W) float: grey pixels, each strip with mean 0 and standard deviation 1. W is even.

        Returns
        -------
        Tensor
            (N, W / STRIDE, CLASSES) float.
        """
        x = self.features(strips[:, None]).squeeze(2)  # (N, width, W / 2)
        for layer in self.context:
            x = x + layer(x)
        logits: Tensor = self.head(x).transpose(1, 2)
        return logits


def convolution(inputs: int, outputs: int, *pooling: nn.Module) -> list[nn.Module]:
    """Make a 3×3 convolution, perhaps with pooling, batch normalisation and a rectifier."""
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), *pooling, nn.BatchNorm2d(outputs), nn.ReLU()]


def along(width: int, dilation: int) -> nn.Sequential:
    """Make a convolution over five columns, `dilation` apart, with batch normalisation and a rectifier."""
    return nn.Sequential(
        nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation, bias=False),
        nn.BatchNorm1d(width),
        nn.ReLU(),
    )

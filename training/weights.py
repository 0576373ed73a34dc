"""Fit the weights of `app.inference.lattice` on pictures of numbers: `python -m training.weights` prints them.

They maximise the likelihood of a conditional random field (Lafferty et al. 2001): the probability of the numbers that
were written, among all readings, in all layouts and along all paths. The pictures are made from the first half of the
validation digits, which the network was not trained on. The other half measures how many numbers are read correctly.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from app.inference import lattice
from app.inference.classifier import Classifier
from app.inference.search import LAYOUTS, find
from app.inference.text import classify, read_text_bytes
from app.inference.thresholds import MAX_PIXELS
from app.preprocess.segments import MAX_PARTS
from training import data, strings
from training.config import MODEL

LENGTHS = 1, 6  # least and most digits per line
BATCH = 100
PENALTY = 1e-3  # L2 regularisation
LOG_ZERO = -1e30  # stands for log 0
MAX_LOSS = 30.0  # per picture, so that one that cannot be read does not outweigh the others


class Features(NamedTuple):
    """The features of a layout's N parts (N, 5) and S segments (S, 8); the segments' spans and labels.

    `line_ends` (N,) bool marks the last part of each line. Labels (S, 10) are log-probabilities of the digits.
    """

    parts: NDArray[np.float64]
    line_ends: NDArray[np.bool_]
    digits: NDArray[np.float64]
    spans: list[tuple[int, int]]
    labels: NDArray[np.float64]


class Example(NamedTuple):
    """A picture of a number: its digits, and the features of the layouts in which they may be read."""

    text: list[int]
    layouts: list[Features]


class Weights(NamedTuple):
    """The weights to fit, in the order of `app.inference.lattice`."""

    digits: Tensor
    blanks: Tensor


class Batch(NamedTuple):
    """L layouts of E examples, padded to N parts and to texts of K digits, with S segments in all.

    Attributes
    ----------
    example, length : Tensor
        (L,) int64: the example of each layout, and the length of its text.
    parts, digits : Tensor
        (L, N, 5), (S, 8) float32: features of the parts and segments.
    is_part, line_ends : Tensor
        (L, N) bool: whether a part exists, and whether it is the last of its line.
    ending : Tensor
        (L, N, MAX_PARTS) int64: the segments that end with a part, by their number of parts; S if there is none.
    labels : Tensor
        (L, N, MAX_PARTS, K) float32: log-probability that such a segment is each digit of the text.
    """

    example: Tensor
    length: Tensor
    parts: Tensor
    digits: Tensor
    is_part: Tensor
    line_ends: Tensor
    ending: Tensor
    labels: Tensor


def example(number: strings.Number, classifier: Classifier) -> Example:
    """Extract the features of a picture of a number, as found by a close look."""
    features = []
    for layout in find(number.picture, MAX_PIXELS, LAYOUTS, closely=True).results:
        classes = classify(layout, classifier)
        whole = lattice.joined([lattice.lattice_of(*line) for line in zip(layout, classes, strict=True)])
        parts = np.concatenate([lattice.blank_features(line.parts)[:-1] for line in layout])
        line_ends = np.concatenate([np.arange(len(line.parts.ink)) == len(line.parts.ink) - 1 for line in layout])
        digits = [lattice.digit_features(line, output.legibility) for line, output in zip(layout, classes, strict=True)]
        features.append(Features(parts, line_ends, np.concatenate(digits), whole.spans, whole.labels))
    return Example([int(digit) for digit in number.text if digit != "\n"], features)


def batch(examples: Sequence[Example]) -> Batch:
    """Pad examples with layouts to tensors."""
    owned = [(index, layout) for index, case in enumerate(examples) for layout in case.layouts]
    texts = [examples[index].text for index, _ in owned]
    count, most_parts = len(owned), max(len(layout.parts) for _, layout in owned)
    segments = sum(len(layout.spans) for _, layout in owned)
    parts = torch.zeros(count, most_parts, len(lattice.BLANK_WEIGHTS))
    is_part, line_ends = torch.zeros(2, count, most_parts, dtype=torch.bool)
    ending = torch.full((count, most_parts, MAX_PARTS), segments)
    text = torch.zeros(count, max(1, *map(len, texts)), dtype=torch.long)
    start = 0
    for row, (_, layout) in enumerate(owned):
        parts[row, : len(layout.parts)] = torch.from_numpy(layout.parts)
        is_part[row, : len(layout.parts)] = True
        line_ends[row, : len(layout.parts)] = torch.from_numpy(layout.line_ends)
        text[row, : len(texts[row])] = torch.tensor(texts[row], dtype=torch.long)
        for segment, (begin, end) in enumerate(layout.spans, start):
            ending[row, end - 1, end - begin - 1] = segment
        start += len(layout.spans)
    labels = np.concatenate([layout.labels for _, layout in owned] + [np.zeros((1, 10))])
    columns = text[:, None, None].expand(-1, most_parts, MAX_PARTS, -1)
    of_text = torch.from_numpy(labels).float()[ending].gather(3, columns)
    return Batch(
        torch.tensor([index for index, _ in owned]),
        torch.tensor([len(text) for text in texts]),
        parts,
        torch.from_numpy(np.concatenate([layout.digits for _, layout in owned])).float(),
        is_part,
        line_ends,
        ending,
        of_text,
    )


def loss(padded: Batch, weights: Weights) -> Tensor:
    """Compute the negative log-likelihood of each example's text (E,), which is very large if no path reads it."""
    scores = torch.cat([padded.digits @ weights.digits, torch.tensor([LOG_ZERO])])[padded.ending]  # (L, N, MAX_PARTS)
    skipped = (padded.parts @ weights.blanks) * padded.is_part
    count, most_parts, _, most_digits = padded.labels.shape
    any_text = [torch.zeros(count)]
    own_text = [torch.full((count, most_digits + 1), LOG_ZERO).index_fill(1, torch.tensor([0]), 0)]
    line_any, line_own = any_text[0], own_text[0]  # where the line begins
    for end in range(most_parts):
        is_end = padded.line_ends[:, end]
        blank = torch.where(is_end, weights.blanks[-1], LOG_ZERO)
        reached = [any_text[end] + skipped[:, end], line_any + blank]
        own = [own_text[end] + skipped[:, end, None], line_own + blank[:, None]]
        for merged in range(min(MAX_PARTS, end + 1)):
            score = torch.where(padded.is_part[:, end], scores[:, end, merged], LOG_ZERO)
            reached.append(any_text[end - merged] + score)
            one_more = own_text[end - merged][:, :-1] + score[:, None] + padded.labels[:, end, merged]
            own.append(torch.nn.functional.pad(one_more, (1, 0), value=LOG_ZERO))
        any_text.append(torch.stack(reached).logsumexp(0))
        own_text.append(torch.stack(own).logsumexp(0).clamp(min=LOG_ZERO))
        line_any = torch.where(is_end, any_text[-1], line_any)
        line_own = torch.where(is_end[:, None], own_text[-1], line_own)
    own_end = own_text[-1].gather(1, padded.length[:, None])[:, 0]
    return by_example(any_text[-1], padded.example) - by_example(own_end, padded.example)


def by_example(values: Tensor, example: Tensor) -> Tensor:
    """Compute the log-sum-exp of each example's values."""
    count = int(example.max()) + 1
    highest = torch.full((count,), LOG_ZERO).scatter_reduce(0, example, values.detach(), "amax")
    total = torch.zeros(count).scatter_add(0, example, (values - highest[example]).exp())
    return highest + total.log()


def fit(examples: Sequence[Example]) -> tuple[Weights, float]:
    """Fit the weights that make the examples' texts most probable; return them and the mean loss."""
    examples = sorted(
        (case for case in examples if case.layouts),
        key=lambda case: max(len(layout.parts) for layout in case.layouts),
    )
    batches = [batch(examples[start : start + BATCH]) for start in range(0, len(examples), BATCH)]
    groups = lattice.DIGIT_WEIGHTS, lattice.BLANK_WEIGHTS
    weights = Weights(*(torch.tensor(list(group.values())).requires_grad_() for group in groups))
    optimizer = torch.optim.LBFGS(weights, max_iter=60, line_search_fn="strong_wolfe")
    means = [math.inf]

    def step() -> Tensor:
        optimizer.zero_grad()
        total = PENALTY * sum((group.square().sum() for group in weights), torch.zeros(()))
        for padded in batches:
            total = total + loss(padded, weights).clamp(max=MAX_LOSS).sum() / len(examples)
        total.backward()  # type: ignore[no-untyped-call]
        means.append(total.item())
        return total

    optimizer.step(step)  # type: ignore[no-untyped-call]
    return weights, means[-1]


def numbers(digits: data.Digits, count: int, seed: int) -> list[strings.Number]:
    """Make `count` pictures of numbers for each scene; the scenes without digits together count as one."""
    images, labels = digits.images.numpy(), digits.labels.numpy()
    counts = dict.fromkeys([*strings.SCENES, strings.TWO_LINES], count)
    counts.update(dict.fromkeys(strings.WITHOUT_DIGITS, round(count / len(strings.WITHOUT_DIGITS))))
    pictures = [(scene, index) for scene, number in counts.items() for index in range(number)]
    progress = tqdm(pictures, unit="picture", disable=None)
    return [strings.number(scene, images, labels, seed, index, LENGTHS) for scene, index in progress]


def main() -> None:
    """Fit the weights, and print them and how many other numbers are read correctly."""
    parser = argparse.ArgumentParser("python -m training.weights", description="Fit the weights of the lattice.")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder that holds MNIST/raw (MNIST_ROOT, else data/)")
    parser.add_argument("--model", type=Path, default=MODEL, help="model file (models/digits.onnx)")
    parser.add_argument("--n", type=int, default=100, help="pictures per scene (100)")
    arguments = parser.parse_args()
    classifier = Classifier(arguments.model)
    _, held_out = data.split(data.load(arguments.data, train=True))
    halves = [held_out.take(half) for half in torch.arange(len(held_out)).tensor_split(2)]
    examples = [example(number, classifier) for number in numbers(halves[0], arguments.n, seed=0)]
    weights, mean = fit(examples)
    names = "DIGIT_WEIGHTS", "BLANK_WEIGHTS"
    for name, values in zip(names, weights, strict=True):
        known = getattr(lattice, name)
        known.update(zip(known, (round(value, 2) for value in values.tolist()), strict=True))
        print(name, "=", known)
    print(f"Mean loss {mean:.3f} on {len(examples)} pictures")
    others = numbers(halves[1], arguments.n // 3, seed=1)
    right = sum(read_text_bytes(other.picture, classifier).text == other.text for other in others)
    print(f"{right} of {len(others)} other numbers are read correctly.")


if __name__ == "__main__":
    main()

"""Measure the served model files on MNIST's test images; print the results and write
the model card.

    make evaluate [ARGS="--model runs/…/digits.onnx"]

Each of the 10,000 images is encoded as a PNG and takes the same path as an upload,
through `app.picture` and `app.digit`, but not over HTTP. The line network reads
lines that `training.reader.ink_lines` writes with test images. What the card says of
the files' origin and training is in their metadata. The network for pages is not
measured.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Annotated

import numpy as np
import typer
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import Generator
from tqdm import tqdm

from app.digit.classifier import CLASSES
from app.digit.reading import Reading, read_digit
from app.figures import MEASURED
from app.network import ModelError
from app.serving.networks import Networks
from app.text.ctc import best_path, symbols_of
from app.text.formats import DIGITS
from app.text.line_network import LineNetwork
from measuring import LinesModel, Model, Served, percent
from training import data
from training.data import Digits
from training.options import LINES_MODEL, MODEL, PAGES_MODEL
from training.reader.ink_lines import ROWS, InkLine, ink_lines
from training.reader.paper import batch_of, painted
from training.writing.alphabet import CHARACTERS
from training.writing.drawing import png

# Test images whose label is disputed by most of several human raters (cleanlab's
# mnist_mturk, Northcutt et al. 2021).
DISPUTED = np.fromstring(
    "947 1621 1901 2130 2462 2597 2654 3520 3558 5937 6651 6783 8527 9679 9729",
    dtype=int,
    sep=" ",
)
LINES = 2_000
LINES_SEED = 10**7
# What the metadata of a pretrained network say of its origin, in the card's words.
ORIGIN = {
    "origin": "made from",
    "pretrained_sha256": "SHA-256 of that file",
    "license": "licence",
    "tuned_from_sha256": "tuned from the file with the SHA-256",
    "training_data": "tuned on",
    "mnist_sha256": "SHA-256 of the pixels of these images",
    "pictures_sha256": "SHA-256 of the pixels of the other pictures",
    "others_sha256": "SHA-256 of Omniglot's `images_background.zip`",
    "recipe": "recipe",
    "seed": "seed",
}
COLUMNS = 10  # of the plot of mistakes
DPI = 120
BINS = 15  # of equal width, for the calibration


def report(
    labels: NDArray[np.int64], alone: NDArray[np.float32], both: NDArray[np.float32]
) -> str:
    """Format how good probabilities (N, 10) are: of digits.onnx alone, and of both."""
    rows = [("", "digits.onnx alone", "with lines.onnx")]
    found = zip(facts(labels, alone), facts(labels, both), strict=True)
    for (name, first), (_, second) in found:
        rows.append((name, first, second))
    return table(rows)


def facts(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32]
) -> Iterator[tuple[str, str]]:
    """Yield the names and values of what is measured."""
    wrong = probabilities.argmax(axis=1) != labels
    yield "Test error", percent(int(wrong.sum()), len(labels))
    undisputed = np.setdiff1d(np.flatnonzero(wrong), DISPUTED)
    yield "Errors on images whose label is not disputed", str(len(undisputed))
    bins = calibration(probabilities.max(axis=1), ~wrong)
    yield "Calibration (ECE)", f"{calibration_error(bins):.2%}"
    for digit in range(CLASSES):
        some = wrong[labels == digit]
        yield f"Error on {digit}", f"{some.mean():.2%} ({some.sum()} of {len(some):,})"


def table(rows: Sequence[Sequence[object]]) -> str:
    """Format rows of a Markdown table, of which the first is the header."""
    lines = [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def calibration(
    confidence: NDArray[np.float32], right: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return count, mean confidence and accuracy of the bins in use: (3, bins)."""
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    means = np.bincount(place, confidence, BINS) / counts.clip(1)
    shares = np.bincount(place, right, BINS) / counts.clip(1)
    return np.stack([counts, means, shares])[:, counts > 0]


def calibration_error(bins: NDArray[np.float64]) -> float:
    """Return the expected calibration error: the mean distance between confidence and
    accuracy (Guo et al. 2017).
    """
    counts, confidence, accuracy = bins
    return float(counts @ np.abs(accuracy - confidence) / counts.sum())


def origin_report(metadata: Mapping[str, str]) -> str:
    """Format where a pretrained network comes from as a Markdown table."""
    rows = [("", "")]
    for name, title in ORIGIN.items():
        if name in metadata:
            rows.append((title, metadata[name]))
    return table(rows)


def line_report(network: LineNetwork, digits: Digits, count: int = LINES) -> str:
    """Format how many of so many painted lines are not read exactly."""
    lines = ink_lines(digits, [], count, LINES_SEED)
    generator = Generator().manual_seed(LINES_SEED)
    wrong = 0
    for line in tqdm(lines, unit="line", disable=None):
        written = "".join(CHARACTERS[symbol - 1] for symbol in line.text)
        strip = strip_of(line, network.spec.height, generator)
        wrong += line_text(network, strip) != written
    return percent(wrong, count)


def strip_of(line: InkLine, height: int, generator: Generator) -> NDArray[np.uint8]:
    """Paint a line, and enlarge it to a strip (height, w) of grey levels."""
    grey = painted(batch_of([line], generator), generator)[0].numpy()
    image = Image.fromarray(np.uint8(255 * grey.clip(0, 1)))
    width = round(image.width * height / ROWS)
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def line_text(network: LineNetwork, pixels: NDArray[np.uint8]) -> str:
    """Read the digits, marks and gaps in a strip."""
    spec = network.spec
    (output,) = network([pixels])
    symbols = symbols_of(best_path(spec.only(output, DIGITS + spec.marks)))
    return spec.spelled([symbol for symbol in symbols if symbol != spec.other])


def plot_confusion(
    labels: NDArray[np.int64], read: NDArray[np.int64], path: Path
) -> None:
    """Plot the confusion matrix; only mistakes are coloured."""
    counts = np.zeros((CLASSES, CLASSES), np.int64)
    np.add.at(counts, (labels, read), 1)
    mistakes = counts - np.diag(np.diag(counts))
    axes = Figure(figsize=(5, 4.5), layout="constrained").subplots()
    axes.imshow(mistakes, cmap="Oranges")
    centred = {"ha": "center", "va": "center", "fontsize": 8}
    for (row, column), count in np.ndenumerate(counts):
        is_dark = mistakes[row, column] > 0.6 * mistakes.max() > 0
        colour = "white" if is_dark else "black"
        axes.text(column, row, str(count or ""), color=colour, **centred)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set(xticks=range(CLASSES), yticks=range(CLASSES))
    axes.figure.savefig(path, dpi=DPI)


def plot_calibration(
    confidence: NDArray[np.float32], right: NDArray[np.bool_], path: Path
) -> None:
    """Plot accuracy over confidence, with the diagonal of perfect calibration."""
    axes = Figure(figsize=(4.5, 4.5), layout="constrained").subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    counts, means, shares = calibration(confidence, right)
    axes.plot(means, shares, marker="o")
    beside = {"xytext": (4, -10), "textcoords": "offset points", "fontsize": 7}
    for count, mean, share in zip(counts, means, shares, strict=True):
        axes.annotate(f"{count:,.0f}", (mean, share), **beside)
    axes.grid(alpha=0.3)
    axes.set(xlabel="confidence", ylabel="share that is right")
    axes.set(xlim=(0, 1.05), ylim=(-0.02, 1.05))
    axes.figure.savefig(path, dpi=DPI)


def plot_mistakes(
    frames: list[NDArray[np.float32]], titles: list[str], path: Path
) -> None:
    """Plot a grid of frames (28, 28) with titles."""
    rows = max(1, -(-len(frames) // COLUMNS))
    figure = Figure(figsize=(COLUMNS * 0.9, rows * 1.1), layout="constrained")
    for place, (frame, title) in enumerate(zip(frames, titles, strict=True), 1):
        axes = figure.add_subplot(rows, COLUMNS, place)
        axes.imshow(frame, cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(title, fontsize=7)
        axes.axis("off")
    figure.savefig(path, dpi=DPI)


def main(
    model: Model = MODEL,
    lines_model: LinesModel = LINES_MODEL,
    root: Annotated[
        Path | None,
        typer.Option("--data", help="A copy of MNIST (MNIST_ROOT, else data/)."),
    ] = None,
) -> None:
    """Measure the model files; write the model card and its plots beside them."""
    folder = model.parent
    card = folder / "README.md"
    if card.exists() and not card.read_bytes().startswith(b"# Model card"):
        raise SystemExit(
            f"{card} is not a model card: move the model into a folder of its own, "
            "for its card."
        )
    try:
        networks = Served.load(model, lines_model, PAGES_MODEL)
        test = data.load(root, train=False)
    except (ModelError, data.DataMissing) as error:
        raise SystemExit(str(error)) from error
    files = [png(Image.fromarray(image)) for image in test.images.numpy()]
    alone = readings_of(files, networks.alone)
    readings = readings_of(files, networks)
    labels = test.labels.numpy()
    probabilities = probabilities_of(readings)
    read = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = sorted(np.flatnonzero(read != labels), key=lambda index: -confidence[index])
    plot_confusion(labels, read, folder / "confusion.png")
    plot_calibration(confidence, read == labels, folder / "calibration.png")
    titles = [f"{labels[index]} as {read[index]}" for index in wrong]
    frames = [readings[index].frame for index in wrong]
    plot_mistakes(frames, titles, folder / "mistakes.png")
    digits_report = report(labels, probabilities_of(alone), probabilities)
    asked = sum(reading.has_second_opinion for reading in readings) / len(files)
    lines_report = line_report(networks.lines, test)
    text = card_text(networks, digits_report, asked, lines_report)
    card.write_text(text, encoding="utf-8")
    typer.echo(
        f"{digits_report}\n\nLines read wrong: {lines_report}.\n\nWrote the model "
        f"card to {card}."
    )


def readings_of(files: list[bytes], networks: Networks) -> list[Reading]:
    """Read the digit in each file."""
    watched = tqdm(files, unit="image", disable=None)
    return [read_digit(file, networks.digits, networks.opinion) for file in watched]


def probabilities_of(readings: list[Reading]) -> NDArray[np.float32]:
    """Return the probabilities (N, 10)."""
    return np.stack([reading.probabilities for reading in readings])


def card_text(
    networks: Networks, digits_report: str, asked: float, lines_report: str
) -> str:
    """Fill in the template of the model card."""
    lines = networks.lines
    pages = networks.pages
    values = networks.digits.about | {
        "onnxruntime": version("onnxruntime"),
        "torch": version("torch"),
        "report": digits_report,
        "asked": f"{asked:.1%}",
        "lines_height": str(lines.spec.height),
        "origin_of_lines": origin_report(lines.metadata),
        "origin_of_pages": origin_report(pages.metadata),
        "lines_report": lines_report,
        "options": "--output models/lines.onnx",
    }
    if "pictures_sha256" in lines.metadata:
        values["options"] = "--pictures DIR"
    for prefix, about in (("lines", lines.about), ("pages", pages.about)):
        for name, value in about.items():
            values[f"{prefix}_{name}"] = value
    for model, figures in MEASURED.items():
        for name, measured_on in figures.items():
            values[f"{model}_{name}_of"] = measured_on
    template = Path(__file__).with_name("model_card.md").read_text(encoding="utf-8")
    return Template(template).substitute(defaultdict(lambda: "not recorded", values))


if __name__ == "__main__":
    typer.run(main)

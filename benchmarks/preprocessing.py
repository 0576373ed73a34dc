"""Measure the time to read a picture on one core, without HTTP: median and 95th percentile.

    python benchmarks/preprocessing.py [--repeat N]

Each kind of picture has several examples, used in turn. They are made from real digits and are the same in every run.
"""

import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import PIL
import typer
from numpy.typing import NDArray
from PIL import Image

from app.inference.classifier import Classifier
from app.inference.reading import SIDE, read_digit
from app.preprocess.decode import decode_image, open_image
from app.preprocess.formats import MAX_PIXELS
from sheet import random_digit

ROOT = Path(__file__).parent.parent
CELL = 28
PICTURES = 5
WARM_UP = 3
PEN = (40, 50, 90)
PAPER = (236, 230, 218)

Levels = NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """A kind of picture.

    Attributes
    ----------
    key : str
        Its key in the JSON output.
    name : str
        Its name in the table.
    make : Callable
        Makes a picture file from a digit's cell and a random generator.
    limit : float, optional
        The goal: at most this many milliseconds.
    """

    key: str
    name: str
    make: Callable[[Image.Image, np.random.Generator], bytes]
    limit: float | None


@dataclass(frozen=True)
class Timing:
    """Milliseconds of each repetition, in total and for decoding alone."""

    total: NDArray[np.float64]
    decoding: NDArray[np.float64]


def main(
    repeat: Annotated[int, typer.Option(min=1, help="Number of measurements of each kind.", metavar="N")] = 100,
) -> None:
    """Measure the time to read a picture on one core."""
    where = pin()
    rng, classifier = np.random.default_rng(0), Classifier(ROOT / "models" / "digits.onnx")
    timings = {case: measure(case, repeat, rng, classifier) for case in CASES}
    typer.echo("| picture | median ms | p95 ms | decode ms | the rest ms | limit ms |\n|---|---|---|---|---|---|")
    for case, timing in timings.items():
        typer.echo(row(case, timing))
    typer.echo(
        f"\n{repeat} repetitions, {where}; Python {platform.python_version()}, NumPy {np.__version__}, "
        f"Pillow {PIL.__version__}, {cpu_model()}\n"
    )
    typer.echo(json.dumps({case.key: round(float(np.median(timing.total)), 3) for case, timing in timings.items()}))


def pin() -> str:
    """Pin the process to one core if the system can, restarting it so that all threads follow; return a description."""
    if not hasattr(os, "sched_setaffinity"):
        return "on any core (this system cannot bind a process to one)"
    cores = os.sched_getaffinity(0)
    if len(cores) > 1:
        os.sched_setaffinity(0, {max(cores)})
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - NumPy chose its threads when it was imported
    return f"on core {min(cores)} alone"


def decode(file: bytes) -> None:
    """Decode a picture."""
    decode_image(open_image(file, MAX_PIXELS), SIDE)


def measure(case: Case, repeat: int, rng: np.random.Generator, classifier: Classifier) -> Timing:
    """Time a kind of picture after a warm-up."""
    files = [case.make(Image.fromarray(random_digit(rng)), rng) for _ in range(PICTURES)]
    seconds = [
        (timed(read_digit, file, classifier), timed(decode, file)) for file in islice(cycle(files), WARM_UP + repeat)
    ]
    total, decoding = 1000 * np.array(seconds[WARM_UP:]).T
    return Timing(total, decoding)


def timed(function: Callable[..., object], *arguments: object) -> float:
    """Time a function call, in seconds."""
    started = perf_counter()
    function(*arguments)
    return perf_counter() - started


def row(case: Case, timing: Timing) -> str:
    """Format a case's row of the table."""
    median, decoding = np.median(timing.total), np.median(timing.decoding)
    cells = [median, np.percentile(timing.total, 95), decoding, median - decoding]
    limit = "none" if case.limit is None else f"{case.limit:g}"
    return " | ".join([f"| {case.name}", *(f"{value:.3f}" for value in cells), f"{limit} |"])


def cpu_model() -> str:
    """Return the processor's model name, if the system provides it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def placed(digit: Image.Image, size: tuple[int, int], scale: int, rng: np.random.Generator) -> Image.Image:
    """Enlarge a digit and place it at random on a sheet: greyscale, ink = 255."""
    side = CELL * scale
    sheet = Image.new("L", size)
    place = (int(rng.integers(size[0] - side)), int(rng.integers(size[1] - side)))
    sheet.paste(digit.resize((side, side), Image.Resampling.BICUBIC), place)
    return sheet


def on_paper(ink: Image.Image, light: Levels, noise: float, rng: np.random.Generator) -> Image.Image:
    """Draw a pen's ink on lit paper, with noise of the given standard deviation in grey levels."""
    share = np.asarray(ink, np.float32) / 255
    grain = noise * rng.standard_normal(share.shape, np.float32)
    channels = [light * (paper + (pen - paper) * share) + grain for pen, paper in zip(PEN, PAPER, strict=True)]
    return Image.merge("RGB", [Image.fromarray(np.uint8(channel.clip(0, 255))) for channel in channels])


def encode(image: Image.Image, form: str, **options: Any) -> bytes:  # noqa: ANN401 - Pillow's own
    """Encode a picture as a file."""
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def mnist(digit: Image.Image, rng: np.random.Generator) -> bytes:
    """Encode an MNIST image."""
    return encode(digit, "PNG")


def drawing(digit: Image.Image, rng: np.random.Generator) -> bytes:
    """Draw a digit on evenly lit paper, 640×480."""
    ink = placed(digit, (640, 480), 12, rng)
    return encode(on_paper(ink, np.ones((1, 1), np.float32), 2, rng), "JPEG", quality=90)


def photo(digit: Image.Image, rng: np.random.Generator, size: tuple[int, int] = (4000, 3000)) -> bytes:
    """Photograph a digit, about a quarter of the picture high, in light that falls off to one side."""
    ink = placed(digit, size, size[0] // 100, rng)
    across, down = (np.linspace(0, 1, side, dtype=np.float32) for side in size)
    return encode(on_paper(ink, 0.95 - 0.25 * across - 0.15 * down[:, None], 6, rng), "JPEG", quality=85)


def small_photo(digit: Image.Image, rng: np.random.Generator) -> bytes:
    """Photograph a digit at 640×480, the size that a messaging app sends."""
    return photo(digit, rng, (640, 480))


def canvas(digit: Image.Image, rng: np.random.Generator) -> bytes:
    """Draw black strokes on a transparent background, 1000×1000, as a web page's canvas exports them."""
    image = Image.new("RGBA", (1000, 1000), "black")
    image.putalpha(placed(digit, image.size, 24, rng))
    return encode(image, "PNG")


CASES = (
    Case("mnist", "MNIST, 28×28 PNG", mnist, 0.6),
    Case("drawing", "on paper, 640×480 JPEG", drawing, 5),
    Case("small photo", "photo, 640×480 JPEG", small_photo, None),
    Case("photo", "photo, 4000×3000 JPEG", photo, 60),
    Case("canvas", "canvas, 1000×1000 RGBA PNG", canvas, None),
)


if __name__ == "__main__":
    typer.run(main)

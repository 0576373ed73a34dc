"""Measure the median latency of the network on one core, for 1 and for 32 pictures at once.

    python benchmarks/network.py [--model FILE] [--repeat N]

Times only the network, without preprocessing and HTTP.
"""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import typer

from app.inference.classifier import Classifier
from sheet import digits

ROOT = Path(__file__).parent.parent
LIMITS = {1: 0.6, 32: 2.5}  # ms per call, by batch size
WARM_UP = 20


def main(
    model: Annotated[Path, typer.Option(help="Model file to measure.")] = ROOT / "models" / "digits.onnx",
    repeat: Annotated[int, typer.Option(help="Number of calls to measure.")] = 1000,
) -> None:
    """Measure the network's latency."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    classifier = Classifier(model)
    frames = digits() / np.float32(255)
    typer.echo(
        f"{classifier.metadata.get('architecture', model)}, {model.stat().st_size / 1e6:.1f} MB, one core of "
        f"{platform.machine()}, onnxruntime {version('onnxruntime')}"
    )
    for pictures, limit in LIMITS.items():
        milliseconds = []
        for call in range(WARM_UP + repeat):
            first = call * pictures % (len(frames) - pictures)
            start = perf_counter()
            classifier(frames[first : first + pictures])
            milliseconds.append(1000 * (perf_counter() - start))
        median = np.median(milliseconds[WARM_UP:])
        typer.echo(
            f"{pictures:2} at once: {median:.3f} ms (at most {limit} ms), {median / pictures:.3f} ms per picture"
        )


if __name__ == "__main__":
    typer.run(main)

"""What all tests share: real digits, the committed model, and the application around it."""

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from app.inference.classifier import Classifier
from app.main import create_app
from app.settings import Settings

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "models" / "digits.onnx"
SHEET = Path(__file__).parent / "data" / "mnist_500.png"


def encode(image: Image.Image | np.ndarray, format: str = "PNG", **options) -> bytes:
    """A picture, or an array of grey levels, as a file."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    file = BytesIO()
    if format == "HEIF":  # the service only reads it, and its reader must not be registered here
        pillow_heif.from_pillow(image).save(file, **options)
    else:
        image.save(file, format, **options)
    return file.getvalue()


def load_sheet() -> tuple[np.ndarray, np.ndarray]:
    """500 MNIST test digits: (500, 28, 28) uint8 with ink = 255, and their labels."""
    sheet = np.asarray(Image.open(SHEET))
    digits = sheet.reshape(10, 28, -1, 28).swapaxes(1, 2).reshape(-1, 28, 28)
    return digits, np.repeat(np.arange(10), len(digits) // 10)


@pytest.fixture(scope="session")
def digits() -> np.ndarray:
    return load_sheet()[0]


@pytest.fixture(scope="session")
def labels() -> np.ndarray:
    return load_sheet()[1]


@pytest.fixture(scope="session")
def seven(digits) -> np.ndarray:
    """A 7, (28, 28) uint8, ink = 255."""
    return digits[350]


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    return Classifier(MODEL)


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(create_app(Settings()), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """The folder with the whole of MNIST; where there is none, the test is skipped."""
    root = Path(os.environ.get("MNIST_ROOT") or ROOT / "data")
    if not (root / "MNIST" / "raw").is_dir():
        pytest.skip("needs the whole of MNIST: set MNIST_ROOT, or run training.train once")
    return root

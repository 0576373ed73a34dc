"""Fixtures shared by all tests: real digits, the models, and the application."""

import os

# As in decoder processes; sums depend on the number of threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.digit.classifier import Classifier
from app.main import create_app
from app.serving.decoder import Limits
from app.serving.decoders import Decoders
from app.serving.networks import Networks
from app.serving.reader import Reader
from app.settings import Settings
from app.text.line_network import LineNetwork
from networks import classifier as load_classifier
from networks import line_network as load_line_network
from networks import page_network
from paths import MODELS, ROOT
from pictures import load_sheet, write_mnist
from services import serving


def pytest_configure() -> None:
    """Let child processes receive Ctrl-C, which a shell's background jobs ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def digits() -> np.ndarray:
    return load_sheet()[0]


@pytest.fixture(scope="session")
def labels() -> np.ndarray:
    return load_sheet()[1]


@pytest.fixture(scope="session")
def shuffled(digits, labels) -> tuple[np.ndarray, np.ndarray]:
    """The 500 digits, which are sorted by class, and their labels, in random order."""
    order = np.random.default_rng(0).permutation(len(digits))
    return digits[order], labels[order]


@pytest.fixture(scope="session")
def seven(digits) -> np.ndarray:
    """A 7, (28, 28) uint8, ink = 255."""
    return digits[358]


@pytest.fixture(scope="session")
def sample_mnist(shuffled, tmp_path_factory) -> Path:
    """A folder in MNIST's format, with 400 digits to train on, and 100 to test on."""
    root = tmp_path_factory.mktemp("mnist")
    digits, labels = shuffled
    for kind, some in (("train", slice(400)), ("t10k", slice(400, None))):
        write_mnist(root, kind, digits[some], labels[some])
    return root


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    return load_classifier()


@pytest.fixture(scope="session")
def line_network() -> LineNetwork:
    return load_line_network()


@pytest.fixture(scope="session")
def client() -> Iterator[TestClient]:
    """A client of an application that all tests share."""
    with TestClient(create_app(Settings()), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """The address of a running service that all tests share."""
    with serving() as (_, url):
        yield url


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    """A decoder process that all tests of a file share."""
    decoders = Decoders(MODELS, 1, Limits(memory_bytes=220_000_000), 5.0, pytest.fail)
    yield decoders
    decoders.close()


@pytest.fixture
def reader(classifier, line_network, decoders) -> Reader:
    """A reader, for one event loop."""
    return Reader(Networks(classifier, line_network, page_network()), decoders)


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """The folder of the full MNIST set; without it, the test is skipped."""
    root = Path(os.environ.get("MNIST_ROOT") or ROOT / "data")
    if not (root / "MNIST" / "raw" / "train-images-idx3-ubyte").exists():
        pytest.skip(
            "needs the whole of MNIST: set MNIST_ROOT, or run training.train once"
        )
    return root

"""End to end, with MNIST's whole test set: PNG files over HTTP to a running service."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import numpy as np
import pytest

from app.inference.reading import read_digit
from support import encode, serving
from training import data
from training.data import Digits

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mnist(mnist_root) -> Digits:
    return data.load(mnist_root, train=False)


@pytest.fixture(scope="module")
def offline(classifier, mnist) -> float:
    """The error that `make evaluate` measures."""
    read = [read_digit(encode(image), classifier).digit for image in mnist.images.numpy()]
    return float(np.mean(read != mnist.labels.numpy()))


def test_the_error_over_http_is_the_error_that_evaluate_measures(mnist, offline):
    with serving() as (_, url), httpx2.Client(base_url=url) as client, ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda image: client.post("/predict", content=encode(image)).json()["digit"], mnist.images.numpy())
        )
    online = float(np.mean(answers != mnist.labels.numpy()))
    assert abs(online - offline) <= 0.0003
    assert online <= 0.006


def test_preprocessing_adds_no_error_on_mnist(classifier, mnist, offline):
    probabilities, _ = classifier(mnist.images.numpy() / np.float32(255))
    assert abs(offline - (probabilities.argmax(axis=1) != mnist.labels.numpy()).mean()) <= 0.0003

"""End to end, with MNIST's whole test set: PNG files over HTTP to a running service."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import numpy as np
import pytest

from app.inference.classifier import Classifier
from support import MODEL, encode, serving
from training import data, evaluate

pytestmark = pytest.mark.slow


def test_the_error_over_http_is_the_error_that_evaluate_measures(mnist_root):
    test = data.load(mnist_root, train=False)
    images, labels = test.images.numpy(), test.labels.numpy()
    offline = len(evaluate.answer(Classifier(MODEL), images, labels).mistakes) / len(labels)
    with serving() as (_, url), httpx2.Client(base_url=url) as client, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda image: client.post("/predict", content=encode(image)).json()["digit"], images))
    online = float(np.mean(answers != labels))
    assert abs(online - offline) <= 0.0003
    assert online <= 0.006


def test_preprocessing_adds_no_error_on_mnist(mnist_root):
    test = data.load(mnist_root, train=False)
    images, labels = test.images.numpy(), test.labels.numpy()
    classifier = Classifier(MODEL)
    untouched = (classifier(images / np.float32(255)).probabilities.argmax(axis=1) != labels).mean()
    assert abs(len(evaluate.answer(classifier, images, labels).mistakes) / len(labels) - untouched) <= 0.0003

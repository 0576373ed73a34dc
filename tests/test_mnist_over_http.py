"""End to end, with MNIST's whole test set: PNG files over HTTP to a running service."""

import httpx2
import numpy as np
import pytest

from pictures import encode
from training import data

pytestmark = pytest.mark.slow


def test_the_error_over_http_is_that_of_the_network(mnist_root, url, classifier):
    mnist = data.load(mnist_root, train=False)
    images = mnist.images.numpy()
    labels = mnist.labels.numpy()
    answers = []
    with httpx2.Client(base_url=url, timeout=60) as client:
        for start in range(0, len(images), 50):
            files = [("files", encode(image)) for image in images[start : start + 50]]
            answer = client.post("/predict/batch?opinion=false", files=files)
            answers += [each["digit"] for each in answer.json()["results"]]
    probabilities, _ = classifier(images / np.float32(255))
    online = (np.array(answers) != labels).mean()
    of_network = (probabilities.argmax(axis=1) != labels).mean()
    assert online <= 0.006
    assert abs(online - of_network) <= 0.0003

"""A BentoML service, written as in its tutorials."""

import bentoml
from PIL.Image import Image

from network import answer, load, pixels, probabilities


@bentoml.service(workers=1)
class Digits:
    """Decode, squash, classify."""

    def __init__(self) -> None:
        self.network = load()

    @bentoml.api
    def predict(self, file: Image) -> dict[str, object]:
        """Classify a picture."""
        (row,) = probabilities(self.network, pixels(file)[None])
        return answer(row)

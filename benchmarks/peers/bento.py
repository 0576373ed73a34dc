"""BentoML, as its own tutorials have it."""

import bentoml
from PIL.Image import Image

from network import answer, load, pixels, probabilities


@bentoml.service(workers=1)
class Digits:
    """Decode, squash, ask the network."""

    def __init__(self) -> None:
        self.network = load()

    @bentoml.api
    def predict(self, file: Image) -> dict[str, object]:
        """A picture's answer."""
        (row,) = probabilities(self.network, pixels(file)[None])
        return answer(row)

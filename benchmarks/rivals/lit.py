"""A LitServe service with batching."""

import sys
from io import BytesIO

import litserve
import torch
from fastapi import UploadFile
from PIL import Image

from network import answer, load, pixels, probabilities


class Digits(litserve.LitAPI):
    """Decode, squash, batch, classify."""

    def setup(self, device: str) -> None:
        """Load the network."""
        self.network = load()

    def decode_request(self, request: UploadFile) -> torch.Tensor:
        """Decode a picture to pixels."""
        return pixels(Image.open(BytesIO(request.file.read())))

    def batch(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        """Stack pictures into a batch."""
        return torch.stack(inputs)

    def predict(self, batch: torch.Tensor) -> list[list[float]]:
        """Classify a batch."""
        return probabilities(self.network, batch)

    def unbatch(self, output: list[list[float]]) -> list[list[float]]:
        """Split a batch into its results."""
        return output

    def encode_response(self, output: list[float]) -> dict[str, object]:
        """Format a result."""
        return answer(output)


if __name__ == "__main__":
    api = Digits(max_batch_size=32, batch_timeout=0.002, api_path="/predict")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(
        port=int(sys.argv[1]),
        generate_client_file=False,
        log_level="error",
        num_api_servers=1,
    )

"""FastAPI and torch, combined as in tutorials."""

from io import BytesIO

from fastapi import FastAPI, UploadFile
from PIL import Image

from network import answer, load, pixels, probabilities

app = FastAPI()
network = load()


@app.post("/predict")
async def predict(file: UploadFile) -> dict[str, object]:
    """Decode, squash, classify."""
    image = Image.open(BytesIO(await file.read()))
    (row,) = probabilities(network, pixels(image)[None])
    return answer(row)

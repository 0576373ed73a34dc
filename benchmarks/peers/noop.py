"""An endpoint that takes the upload and does nothing with it: what the web framework alone costs."""

from fastapi import FastAPI, UploadFile

app = FastAPI()


@app.post("/predict")
async def predict(file: UploadFile) -> dict[str, int]:
    """Read the upload."""
    await file.read()
    return {"digit": 7}

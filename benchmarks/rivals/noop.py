"""An endpoint that reads the upload and does nothing with it, to measure the web
framework alone.
"""

from fastapi import FastAPI, UploadFile

app = FastAPI()


@app.post("/predict")
async def predict(file: UploadFile) -> dict[str, int]:
    """Read the upload."""
    await file.read()
    return {"digit": 7}

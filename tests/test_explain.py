"""`POST /explain`: the answer of /predict, the ink, and the evidence."""

from io import BytesIO

import numpy as np
import onnx
import pytest
from fastapi.testclient import TestClient
from PIL import Image, ImageOps

from answers import assert_problem
from app.main import create_app
from app.settings import Settings
from paths import MODEL
from pictures import WAYS, drawing, encode, letter, levels_of


@pytest.fixture(params=[*WAYS, "MNIST's", "unsure"])
def picture(request, seven) -> bytes:
    if request.param == "MNIST's":
        return encode(seven)
    if request.param == "unsure":
        return encode(letter("A"))
    return WAYS[request.param](drawing(seven))


def explained(client: TestClient, picture: bytes) -> dict:
    return client.post("/explain", content=picture).json()


def test_the_answer_extends_that_of_predict_and_the_ink_covers_the_picture(
    client, picture
):
    answer = explained(client, picture)
    predicted = client.post("/predict?frame=true", content=picture).json()
    assert set(answer) == {*predicted, "ink", "runner_up", "evidence", "layers"}
    assert {field: answer[field] for field in predicted} == predicted
    probabilities = predicted["probabilities"]
    assert answer["runner_up"] != answer["digit"]
    assert probabilities[answer["runner_up"]] == sorted(probabilities)[-2]
    assert np.shape(answer["evidence"]) == (7, 7)
    ink = levels_of(answer["ink"])
    box = answer["box"]
    upright = ImageOps.exif_transpose(Image.open(BytesIO(picture)))
    scale = upright.width / ink.shape[1]
    assert upright.height / ink.shape[0] == pytest.approx(scale, rel=0.02)
    assert max(ink.shape) <= 640
    top = int(box["top"] / scale)
    left = int(box["left"] / scale)
    bottom = int(np.ceil((box["top"] + box["height"]) / scale))
    right = int(np.ceil((box["left"] + box["width"]) / scale))
    inside = ink[top:bottom, left:right]
    assert ink.max() == inside.max() == 255
    # Nothing else is on these pictures.
    assert inside.sum(dtype=int) > 0.95 * ink.sum(dtype=int)
    assert np.median(ink) == 0


def test_the_layers_show_what_the_network_computes(client, digits):
    layers = explained(client, encode(drawing(digits[350])))["layers"]
    others = explained(client, encode(drawing(digits[60])))["layers"]
    shapes = [[20, 8, 8], [20, 8, 8], [96, 3, 3], [256, 1, 1]]
    assert [layer["shape"] for layer in layers] == shapes
    pictures = [levels_of(layer["picture"]) for layer in layers]
    sizes = [(35, 44), (35, 44), (39, 39), (16, 16)]
    assert [picture.shape for picture in pictures] == sizes
    for picture, other in zip(pictures, others, strict=True):
        assert picture.max() == 255
        assert not np.array_equal(picture, levels_of(other["picture"]))
    assert pictures[0][8].max() == 0  # between the maps


def assert_unknown_unit(client: TestClient, unit: int) -> None:
    path = f"/explain/units/{unit}"
    assert_problem(client.get(path), 404, "unknown-unit", path)


def test_the_weights_of_a_unit_are_a_picture(client):
    weights = levels_of(client.get("/explain/units/17").json()["weights"])
    assert weights.shape == (28, 28, 3)
    assert weights.max() == 255
    for unit in (-1, 1280, 10**30):
        assert_unknown_unit(client, unit)


@pytest.mark.slow
def test_a_model_file_that_does_not_show_its_inside_is_served_without(tmp_path, seven):
    model = onnx.load(MODEL)
    del model.graph.output[2:]
    older = tmp_path / "older.onnx"
    onnx.save(model, older)
    with TestClient(create_app(Settings(model=older))) as client:
        assert explained(client, encode(drawing(seven)))["layers"] == []
        assert_unknown_unit(client, 0)

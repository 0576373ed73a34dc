"""`POST /explain`: the answer of /predict, the ink, and the evidence."""

from io import BytesIO

import numpy as np
import onnx
import pytest
from fastapi.testclient import TestClient
from PIL import Image, ImageOps

from app.main import create_app
from app.settings import Settings
from support import MODEL, WAYS, assert_problem, drawing, encode, letter, levels_of


@pytest.mark.parametrize("name", [*WAYS, "MNIST's", "unsure"])
def test_the_answer_extends_that_of_predict_and_the_ink_covers_the_whole_upright_picture(
    client, seven, name
):
    picture = (
        WAYS[name](drawing(seven))
        if name in WAYS
        else encode(seven if name == "MNIST's" else letter("A"))
    )
    answer = client.post("/explain", content=picture).json()
    predicted = client.post("/predict?frame=true", content=picture).json()
    assert set(answer) == {*predicted, "ink", "runner_up", "evidence", "layers"}
    assert {field: answer[field] for field in predicted} == predicted
    assert answer["runner_up"] != answer["digit"]
    assert (
        predicted["probabilities"][answer["runner_up"]]
        == sorted(predicted["probabilities"])[-2]
    )
    assert np.shape(answer["evidence"]) == (7, 7)
    ink, box = levels_of(answer["ink"]), answer["box"]
    upright = ImageOps.exif_transpose(Image.open(BytesIO(picture)))
    scale = upright.width / ink.shape[1]
    assert upright.height / ink.shape[0] == pytest.approx(scale, rel=0.02)
    assert max(ink.shape) <= 640
    top, left = (int(box[edge] / scale) for edge in ("top", "left"))
    bottom, right = (
        int(np.ceil((box[a] + box[b]) / scale))
        for a, b in (("top", "height"), ("left", "width"))
    )
    inside = ink[top:bottom, left:right]
    assert ink.max() == inside.max() == 255
    # Nothing else is on these pictures.
    assert inside.sum(dtype=int) > 0.95 * ink.sum(dtype=int)
    assert np.median(ink) == 0


def test_the_layers_show_what_the_network_computes(client, digits):
    seven, one = (
        client.post("/explain", content=encode(drawing(digits[k]))).json()["layers"]
        for k in (350, 60)
    )
    assert [layer["shape"] for layer in seven] == [
        [20, 8, 8],
        [20, 8, 8],
        [96, 3, 3],
        [256, 1, 1],
    ]
    pictures = [
        [levels_of(layer["picture"]) for layer in layers] for layers in (seven, one)
    ]
    assert [picture.shape for picture in pictures[0]] == [
        (35, 44),
        (35, 44),
        (39, 39),
        (16, 16),
    ]
    for ours, other in zip(*pictures, strict=True):
        assert ours.max() == 255
        assert not np.array_equal(ours, other)
    assert pictures[0][0][8].max() == 0  # between the maps


def test_the_weights_of_a_unit_are_a_picture(client):
    weights = levels_of(client.get("/explain/units/17").json()["weights"])
    assert weights.shape == (28, 28, 3)
    assert weights.max() == 255
    for unit in (-1, 1280, 10**30):
        assert_problem(
            client.get(f"/explain/units/{unit}"),
            404,
            "unknown-unit",
            f"/explain/units/{unit}",
        )


def test_a_model_file_that_does_not_show_its_inside_is_served_without(tmp_path, seven):
    model = onnx.load(MODEL)
    del model.graph.output[2:]
    onnx.save(model, tmp_path / "older.onnx")
    with TestClient(create_app(Settings(model=tmp_path / "older.onnx"))) as client:
        assert (
            client.post("/explain", content=encode(drawing(seven))).json()["layers"]
            == []
        )
        assert_problem(
            client.get("/explain/units/0"), 404, "unknown-unit", "/explain/units/0"
        )

"""The answers of the endpoints to real digits in every kind of picture and request."""

import base64
import gzip
from collections.abc import Callable

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from app.digit.reading import read_digit
from app.main import create_app
from app.settings import Settings
from networks import page_network
from pictures import WAYS, drawing, encode, letter, levels_of

FIELDS = "digit confidence probabilities legibility second_opinion model".split()


@pytest.fixture
def picture(seven) -> bytes:
    return encode(drawing(seven))


def in_base64(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


def with_type(type: str) -> Callable[[bytes], dict]:
    return lambda picture: {"content": picture, "headers": {"content-type": type}}


SENT: dict[str, Callable[[bytes], dict]] = {
    "with another type": with_type("text/plain"),
    "by curl": with_type("application/x-www-form-urlencoded"),
    "in pieces": lambda picture: {"content": iter([picture[:9], picture[9:]])},
    "compressed": lambda picture: {
        "content": gzip.compress(picture),
        "headers": {"content-encoding": "gzip"},
    },
    "in JSON": lambda picture: {"json": {"image": in_base64(picture), "name": "7.png"}},
    "as a data URI": lambda picture: {
        "json": {"image": f"data:image/png;base64,{in_base64(picture)}"}
    },
    "under a hostile name": lambda picture: {
        "files": {"file": ("../../etc/passwd", picture, "text/html")}
    },
    "with other fields": lambda picture: {
        "files": {"file": ("sieben-ü.exe", picture)},
        "data": {"comment": "a seven"},
    },
}


@pytest.mark.parametrize("way", SENT)
def test_a_picture_is_read_however_it_is_sent(client, picture, way):
    for path in ("/predict", "/read"):
        answer = client.post(path, **SENT[way](picture))
        assert answer.json() == client.post(path, content=picture).json()


def test_the_answer_has_the_digit_ten_probabilities_the_legibility_and_the_frame(
    client, picture, classifier
):
    answer = client.post("/predict?frame=true", content=picture).json()
    assert list(answer) == [*FIELDS, "frame", "box"]
    without_frame = client.post("/predict", content=picture).json()
    assert without_frame == {field: answer[field] for field in FIELDS}
    probabilities = answer["probabilities"]
    assert answer["digit"] == 7
    assert len(probabilities) == 10
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    assert answer["confidence"] == max(probabilities) == probabilities[7]
    expected = read_digit(picture, classifier)
    assert answer["legibility"] == round(expected.legibility, 6) > 0.9
    frame = levels_of(answer["frame"])
    np.testing.assert_allclose(frame, 255 * expected.frame, atol=0.51)
    of_letter = client.post("/predict", content=encode(letter("A"))).json()
    assert of_letter["legibility"] < 0.5


@pytest.mark.slow
def test_without_a_second_opinion_the_dense_network_answers_alone(client, classifier):
    picture = encode(letter("A"))
    both = client.post("/predict", content=picture).json()
    alone = client.post("/predict?opinion=false", content=picture).json()
    assert both["second_opinion"]
    assert not alone["second_opinion"]
    first_model, plus, _ = both["model"].partition("+")
    assert alone["model"] == classifier.version == first_model
    assert plus
    expected = read_digit(picture, classifier)
    assert alone["legibility"] == round(expected.legibility, 6) != both["legibility"]
    assert alone["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)
    files = [("files", picture)]
    batch = client.post("/predict/batch?opinion=false", files=files).json()
    assert batch == {"results": [alone]}
    explanation = client.post("/explain?opinion=false", content=picture).json()
    assert {field: explanation[field] for field in FIELDS} == alone
    with TestClient(create_app(Settings(second_opinion=False))) as without:
        assert without.post("/predict", content=picture).json() == alone
        models = without.get("/health").json()["models"]
    assert models["digits"]["second_opinion_used"] == "no"


@pytest.mark.parametrize("way", WAYS)
def test_the_box_is_where_the_digit_is_on_the_upright_picture(client, seven, way):
    scale = 40 if way == "large" else 10
    ink = Image.fromarray(seven).point(lambda level: 255 * (level > 64))
    left, top, right, bottom = ink.getbbox()
    # As `drawing` drew it.
    drawn = np.array([left + 5, top + 10, right - left, bottom - top])
    picture = WAYS[way](drawing(seven))
    box = client.post("/predict?frame=true", content=picture).json()["box"]
    assert list(box) == ["left", "top", "width", "height"]
    assert list(box.values()) == pytest.approx(scale * drawn, abs=scale)


def test_health_and_each_answer_name_the_models(
    client, picture, classifier, line_network
):
    pages = page_network()
    health = client.get("/health").json()
    assert health["status"] == "ok"
    assert health["models"] == {
        "digits": {
            "version": classifier.version,
            **classifier.metadata,
            "second_opinion_used": "yes",
        },
        "lines": {"version": line_network.version, **line_network.metadata},
        "pages": {"version": pages.version, **pages.metadata},
    }
    of_digits = f"{classifier.version}+{line_network.version}"
    of_texts = f"{line_network.version}+{pages.version}+{classifier.version}"
    models = {"/predict": of_digits, "/explain": of_digits, "/read": of_texts}
    for path, model in models.items():
        assert client.post(path, content=picture).json()["model"] == model
    batch = client.post("/predict/batch", files={"files": picture}).json()
    assert [each["model"] for each in batch["results"]] == [of_digits]

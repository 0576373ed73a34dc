"""The answers of the endpoints, for real digits in every kind of picture and request."""

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
from support import MAX_PIXELS, WAYS, drawing, encode, letter, levels_of, page_network

FIELDS = [
    "digit",
    "confidence",
    "probabilities",
    "legibility",
    "second_opinion",
    "model",
]


@pytest.fixture
def picture(seven) -> bytes:
    return encode(drawing(seven))


def in_base64(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


SENT: dict[str, Callable[[bytes], dict]] = {
    "with another type": lambda picture: {
        "content": picture,
        "headers": {"content-type": "text/plain"},
    },
    "by curl": lambda picture: {
        "content": picture,
        "headers": {"content-type": "application/x-www-form-urlencoded"},
    },
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
    assert client.post("/predict", content=picture).json() == {
        field: answer[field] for field in FIELDS
    }
    expected = read_digit(picture, classifier, MAX_PIXELS)
    assert answer["digit"] == 7
    assert len(answer["probabilities"]) == 10
    assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert (
        answer["confidence"]
        == max(answer["probabilities"])
        == answer["probabilities"][7]
    )
    assert answer["legibility"] == round(expected.legibility, 6) > 0.9
    np.testing.assert_allclose(
        levels_of(answer["frame"]), 255 * expected.frame, atol=0.51
    )
    assert (
        client.post("/predict", content=encode(letter("A"))).json()["legibility"] < 0.5
    )


def test_without_a_second_opinion_the_dense_network_answers_alone(client, classifier):
    picture = encode(letter("A"))
    both, alone = (
        client.post("/predict", params=asked, content=picture).json()
        for asked in ({}, {"opinion": "false"})
    )
    assert (both["second_opinion"], alone["second_opinion"]) == (True, False)
    assert (
        alone["model"]
        == classifier.version
        == both["model"].partition("+")[0]
        != both["model"]
    )
    expected = read_digit(picture, classifier, MAX_PIXELS)
    assert alone["legibility"] == round(expected.legibility, 6) != both["legibility"]
    np.testing.assert_allclose(
        alone["probabilities"], expected.probabilities, atol=1e-6
    )
    files = [("files", picture)]
    assert client.post("/predict/batch?opinion=false", files=files).json() == {
        "results": [alone]
    }
    explanation = client.post("/explain?opinion=false", content=picture).json()
    assert {field: explanation[field] for field in FIELDS} == alone
    with TestClient(create_app(Settings(second_opinion=False))) as without:
        assert without.post("/predict", content=picture).json() == alone
        assert (
            without.get("/health").json()["models"]["digits"]["second_opinion_used"]
            == "no"
        )


@pytest.mark.parametrize("way", WAYS)
def test_the_box_is_where_the_digit_is_on_the_upright_picture(client, seven, way):
    scale = 40 if way == "large" else 10
    left, top, right, bottom = (
        Image.fromarray(seven).point(lambda level: 255 * (level > 64)).getbbox()
    )
    # As `drawing` drew it.
    drawn = np.array([left + 5, top + 10, right - left, bottom - top])
    box = client.post("/predict?frame=true", content=WAYS[way](drawing(seven))).json()[
        "box"
    ]
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
    both = f"{classifier.version}+{line_network.version}"
    for path, model in (
        ("/predict", both),
        ("/explain", both),
        ("/read", f"{line_network.version}+{pages.version}"),
    ):
        assert client.post(path, content=picture).json()["model"] == model
    (batched,) = client.post("/predict/batch", files={"files": picture}).json()[
        "results"
    ]
    assert batched["model"] == both

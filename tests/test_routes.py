"""The endpoints with real digits: answers, and every error."""

import base64
import gzip
import re
from collections.abc import Iterator

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image, ImageFile

from app.inference.reading import read_digit
from app.main import create_app
from app.preprocess import errors
from app.settings import Settings
from app.web import problems
from app.web.errors import WebError
from support import (
    HOSTILE,
    MAX_PIXELS,
    MINUS,
    POINT,
    assert_problem,
    drawing,
    encode,
    flat,
    letter,
    levels_of,
    number,
    turned_jpeg,
)

PNG_TYPE = {"content-type": "image/png"}


@pytest.fixture
def picture(seven) -> bytes:
    return encode(drawing(seven))


@pytest.mark.parametrize("content_type", ["image/png", "image/jpeg", "application/octet-stream", "text/plain", None])
def test_a_raw_body_is_read_whatever_its_content_type(client, picture, content_type):
    headers = {"content-type": content_type} if content_type else {}
    answer = client.post("/predict", content=picture, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["digit"] == 7


@pytest.mark.parametrize("start", ["", "data:image/png;base64,"])
@pytest.mark.parametrize("path", ["/predict", "/read"])
def test_a_picture_in_json_is_read_like_a_raw_body(client, picture, path, start):
    answer = client.post(path, json={"image": start + base64.b64encode(picture).decode()})
    assert answer.json() == client.post(path, content=picture).json()


def test_a_compressed_picture_is_read(client, picture):
    answer = client.post("/predict", content=gzip.compress(picture), headers={"content-encoding": "gzip"})
    assert answer.json()["digit"] == 7


@pytest.mark.parametrize("name", ["seven.png", "seven.exe", "../../etc/passwd", "sieben-ü.png"])
def test_a_form_field_is_read_whatever_its_file_name(client, picture, name):
    answer = client.post("/predict", files={"file": (name, picture, "text/html")}, data={"comment": "a seven"})
    assert answer.status_code == 200
    assert answer.json()["digit"] == 7


FIELDS = ["digit", "confidence", "probabilities", "legibility", "model"]


def test_the_answer_has_the_digit_ten_probabilities_and_the_legibility(client, picture, classifier):
    answer = client.post("/predict", content=picture).json()
    assert list(answer) == FIELDS
    assert len(answer["probabilities"]) == 10
    assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert answer["confidence"] == max(answer["probabilities"]) == answer["probabilities"][7]
    assert answer["legibility"] == round(read_digit(picture, classifier, MAX_PIXELS).legibility, 6) > 0.9
    assert answer["model"] == classifier.version


def test_a_non_digit_has_a_low_legibility(client):
    assert client.post("/predict", content=encode(letter("A"))).json()["legibility"] < 0.5


def test_the_frame_is_the_input_of_the_network(client, picture, classifier):
    answer = client.post("/predict?frame=true", content=picture).json()
    assert list(answer) == [*FIELDS, "frame", "box"]
    expected = read_digit(picture, classifier, MAX_PIXELS).frame
    np.testing.assert_allclose(levels_of(answer["frame"]), 255 * expected, atol=0.51)


WAYS = {
    "dark on light, enlarged, off-centre": lambda digit: encode(drawing(digit)),
    "light on dark": lambda digit: encode(Image.eval(drawing(digit), lambda level: 255 - level)),
    "black ink on a transparent ground": lambda digit: transparent(digit),
    "JPEG 70 turned by EXIF": lambda digit: turned_jpeg(drawing(digit), quality=70),
}


def transparent(digit: np.ndarray) -> bytes:
    ink = Image.eval(drawing(digit), lambda level: 255 - level)
    picture = Image.new("RGBA", ink.size, (0, 0, 0, 0))
    picture.putalpha(ink)
    return encode(picture)


def box_on_drawing(digit: np.ndarray, scale: int = 10) -> dict[str, int]:
    """Return the box of a digit's ink on `drawing`."""
    left, top, right, bottom = Image.fromarray(digit).point(lambda level: 255 * (level > 64)).getbbox()
    edges = {"left": left + 5, "top": top + 10, "width": right - left, "height": bottom - top}
    return {name: scale * edge for name, edge in edges.items()}


@pytest.mark.parametrize("way", WAYS)
def test_the_box_is_where_the_digit_is_on_the_upright_picture(client, seven, way):
    box = client.post("/predict?frame=true", content=WAYS[way](seven)).json()["box"]
    assert box == pytest.approx(box_on_drawing(seven), abs=10)


def test_the_box_is_in_pixels_of_the_uploaded_picture(client, seven):
    box = client.post("/predict?frame=true", content=encode(drawing(seven, scale=50))).json()["box"]
    assert box == pytest.approx(box_on_drawing(seven, scale=50), abs=50)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_500_digits_are_read_in_every_kind_of_picture(client, digits, labels, way):
    answers = [client.post("/predict", content=WAYS[way](digit)).json()["digit"] for digit in digits]
    assert (answers != labels).mean() <= 0.02


def test_health_names_both_models(client, classifier, line_network):
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["models"] == {
        "digits": {"version": classifier.version, **classifier.metadata},
        "lines": {"version": line_network.version, **line_network.metadata},
    }


def test_an_answer_names_the_model_that_read_the_picture(client, picture, classifier, line_network):
    versions = {path: client.post(path, content=picture).json()["model"] for path in ("/predict", "/explain", "/read")}
    assert versions == {
        "/predict": classifier.version,
        "/explain": classifier.version,
        "/read": line_network.version,
    }


@pytest.fixture
def amounts(digits) -> bytes:
    """A picture of -12.50 above 7."""
    return encode(number([MINUS, *digits[[60, 120]], POINT, *digits[[250, 0]]], [digits[350]]))


def test_a_text_has_its_marks(client, amounts):
    answer = client.post("/read", content=amounts).json()
    assert answer["text"] == "-12.50\n7"
    assert [line["text"] for line in answer["lines"]] == ["-12.50", "7"]
    assert [[mark["mark"] for mark in line["marks"]] for line in answer["lines"]] == [["-", "."], []]
    minus, point = (mark["box"] for mark in answer["lines"][0]["marks"])
    first, second, third, _ = (digit["box"] for digit in answer["lines"][0]["digits"])
    assert minus["left"] < first["left"] < second["left"] < point["left"] < third["left"]


@pytest.mark.parametrize("marks", ["false", "0"])
def test_a_text_may_be_asked_for_without_its_marks(client, amounts, marks):
    answer = client.post(f"/read?marks={marks}", content=amounts).json()
    assert answer["text"] == "1250\n7"
    assert [(line["text"], line["marks"]) for line in answer["lines"]] == [("1250", []), ("7", [])]
    assert [digit["digit"] for digit in answer["lines"][0]["digits"]] == [1, 2, 5, 0]


def test_a_text_without_marks_is_that_with_them_reduced_to_its_digits(client, amounts):
    whole, reduced = (client.post(f"/read?marks={marks}", content=amounts).json() for marks in ("true", "false"))
    lines = [line for line in whole["lines"] if line["digits"]]
    assert [line["digits"] for line in reduced["lines"]] == [line["digits"] for line in lines]
    assert reduced["text"] == "\n".join(re.sub(r"\D", "", line["text"]) for line in lines)


FORM = {"content-type": "multipart/form-data; boundary=X"}
JSON = {"content-type": "application/json"}
PART = b'--X\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
REFUSED = {
    "no body": ({}, b"", 422, "no-file"),
    "a form without the field": (FORM, PART % (b"picture", b'; filename="7.png"', b"x") + b"--X--\r\n", 422, "no-file"),
    "a field that is no file": (FORM, PART % (b"file", b"", b"7.png") + b"--X--\r\n", 422, "no-file"),
    "an empty form": (FORM, b"--X--\r\n", 422, "no-file"),
    "an empty file": (FORM, PART % (b"file", b'; filename="7.png"', b"") + b"--X--\r\n", 422, "empty-file"),
    "two files": (FORM, PART % (b"file", b'; filename="7.png"', b"x") * 2 + b"--X--\r\n", 422, "several-files"),
    "no boundary": ({"content-type": "multipart/form-data"}, b"--X--\r\n", 400, "malformed-multipart"),
    "another boundary": (FORM, b"--Y\r\n\r\n--Y--\r\n", 400, "malformed-multipart"),
    "a nameless part": (
        FORM,
        b"--X\r\nContent-Disposition: form-data\r\n\r\nx\r\n--X--\r\n",
        400,
        "malformed-multipart",
    ),
    "many parts": (FORM, PART % (b"a", b"", b"x") * 20 + b"--X--\r\n", 400, "malformed-multipart"),
    "text": (PNG_TYPE, HOSTILE["text"][0], 415, "not-an-image"),
    "a cut PNG": (PNG_TYPE, HOSTILE["cut png"][0], 422, "corrupt-image"),
    "60 megapixels": (PNG_TYPE, HOSTILE["many pixels"][0], 422, "too-many-pixels"),
    "a bomb": (PNG_TYPE, HOSTILE["bomb"][0], 422, "too-many-pixels"),
    "white": (PNG_TYPE, flat(255), 422, "blank-image"),
    "black": (PNG_TYPE, flat(0), 422, "blank-image"),
    "see-through": (PNG_TYPE, HOSTILE["see-through"][0], 422, "blank-image"),
    "1×1": (PNG_TYPE, HOSTILE["1 pixel"][0], 422, "blank-image"),
    "JSON without a picture": (JSON, b"{}", 422, "no-file"),
    "no JSON": (JSON, b"{", 400, "malformed-json"),
    "a URL": (JSON, b'{"image": "https://digits.example/7.png"}', 422, "not-base64"),
    "an empty picture in JSON": (JSON, b'{"image": ""}', 422, "empty-file"),
    "text in base64": (JSON, b'{"image": "VGhpcyBpcyBubyBwaWN0dXJlLg=="}', 415, "not-an-image"),
    "an unknown encoding": ({"content-encoding": "br"}, b"x", 415, "unsupported-encoding"),
    "20 megabytes and 1": (PNG_TYPE, bytes(20_000_001), 413, "upload-too-large"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_each_unreadable_picture_has_its_own_problem(client, name, picture):
    headers, body, status, problem = REFUSED[name]
    answer = client.post("/predict", content=body, headers=headers)
    assert_problem(answer, status, problem, "/predict")
    assert answer.elapsed.total_seconds() < 1
    assert client.post("/predict", content=picture).json()["digit"] == 7


def test_an_unreadable_picture_is_not_explained(client):
    for headers, body, status, problem in REFUSED.values():
        assert_problem(client.post("/explain", content=body, headers=headers), status, problem, "/explain")


def test_files_that_are_no_picture_are_refused_by_read_too(client, picture):
    for headers, body, status, problem in REFUSED.values():
        if problem != "blank-image":
            assert_problem(client.post("/read", content=body, headers=headers), status, problem, "/read")
    assert client.post("/read", content=picture).json()["text"] == "7"


ELSEWHERE = {
    "too-many-pictures",
    "invalid-inference",
    "unknown-version",
    "impossible-length",
    "too-much-writing",
    "corrections-off",
    "cross-origin",
    "correction-not-stored",
    "not-a-digit",
    "not-sure",
    "unknown-unit",
    "no-such-page",
    "too-complex",
    "invalid-parameter",
    "internal-error",
    "unauthorized",
    "upload-too-slow",
    "overloaded",
    "ambiguous-length",
    "shutting-down",
}


def test_every_problem_type_is_raised_by_a_test():
    tested = {problem for *_, problem in REFUSED.values()} | ELSEWHERE
    assert tested == {each.name for each in problems.TYPES.values()}


def test_every_error_class_is_in_the_table():
    leaves = {each for each in every_subclass(errors.PreprocessError, WebError) if not each.__subclasses__()}
    assert leaves < set(problems.TYPES)


def every_subclass(*classes: type) -> set[type]:
    return set(classes).union(*(every_subclass(*each.__subclasses__()) for each in classes))


def test_an_invalid_parameter_is_a_problem(client, picture):
    answer = client.post("/predict?frame=perhaps", content=picture)
    assert_problem(answer, 422, "invalid-parameter", "/predict")
    assert answer.json()["detail"] == "frame must be true or false, and not 'perhaps'."


@pytest.mark.parametrize("route", ["/predict", "/predict/batch", "/explain", "/read"])
def test_a_misspelt_parameter_is_a_problem(client, picture, route):
    files = [("files" if "batch" in route else "file", picture)]
    answer = client.post(f"{route}?frames=true", files=files)
    assert_problem(answer, 422, "invalid-parameter", route)
    assert answer.json()["detail"] == "frames is no parameter of this route: /docs lists them."


def test_the_message_about_many_long_parameters_is_short(client, picture):
    query = "&".join(f"{'a' * 1000}{index}=1" for index in range(5)) + f"&frame={'b' * 1000}"
    answer = client.post(f"/predict?{query}", content=picture)
    assert_problem(answer, 422, "invalid-parameter", "/predict")
    assert len(answer.json()["detail"]) < 500


@pytest.mark.parametrize(
    ("method", "path", "status", "name", "detail"),
    [
        ("GET", "/none", 404, "not-found", "There is no GET /none: /docs lists what there is."),
        ("GET", "/predict", 405, "method-not-allowed", "There is no GET /predict: send POST."),
    ],
)
def test_an_unknown_path_or_method_is_a_problem(client, method, path, status, name, detail):
    answer = client.request(method, path)
    assert_problem(answer, status, name, path)
    assert answer.json()["detail"] == detail


def test_an_answer_that_is_not_sure_enough_is_a_problem_with_the_answer_in_it(client, digits):
    unsure, sure = encode(letter("A")), encode(digits[350])
    prediction = client.post("/predict", content=unsure).json()
    answer = client.post("/predict?min_confidence=0.9", content=unsure)
    assert_problem(answer, 422, "not-sure", "/predict")
    assert answer.json()["reading"] == prediction
    assert client.post("/predict?min_confidence=0.9", content=sure).json()["digit"] == 7
    files = [("files", each) for each in (unsure, sure)]
    first, second = client.post("/predict/batch?min_confidence=0.9", files=files).json()["results"]
    assert first["error"]["reading"] == prediction
    assert second["digit"] == 7


def test_a_body_of_unknown_length_is_counted_as_it_arrives(seven):
    settings = Settings(max_upload_bytes=10_000)
    sent = []

    def endless():
        for _ in range(1000):
            sent.append(1)
            yield bytes(1000)

    with TestClient(create_app(settings)) as client:
        assert_problem(client.post("/predict", content=endless()), 413, "upload-too-large", "/predict")
        assert client.post("/predict", content=encode(seven)).json()["digit"] == 7


def test_a_picture_that_takes_too_much_memory_is_refused(seven):
    with TestClient(create_app(Settings(decoder_memory_bytes=20_000_000))) as client:
        answer = client.post("/predict", content=encode(Image.new("RGB", (4000, 4000)), compress_level=1))
    assert_problem(answer, 422, "too-complex", "/predict")
    assert "20 MB" in answer.json()["detail"]


def test_a_picture_below_min_legibility_is_refused(picture):
    with TestClient(create_app(Settings(min_legibility=0.5))) as client:
        answer = client.post("/predict", content=encode(letter("A")))
        assert_problem(answer, 422, "not-a-digit", "/predict")
        assert answer.json()["detail"].startswith("The picture does not look like one whole digit: ")
        assert client.post("/predict", content=picture).json()["digit"] == 7


def test_several_digits_are_reported_as_such(digits):
    with TestClient(create_app(Settings(min_legibility=0.5))) as client:
        answer = client.post("/predict", content=encode(number(digits[[350, 120]])))
    assert_problem(answer, 422, "not-a-digit", "/predict")
    assert answer.json()["detail"] == "There are several digits in the picture: send one at a time, or use POST /read."


def test_a_picture_that_waits_too_long_is_refused_as_overloaded(client, picture, monkeypatch):
    monkeypatch.setattr(client.app_state["service"].reader.decoders, "wait_seconds", 0)
    answer = client.post("/predict", content=picture)
    assert_problem(answer, 503, "overloaded", "/predict")
    assert answer.headers["retry-after"] == "1"


@pytest.mark.slow
def test_an_unexpected_error_leaks_nothing(client, seven, monkeypatch):
    def broken(*_):
        raise RuntimeError("the secret")

    monkeypatch.setattr("app.inference.reading.chosen", broken)
    answer = client.post("/predict", content=encode(seven))
    assert_problem(answer, 500, "internal-error", "/predict")
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "side", "is_decoded_here"),
    [("/predict", 28, True), ("/predict", 300, False), ("/explain", 28, True), ("/explain", 300, False)],
)
def test_only_small_pictures_are_decoded_in_this_process(client, seven, monkeypatch, path, side, is_decoded_here):
    seen, load = [], ImageFile.ImageFile.load
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: (seen.append(image), load(image))[1])
    answer = client.post(path, content=encode(Image.fromarray(255 - seven).resize((side, side))))
    assert answer.json()["digit"] == 7
    assert bool(seen) == is_decoded_here


def test_all_bodies_together_have_a_size_limit(seven):
    with TestClient(create_app(Settings(max_held_bytes=1000))) as client:
        admission = client.app_state["service"].admission
        bomb = gzip.compress(bytes(1_000_000))[:900]
        for body, headers in [(bytes(1001), {}), (bomb, {"content-encoding": "gzip"})]:
            answer = client.post("/predict", content=body, headers=headers)
            assert_problem(answer, 413, "upload-too-large", "/predict")
            assert "1,000 bytes" in answer.json()["detail"]
        assert client.post("/predict", content=encode(seven)).json()["digit"] == 7
        assert admission.held_bytes == 0


def test_a_stopping_service_fails_its_health_check(client, picture, monkeypatch):
    monkeypatch.setattr(client.app_state["service"].draining, "has_begun", True)
    answer = client.get("/health")
    assert_problem(answer, 503, "shutting-down", "/health")
    assert client.post("/predict", content=picture).json()["digit"] == 7  # new requests are still answered


@pytest.fixture(scope="module")
def locked() -> Iterator[TestClient]:
    """A client of an application that has two keys."""
    with TestClient(create_app(Settings(api_keys=["first", "second"]))) as client:
        yield client


@pytest.mark.parametrize(
    "headers", [{"authorization": "Bearer second"}, {"x-api-key": "first"}, {"authorization": "bearer first"}]
)
@pytest.mark.parametrize("path", ["/predict", "/explain", "/read", "/metrics"])
def test_each_key_grants_access(locked, headers, path, picture):
    answer = locked.request("GET" if path == "/metrics" else "POST", path, content=picture, headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer third"},
        {"x-api-key": "firs"},
        {"x-api-key": "first,second"},
        {"x-api-key": "ü".encode()},
        {"authorization": "Basic first"},
        {"authorization": "first"},
        {"authorization": "Bearer third", "x-api-key": "first"},
    ],
)
def test_a_wrong_key_grants_no_access(locked, headers, picture):
    assert_problem(locked.post("/predict", content=picture, headers=headers), 401, "unauthorized", "/predict")


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/explain", "/corrections", "/read", "/metrics"])
def test_without_a_key_only_the_health_check_is_accessible(locked, path, picture):
    answer = locked.request("GET" if path == "/metrics" else "POST", path, content=picture)
    assert_problem(answer, 401, "unauthorized", path)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert locked.get("/health").status_code == 200


def test_allowed_origins_get_cors_headers(client, picture):
    ours, other = {"origin": "https://ours.example"}, {"origin": "https://other.example"}
    assert "access-control-allow-origin" not in client.post("/predict", content=picture, headers=ours).headers
    with TestClient(create_app(Settings(cors_origins=["https://ours.example"]))) as client:
        allowed = client.post("/predict", content=picture, headers=ours)
        assert allowed.headers["access-control-allow-origin"] == "https://ours.example"
        assert "inference-header-content-length" in allowed.headers["access-control-expose-headers"].lower()
        assert "access-control-allow-origin" not in client.post("/predict", content=picture, headers=other).headers
        asked = ours | {"access-control-request-method": "POST", "access-control-request-headers": "x-api-key"}
        assert client.options("/predict", headers=asked).status_code == 200


def test_openapi_has_an_example_for_every_answer(client):
    responses = client.get("/openapi.json").json()["paths"]["/predict"]["post"]["responses"]
    assert list(responses["200"]["content"]["application/json"]["example"]) == FIELDS
    named = {name for r in responses.values() for name in r["content"].get(problems.MEDIA_TYPE, {}).get("examples", {})}
    of_others = {"too-much-writing", "impossible-length", "too-many-pictures", "invalid-inference", "unknown-version"}
    of_others |= {"unknown-unit", "corrections-off", "cross-origin", "correction-not-stored"}
    assert named == {each.name for each in problems.TYPES.values()} - of_others


def test_the_documentation_page_is_served(client):
    assert "swagger" in client.get("/docs").text.lower()

"""What is refused, and why: each reason is a documented problem, on every route."""

import gzip
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from structlog.testing import capture_logs

from answers import assert_problem
from app.answers import problems
from app.main import create_app
from app.picture.errors import PictureError
from app.serving.reader import Reader
from app.settings import Settings
from hostile import HOSTILE
from pictures import drawing, encode, flat, letter, number

MODEL = "/v2/models/digits"
INFER = f"{MODEL}/infer", f"{MODEL}/versions/{{version}}/infer"
ROUTES = (
    "/predict",
    "/predict/batch",
    "/explain",
    "/read",
    "/read/batch",
    "/forms/new",
    "/corrections",
    "/csv",
    *INFER,
)
KEY = {"x-api-key": "first"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("corrections")


@pytest.fixture(scope="module")
def strict(folder):
    """A client of a service that has keys, strict limits and corrections."""
    settings = Settings(
        api_keys=["first", "second"],
        corrections_dir=folder,
        cors_origins=["https://ours.example"],
        decoder_memory_bytes=20_000_000,
        max_held_bytes=500_000,
        min_legibility=0.5,
    )
    with TestClient(create_app(settings)) as client:
        yield client


def refused(client: TestClient, path: str, status: int, name: str, **request):
    """Send a request; check that the answer is a problem, as OpenAPI says."""
    answer = client.post(path, **request)
    path = path.partition("?")[0]
    assert_problem(answer, status, name, path)
    documented = re.sub("versions/[^/]+", "versions/{version}", path)
    route = client.app.openapi()["paths"][documented]["post"]
    content = route["responses"][str(status)]["content"]
    assert name in content["application/problem+json"]["examples"]
    return answer


FORM = {"content-type": "multipart/form-data; boundary=X"}
JSON = {"content-type": "application/json"}
PART = (
    b'--X\r\nContent-Disposition: form-data; name="file"; '
    b'filename="7.png"\r\n\r\n%b\r\n'
)
UNREADABLE = {
    "no body": ({}, b"", 422, "no-file"),
    "no file in the form": (FORM, b"--X--\r\n", 422, "no-file"),
    "two files": (FORM, PART % b"x" * 2 + b"--X--\r\n", 422, "several-files"),
    "an empty file": (FORM, PART % b"" + b"--X--\r\n", 422, "empty-file"),
    "half of a form": (FORM, PART % b"x", 400, "malformed-multipart"),
    "half of JSON": (JSON, b"{", 400, "malformed-json"),
    "a URL": (JSON, b'{"image": "https://digits.example/7.png"}', 422, "not-base64"),
    "an unknown encoding": (
        {"content-encoding": "br"},
        b"x",
        415,
        "unsupported-encoding",
    ),
    "text": ({}, HOSTILE["text"][0], 415, "not-an-image"),
    "a cut PNG": ({}, HOSTILE["cut png"][0], 422, "corrupt-image"),
    "60 megapixels": ({}, HOSTILE["many pixels"][0], 422, "too-many-pixels"),
    "too much memory": ({}, encode(Image.new("RGB", (4000, 4000))), 422, "too-complex"),
    "too large a body": ({}, bytes(500_001), 413, "upload-too-large"),
    "white": ({}, flat(255), 422, "blank-image"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_picture_is_refused_by_each_route_with_the_same_problem(
    strict, folder, seven, name
):
    headers, body, status, problem = UNREADABLE[name]
    for path in ("/predict", "/explain", "/read", "/corrections?label=7"):
        # A blank picture has an empty text.
        if problem != "blank-image" or path != "/read":
            refused(strict, path, status, problem, content=body, headers=headers | KEY)
    assert not list(folder.iterdir())
    answer = strict.post("/predict", content=encode(seven), headers=KEY)
    assert answer.json()["digit"] == 7


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_with_pictures_needs_a_key_and_has_the_same_limits(
    strict, classifier, route, monkeypatch
):
    admission = strict.app_state["service"].admission
    monkeypatch.setattr(admission, "refusal_seconds", (0, 0))
    path = route.format(version=classifier.version)
    large = PART % bytes(500_000)
    answer = refused(strict, path, 401, "unauthorized", content=b"x")
    assert answer.headers["www-authenticate"] == "Bearer"
    for body, headers in (
        (large, {}),
        (gzip.compress(large), {"content-encoding": "gzip"}),
        (iter([large]), {}),
    ):
        sent = {"content": body, "headers": headers | FORM | KEY}
        answer = refused(strict, path, 413, "upload-too-large", **sent)
        assert "larger than 500,000 bytes" in answer.json()["detail"]
    for queue in (admission.small, admission.large):
        monkeypatch.setattr(queue, "length", 11 * queue.places)
        monkeypatch.setattr(queue, "cost", 0.5)
    answer = refused(strict, path, 503, "overloaded", content=b"x", headers=KEY)
    assert answer.headers["retry-after"] == "6"
    assert strict.app_state["service"].admission.held_bytes == 0


KEYS = [
    {"authorization": "Bearer second"},
    {"authorization": "bearer first"},
    {"x-api-key": "first"},
]
WRONG_KEYS = [
    *({"authorization": given} for given in ("Bearer third", "Basic first", "first")),
    *({"x-api-key": given} for given in ("firs", "first,second", "ü".encode())),
    {"authorization": "Bearer third", "x-api-key": "first"},
    {},
]


def test_only_a_key_gives_access_but_everyone_may_see_whether_the_service_is_ready(
    strict, seven
):
    for headers in KEYS:
        assert strict.get("/metrics", headers=headers).status_code == 200
        answer = strict.post("/predict", content=encode(seven), headers=headers)
        assert answer.json()["digit"] == 7
    for headers in WRONG_KEYS:
        answer = strict.get("/metrics", headers=headers)
        assert_problem(answer, 401, "unauthorized", "/metrics")
        answer = strict.post("/predict", content=encode(seven), headers=headers)
        assert_problem(answer, 401, "unauthorized", "/predict")
    paths = "/health /health/live /v2 /v2/health/live /v2/health/ready"
    for path in (*paths.split(), MODEL, f"{MODEL}/ready"):
        assert strict.get(path).status_code == 200


def test_allowed_origins_get_cors_headers(client, strict):
    ours = {"origin": "https://ours.example"}
    other = {"origin": "https://other.example"}
    # Also if the request is refused.
    allowed = strict.post("/predict", content=b"x", headers=ours)
    assert allowed.headers["access-control-allow-origin"] == "https://ours.example"
    exposed = allowed.headers["access-control-expose-headers"].lower()
    assert "inference-header-content-length" in exposed
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-api-key",
    }
    assert strict.options("/predict", headers=ours | asked).status_code == 200
    for service, origin in ((strict, other), (client, ours)):
        denied = service.get("/health", headers=origin)
        assert "access-control-allow-origin" not in denied.headers


def test_a_picture_below_the_minimum_legibility_is_refused_as_a_digit(
    strict, seven, digits
):
    said = {
        encode(letter("A")): "The picture does not look like one whole digit: ",
        encode(number(digits[[350, 120]])): "There are several digits in the picture: ",
    }
    for picture, detail in said.items():
        sent = {"content": picture, "headers": KEY}
        for path in ("/predict", "/explain"):
            answer = refused(strict, path, 422, "not-a-digit", **sent)
            assert answer.json()["detail"].startswith(detail)
        files = [("files", each) for each in (encode(drawing(seven)), picture)]
        answer = strict.post("/predict/batch", files=files, headers=KEY)
        good, bad = answer.json()["results"]
        assert good["digit"] == 7
        assert bad["error"]["type"] == "/problems/not-a-digit"
        assert strict.post("/read", content=picture, headers=KEY).status_code == 200


def test_an_answer_that_is_not_sure_enough_is_a_problem_with_the_answer_in_it(
    client, digits
):
    sure = encode(digits[350])
    unsure = encode(letter("A"))
    for path, picture in (
        ("/predict?min_confidence=0.9", unsure),
        ("/read?min_confidence=1", sure),
    ):
        answer = refused(client, path, 422, "not-sure", content=picture)
        reading = client.post(path.partition("?")[0], content=picture).json()
        assert answer.json()["reading"] == reading
    files = [("files", each) for each in (unsure, sure)]
    answer = client.post("/predict/batch?min_confidence=0.9", files=files)
    first, second = answer.json()["results"]
    assert first["error"]["reading"] == client.post("/predict", content=unsure).json()
    assert second["digit"] == 7


def test_a_confidence_just_below_the_least_is_not_rounded_up_to_it(client, digits):
    close = 0
    for digit in digits[::5]:
        path = "/predict?min_confidence=1"
        answer = client.post(path, content=encode(digit)).json()
        confidence = answer.get("reading", answer)["confidence"]
        if 0.9995 <= confidence < 1:
            close += 1
            assert answer["detail"].startswith(f"The confidence is {confidence}: ")
    assert close > 10


UNKNOWN = "is no parameter of this route: /docs lists them"
WRONG_PARAMETERS = {
    "/predict?frame=perhaps": "frame must be true or false, and not 'perhaps'",
    "/predict?frames=true": f"frames {UNKNOWN}",
    "/predict?page=0": "page must be at least 1, and not '0'",
    "/predict/batch?frames=true": f"frames {UNKNOWN}",
    "/explain?frame=true": f"frame {UNKNOWN}",
    "/read/batch?form=meter": "form is for /read: send it one sheet, or a document",
    "/read/batch?lengths=4": f"lengths {UNKNOWN}",
    "/read/batch?characters=%20": "characters must not have a space: gaps are read in "
    "any case. In a URL, + means a space: write %2B for it",
    "/read?lengths=4": f"lengths {UNKNOWN}",
    "/read?length=0": "length must be at least 1, and not '0'",
    "/read?length=65": "length must be at most 64, and not '65'",
    "/read?length=two": "length must be a whole number, and not 'two'",
    "/read?length=": "length must be a whole number, and not ''",
    "/read?marks=perhaps": "marks must be true or false, and not 'perhaps'",
    "/read?rotate=left": "rotate must be 'none' or 'auto', and not 'left'",
    "/read?min_confidence=high": "min_confidence must be a number, and not 'high'",
    "/read?min_confidence=nan": "min_confidence must be at most 1, and not 'nan'",
}


@pytest.mark.parametrize("path", WRONG_PARAMETERS)
def test_an_invalid_or_misspelt_parameter_is_a_problem(client, seven, path):
    files = {"files" if "batch" in path else "file": encode(seven)}
    answer = refused(client, path, 422, "invalid-parameter", files=files)
    assert answer.json()["detail"] == f"{WRONG_PARAMETERS[path]}."


def test_the_message_about_many_long_parameters_is_short(client):
    unknown = "&".join(f"{'a' * 160}{index}=1" for index in range(5))
    path = f"/predict?{unknown}&frame={'b' * 160}"
    answer = refused(client, path, 422, "invalid-parameter", content=b"x")
    assert len(answer.json()["detail"]) < 500


def test_an_unknown_path_or_method_is_a_problem(client):
    unknown = client.get("/none")
    other = client.get("/predict")
    assert_problem(unknown, 404, "not-found", "/none")
    assert_problem(other, 405, "method-not-allowed", "/predict")
    detail = "There is no GET /none: /docs lists what there is."
    assert unknown.json()["detail"] == detail
    assert other.json()["detail"] == "There is no GET /predict: send POST."


def test_a_stopping_service_is_live_but_not_ready(client, seven, monkeypatch):
    monkeypatch.setattr(client.app_state["service"].draining, "has_begun", True)
    for path in ("/health", "/v2/health/ready", f"{MODEL}/ready"):
        assert_problem(client.get(path), 503, "shutting-down", path)
    for path in ("/health/live", "/v2/health/live"):
        assert client.get(path).status_code == 200
    # New requests are still answered.
    assert client.post("/predict", content=encode(seven)).json()["digit"] == 7


def test_an_unexpected_error_leaks_nothing_affects_one_picture_and_is_logged(
    client, seven, monkeypatch
):
    async def broken(*_):
        raise RuntimeError("the secret")

    monkeypatch.setattr(Reader, "read_large", broken)
    with capture_logs() as lines:
        alone = client.post("/predict", content=encode(drawing(seven)))
        files = [("files", encode(each)) for each in (seven, drawing(seven))]
        batch = client.post("/predict/batch", files=files)
    assert_problem(alone, 500, "internal-error", "/predict")
    assert alone.headers["x-request-id"] in alone.json()["detail"]
    good, bad = batch.json()["results"]
    assert good["digit"] == 7
    assert bad["error"]["type"] == "/problems/internal-error"
    assert "secret" not in alone.text + batch.text
    errors = [line for line in lines if line["log_level"] == "error"]
    assert all(line["exc_info"] for line in errors)
    ids = [answer.headers["x-request-id"] for answer in (alone, batch)]
    assert [line["request_id"] for line in errors] == ids


def test_every_picture_that_cannot_be_read_is_a_problem():
    assert set(PictureError.__subclasses__()) < set(problems.TYPES)


def test_every_problem_and_every_route_with_pictures_is_in_the_openapi_document(client):
    paths = client.app.openapi()["paths"]
    assert {path for path, methods in paths.items() if "post" in methods} == {*ROUTES}
    named = set()
    for methods in paths.values():
        for route in methods.values():
            for response in route["responses"].values():
                problem = response["content"].get("application/problem+json", {})
                named.update(problem.get("examples", {}))
    assert named == {each.name for each in problems.TYPES.values()}

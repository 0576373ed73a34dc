"""The Open Inference Protocol V2 over HTTP: requests of its clients, and the answers."""

import base64
import gzip
import json
import struct
import zlib

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from app.web.admission import Queue
from support import HOSTILE, drawing, encode, letter, samples

INFER = "/v2/models/digits/infer"
BASE64 = {"content_type": "base64"}


@pytest.fixture(scope="module")
def pngs(digits) -> list[bytes]:
    """20 MNIST digits, two of each."""
    return [encode(digit) for digit in digits[::25]]


@pytest.fixture(scope="module")
def predictions(client, pngs) -> list[dict]:
    return [client.post("/predict", content=png).json() for png in pngs]


def picture(*pictures: bytes, **members) -> dict:
    data = [base64.b64encode(each).decode() for each in pictures]
    described = {"name": "picture", "shape": [len(data)], "datatype": "BYTES", "parameters": BASE64, "data": data}
    return {"inputs": [described | members]}


def pixels(data: list, **members) -> dict:
    described = {"name": "pixels", "shape": [len(data), 784], "datatype": "FP32", "data": data}
    return {"inputs": [described | members]}


def binary(request: dict, tensor: bytes) -> dict:
    """Build a request whose tensor follows the JSON: the body, and the header that says so."""
    (described,) = request["inputs"]
    described.pop("data")
    described["parameters"] = {"binary_data_size": len(tensor)}
    head = json.dumps(request).encode()
    return {"content": head + tensor, "headers": {"Inference-Header-Content-Length": str(len(head))}}


def bytes_tensor(pictures: list[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(each)) + each for each in pictures)


def outputs_of(answer) -> dict[str, np.ndarray]:
    """Parse the tensors of an answer, in JSON or binary."""
    assert answer.status_code == 200, answer.text
    end = int(answer.headers.get("Inference-Header-Content-Length", len(answer.content)))
    content, behind = json.loads(answer.content[:end]), answer.content[end:]
    tensors = {}
    for output in content["outputs"]:
        dtype = {"INT64": "<i8", "FP32": "<f4"}[output["datatype"]]
        if "data" in output:
            values = np.array(output["data"])
            assert values.dtype.kind == np.dtype(dtype).kind
        else:
            size = output["parameters"]["binary_data_size"]
            values, behind = np.frombuffer(behind[:size], dtype), behind[size:]
        tensors[output["name"]] = values.reshape(output["shape"])
    assert behind == b""
    return tensors


def assert_predicted(answer, predictions: list[dict]) -> None:
    outputs = outputs_of(answer)
    assert outputs["digit"].tolist() == [prediction["digit"] for prediction in predictions]
    for name in ("probabilities", "legibility"):
        np.testing.assert_allclose(outputs[name], [prediction[name] for prediction in predictions], atol=1e-6)


def test_the_service_and_the_model_describe_themselves(client, classifier):
    assert client.get("/v2").json() == {"name": "digits", "version": "1.0.0", "extensions": ["binary_tensor_data"]}
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    for path in ("/v2/models/digits", f"/v2/models/digits/versions/{classifier.version}"):
        metadata = client.get(path).json()
        assert (metadata["name"], metadata["versions"]) == ("digits", [classifier.version])
        shapes = {each["name"]: (each["datatype"], each["shape"]) for each in metadata["inputs"] + metadata["outputs"]}
        assert shapes == {
            "picture": ("BYTES", [-1]),
            "pixels": ("FP32", [-1, 784]),
            "digit": ("INT64", [-1]),
            "probabilities": ("FP32", [-1, 10]),
            "legibility": ("FP32", [-1]),
        }
        assert client.get(f"{path}/ready").json() == {"name": "digits", "ready": True}


def test_a_stopping_service_is_live_but_not_ready(client, monkeypatch):
    monkeypatch.setattr(client.app_state["service"].draining, "has_begun", True)
    assert client.get("/v2/health/live").status_code == 200
    for path in ("/v2/health/ready", "/v2/models/digits/ready"):
        assert_error(client.get(path), 503, "shutting-down", "shutting down: send the request to another instance")


def assert_error(answer, status: int, name: str, message: str) -> None:
    problem = answer.json()
    assert len(problem["detail"]) < 300
    assert (answer.status_code, problem["type"]) == (status, f"/problems/{name}"), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["error"] == problem["detail"]
    assert message in problem["error"]


@pytest.mark.parametrize("version", ["", "/versions/{}"])
def test_pictures_in_base64_get_the_answers_of_predict(client, pngs, predictions, classifier, version):
    path = f"/v2/models/digits{version.format(classifier.version)}/infer"
    answer = client.post(path, json={"id": "order-66", **picture(*pngs)})
    assert_predicted(answer, predictions)
    said = answer.json()
    assert (said["model_name"], said["model_version"], said["id"]) == ("digits", classifier.version, "order-66")
    assert "parameters" not in said["outputs"][0]


def test_large_pictures_are_read_too(client, digits):
    answer = client.post(INFER, json=picture(encode(drawing(digits[350])), encode(digits[150])))
    assert outputs_of(answer)["digit"].tolist() == [7, 3]


@pytest.mark.parametrize("compress", [None, "gzip", "deflate"])
def test_pictures_after_the_json_get_the_answers_of_predict(client, pngs, predictions, compress):
    sent = binary(picture(*pngs), bytes_tensor(pngs))
    if compress:
        sent["content"] = {"gzip": gzip.compress, "deflate": zlib.compress}[compress](sent["content"])
        sent["headers"]["Content-Encoding"] = compress
    assert_predicted(client.post(INFER, **sent), predictions)


@pytest.mark.parametrize("form", ["nested", "flat", "square", "binary"])
def test_frames_get_the_answers_of_predict(client, digits, predictions, form):
    frames = (digits[::25] / 255).astype(np.float32)
    nested = frames.reshape(-1, 784).tolist()
    sent = {
        "nested": {"json": pixels(nested)},
        "flat": {"json": pixels(nested) | pixels(frames.ravel().tolist(), shape=[20, 784])},
        "square": {"json": pixels(frames.tolist())},
        "binary": binary(pixels(nested), frames.tobytes()),
    }[form]
    assert_predicted(client.post(INFER, **sent), predictions)


@pytest.mark.parametrize(
    ("asked", "behind"),
    [
        ({"parameters": {"binary_data_output": True}}, {"digit", "probabilities", "legibility"}),
        ({"outputs": [{"name": "probabilities"}, {"name": "digit"}]}, set()),
        ({"outputs": [{"name": "legibility", "parameters": {"binary_data": True}}, {"name": "digit"}]}, {"legibility"}),
        (
            {
                "parameters": {"binary_data_output": True},
                "outputs": [{"name": "digit", "parameters": {"binary_data": False}}, {"name": "legibility"}],
            },
            {"legibility"},
        ),
    ],
)
def test_the_outputs_are_selected_and_encoded_as_requested(client, pngs, predictions, asked, behind):
    answer = client.post(INFER, json=picture(*pngs) | asked)
    outputs = outputs_of(answer)
    assert list(outputs) == [each["name"] for each in asked.get("outputs", [])] or list(outputs) == [
        "digit",
        "probabilities",
        "legibility",
    ]
    for name, values in outputs.items():
        np.testing.assert_allclose(values, [prediction[name] for prediction in predictions], atol=1e-6)
    end = int(answer.headers.get("Inference-Header-Content-Length", len(answer.content)))
    described = json.loads(answer.content[:end])["outputs"]
    assert {output["name"] for output in described if "data" not in output} == behind
    kind = "application/octet-stream" if behind else "application/json"
    assert answer.headers["content-type"] == kind


ONE = picture(b"x")
GREY = [0.5] * 784
INVALID = {
    "no JSON": ({"content": b"{"}, 400, "malformed-json", "not JSON"),
    "nothing": ({"content": b""}, 400, "malformed-json", "not JSON"),
    "a list": ({"json": []}, 400, "malformed-json", "not an object"),
    "many values": ({"json": [0] * 300_000}, 400, "malformed-json", "more than 210,704 values"),
    "no input": ({"json": {"inputs": []}}, 400, "invalid-inference", "inputs must have at least 1"),
    "two inputs": ({"json": {"inputs": ONE["inputs"] * 2}}, 400, "invalid-inference", "inputs must have at most 1"),
    "another input": (
        {"json": picture(b"x", name="image")},
        400,
        "invalid-inference",
        "inputs.0.name must be 'picture' or 'pixels'",
    ),
    "another output": ({"json": ONE | {"outputs": [{"name": "class"}]}}, 400, "invalid-inference", "outputs.0.name"),
    "an id that is no text": ({"content": b'{"id": "\\ud800", "inputs": []}'}, 400, "malformed-json", "not JSON"),
    "another type": ({"json": picture(b"x", datatype="FP32")}, 400, "invalid-inference", "picture must be BYTES"),
    "no pictures": ({"json": picture()}, 400, "invalid-inference", "shape of picture must be [n], n > 0"),
    "a shape of two": ({"json": picture(b"x", shape=[1, 1])}, 400, "invalid-inference", "shape of picture must be [n]"),
    "a long shape": (
        {"json": picture(b"x", shape=["n"] * 200_000)},
        400,
        "invalid-inference",
        "inputs.0.shape.0 must be a whole number",
    ),
    "no shape": ({"json": picture(b"x", shape=[])}, 400, "invalid-inference", "shape of picture must be [n]"),
    "frames of another size": (
        {"json": pixels([GREY], shape=[1, 28, 28])},
        400,
        "invalid-inference",
        "must be [n, 784]",
    ),
    "fewer pictures": (
        {"json": picture(b"x", shape=[2])},
        400,
        "invalid-inference",
        "The data has 1 pictures",
    ),
    "fewer pixels": ({"json": pixels([GREY[1:]])}, 400, "invalid-inference", "The data has 783 pixels"),
    "257 pictures": ({"json": picture(*[b"x"] * 257)}, 422, "too-many-pictures", "more than 256"),
    "2 ** 63 frames": ({"json": pixels([], shape=[2**63, 784])}, 422, "too-many-pictures", "more than 256"),
    "no data": ({"json": picture(b"x", data=None)}, 400, "invalid-inference", "either data in the JSON, or"),
    "no base64 said": ({"json": picture(b"x", parameters={})}, 400, "invalid-inference", "content_type: base64"),
    "no base64": ({"json": picture(b"x", data=["https://digits.example"])}, 422, "not-base64", "URLs are not fetched"),
    "words": ({"json": pixels([["x"] * 784])}, 400, "invalid-inference", "not numbers"),
    "objects": ({"json": pixels([{}] * 784, shape=[1, 784])}, 400, "invalid-inference", "not numbers"),
    "rows that differ": ({"json": pixels([GREY, GREY[1:]])}, 400, "invalid-inference", "differ in length"),
    "many lists": ({"json": pixels([[[]] * 10_000])}, 400, "malformed-json", "more than"),
    "a number too large": ({"json": pixels([[10**400] * 784])}, 400, "invalid-inference", "not numbers"),
    "levels of grey": ({"json": pixels([[255] * 784])}, 400, "invalid-inference", "between 0 (background) and 1"),
    "no number": ({"content": json.dumps(pixels([[float("nan")] * 784]))}, 400, "invalid-inference", "between 0"),
    "no finite number": (binary(pixels([GREY]), b"\0\0\xc0\x7f" * 784), 400, "invalid-inference", "between 0"),
    "parts of numbers": (binary(pixels([GREY]), b"x" * 3), 400, "invalid-inference", "not numbers"),
    "a length beyond the end": (binary(picture(b"x"), b"\2\0\0\0x"), 400, "invalid-inference", "preceded by"),
    "a length cut off": (binary(picture(b"x"), b"\1\0"), 400, "invalid-inference", "preceded by"),
    "more than the shape": (binary(picture(b"x"), b"\1\0\0\0x" * 2), 400, "invalid-inference", "preceded by"),
    "JSON beyond the end": (
        {"json": ONE, "headers": {"Inference-Header-Content-Length": "9999"}},
        400,
        "invalid-inference",
        "but Inference-Header-Content-Length is 9999",
    ),
    "a length that is none": (
        {"json": ONE, "headers": {"Inference-Header-Content-Length": "-1"}},
        422,
        "invalid-parameter",
        "Inference-Header-Content-Length must be at least 0",
    ),
    "something after the JSON": (
        {"content": json.dumps(ONE) + "x", "headers": {"Inference-Header-Content-Length": str(len(json.dumps(ONE)))}},
        400,
        "invalid-inference",
        "The JSON is followed by 1 bytes",
    ),
    "a text among the pixels": (
        {"json": pixels([["0.5"] + [0] * 783])},
        400,
        "invalid-inference",
        "Some values are not numbers",
    ),
    "no picture": ({"json": ONE}, 415, "not-an-image", "The file is not a picture"),
    "an empty one": ({"json": picture(b"")}, 422, "empty-file", "The file is empty"),
    "an unknown encoding": (
        {"content": b"x", "headers": {"Content-Encoding": "br"}},
        415,
        "unsupported-encoding",
        "gzip",
    ),
    "a bomb": (
        {"content": gzip.compress(bytes(20_000_001), compresslevel=1), "headers": {"Content-Encoding": "gzip"}},
        413,
        "upload-too-large",
        "larger than 20,000,000 bytes",
    ),
}


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_request_is_an_error_with_a_reason(client, name):
    sent, status, problem, message = INVALID[name]
    assert_error(client.post(INFER, **sent), status, problem, message)


def test_an_unreadable_picture_among_several_is_named(client, pngs):
    answer = client.post(INFER, json=picture(pngs[0], HOSTILE["cut png"][0], pngs[1]))
    assert_error(answer, 422, "corrupt-image", "Picture 2 of 3: The picture is cut off")


def test_a_picture_below_min_legibility_is_refused(seven):
    with TestClient(create_app(Settings(min_legibility=0.5))) as client:
        answer = client.post(INFER, json=picture(encode(seven), encode(letter("A"))))
    assert_error(answer, 422, "not-a-digit", "Picture 2 of 2: ")


@pytest.mark.parametrize("path", ["", "/ready", "/infer"])
def test_an_unknown_version_is_not_found(client, path):
    url = f"/v2/models/digits/versions/1{path}"
    answer = client.post(url, json=ONE) if path == "/infer" else client.get(url)
    assert_error(answer, 404, "unknown-version", "The model's version is ")


def test_an_unknown_model_is_not_found(client):
    assert_error(client.post("/v2/models/letters/infer", json=ONE), 404, "not-found", "POST /v2/models/letters/infer: ")


def test_compressed_bombs_do_not_pass_the_limit_on_all_bodies():
    with TestClient(create_app(Settings(max_held_bytes=10_000))) as client:
        headers = {"Content-Encoding": "gzip"}
        answer = client.post(INFER, content=gzip.compress(bytes(1_000_000)), headers=headers)
        assert_error(answer, 413, "upload-too-large", "The request is larger than 10,000 bytes")
        assert client.app_state["service"].admission.held_bytes == 0


@pytest.mark.parametrize("of_version", ["", "/versions/{}"])
def test_a_service_with_keys_requires_one(seven, classifier, of_version):
    model = f"/v2/models/digits{of_version.format(classifier.version)}"
    with TestClient(create_app(Settings(api_keys=["key"]))) as client:
        assert_error(
            client.post(f"{model}/infer", json=picture(encode(seven))), 401, "unauthorized", "needs an API key"
        )
        answer = client.post(f"{model}/infer", json=picture(encode(seven)), headers={"authorization": "Bearer key"})
        assert outputs_of(answer)["digit"].tolist() == [7]
        for path in ("/v2", "/v2/health/live", "/v2/health/ready", model, f"{model}/ready"):
            assert client.get(path).status_code == 200


@pytest.mark.parametrize("of_version", [False, True])
def test_a_request_over_the_queue_is_refused_unread_and_counted(client, classifier, monkeypatch, of_version):
    monkeypatch.setattr(Queue, "wait", 5.5)
    version = f"/versions/{classifier.version}" if of_version else ""
    answer = client.post(f"/v2/models/digits{version}/infer", content=b"unread")
    assert_error(answer, 503, "overloaded", "again in 6 s")
    assert answer.headers["retry-after"] == "6"
    route = f"/v2/models/digits{'/versions/{version}' if of_version else ''}/infer"
    assert samples(client)["digits_requests_total", ("route", route), ("status", "503")] == 1


def test_frames_and_pictures_are_counted_in_the_metrics(new_client, pngs, digits):
    new_client.post(INFER, json=picture(*pngs))
    new_client.post(INFER, json=pixels((digits[:3].reshape(-1, 784) / 255).tolist()))
    found = samples(new_client)
    assert found["digits_requests_total", ("route", INFER), ("status", "200")] == 2
    for name in ("confidence", "legibility", "batch_size", "inference_seconds"):
        assert found[f"digits_{name}_count",] == 23
    assert found["digits_predictions_total", ("digit", "0")] == 5
    assert found["digits_queue_wait_seconds_count", ("queue", "small")] == 23
    assert found["digits_queue_depth", ("queue", "small")] == 0

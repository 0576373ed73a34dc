"""The Open Inference Protocol V2 over HTTP: its clients' requests, and the answers."""

import base64
import gzip
import json
import struct
import zlib

import numpy as np
import pytest

from answers import assert_problem
from hostile import HOSTILE
from pictures import drawing, encode, load_sheet

MODEL = "/v2/models/digits"
INFER = f"{MODEL}/infer"
HEADER = "Inference-Header-Content-Length"
CUT = HOSTILE["cut png"][0]
SEVEN = encode(load_sheet()[0][350])
BASE64 = {"content_type": "base64"}


@pytest.fixture(scope="module")
def pngs(digits) -> list[bytes]:
    """20 MNIST digits, two of each, and a drawing."""
    return [*map(encode, digits[::25]), encode(drawing(digits[350]))]


@pytest.fixture(scope="module")
def predictions(client, pngs) -> list[dict]:
    return [client.post("/predict", content=png).json() for png in pngs]


def picture(*pictures: bytes, **members) -> dict:
    data = [base64.b64encode(each).decode() for each in pictures]
    described = {
        "name": "picture",
        "shape": [len(data)],
        "datatype": "BYTES",
        "parameters": BASE64,
        "data": data,
    }
    return {"inputs": [described | members]}


def pixels(data: list, **members) -> dict:
    described = {
        "name": "pixels",
        "shape": [len(data), 784],
        "datatype": "FP32",
        "data": data,
    }
    return {"inputs": [described | members]}


def binary(request: dict, tensor: bytes) -> dict:
    """Build a request whose tensor follows the JSON, as a header says."""
    (described,) = request["inputs"]
    described.pop("data")
    described["parameters"] = {"binary_data_size": len(tensor)}
    head = json.dumps(request).encode()
    return {"content": head + tensor, "headers": {HEADER: str(len(head))}}


def outputs_of(answer) -> dict[str, np.ndarray]:
    """Parse the tensors of an answer, in JSON or binary."""
    assert answer.status_code == 200, answer.text
    end = int(answer.headers.get(HEADER, len(answer.content)))
    content = json.loads(answer.content[:end])
    behind = answer.content[end:]
    tensors = {}
    for output in content["outputs"]:
        dtype = {"INT64": "<i8", "FP32": "<f4"}[output["datatype"]]
        if "data" in output:
            values = np.array(output["data"])
            assert values.dtype.kind == np.dtype(dtype).kind
        else:
            size = output["parameters"]["binary_data_size"]
            values = np.frombuffer(behind[:size], dtype)
            behind = behind[size:]
        tensors[output["name"]] = values.reshape(output["shape"])
    assert behind == b""
    return tensors


def assert_predicted(answer, predictions: list[dict]) -> None:
    outputs = outputs_of(answer)
    assert outputs.keys() == {"digit", "probabilities", "legibility"}
    assert_close(outputs, predictions)


def assert_close(outputs: dict[str, np.ndarray], predictions: list[dict]) -> None:
    for name, values in outputs.items():
        expected = [prediction[name] for prediction in predictions]
        np.testing.assert_allclose(values, expected, atol=1e-6)


def tensor(name: str, datatype: str, *shape: int) -> dict:
    return {"name": name, "datatype": datatype, "shape": list(shape)}


def test_the_service_and_the_model_describe_themselves(client, classifier):
    assert client.get("/v2").json() == {
        "name": "digits",
        "version": "1.0.0",
        "extensions": ["binary_tensor_data"],
    }
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    for path in (MODEL, f"{MODEL}/versions/{classifier.version}"):
        metadata = client.get(path).json()
        assert metadata["name"] == "digits"
        assert metadata["versions"] == [classifier.version]
        assert metadata["inputs"] == [
            tensor("picture", "BYTES", -1),
            tensor("pixels", "FP32", -1, 784),
        ]
        outputs = (
            ("digit", "INT64", -1),
            ("probabilities", "FP32", -1, 10),
            ("legibility", "FP32", -1),
        )
        assert metadata["outputs"] == [tensor(*output) for output in outputs]
        assert client.get(f"{path}/ready").json() == {"name": "digits", "ready": True}


COMPRESS = {"identity": bytes, "gzip": gzip.compress, "deflate": zlib.compress}


@pytest.mark.parametrize("encoding", COMPRESS)
@pytest.mark.parametrize("version", ["", "/versions/{}"])
def test_pictures_get_the_answers_of_predict(
    client, pngs, predictions, classifier, version, encoding
):
    path = f"{MODEL}{version.format(classifier.version)}/infer"
    described = json.dumps({"id": "order-66", **picture(*pngs)})
    in_base64 = {"content": described.encode(), "headers": {}}
    elements = b"".join(struct.pack("<I", len(png)) + png for png in pngs)
    behind_json = binary(picture(*pngs), elements)
    for sent in (in_base64, behind_json):
        headers = sent["headers"] | {"Content-Encoding": encoding}
        content = COMPRESS[encoding](sent["content"])
        answer = client.post(path, content=content, headers=headers)
        assert_predicted(answer, predictions)
        said = answer.json()
        assert said["model_name"] == "digits"
        assert said["model_version"] == classifier.version
        assert said.get("id") == ("order-66" if sent is in_base64 else None)
        assert "parameters" not in said["outputs"][0]


def test_frames_get_the_answers_of_predict(client, digits, predictions):
    frames = (digits[::25] / 255).astype(np.float32)
    rows = frames.reshape(20, 784)
    flat = frames.ravel()
    for sent in (
        {"json": pixels(rows.tolist())},
        {"json": pixels(frames.tolist())},
        {"json": pixels(flat.tolist(), shape=[20, 784])},
        binary(pixels(rows.tolist()), frames.tobytes()),
    ):
        assert_predicted(client.post(INFER, **sent), predictions[:20])


DIGIT = {"name": "digit"}
LEGIBILITY = {"name": "legibility"}
BINARY = {"parameters": {"binary_data": True}}
AS_JSON = {"parameters": {"binary_data": False}}
BY_DEFAULT = {"parameters": {"binary_data_output": True}}


@pytest.mark.parametrize(
    ("asked", "in_json", "behind"),
    [
        (BY_DEFAULT, set(), {"digit", "probabilities", "legibility"}),
        (
            {"outputs": [{"name": "probabilities"}, DIGIT]},
            {"probabilities", "digit"},
            set(),
        ),
        ({"outputs": [LEGIBILITY | BINARY, DIGIT]}, {"digit"}, {"legibility"}),
        (
            {"outputs": [DIGIT | AS_JSON, LEGIBILITY]} | BY_DEFAULT,
            {"digit"},
            {"legibility"},
        ),
    ],
)
def test_the_outputs_are_selected_and_encoded_as_requested(
    client, pngs, predictions, asked, in_json, behind
):
    answer = client.post(INFER, json=picture(*pngs) | asked)
    assert answer.headers["content-type"] == (
        "application/octet-stream" if behind else "application/json"
    )
    outputs = outputs_of(answer)
    assert set(outputs) == in_json | behind
    assert_close(outputs, predictions)
    end = int(answer.headers.get(HEADER, len(answer.content)))
    described = json.loads(answer.content[:end])["outputs"]
    assert {output["name"] for output in described if "data" in output} == in_json


ONE = picture(b"x")
JSON_BYTES = str(len(json.dumps(ONE)))
GREY = [0.5] * 784
INVALID = {
    "no input": ({"inputs": []}, "inputs must have at least 1"),
    "two inputs": ({"inputs": ONE["inputs"] * 2}, "inputs must have at most 1"),
    "another input": (
        picture(b"x", name="image"),
        "inputs.0.name must be 'picture' or 'pixels'",
    ),
    "another output": (ONE | {"outputs": [{"name": "class"}]}, "outputs.0.name"),
    "another type": (picture(b"x", datatype="FP32"), "picture must be BYTES"),
    "no pictures": (picture(), "shape of picture must be [n], n > 0"),
    "a shape of two": (picture(b"x", shape=[1, 1]), "shape of picture must be [n]"),
    "a long shape": (
        picture(b"x", shape=["n"] * 200_000),
        "inputs.0.shape.0 must be a whole number",
    ),
    "frames of another size": (pixels([GREY], shape=[1, 28, 28]), "must be [n, 784]"),
    "fewer pictures": (picture(b"x", shape=[2]), "The data has 1 pictures"),
    "fewer pixels": (pixels([GREY[1:]]), "The data has 783 pixels"),
    "no data": (picture(b"x", data=None), "either data in the JSON, or"),
    "no base64 said": (picture(b"x", parameters={}), "content_type: base64"),
    "words": (pixels([["x"] * 784]), "not numbers"),
    "a text among the pixels": (
        pixels([["0.5"] + [0] * 783]),
        "Some values are not numbers",
    ),
    "rows that differ": (pixels([GREY, GREY[1:]]), "differ in length"),
    "a number too large": (pixels([[10**400] * 784]), "not numbers"),
    "levels of grey": (pixels([[255] * 784]), "between 0 (background) and 1"),
}
INVALID_BYTES = {
    "no number": ({"content": json.dumps(pixels([[float("nan")] * 784]))}, "between 0"),
    "no finite number": (binary(pixels([GREY]), b"\0\0\xc0\x7f" * 784), "between 0"),
    "parts of numbers": (binary(pixels([GREY]), b"x" * 3), "not numbers"),
    "a length beyond the end": (binary(picture(b"x"), b"\2\0\0\0x"), "preceded by"),
    "a length cut off": (binary(picture(b"x"), b"\1\0"), "preceded by"),
    "more than the shape": (binary(picture(b"x"), b"\1\0\0\0x" * 2), "preceded by"),
    "JSON beyond the end": (
        {"json": ONE, "headers": {HEADER: "9999"}},
        f"but {HEADER} is 9999",
    ),
    "more than JSON": (
        {"content": json.dumps(ONE) + "x", "headers": {HEADER: JSON_BYTES}},
        "is followed by 1 bytes",
    ),
}
OTHERS = {
    "no JSON": ({"content": b"{"}, 400, "malformed-json", "not JSON"),
    "no text": (
        {"content": b'{"id": "\\ud800", "inputs": []}'},
        400,
        "malformed-json",
        "not JSON",
    ),
    "a list": ({"json": []}, 400, "malformed-json", "not an object"),
    "many values": (
        {"json": [0] * 300_000},
        400,
        "malformed-json",
        "more than 210,704 values",
    ),
    "many lists": (
        {"json": pixels([[[]] * 10_000])},
        400,
        "malformed-json",
        "more than",
    ),
    "257 pictures": (
        {"json": picture(*[b"x"] * 257)},
        422,
        "too-many-pictures",
        "more than 256",
    ),
    "2 ** 63 frames": (
        {"json": pixels([], shape=[2**63, 784])},
        422,
        "too-many-pictures",
        "more than 256",
    ),
    "no base64": (
        {"json": picture(b"x", data=["https://digits.example"])},
        422,
        "not-base64",
        "URLs are not fetched",
    ),
    "a length that is none": (
        {"json": ONE, "headers": {HEADER: "-1"}},
        422,
        "invalid-parameter",
        "must be at least 0",
    ),
    "no picture": ({"json": ONE}, 415, "not-an-image", "The file is not a picture"),
    "an empty one": ({"json": picture(b"")}, 422, "empty-file", "The file is empty"),
    "one of three": (
        {"json": picture(SEVEN, CUT, SEVEN)},
        422,
        "corrupt-image",
        "Picture 2 of 3: The picture is cut",
    ),
    "an encoding": (
        {"content": b"x", "headers": {"Content-Encoding": "br"}},
        415,
        "unsupported-encoding",
        "gzip",
    ),
}
REFUSED = dict(OTHERS)
for name, (request, message) in INVALID.items():
    REFUSED[name] = {"json": request}, 400, "invalid-inference", message
for name, (sent, message) in INVALID_BYTES.items():
    REFUSED[name] = sent, 400, "invalid-inference", message


@pytest.mark.parametrize("name", REFUSED)
def test_an_invalid_request_is_an_error_with_a_short_reason(client, name):
    sent, status, problem, message = REFUSED[name]
    answer = client.post(INFER, **sent)
    assert_problem(answer, status, problem, INFER)
    error = answer.json()["error"]
    assert message in error
    assert error == answer.json()["detail"]
    assert len(error) < 300


def test_a_page_is_chosen_for_all_pictures_and_other_parameters_are_refused(
    client, digits, classifier
):
    sheets = [drawing(digits[k]) for k in (350, 60)]
    several = encode(sheets[0], "TIFF", save_all=True, append_images=sheets[1:])
    both = picture(several, several)
    for path in (INFER, f"{MODEL}/versions/{classifier.version}/infer"):
        for page, digit in ((1, 7), (2, 1)):
            answer = client.post(path, params={"page": page}, json=both)
            assert outputs_of(answer)["digit"].tolist() == [digit, digit]
        assert_problem(client.post(path, json=both), 422, "no-such-page", path)
        for query in ("page=0", "pages=1"):
            refused = client.post(f"{path}?{query}", json=ONE)
            assert_problem(refused, 422, "invalid-parameter", path)


def test_another_model_or_version_is_not_found(client):
    path = "/v2/models/digits/versions/1"
    for answer in (
        client.get(path),
        client.get(f"{path}/ready"),
        client.post(f"{path}/infer", json=ONE),
    ):
        assert_problem(answer, 404, "unknown-version", answer.request.url.path)
        assert "The model's version is " in answer.json()["error"]
    other = "/v2/models/letters/infer"
    assert_problem(client.post(other, json=ONE), 404, "not-found", other)

"""Log lines and request ids."""

import json
import logging
from io import StringIO

import pytest

from app import logs
from conftest import encode


@pytest.fixture
def lines(monkeypatch):
    """The log lines written so far, parsed."""
    root, stream = logging.getLogger(), StringIO()
    monkeypatch.setattr(root, "handlers", [])  # pytest's own, which must not be closed
    monkeypatch.setattr(root, "level", root.level)
    logs.configure("info", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.captureWarnings(False)


def test_each_request_is_one_json_line_with_its_id(client, lines, seven):
    answer = client.post("/predict", content=encode(seven))
    (line,) = [line for line in lines() if line["event"] == "request"]
    assert line["request_id"] == answer.headers["x-request-id"]
    assert (line["method"], line["path"], line["status"], line["level"]) == ("POST", "/predict", 200, "info")
    assert 0 < line["seconds"] < 5


def test_a_given_request_id_is_kept(client, lines):
    answer = client.get("/health", headers={"x-request-id": "order-66"})
    assert answer.headers["x-request-id"] == "order-66"
    assert [line["request_id"] for line in lines() if line["event"] == "request"] == ["order-66"]


@pytest.mark.parametrize("given", ["", "x" * 65, 'a"b', "a b", "ü".encode()])
def test_a_request_id_that_could_harm_a_log_is_replaced(client, given):
    answer = client.get("/health", headers={"x-request-id": given})
    assert len(answer.headers["x-request-id"]) == 32


def test_an_unforeseen_error_is_logged_under_the_requests_id(client, lines, monkeypatch):
    def broken(*_):
        raise RuntimeError("the cause")

    monkeypatch.setattr("app.routes.uploads.read_picture", broken)
    answer = client.post("/predict", content=b"x")
    (line,) = [line for line in lines() if line["level"] == "error"]
    assert "the cause" in line["exception"]
    assert line["request_id"] == answer.json()["request_id"]


def test_nothing_of_an_upload_is_logged(client, lines):
    client.post("/predict", files={"file": ("my-secret-name.png", b"my secret content", "image/png")})
    assert [line["status"] for line in lines() if line["event"] == "request"] == [415]
    assert "secret" not in json.dumps(lines())


def test_library_lines_are_json_too(lines):
    logging.getLogger("uvicorn.error").warning("from a library")
    assert [(line["event"], line["level"]) for line in lines()] == [("from a library", "warning")]

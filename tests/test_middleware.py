"""Every request gets an id, headers and a log line, and is counted."""

import json

import pytest
from fastapi.testclient import TestClient
from structlog.testing import capture_logs

from answers import assert_problem
from app.main import create_app
from app.settings import Settings
from pictures import encode


@pytest.fixture(scope="module")
def client():
    """A client of an application of its own: its logger is bound as it starts."""
    with TestClient(create_app(Settings()), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def lines():
    with capture_logs() as lines:
        yield lines


def test_each_request_logs_one_line_with_its_id(client, lines, seven):
    trace = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    answer = client.post("/predict", content=encode(seven), headers=trace)
    (line,) = lines
    assert line["request_id"] == answer.headers["x-request-id"]
    request = {"event": "request", "method": "POST", "path": "/predict", "status": 200}
    assert line.items() >= request.items()
    assert 0 < line["seconds"] < 5
    assert "trace_id" not in line  # unless the service is told to trace


def test_a_given_request_id_is_kept_unless_it_could_harm_a_log(client, lines):
    def returned(given: str | bytes) -> str:
        answer = client.get("/health", headers={"x-request-id": given})
        return answer.headers["x-request-id"]

    assert returned("order-66") == "order-66"
    assert [line["request_id"] for line in lines] == ["order-66"]
    for given in ("", "x" * 65, 'a"b', "a b", "ü".encode()):
        assert len(returned(given)) == 32


def test_a_path_with_one_more_newline_is_unknown(client, lines):
    """Such a request would pass no proxy's rules for a path."""
    for method, path in (("GET", "/health%0A"), ("POST", "/predict%0A")):
        assert client.request(method, path).status_code == 404
        assert lines[-1]["path"] == path


def test_a_long_query_is_refused_and_not_cut(client, seven):
    longest = "frame=1&" * 128
    answer = client.post(f"/predict?{longest}", content=encode(seven))
    assert "frame" in answer.json()
    for method, path in (
        ("POST", "/predict"),
        ("POST", "/v2/models/digits/infer"),
        ("GET", "/health"),
    ):
        longer = f"{path}?{longest}frame=0"
        answer = client.request(method, longer, content=encode(seven))
        assert_problem(answer, 422, "invalid-parameter", path)
        detail = "The query has 1,031 bytes, more than 1,024: shorten it."
        assert answer.json()["detail"] == detail


def test_uploads_are_not_logged(client, lines):
    file = ("my-secret-name.png", b"my secret content", "image/png")
    client.post("/predict", files={"file": file})
    assert [line["status"] for line in lines] == [415]
    assert "secret" not in json.dumps(lines)


@pytest.mark.parametrize("path", ["/", "/health", "/docs", "/static/page.js", "/none"])
def test_every_answer_has_security_headers(client, path):
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-cache"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src ")
    script = policy.split("script-src ")[1].split(";")[0]
    assert "unsafe" not in script
    assert script == "'self'" or path == "/docs"


def test_behind_a_root_path_a_problem_follows_the_protocol_of_its_route(client):
    behind = TestClient(client.app, root_path="/digits")
    behind.app_state |= client.app_state
    answer = behind.post("/digits/v2/models/digits/infer", content=b"x")
    assert_problem(answer, 400, "malformed-json", "/digits/v2/models/digits/infer")

"""Traces: FastAPI's span of a request, with one span for each stage of reading the picture."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, format_trace_id
from structlog.testing import capture_logs

from app.main import create_app
from app.settings import Settings
from app.web import readings
from support import drawing, encode, serving, until

pytestmark = pytest.mark.slow

STAGES = ["wait", "decode", "preprocess", "inference"]
HERE = ["wait", "decode", "preprocess", "wait", "inference"]  # in the event loop, a picture waits for its batch
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}


@pytest.fixture
def exporter(monkeypatch) -> InMemorySpanExporter:
    """Record the spans exported to the global provider, which can be set only once per process."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(readings, "TRACER", provider.get_tracer("digits"))
    return exporter


@pytest.fixture
def lines() -> Iterator[list]:
    with capture_logs() as lines:
        yield lines


def server_spans(exporter: InMemorySpanExporter) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.kind is SpanKind.SERVER]


def stages_of(server: ReadableSpan, exporter: InMemorySpanExporter) -> list[ReadableSpan]:
    """Return the stages within a request's span, in order of time."""
    spans = {span.context.span_id: span for span in exporter.get_finished_spans()}

    def is_within(span: ReadableSpan | None) -> bool:
        return span is not None and (span is server or (span.parent and is_within(spans.get(span.parent.span_id))))

    stages = [span for span in spans.values() if span.name in STAGES and is_within(span)]
    return sorted(stages, key=lambda span: span.start_time)


@pytest.mark.parametrize(
    ("path", "picture"), [("/predict", "small"), ("/predict", "large"), ("/explain", "large"), ("/read", "large")]
)
def test_each_stage_has_a_span_within_that_of_the_request(client, exporter, seven, path, picture):
    body = encode(seven if picture == "small" else drawing(seven))
    assert client.post(path, content=body).status_code == 200
    (server,) = server_spans(exporter)
    stages = stages_of(server, exporter)
    assert server.name == f"POST {path}"
    assert [stage.name for stage in stages] == (HERE if picture == "small" else STAGES)
    assert {stage.context.trace_id for stage in stages} == {server.context.trace_id}
    times = [server.start_time, *(time for stage in stages for time in (stage.start_time, stage.end_time))]
    assert times == sorted(times)
    assert times[-1] <= server.end_time


async def answers_together(bodies: list[bytes]) -> list[httpx2.Response]:
    """Return the answers to requests that arrive in the same iteration of the event loop."""
    app = create_app(Settings())
    async with app.router.lifespan_context(app) as state:

        async def started(scope, receive, send):
            await app({**scope, "state": {**state}}, receive, send)

        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(started), base_url="http://test") as client:
            return await asyncio.gather(*(client.post("/predict", content=body) for body in bodies))


def test_pictures_of_a_batch_have_stages_in_their_own_traces(exporter, digits, labels):
    chosen = range(5, 500, 125)  # the network is sure of these in the first view
    answers = asyncio.run(answers_together([encode(digits[i]) for i in chosen]))
    assert [answer.json()["digit"] for answer in answers] == [labels[i] for i in chosen]
    servers = server_spans(exporter)
    stages = [stages_of(server, exporter) for server in servers]
    assert len({server.context.trace_id for server in servers}) == len(chosen)
    for server, own in zip(servers, stages, strict=True):
        assert [stage.name for stage in own] == HERE
        assert {stage.context.trace_id for stage in own} == {server.context.trace_id}
    assert len({own[-1].end_time - own[-1].start_time for own in stages}) == 1  # one inference for all


def test_an_unreadable_picture_has_a_span_without_stages(client, exporter):
    assert client.post("/predict", content=b"no picture").status_code == 415
    (server,) = server_spans(exporter)
    assert (server.name, server.attributes["http.response.status_code"]) == ("POST /predict", 415)
    assert stages_of(server, exporter) == []


def test_the_health_check_has_a_span(client, exporter):
    client.get("/health")
    assert [span.name for span in server_spans(exporter)] == ["GET /health"]


def test_the_trace_of_a_client_is_continued(client, exporter, seven):
    client.post("/predict", content=encode(seven), headers=TRACEPARENT)
    (server,) = server_spans(exporter)
    assert server.parent.span_id == int(PARENT, 16)
    assert {format_trace_id(span.context.trace_id) for span in exporter.get_finished_spans()} == {TRACE}


@pytest.mark.parametrize(("body", "status"), [(None, 200), (b"no picture", 415), (bytes(20_000_001), 413)])
def test_the_log_line_of_a_request_has_its_trace_id(client, lines, exporter, seven, body, status):
    client.post("/predict", content=body or encode(seven))
    (server,) = server_spans(exporter)
    assert [line["status"] for line in lines] == [status]
    assert [line["trace_id"] for line in lines] == [format_trace_id(server.context.trace_id)]


def test_the_log_line_of_an_untraced_request_has_no_trace_id(client, lines, seven):
    client.post("/predict", content=encode(seven), headers=TRACEPARENT)
    assert [line["status"] for line in lines] == [200]
    assert "trace_id" not in lines[0]


@contextmanager
def collector() -> Iterator[tuple[str, list[ResourceSpans]]]:
    """Run an OpenTelemetry collector on a free port; yields its address, and the spans that it has received."""
    received: list[ResourceSpans] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/v1/traces":  # ignores metrics and logs, which FastAPI exports too
                received.extend(ExportTraceServiceRequest.FromString(body).resource_spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            thread.join()


def names_by_worker(received: list[ResourceSpans]) -> dict[str, set[str]]:
    """Group the names of the spans by worker."""
    names: dict[str, set[str]] = {}
    for spans in received.copy():
        attributes = {each.key: each.value.string_value for each in spans.resource.attributes}
        worker = names.setdefault(attributes["service.instance.id"], set())
        worker.update(span.name for scope in spans.scope_spans for span in scope.spans)
    return names


def test_every_worker_exports_to_the_configured_collector(seven):
    environment = {"FASTAPI_OTEL_AUTO_CONFIGURE": "true", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    expected = {"POST /predict", *STAGES}

    def is_complete() -> bool:
        """Send more requests; return whether two workers have exported all spans of a request."""
        list(pool.map(lambda _: httpx2.post(f"{url}/predict", content=encode(seven)).raise_for_status(), range(16)))
        workers = names_by_worker(received)
        return len(workers) == 2 and all(names >= expected for names in workers.values())

    with (
        collector() as (endpoint, received),
        serving("--workers", "2", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **environment) as (_, url),
        ThreadPoolExecutor(16) as pool,
    ):
        assert until(is_complete, seconds=30), names_by_worker(received)

"""Traces: FastAPI's span of a request, with one for each stage of reading."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pictures import drawing, encode
from services import serving, until
from stand_ins import Response, answering

# A picture waits for its turn, and its frames for their batch.
STAGES = ["wait", "decode", "preprocess", "wait", "inference"]
# In the event loop, its header is decoded before.
HERE = ["decode", *STAGES]
REQUESTS = [
    ("/predict", "small", 200, HERE),
    ("/predict", "large", 200, STAGES),
    ("/explain", "large", 200, STAGES),
    # It looks for lines between reads.
    ("/read", "large", 200, ["wait", "decode", "inference"]),
    ("/predict", "unreadable", 415, []),
]
CLIENTS_SPAN = "00f067aa0ba902b7"
OPTIONS = {"FASTAPI_OTEL_AUTO_CONFIGURE": "true", "OTEL_BSP_SCHEDULE_DELAY": "100"}


def spans_in(body: bytes) -> Iterator[tuple[str, Span]]:
    """Parse an export; yields its spans, each with its worker."""
    for spans in ExportTraceServiceRequest.FromString(body).resource_spans:
        attributes = {
            each.key: each.value.string_value for each in spans.resource.attributes
        }
        for scope in spans.scope_spans:
            for span in scope.spans:
                yield attributes["service.instance.id"], span


@pytest.mark.slow
def test_every_worker_exports_a_span_for_each_stage_in_the_trace_that_the_client_began(
    seven,
):
    bodies = {
        "small": encode(seven),
        "large": encode(drawing(seven)),
        "unreadable": b"no picture",
    }
    sent: list[str] = []
    received: list[tuple[str, Span]] = []

    def collect(request) -> Response:
        if request.path == "/v1/traces":  # FastAPI exports metrics and logs too
            received.extend(spans_in(request.body))
        return 200, {}, b""

    def post(number: int) -> None:
        path, body, status, _ = REQUESTS[number % len(REQUESTS)]
        headers = {"traceparent": f"00-{number + 1:032x}-{CLIENTS_SPAN}-01"}
        answer = httpx2.post(
            url + path, content=bodies[body], headers=headers, timeout=30
        )
        assert answer.status_code == status

    def is_complete() -> bool:
        """Send more requests; return whether both workers have exported spans."""
        more = range(len(sent), len(sent) + 3 * len(REQUESTS))
        list(pool.map(post, more))
        sent.extend(f"{number + 1:032x}" for number in more)
        return len({worker for worker, _ in received}) == 2

    def is_all_received() -> bool:
        kinds = [span.kind for _, span in received]
        return kinds.count(Span.SPAN_KIND_SERVER) == len(sent)

    with ExitStack() as stack:
        endpoint = stack.enter_context(answering(collect))
        settings = OPTIONS | {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        process, url = stack.enter_context(serving("--workers", "2", **settings))
        pool = stack.enter_context(ThreadPoolExecutor(16))
        assert until(is_complete, seconds=30)
        assert until(is_all_received)
    statuses = {}
    for line in map(json.loads, process.log.splitlines()):
        if line["event"] == "request":
            statuses[line["trace_id"]] = line["status"]
    for number, trace in enumerate(sent):
        path, _, status, stages = REQUESTS[number % len(REQUESTS)]
        spans = [span for _, span in received if span.trace_id.hex() == trace]
        (server,) = (span for span in spans if span.kind == Span.SPAN_KIND_SERVER)
        assert server.name == f"POST {path}"
        assert server.parent_span_id.hex() == CLIENTS_SPAN
        assert statuses[trace] == status
        own = [span for span in spans if span.name in STAGES]
        own.sort(key=lambda span: span.start_time_unix_nano)
        assert [span.name for span in own] == stages
        times = [server.start_time_unix_nano]
        for span in own:
            times += [span.start_time_unix_nano, span.end_time_unix_nano]
        times.append(server.end_time_unix_nano)
        assert times == sorted(times)

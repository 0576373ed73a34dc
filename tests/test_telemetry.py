"""Traces: FastAPI's span of a request, with one span for each stage of reading the
picture.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from support import Response, answering, drawing, encode, serving, until

STAGES = ["wait", "decode", "preprocess", "inference"]
# In the event loop, a picture waits for its batch.
HERE = ["wait", "decode", "preprocess", "wait", "inference"]
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
            yield from (
                (attributes["service.instance.id"], span) for span in scope.spans
            )


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

    with (
        answering(collect) as endpoint,
        serving("--workers", "2", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **OPTIONS) as (
            process,
            url,
        ),
        ThreadPoolExecutor(16) as pool,
    ):
        assert until(is_complete, seconds=30)
        assert until(
            lambda: (
                sum(span.kind == Span.SPAN_KIND_SERVER for _, span in received)
                == len(sent)
            )
        )
    logged = [json.loads(line) for line in process.log.splitlines()]
    statuses = {
        line["trace_id"]: line["status"]
        for line in logged
        if line["event"] == "request"
    }
    for number, trace in enumerate(sent):
        path, _, status, stages = REQUESTS[number % len(REQUESTS)]
        spans = [span for _, span in received if span.trace_id.hex() == trace]
        (server,) = (span for span in spans if span.kind == Span.SPAN_KIND_SERVER)
        assert (server.name, server.parent_span_id.hex()) == (
            f"POST {path}",
            CLIENTS_SPAN,
        )
        assert statuses[trace] == status
        own = sorted(
            (span for span in spans if span.name in STAGES),
            key=lambda span: span.start_time_unix_nano,
        )
        assert [span.name for span in own] == stages
        times = [
            time
            for span in own
            for time in (span.start_time_unix_nano, span.end_time_unix_nano)
        ]
        times = [server.start_time_unix_nano, *times, server.end_time_unix_nano]
        assert times == sorted(times)

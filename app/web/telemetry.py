"""Readings and their stages → metrics and OpenTelemetry spans."""

from collections.abc import Sequence
from time import perf_counter_ns, time_ns

from opentelemetry import trace

from app.inference.reading import Reading
from app.inference.stage import Stage
from app.inference.text import Digit, Text
from app.metrics import Metrics

TRACER = trace.get_tracer("digits")  # resolves its provider on first use


def record_stages(stages: Sequence[Stage], queue: str, metrics: Metrics) -> None:
    """Record the stages of a picture as metrics, and as children of the request's span if FastAPI traces it."""
    waited, *others = stages
    metrics.queue_seconds.labels(queue).observe((waited.end - waited.begin) / 1e9)
    for stage in others:
        metrics.stage_seconds[stage.name].observe((stage.end - stage.begin) / 1e9)
    if trace.get_current_span().is_recording():
        since_epoch = time_ns() - perf_counter_ns()
        for stage in stages:
            TRACER.start_span(stage.name, start_time=since_epoch + stage.begin).end(since_epoch + stage.end)


def record_reading(reading: Reading, queue: str, metrics: Metrics) -> None:
    """Record a reading and its stages, whether it is returned or refused."""
    record_stages(reading.stages, queue, metrics)
    metrics.legibility.observe(reading.legibility)
    metrics.batch_size.observe(reading.batch_size)


def record_answer(answer: Reading | Digit, metrics: Metrics) -> None:
    """Count a digit that is returned."""
    metrics.predictions[answer.digit].inc()
    metrics.confidence.observe(answer.probabilities[answer.digit])


def record_text(text: Text, queue: str, metrics: Metrics) -> None:
    """Record a text and its stages, and count its digits."""
    record_stages(text.stages, queue, metrics)
    digits = [digit for line in text.lines for digit in line.digits]
    metrics.batch_size.observe(1)
    metrics.text_length.observe(len(digits))
    for digit in digits:
        metrics.legibility.observe(digit.legibility)
        record_answer(digit, metrics)

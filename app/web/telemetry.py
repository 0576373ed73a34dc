"""What a reading says of the work on it → metrics and OpenTelemetry spans."""

from time import perf_counter_ns, time_ns

from opentelemetry import trace

from app.inference.reading import Reading
from app.metrics import Metrics

TRACER = trace.get_tracer("digits")  # finds its provider when it is first used


def record(reading: Reading, queue: str, metrics: Metrics) -> None:
    """Measure a reading, and make a child of the request's span of each stage, where FastAPI traces the request."""
    metrics.legibility.observe(reading.legibility)
    metrics.batch_size.observe(reading.batch_size)
    waited, *stages = reading.stages
    metrics.queue_seconds.labels(queue).observe((waited.end - waited.begin) / 1e9)
    for stage in stages:
        metrics.stage_seconds[stage.name].observe((stage.end - stage.begin) / 1e9)
    if trace.get_current_span().is_recording():
        since_epoch = time_ns() - perf_counter_ns()
        for stage in reading.stages:
            TRACER.start_span(stage.name, start_time=since_epoch + stage.begin).end(since_epoch + stage.end)


def record_answer(reading: Reading, metrics: Metrics) -> None:
    """Count a reading that is answered."""
    metrics.predictions[reading.digit].inc()
    metrics.confidence.observe(reading.probabilities[reading.digit])

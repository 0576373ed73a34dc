"""What is read → metrics, and spans in the request's trace if it has one."""

from collections import Counter
from collections.abc import Iterable, Sequence
from time import perf_counter_ns, time_ns

from opentelemetry import trace

from app.digit.reading import Reading
from app.form.sheet import FilledSheet
from app.metrics import Metrics
from app.serving.reader import Read
from app.stopwatch import Stage
from app.text.transcription import TextDigit

TRACER = trace.get_tracer("digits")  # resolves its provider on first use


def record(
    metrics: Metrics, read: Read, stages: Sequence[Stage], is_small: bool
) -> None:
    """Record a picture that was read, or the last page of a sheet; see `Reader`."""
    seconds = Counter[str]()
    for stage in stages:
        if stage.name == "inference" and not seconds["inference"]:
            metrics.batch_size.observe(stage.pictures)
        seconds[stage.name] += (stage.end - stage.begin) / 1e9  # type: ignore[assignment]
    queue = "small" if is_small else "large"
    metrics.queue_seconds.labels(queue).observe(seconds.pop("wait"))
    for name, each in seconds.items():
        metrics.stage_seconds[name].observe(each)
    if trace.get_current_span().is_recording():
        trace_stages(stages)
    if isinstance(read, Reading):
        metrics.legibility.observe(read.legibility)
        return
    texts = (
        [field.text for field in read.pages[-1].fields]
        if isinstance(read, FilledSheet)
        else [read]
    )
    digits = [digit for text in texts for line in text.lines for digit in line.digits]
    metrics.text_length.observe(len(digits))
    for digit in digits:
        metrics.legibility.observe(digit.legibility)
    count(metrics, digits)


def count(metrics: Metrics, digits: Iterable[Reading | TextDigit]) -> None:
    """Count digits that are returned."""
    for each in digits:
        digit = each.digit
        metrics.predictions[digit].inc()
        metrics.confidence.observe(each.probabilities[digit])


def trace_stages(stages: Sequence[Stage]) -> None:
    """Add a span for each stage to the request's trace."""
    since_epoch = time_ns() - perf_counter_ns()
    for stage in stages:
        span = TRACER.start_span(stage.name, start_time=since_epoch + stage.begin)
        span.end(since_epoch + stage.end)

"""Prometheus metrics of the service: a class with an attribute for each collector.

With several workers, each writes its values to files in PROMETHEUS_MULTIPROC_DIR; the
worker that is scraped sums them.
"""

import os
from collections.abc import Mapping

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from app.serving.processes import METRICS_FOLDER

LOG = structlog.get_logger("digits")
SECONDS = (
    0.0001,
    0.0002,
    0.0005,
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
)
BATCH_SIZES = (1, 2, 4, 8, 16, 32)
LENGTHS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 32, 64)
PROBABILITIES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1)


class Metrics:
    """The service's collectors, in a registry of their own."""

    def __init__(self, models: Mapping[str, Mapping[str, str]]) -> None:
        self.registry = CollectorRegistry()
        # Of a single worker: several have no common memory or start.
        ProcessCollector(registry=self.registry)
        self.requests = self.counter(
            "digits_requests", "Requests, by route and status.", "route", "status"
        )
        self.request_seconds = self.histogram(
            "digits_request_seconds",
            "Seconds from request headers to response.",
            SECONDS,
            "route",
        )
        self.authenticated = self.counter(
            "digits_authenticated_requests",
            "Requests with an API key, by the name of the key.",
            "key",
        )
        self.in_flight = self.gauge(
            "digits_requests_in_flight", "Requests in progress."
        )
        self.rejected = self.counter(
            "digits_rejected",
            "Requests, and pictures of a batch, answered with an error, by type of "
            "error.",
            "reason",
        )
        self.queue_depth = self.gauge(
            "digits_queue_depth",
            "Pictures waiting or being read, small and large.",
            "queue",
        )
        self.queue_seconds = self.histogram(
            "digits_queue_wait_seconds",
            "Seconds that a picture waited.",
            SECONDS,
            "queue",
        )
        self.decoders = self.gauge(
            "digits_decoders", "Number of decoder processes, as configured."
        )
        self.decoders_killed = self.counter(
            "digits_decoders_killed",
            "Decoder processes that crashed or were killed while they read a picture.",
        )
        self.batch_size = self.histogram(
            "digits_batch_size",
            "Size of the batch, for each picture in it.",
            BATCH_SIZES,
        )
        self.stage_seconds = {
            "decode": self.histogram(
                "digits_decode_seconds", "Seconds to decode a picture.", SECONDS
            ),
            "preprocess": self.histogram(
                "digits_preprocess_seconds",
                "Seconds to find candidates in a picture.",
                SECONDS,
            ),
            "inference": self.histogram(
                "digits_inference_seconds",
                "Seconds to compute what the network says of a picture's batches, or "
                "to read a number.",
                SECONDS,
            ),
        }
        predictions = self.counter(
            "digits_predictions", "Digits returned, by digit.", "digit"
        )
        self.predictions = [predictions.labels(digit) for digit in range(10)]
        self.confidence = self.histogram(
            "digits_confidence", "Confidence of the digits returned.", PROBABILITIES
        )
        self.legibility = self.histogram(
            "digits_legibility",
            "Legibility of the digits read, including those refused.",
            PROBABILITIES,
        )
        self.text_length = self.histogram(
            "digits_text_length", "Number of digits in a text.", LENGTHS
        )
        self.corrections = self.counter(
            "digits_corrections", "Corrections stored, by label.", "label"
        )
        info = self.gauge(
            "digits_model_info",
            "Number of workers, for each model file. The labels give its version and "
            "architecture.",
            "model",
            "version",
            "architecture",
        )
        for name, about in models.items():
            info.labels(name, about["version"], about.get("architecture", "")).set(1)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Create a counter."""
        return Counter(name, text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """Create a gauge, which is summed over live workers."""
        return Gauge(
            name, text, labels, registry=self.registry, multiprocess_mode="livesum"
        )

    def histogram(
        self, name: str, text: str, bounds: tuple[float, ...], *labels: str
    ) -> Histogram:
        """Create a histogram with these upper bucket bounds."""
        return Histogram(name, text, labels, buckets=bounds, registry=self.registry)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus's text format, summed over all workers."""
        if folder := os.environ.get(METRICS_FOLDER):
            try:
                registry = CollectorRegistry()
                MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
                return generate_latest(registry)
            except (OSError, ValueError):  # ValueError: there is no such folder
                LOG.warning(
                    f"/metrics covers only one worker until a restart: {folder} or a "
                    "file in it was deleted."
                )
                del os.environ[METRICS_FOLDER]
        return generate_latest(self.registry)

"""Prometheus metrics of the service: a class with an attribute for each collector.

With several workers, each writes its values to files in PROMETHEUS_MULTIPROC_DIR; the
worker that is scraped sums them.
"""

import os
from collections.abc import Mapping
from functools import partial

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

from app.shared_metrics import METRICS_FOLDER

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
        counter = partial(Counter, registry=self.registry)
        # Summed over live workers.
        gauge = partial(Gauge, registry=self.registry, multiprocess_mode="livesum")
        histogram = partial(Histogram, registry=self.registry)
        seconds = partial(histogram, buckets=SECONDS)
        # Of a single worker: several have no common memory or start.
        ProcessCollector(registry=self.registry)
        self.requests = counter(
            "digits_requests", "Requests, by route and status.", ["route", "status"]
        )
        self.request_seconds = seconds(
            "digits_request_seconds",
            "Seconds from request headers to response.",
            ["route"],
        )
        self.authenticated = counter(
            "digits_authenticated_requests",
            "Requests with an API key, by the name of the key.",
            ["key"],
        )
        self.in_flight = gauge("digits_requests_in_flight", "Requests in progress.")
        self.rejected = counter(
            "digits_rejected",
            "Requests, and pictures of a batch, answered with an error, by type of "
            "error.",
            ["reason"],
        )
        self.queue_depth = gauge(
            "digits_queue_depth",
            "Pictures waiting or being read, small and large.",
            ["queue"],
        )
        self.queue_seconds = seconds(
            "digits_queue_wait_seconds", "Seconds that a picture waited.", ["queue"]
        )
        self.decoders = gauge(
            "digits_decoders", "Number of decoder processes, as configured."
        )
        self.decoders_killed = counter(
            "digits_decoders_killed",
            "Decoder processes that crashed or were killed while they read a picture.",
        )
        self.batch_size = histogram(
            "digits_batch_size",
            "Size of the batch, for each picture in it.",
            buckets=BATCH_SIZES,
        )
        self.stage_seconds = {
            "decode": seconds("digits_decode_seconds", "Seconds to decode a picture."),
            "preprocess": seconds(
                "digits_preprocess_seconds", "Seconds to find candidates in a picture."
            ),
            "inference": seconds(
                "digits_inference_seconds",
                "Seconds to compute what the network says of a picture's batches, or "
                "to read a number.",
            ),
        }
        predictions = counter(
            "digits_predictions", "Digits returned, by digit.", ["digit"]
        )
        self.predictions = [predictions.labels(digit) for digit in range(10)]
        self.confidence = histogram(
            "digits_confidence",
            "Confidence of the digits returned.",
            buckets=PROBABILITIES,
        )
        self.legibility = histogram(
            "digits_legibility",
            "Legibility of the digits read, including those refused.",
            buckets=PROBABILITIES,
        )
        self.text_length = histogram(
            "digits_text_length", "Number of digits in a text.", buckets=LENGTHS
        )
        self.corrections = counter(
            "digits_corrections", "Corrections stored, by label.", ["label"]
        )
        info = gauge(
            "digits_model_info",
            "Number of workers, for each model file. The labels give its version and "
            "architecture.",
            ["model", "version", "architecture"],
        )
        for name, about in models.items():
            info.labels(name, about["version"], about.get("architecture", "")).set(1)

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

"""Picture bytes → frame and probabilities, with small and large pictures out of each other's way.

A small picture is read at once, in the event loop's own thread: a hand-over to another one would cost as much as
the work. A larger one is opened, decoded and preprocessed in a thread, and a very large one only while no other
very large one is, since it takes a lot of memory. Ignores: HTTP.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

from anyio import CapacityLimiter, to_thread
from PIL import Image

from app.batching import Array, Batcher
from app.classifier import Classifier
from app.limits import Budget, Share
from app.metrics import Metrics
from app.preprocess.decode import loaded, opened
from app.preprocess.maps import Map
from app.preprocess.pipeline import frame_from_image
from app.settings import Settings

SMALL_BYTES = 16_384
SMALL_PIXELS = 128 * 128
LARGE_BYTES = 2_000_000
LARGE_PIXELS = 1_000_000
MAX_BATCH = 32

T = TypeVar("T")


class Abandoned(Exception):
    """Nobody waits for the answer any more."""


class Reading(NamedTuple):
    """What was read off a picture."""

    frame: Map  # (28, 28)
    probabilities: Array  # (10,)


class Prepared(NamedTuple):
    """A frame, and how long its making took."""

    frame: Map
    started: float
    decoded: float
    finished: float


def prepare(image: Image.Image) -> Prepared:
    """The frame of an opened picture; blocks."""
    started = perf_counter()
    image = loaded(image)
    decoded = perf_counter()
    return Prepared(frame_from_image(image), started, decoded, perf_counter())


class Reader:
    """Reads pictures, so many at once as the settings allow."""

    def __init__(self, settings: Settings, classifier: Classifier, metrics: Metrics) -> None:
        self.max_pixels = settings.max_pixels
        self.metrics = metrics
        self.batcher = Batcher(classifier, MAX_BATCH, settings.frame_queue, self.observe_batch)
        self.pictures = Budget(
            settings.threads + settings.picture_queue,
            f"{settings.picture_queue} large pictures are waiting already: send this one again in a second.",
        )
        self.threads = CapacityLimiter(settings.threads)
        self.large = CapacityLimiter(1)
        self.frame_depth, self.frame_seconds = metrics.queue("frames")
        self.picture_depth, self.picture_seconds = metrics.queue("pictures")

    def refuse_if_full(self) -> None:
        """Raise Overloaded where no picture would be taken."""
        self.batcher.refuse_if_full()

    async def __call__(self, data: bytes, gone: Callable[[], Awaitable[None]]) -> Reading:
        """Read a picture.

        `gone` returns when nobody waits for the answer any more; a picture that still waits then is dropped.
        """
        self.refuse_if_full()
        image = opened(data, self.max_pixels) if len(data) <= SMALL_BYTES else None
        if image and image.width * image.height <= SMALL_PIXELS:
            prepared = prepare(image)
        else:
            prepared = await unless(gone, self.in_thread(data, image))
        self.metrics.decode_seconds.observe(prepared.decoded - prepared.started)
        self.metrics.preprocess_seconds.observe(prepared.finished - prepared.decoded)
        with self.frame_depth.track_inprogress():
            return Reading(prepared.frame, await self.batcher(prepared.frame))

    async def in_thread(self, data: bytes, image: Image.Image | None) -> Prepared:
        """The frame of a picture that is not small, when it is its turn."""
        with Share(self.pictures) as share, self.picture_depth.track_inprogress():
            share.take(1)
            asked = perf_counter()
            limiter = self.large if len(data) > LARGE_BYTES else self.threads
            if image is None:
                image = await to_thread.run_sync(opened, data, self.max_pixels, limiter=limiter)
            if image.width * image.height > LARGE_PIXELS:
                limiter = self.large
            prepared = await to_thread.run_sync(prepare, image, limiter=limiter)
            self.picture_seconds.observe(prepared.started - asked)
            return prepared

    def observe_batch(self, waits: list[float], seconds: float) -> None:
        """Count a call of the network."""
        self.metrics.batch_size.observe(len(waits))
        self.metrics.inference_seconds.observe(seconds)
        for wait in waits:
            self.frame_seconds.observe(wait)


async def unless(gone: Callable[[], Awaitable[None]], work: Coroutine[Any, Any, T]) -> T:
    """The work's result; where `gone` returns first, the work is cancelled and Abandoned raised."""

    async def watch() -> None:
        await gone()

    working, watching = asyncio.create_task(work), asyncio.create_task(watch())
    working.add_done_callback(lambda task: task.cancelled() or task.exception())  # read, though nobody waits
    try:
        await asyncio.wait([working, watching], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Abandoned
        return working.result()
    finally:
        working.cancel()
        watching.cancel()

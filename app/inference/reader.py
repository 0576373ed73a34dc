"""Picture bytes → frame and probabilities, with small and large pictures out of each other's way.

Small pictures are read in batches, in the event loop's own thread: the caches are warm for the second one. A
larger one is opened, decoded and preprocessed in a thread, and a very large one only while no other very large
one is, since it takes a lot of memory. Ignores: HTTP.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

import numpy as np
from anyio import CapacityLimiter, to_thread
from numpy.typing import NDArray
from PIL import Image

from app.inference.batcher import Batcher
from app.inference.classifier import Classifier
from app.web.admission import Budget, Share
from app.metrics import Metrics
from app.preprocess.decode import loaded, opened
from app.preprocess.maps import Map
from app.preprocess.pipeline import frame_from_image, frames_from_images
from app.settings import Settings

SMALL_BYTES = 8192
SMALL_PIXELS = 128 * 128
LIKELY_LARGE_BYTES = 2048  # until it is opened: most that are larger have more than SMALL_PIXELS
LARGE_BYTES = 2_000_000
LARGE_PIXELS = 1_000_000
MAX_BATCH = 16

T = TypeVar("T")


class Abandoned(Exception):
    """Nobody waits for the answer any more."""


class Reading(NamedTuple):
    """What was read off a picture."""

    frame: Map  # (28, 28)
    probabilities: NDArray[np.float32]  # (10,)


class Reader:
    """Reads pictures, so many at once as the settings allow."""

    def __init__(self, settings: Settings, classifier: Classifier, metrics: Metrics) -> None:
        self.max_pixels = settings.max_pixels
        self.classifier = classifier
        self.metrics = metrics
        self.batcher = Batcher(self.read_together, MAX_BATCH, settings.small_queue, self.observe_batch)
        self.pictures = Budget(
            settings.threads + settings.large_queue,
            f"{settings.large_queue} large pictures are waiting already: send this one again in a second.",
        )
        self.coming = 0
        self.threads = CapacityLimiter(settings.threads)
        self.large = CapacityLimiter(1)
        self.small_depth, self.small_seconds = metrics.queue("small")
        self.large_depth, self.large_seconds = metrics.queue("large")

    def will_take(self, size: int) -> bool:
        """Whether there is room for a picture in a request of so many bytes, whose headers have just come.

        Those that came in this round of the event loop are counted, since they will have taken their places soon.
        """
        batcher, pictures = self.batcher, self.pictures
        if len(batcher.queue) + self.coming >= batcher.max_queue:
            return False
        if size > LIKELY_LARGE_BYTES and pictures.spent + self.coming >= pictures.limit:
            return False
        self.coming += 1
        if self.coming == 1:
            self.forget_coming(rounds=3)
        return True

    def forget_coming(self, rounds: int) -> None:
        """Count no more who is coming, after some rounds of the event loop."""
        if rounds:
            asyncio.get_running_loop().call_soon(self.forget_coming, rounds - 1)
        else:
            self.coming = 0

    async def __call__(self, data: bytes, gone: Callable[[], Awaitable[None]]) -> Reading:
        """Read a picture.

        `gone` returns when nobody waits for the answer any more; a large picture that still waits then is dropped.
        """
        self.batcher.refuse_if_full()
        image = opened(data, self.max_pixels) if len(data) <= SMALL_BYTES else None
        item: Image.Image | Map
        if image and image.width * image.height <= SMALL_PIXELS:
            item = image
        else:
            self.pictures.refuse_if_spent(1)  # before the work of waiting
            item = await unless(gone, self.in_thread(data, image))
        with self.small_depth.track_inprogress():
            return await self.batcher(item, admitted=True)

    def read_together(self, items: list[Image.Image | Map]) -> list[Reading | Exception]:
        """What is on some small pictures, and frames of large ones: one call of the network."""
        results = self.frames_or_errors(items)
        good = [frame for frame in results if not isinstance(frame, Exception)]
        rows: Iterator[NDArray[np.float32]] = iter(())
        if good:
            started = perf_counter()
            rows = iter(self.classifier(np.stack(good)))
            self.metrics.inference_seconds.observe(perf_counter() - started)
            self.metrics.batch_size.observe(len(good))
        return [frame if isinstance(frame, Exception) else Reading(frame, next(rows)) for frame in results]

    def frames_or_errors(self, items: list[Image.Image | Map]) -> list[Map | Exception]:
        """The frames of opened pictures, or why there is none, and those that are given."""
        decoded = [self.decoded_or_error(item) if isinstance(item, Image.Image) else item for item in items]
        images = [item for item in decoded if isinstance(item, Image.Image)]
        started = perf_counter()
        frames = iter(frames_from_images(images))
        seconds = perf_counter() - started
        for _ in images:
            self.metrics.preprocess_seconds.observe(seconds / len(images))
        return [next(frames) if isinstance(item, Image.Image) else item for item in decoded]

    def decoded_or_error(self, image: Image.Image) -> Image.Image | Exception:
        """An opened picture decoded, or why it cannot be."""
        try:
            return self.decoded(image)
        except Exception as error:  # whatever is wrong with one picture, the others are read
            return error

    def decoded(self, image: Image.Image) -> Image.Image:
        """An opened picture decoded; blocks."""
        started = perf_counter()
        image = loaded(image)
        self.metrics.decode_seconds.observe(perf_counter() - started)
        return image

    def prepare(self, image: Image.Image) -> Map:
        """The frame of an opened picture; blocks."""
        image = self.decoded(image)
        started = perf_counter()
        frame = frame_from_image(image)
        self.metrics.preprocess_seconds.observe(perf_counter() - started)
        return frame

    async def in_thread(self, data: bytes, image: Image.Image | None) -> Map:
        """The frame of a picture that is not small, when it is its turn."""
        with Share(self.pictures) as share, self.large_depth.track_inprogress():
            share.take(1)
            asked = perf_counter()
            limiter = self.large if len(data) > LARGE_BYTES else self.threads
            try:
                if image is None:
                    image = await to_thread.run_sync(opened, data, self.max_pixels, limiter=limiter)
                if image.width * image.height > LARGE_PIXELS:
                    limiter = self.large
                return await to_thread.run_sync(self.prepare_late, image, asked, limiter=limiter)
            finally:
                if limiter is self.large:
                    asyncio.get_running_loop().call_later(0.1, gc.collect)  # errors keep what they were raised in alive

    def prepare_late(self, image: Image.Image, asked: float) -> Map:
        """The frame of a picture that had to wait for its turn; blocks."""
        self.large_seconds.observe(perf_counter() - asked)
        return self.prepare(image)

    def observe_batch(self, waits: list[float]) -> None:
        """Count how long small pictures and frames have waited."""
        for wait in waits:
            self.small_seconds.observe(wait)


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

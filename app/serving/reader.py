"""Picture bytes → a reading or a text; large pictures do not delay small ones.

Small pictures of simple formats are read on the event loop's thread, since handing one
to another thread and back takes longer than reading it. So are larger JPEGs, which
libjpeg can decode at a fraction of their size. Everything else is read in separate
processes.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from time import perf_counter_ns, thread_time_ns
from typing import TypeVar

from PIL import Image

from app.digit.candidates import WHOLE
from app.digit.classifier import Classifier
from app.digit.reading import (
    SIDE,
    DigitOptions,
    Job,
    Reading,
    Steps,
    judged,
    take_steps,
)
from app.picture.decode import open_image
from app.picture.errors import NotAnImage
from app.picture.file_formats import SMALL_BYTES, has_pages
from app.picture.maps import Map
from app.serving.decoder import Read, count_pages
from app.serving.decoders import Decoders
from app.serving.networks import Networks
from app.stage import Stage
from app.text.reading import TextOptions
from app.text.transcription import Transcription

MAX_BATCH = 64  # pictures
# Of work on the event loop's thread, after which other tasks have their turn.
SLOW_NANOSECONDS = 5_000_000
Outcome = TypeVar("Outcome", Reading, Transcription)
# Marker in a JPEG; 8 kB of scans may take seconds to decode.
START_OF_SCAN = b"\xff\xda"
SIMPLE = ("PNG", "JPEG", "GIF", "BMP")  # formats whose headers do not lie
SMALL_SIDE = 128  # longer side of a small picture, in pixels
JPEG_BYTES = 65_536  # the same limits, for JPEGs
JPEG_SIDE = 2 * SIDE


class Batcher:
    """A queue of pictures whose frames are classified in batches, in one event loop.

    There is no timer: the next batch is whatever queues while the event loop is busy,
    and a lone picture does not wait. Over 16 connections, batching raises the
    throughput of MNIST PNGs by a factor of 1.4.

    Parameters
    ----------
    classifier : Classifier
        The dense network.
    nanoseconds : int
        Of CPU time, after which the event loop runs other tasks.
    """

    def __init__(
        self, classifier: Classifier, nanoseconds: int = SLOW_NANOSECONDS
    ) -> None:
        self.classifier = classifier
        self.nanoseconds = nanoseconds
        self.queue: deque[Job] = deque()  # `run` is scheduled unless it is empty

    async def __call__(self, steps: Steps, stages: list[Stage]) -> Reading:
        """Take the steps of reading a picture, or raise their error.

        They are given up if the caller is cancelled.
        """
        loop = asyncio.get_running_loop()
        reading: asyncio.Future[Reading] = loop.create_future()
        job = Job(steps, stages, partial(settle, reading))
        self.queue.append(job)
        if len(self.queue) == 1:
            loop.call_soon(self.run, 1)
        try:
            return await reading
        except asyncio.CancelledError:
            with suppress(ValueError):  # it is being read
                self.queue.remove(job)
            raise

    def run(self, seen: int) -> None:
        """Work on the queue for a while, unless it is still growing.

        It is growing if it has more than the `seen` pictures of the event loop's last
        iteration, and a batch is not full.
        """
        if not seen < len(self.queue) < MAX_BATCH:
            # Not the time that other processes take on a busy core.
            deadline = thread_time_ns() + self.nanoseconds
            is_late = False
            while self.queue and not is_late:
                going = take_steps(self.due(deadline), self.classifier)
                self.queue.extendleft(reversed(going))
                is_late = thread_time_ns() >= deadline
        if self.queue:
            asyncio.get_running_loop().call_soon(self.run, len(self.queue))

    def due(self, deadline: int) -> Iterator[Job]:
        """Take as many pictures as a batch and the time allow, at least one."""
        for _ in range(min(MAX_BATCH, len(self.queue))):
            yield self.queue.popleft()
            if thread_time_ns() > deadline:
                return


def settle(reading: asyncio.Future[Reading], outcome: Reading | Exception) -> None:
    """Give a future its result or its error, unless the caller was cancelled."""
    if reading.done():
        return
    if isinstance(outcome, Exception):
        reading.set_exception(outcome)
    else:
        reading.set_result(outcome)


class Reader:
    """Reads pictures; used within one event loop.

    Parameters
    ----------
    networks : Networks
        The networks of this process.
    decoders : Decoders
        The pool that reads all other pictures, and all texts.
    """

    def __init__(self, networks: Networks, decoders: Decoders) -> None:
        self.networks = networks
        self.decoders = decoders
        self.batcher = Batcher(networks.digits)
        # Versions of the files by which digits are read, with and without an opinion.
        self.digit_models = {
            True: networks.digit_model,
            False: networks.alone.digit_model,
        }

    def open_small(self, data: bytes, page: int | None = None) -> Image.Image | None:
        """Open a picture that is small according to its header; return None for others.

        Raises PictureError.
        """
        if len(data) > JPEG_BYTES:
            return None
        max_pixels = self.decoders.limits.max_pixels
        try:
            image = open_image(data, max_pixels, SIMPLE, page)
        except NotAnImage:
            return None  # another format, or not a picture
        if image.format == "JPEG":
            is_small = max(image.size) <= JPEG_SIDE and data.count(START_OF_SCAN) <= 1
        else:
            is_small = max(image.size) <= SMALL_SIDE and len(data) <= SMALL_BYTES
        return image if is_small and image.format in SIMPLE else None  # no MPO

    def read_frames(self, frames: Map) -> list[Reading]:
        """Read the digit in each of n frames (n, 28, 28): 256 take 12 ms."""
        begin = perf_counter_ns()
        classes = self.networks.digits(frames)
        inference = Stage("inference", perf_counter_ns(), len(frames))
        stages = (Stage("begin", begin), Stage("wait", begin), inference)
        readings: list[Reading] = []
        for frame, shares, legible in zip(frames, *classes, strict=True):
            reading = Reading(
                frame, WHOLE, shares, float(legible), False, stages=stages
            )
            readings.append(reading)
        return readings

    async def read_small(
        self, image: Image.Image, options: DigitOptions, begin: int
    ) -> Reading:
        """Read the digit in a picture that `open_small` began to open at this time."""
        stages = [Stage("begin", begin), Stage("decode", perf_counter_ns())]
        steps = judged(image, stages, self.networks.opinion, options)
        return await self.batcher(steps, stages)

    async def read_large(self, data: bytes, options: DigitOptions) -> Reading:
        """Read the digit in a picture of any size, in a decoder process."""
        has_opinion = options.has_opinion and self.networks.opinion is not None
        options = replace(options, has_opinion=has_opinion)
        return await self.read_elsewhere(
            data, partial(Networks.read_digit, options=options)
        )

    async def read_text(self, data: bytes, options: TextOptions) -> Transcription:
        """Read what is written in a picture, in a decoder process."""
        return await self.read_elsewhere(
            data, partial(Networks.read_text, options=options)
        )

    async def page_count(self, data: bytes) -> int:
        """Count the pages of a file, in a decoder process if its format has pages."""
        return await self.decoders(data, count_pages) if has_pages(data) else 1

    async def read_elsewhere(self, data: bytes, read: Read[Outcome]) -> Outcome:
        """Read a picture in a decoder process; its wait begins now."""
        begin = Stage("begin", perf_counter_ns())
        outcome: Outcome = await self.decoders(data, read)
        return outcome._replace(stages=(begin, *outcome.stages[1:]))

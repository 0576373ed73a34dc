"""Request bodies as they arrive: counted, subject to a timeout, and decompressed."""

import asyncio
import math
import random
import zlib
from collections.abc import Callable, Iterator
from typing import Annotated

from fastapi import Depends, Request
from python_multipart.multipart import parse_options_header

from app.answers.errors import Overloaded, UnsupportedEncoding, UploadTooSlow
from app.web.admission import Admission
from app.web.service import Serving

SMALL_BODY_BYTES = 65_536  # a longer body holds a picture for a decoder process
WINDOW_BITS = {"gzip": 31, "deflate": 15}  # zlib's numbers for these formats
PIECE_BYTES = 65_536
# Of a media type, or a header of a form's part; 4 kB of semicolons take 7 ms to parse.
MAX_HEADER_BYTES = 1024


class Body:
    """The body of a request, which is still to arrive, and the memory that it takes."""

    def __init__(self, request: Request, seconds: float, admission: Admission) -> None:
        self.request = request
        self.seconds = seconds
        self.admission = admission
        self.bytes = 0  # of memory
        self.has_overdraft = False

    def media_type(self) -> tuple[bytes, dict[bytes, bytes]]:
        """Return its media type and the options."""
        header = self.request.headers.get("content-type", "")
        return parse_options_header(header[:MAX_HEADER_BYTES])

    async def read(self, write: Callable[[bytes], object]) -> None:
        """Pass it on as it arrives, decompressed; it then takes memory in both forms.

        Raises UploadTooLarge, UploadTooSlow, UnsupportedEncoding, or Overloaded if the
        memory for bodies is used up.
        """
        inflation = inflation_of(self.request)
        received = 0
        inflated = 0
        try:
            async with asyncio.timeout(self.seconds):
                async for chunk in self.request.stream():
                    received += len(chunk)
                    await self.take(len(chunk), received)
                    if not inflation:
                        write(chunk)
                        continue
                    for piece in inflation.pieces(chunk):
                        inflated += len(piece)
                        await self.take(len(piece), inflated)
                        async with self.admission.parsing:
                            # Let other tasks run: a small body may inflate a lot.
                            await asyncio.sleep(0)
                            write(piece)
        except TimeoutError as error:
            raise UploadTooSlow(
                f"The request was not complete within {self.seconds:g} seconds: send "
                "it again, or a smaller picture."
            ) from error
        if inflation:
            inflation.check_end()

    async def take(self, count: int, size: int) -> None:
        """Count more memory, `size` bytes so far; raise UploadTooLarge or Overloaded.

        If bodies exceed their memory, they arrive one after the other. The first may
        exceed it: else, bodies that are half complete could wait for each other.
        """
        admission = self.admission
        admission.check_size(size)
        is_full = admission.held_bytes + count > admission.max_held_bytes
        if is_full and not self.has_overdraft:
            try:
                async with asyncio.timeout(admission.seconds):
                    await admission.overdraft.acquire()
            except TimeoutError as error:
                raise Overloaded(math.ceil(admission.seconds)) from error
            self.has_overdraft = True
        admission.held_bytes += count
        self.bytes += count

    def close(self) -> None:
        """Give back its memory, once the response is sent."""
        self.admission.held_bytes -= self.bytes
        if self.has_overdraft:
            self.admission.overdraft.release()


class Arrival:
    """A dependency that admits the body of a request with pictures.

    It refuses a body after a delay, which is random, so that clients that retry at once
    do not do so together. When 400 clients send 640×480 JPEGs at ten times the
    capacity, the throughput is three quarters of the unloaded one with the delay, and
    two fifths without (`benchmarks/overload.py`).
    """

    def __init__(self, min_seconds: float, max_seconds: float) -> None:
        self.min_seconds = min_seconds
        self.max_seconds = max_seconds

    async def __call__(self, request: Request, service: Serving) -> Body:
        """Return the body; raise UploadTooLarge or Overloaded."""
        admission = service.admission
        declared = int(request.headers.get("content-length", 0))
        admission.check_size(declared)
        queue = admission.large if declared > SMALL_BODY_BYTES else admission.small
        try:
            queue.check()
        except Overloaded:
            delay = random.uniform(self.min_seconds, self.max_seconds)  # noqa: S311 - no secret
            await asyncio.sleep(delay)
            raise
        body = Body(request, service.settings.body_timeout_seconds, admission)
        request.state.body = body  # RequestMiddleware closes it
        return body


arriving = Arrival(0.5, 1)
Arriving = Annotated[Body, Depends(arriving)]


def inflation_of(request: Request) -> "Inflation | None":
    """Return the decompressor for the body, if it needs one."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        return None
    if encoding not in WINDOW_BITS:
        raise UnsupportedEncoding(
            "The Content-Encoding of the body is unknown: use gzip, deflate or none."
        )
    return Inflation(WINDOW_BITS[encoding])


class Inflation:
    """Decompresses a body piece by piece."""

    def __init__(self, window_bits: int) -> None:
        self.decompressor = zlib.decompressobj(window_bits)

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Yield a chunk, decompressed, in small pieces; raise UnsupportedEncoding."""
        try:
            while piece := self.decompressor.decompress(chunk, PIECE_BYTES):
                yield piece
                chunk = self.decompressor.unconsumed_tail
        except zlib.error as error:
            raise UnsupportedEncoding(
                f"The compressed body is damaged ({error}): send it again."
            ) from error
        # Which zlib copies with every further chunk: 11 s for 20 MB.
        if self.decompressor.unused_data:
            raise UnsupportedEncoding(
                "Something follows the compressed body: send one gzip or deflate "
                "stream."
            )

    def check_end(self) -> None:
        """Raise UnsupportedEncoding if the body is truncated."""
        if not self.decompressor.eof:
            raise UnsupportedEncoding("The compressed body is cut off: send it again.")

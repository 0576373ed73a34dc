"""Request bodies as they arrive: counted, subject to a timeout, and decompressed."""

import asyncio
import math
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from fastapi import Request
from python_multipart.multipart import parse_options_header

from app.answers.errors import Overloaded, UnsupportedEncoding, UploadTooSlow
from app.web.admission import Admission
from app.web.service import service_of

WINDOW_BITS = {"gzip": 31, "deflate": 15}  # zlib's numbers for these formats
PIECE_BYTES = 65_536
BYTES_PER_SECOND = 20_000  # that have to arrive; of a slow phone, 50,000 do
# Of a media type, or a header of a form's part; 4 kB of semicolons take 7 ms to parse.
MAX_HEADER_BYTES = 1024


@dataclass
class Body:
    """The body of a request, which is still to arrive, and the memory that it takes."""

    request: Request
    seconds: float
    admission: Admission
    media_type: bytes = b""
    options: dict[bytes, bytes] = field(default_factory=dict)  # of the media type
    bytes_per_second: float = BYTES_PER_SECOND
    held_bytes: int = 0
    has_overdraft: bool = False

    async def read(self, write: Callable[[bytes], object]) -> None:
        """Pass it on as it arrives, decompressed; it then takes memory in both forms.

        Raises UploadTooLarge, UploadTooSlow, UnsupportedEncoding, or Overloaded if the
        memory for bodies is used up.
        """
        encoding = self.request.headers.get("content-encoding", "identity").lower()
        inflation = None if encoding == "identity" else Inflation(encoding)
        received = 0
        inflated = 0
        now = asyncio.get_running_loop().time
        latest = now() + self.seconds
        try:
            async with asyncio.timeout_at(latest) as limit:
                async for chunk in self.request.stream():
                    received += len(chunk)
                    earned = received / self.bytes_per_second
                    limit.reschedule(min(now() + self.seconds, latest + earned))
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
                f"Nothing of the request arrived for {self.seconds:g} seconds, or less "
                f"than {self.bytes_per_second:,} bytes per second: send it again, or a "
                "smaller picture."
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
        self.held_bytes += count

    def close(self) -> None:
        """Give back its memory."""
        self.admission.held_bytes -= self.held_bytes
        if self.has_overdraft:
            self.admission.overdraft.release()


async def arriving(request: Request) -> Body:
    """Admit the body of a request with pictures, and give back its memory once the
    response is sent; raise UploadTooLarge or Overloaded.
    """
    service = await service_of(request)
    admission = service.admission
    await admission.admit(int(request.headers.get("content-length", 0)))
    header = request.headers.get("content-type", "")[:MAX_HEADER_BYTES]
    media_type, options = parse_options_header(header)
    seconds = service.settings.body_timeout_seconds
    body = Body(request, seconds, admission, media_type, options)
    # A dependency with `yield` would do the same, but take a tenth of the whole time.
    until_sent: ExitStack = request.state.until_sent
    return until_sent.enter_context(closing(body))


class Inflation:
    """Decompresses a body piece by piece."""

    def __init__(self, encoding: str) -> None:
        if encoding not in WINDOW_BITS:
            raise UnsupportedEncoding(
                "The Content-Encoding of the body is unknown: use gzip, deflate or "
                "none."
            )
        self.decompressor = zlib.decompressobj(WINDOW_BITS[encoding])

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

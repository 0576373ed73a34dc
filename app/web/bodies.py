"""Request bodies as they arrive: counted, subject to a timeout, and decompressed."""

import asyncio
import zlib
from collections.abc import Callable, Iterator

from fastapi import Request

from app.settings import Settings
from app.web.admission import Holding
from app.web.errors import UnsupportedEncoding, UploadTooSlow

WINDOW_BITS = {"gzip": 31, "deflate": 15}  # zlib's numbers for these formats
PIECE_BYTES = 65_536


async def read_body(request: Request, write: Callable[[bytes], object]) -> None:
    """Pass the body on in chunks; a compressed body takes memory both as received and as decompressed.

    Raises UploadTooLarge, UploadTooSlow, UnsupportedEncoding, or Overloaded if the memory for bodies is used up.
    """
    settings: Settings = request.state.settings
    holding: Holding = request.state.holding
    inflation = inflation_of(request)
    received = inflated = 0
    try:
        async with asyncio.timeout(settings.body_timeout_seconds):
            async for chunk in request.stream():
                received += len(chunk)
                holding.take_bytes(len(chunk), received)
                if not inflation:
                    write(chunk)
                    continue
                for piece in inflation.pieces(chunk):
                    inflated += len(piece)
                    holding.take_bytes(len(piece), inflated)
                    async with holding.admission.inflating:
                        await asyncio.sleep(0)  # a small body may inflate to a large one: let other tasks run
                        write(piece)
    except TimeoutError as error:
        raise UploadTooSlow(
            f"The request was not complete within {settings.body_timeout_seconds:g} seconds: "
            "send it again, or a smaller picture."
        ) from error
    if inflation:
        inflation.check_end()


def inflation_of(request: Request) -> "Inflation | None":
    """Return the decompressor for the body, if it needs one."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        return None
    if encoding not in WINDOW_BITS:
        raise UnsupportedEncoding("The Content-Encoding of the body is unknown: use gzip, deflate or none.")
    return Inflation(WINDOW_BITS[encoding])


class Inflation:
    """Decompresses a body piece by piece."""

    def __init__(self, window_bits: int) -> None:
        self.decompressor = zlib.decompressobj(window_bits)

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the decompressed data of a chunk, in small pieces; raise UnsupportedEncoding if it is invalid."""
        try:
            while piece := self.decompressor.decompress(chunk, PIECE_BYTES):
                yield piece
                chunk = self.decompressor.unconsumed_tail
        except zlib.error as error:
            raise UnsupportedEncoding(f"The compressed body is damaged ({error}): send it again.") from error
        if self.decompressor.unused_data:  # which zlib copies with every further chunk: 11 s for 20 MB
            raise UnsupportedEncoding("Something follows the compressed body: send one gzip or deflate stream.")

    def check_end(self) -> None:
        """Raise UnsupportedEncoding if the body is truncated."""
        if not self.decompressor.eof:
            raise UnsupportedEncoding("The compressed body is cut off: send it again.")

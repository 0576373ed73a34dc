"""Pictures made to take much memory or time: each is read or refused soon, and the process stays small."""

import struct
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image

from support import encode, many_scans, peak_memory, serving

pytestmark = pytest.mark.slow

MEMORY_LIMIT = 512e6


def sheet(megapixels: float) -> Image.Image:
    """A large sheet with a stroke on it."""
    side = int((megapixels * 1e6) ** 0.5)
    pixels = np.full((side, side), 230, np.uint8)
    pixels[side // 4 : side // 2, side // 3 : side // 3 + side // 20] = 20
    return Image.fromarray(pixels)


def rgba(megapixels: float) -> Image.Image:
    grey = sheet(megapixels)
    return Image.merge("RGBA", (grey, grey, grey, grey))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(*chunks: bytes) -> bytes:
    """A small PNG with more chunks behind its header."""
    png = encode(sheet(0.0001))
    return png[:33] + b"".join(chunks) + png[33:]


def tiff_with_huge_tiles() -> bytes:
    """A TIFF of 64×64 pixels in one tile of 400 million."""
    tile = zlib.compress(bytes(4 * 10**8), 1)
    offset = 8 + 2 + 10 * 12 + 4
    tags = {256: 64, 257: 64, 258: 8, 259: 8, 262: 1, 277: 1, 322: 20_000, 323: 20_000, 324: offset, 325: len(tile)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\x00" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + tile


def exif_bomb() -> bytes:
    """A JPEG with 64 kB of EXIF whose directories point at themselves."""
    entry = struct.pack("<HHII", 0x8769, 4, 1, 8)
    body = b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", 5000) + entry * 5000
    app1 = b"Exif\x00\x00" + body[:65_000]
    jpeg = encode(sheet(0.01).convert("RGB"), "JPEG")
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(app1) + 2) + app1 + jpeg[2:]


def many_comments() -> bytes:
    gif = encode(sheet(0.01), "GIF")
    return gif[:781] + b"\x21\xfe\x01x\x00" * 3_900_000


BOMBS: dict[str, Callable[[], bytes]] = {
    "PNG, RGBA, as large as is read": lambda: encode(rgba(24.9), compress_level=1),
    "PNG, 16 bits": lambda: encode(Image.fromarray(np.asarray(sheet(24.9)).astype(np.uint16) * 200), compress_level=1),
    "WebP, as large as is read": lambda: encode(rgba(12.4), "WEBP", method=0),
    "AVIF, as large as is read": lambda: encode(rgba(14.9), "AVIF", speed=10),
    "HEIF, large": lambda: encode(rgba(6), "HEIF", quality=10),
    "TIFF, as large as is read": lambda: encode(rgba(24.9), "TIFF", compression="tiff_deflate"),
    "progressive JPEG, as large as is read": lambda: encode(
        sheet(24.9).convert("RGB"), "JPEG", progressive=True, subsampling=0
    ),
    "CMYK JPEG": lambda: encode(sheet(49.9).convert("CMYK"), "JPEG"),
    "JPEG of many scans": lambda: many_scans(70_000),
    "GIF of nothing but comments": many_comments,
    "PNG of nothing but chunks": lambda: png_with(chunk(b"teSt", b"") * 1_600_000),
    "PNG text that inflates": lambda: png_with(
        *[chunk(b"zTXt", b"k\x00\x00" + zlib.compress(bytes(1_000_000))) for _ in range(1000)]
    ),
    "PNG text that inflates a lot": lambda: png_with(chunk(b"zTXt", b"k\x00\x00" + zlib.compress(bytes(10**8), 1))),
    "colour profile that inflates": lambda: png_with(chunk(b"iCCP", b"p\x00\x00" + zlib.compress(bytes(10**8), 1))),
    "EXIF that points at itself": exif_bomb,
    "TIFF with huge tiles": tiff_with_huge_tiles,
}


@pytest.fixture(scope="module")
def bombs() -> dict[str, bytes]:
    return {name: make() for name, make in BOMBS.items()}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to see the memory of a process")
def test_one_process_stays_small_whatever_it_is_sent(bombs, seven):
    small = encode(seven)
    with serving(DIGITS_THREADS="4") as (process, url):

        def send(name: str) -> tuple[str, int, float]:
            started = time.perf_counter()
            status = httpx2.post(f"{url}/predict", content=bombs[name], timeout=60).status_code
            return name, status, time.perf_counter() - started

        alone = [send(name) for name in bombs]
        assert {status for _, status, _ in alone} <= {200, 422}
        slow = [(name, seconds) for name, _, seconds in alone if seconds > 8]
        assert not slow
        assert peak_memory(process.pid) < MEMORY_LIMIT
        with ThreadPoolExecutor(8) as pool:  # four times over, eight at once
            together = list(pool.map(send, [*bombs] * 2))
        assert {status for _, status, _ in together} <= {200, 422, 503}
        assert peak_memory(process.pid) < MEMORY_LIMIT
        assert httpx2.post(f"{url}/predict", content=small, timeout=1).json()["digit"] == 7

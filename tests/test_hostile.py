"""Hostile pictures and bodies, made to take much memory or time, are read or refused
without affecting other clients.

Each is sent four times at once while another client sends a good picture. Finally, the
service is told to stop while it reads them. `make hostile` sends sixteen, and lets four
clients repeat each for 20 s.
"""

import base64
import gzip
import json
import os
import struct
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image

from app.picture.file_formats import SMALL_BYTES
from app.serving.reader import JPEG_BYTES
from hostile import HOSTILE_FILES, PNG, many_scans, png_chunk
from pdfs import A4, COSTLY, ONE, pdf_of
from pictures import document, drawing, encode, load_sheet, written
from processes import memory
from services import serving, until


def inflating_exif() -> bytes:
    """Make a PNG of 2 kB whose EXIF inflates to 1 MB, which four directories share."""

    def entry(tag: int, kind: int, count: int, value: int) -> bytes:
        return struct.pack("<HHII", tag, kind, count, value)

    directories = {
        8: [
            entry(0x112, 3, 1, 6),
            entry(0x8FFF, 5, 61000, 400),
            entry(0x8769, 4, 1, 100),
            entry(0x8825, 4, 1, 200),
        ],
        100: [entry(0x9100, 5, 61000, 400), entry(0xA005, 4, 1, 300)],
        200: [entry(0x10, 5, 61000, 400)],
        300: [entry(0x11, 5, 61000, 400)],
    }
    exif = bytearray(b"II*\0\x08\0\0\0".ljust(400, b"\0"))
    for place, entries in directories.items():
        written = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
        exif[place : place + len(written)] = written
    exif += b"\xff\xff\xff\xff\3\0\0\0" * 61000
    text = zlib.compress(b"\nexif\n%8d\n" % len(exif) + exif.hex().encode(), 9)
    end = PNG.index(b"IDAT") - 4
    chunk = png_chunk(b"zTXt", b"Raw profile type exif\0\0" + text)
    return PNG[:end] + chunk + PNG[end:]


pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.skipif(
        not Path("/proc/self/smaps_rollup").exists(),
        reason="needs /proc to see a process's memory",
    ),
]

Body = tuple[str, dict[str, str], bytes | Iterator[bytes]]  # path, headers and content
SECONDS = float(os.environ.get("HOSTILE_SECONDS", 0))
PROMISED = 640 * 1.048576  # MB: the 640 MiB of SECURITY.md
AT_ONCE = 16 if SECONDS else 4
SEVEN = load_sheet()[0][358]


def sheet(megapixels: float) -> Image.Image:
    """Draw a large sheet with one stroke."""
    side = int((megapixels * 1e6) ** 0.5)
    pixels = np.full((side, side), 230, np.uint8)
    pixels[side // 4 : side // 2, side // 3 : side // 3 + side // 20] = 20
    return Image.fromarray(pixels)


def rgba(megapixels: float) -> Image.Image:
    grey = sheet(megapixels)
    return Image.merge("RGBA", (grey, grey, grey, grey))


def heif(image: Image.Image) -> bytes:
    return encode(image, "HEIF", quality=10, enc_params={"preset": "ultrafast"})


def png_with(chunks: bytes) -> bytes:
    """Make a small PNG with more chunks after its header."""
    png = encode(sheet(0.0001))
    return png[:33] + chunks + png[33:]


def inflating(size: int, start: str = "", level: int = 9) -> bytes:
    return zlib.compress(start.encode() + bytes(size), level)


def inflating_text(key: int) -> bytes:
    return png_chunk(b"iTXt", b"k%d\0\1\0\0\0" % key + inflating(10**6, "😀"))


def tiff_with_huge_tiles() -> bytes:
    """Make a TIFF of 64×64 pixels in one tile of 400 million."""
    tile = zlib.compress(bytes(4 * 10**8), 1)
    tags = {256: 64, 257: 64, 258: 8, 259: 8, 262: 1, 277: 1, 322: 20_000, 323: 20_000}
    tags |= {324: 8 + 2 + 10 * 12 + 4, 325: len(tile)}
    return b"II*\0\x08\0\0\0" + directory(tags, 0) + tile


def directory(tags: dict[int, int], following: int) -> bytes:
    """Make a directory of a TIFF, and the place of the one that follows."""
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items()]
    count = struct.pack("<H", len(tags))
    return count + b"".join(entries) + struct.pack("<I", following)


def tiff_of_many_pages(count: int) -> bytes:
    """Make a TIFF of so many pages of one pixel."""
    tags = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 273: 4, 278: 1, 279: 1}
    size = len(directory(tags, 0))
    pages = [directory(tags, 8 + page * size) for page in range(1, count)]
    return b"II*\0\x08\0\0\0" + b"".join(pages) + directory(tags, 0)


def exif_bomb(size: int = 65_000) -> bytes:
    """Make a JPEG with so many bytes of EXIF whose directories point to themselves."""
    entry = struct.pack("<HHII", 0x8769, 4, 1, 8)
    body = b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", 5000) + entry * 5000
    app1 = b"Exif\x00\x00" + body[:size]
    jpeg = encode(sheet(0.01).convert("RGB"), "JPEG")
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(app1) + 2) + app1 + jpeg[2:]


def speckled() -> bytes:
    """Make a JPEG that takes long to search at a glance: a quarter is dark."""
    squares = np.random.default_rng(0).random((80, 80)) < 0.25
    small = Image.fromarray(255 * squares.astype(np.uint8))
    return encode(small.resize((640, 640), Image.Resampling.BOX), "JPEG")


def many_comments() -> bytes:
    gif = encode(sheet(0.01), "GIF")
    return gif[:781] + b"\x21\xfe\x01x\x00" * 3_900_000


def file(name: str) -> Callable[[], bytes]:
    return (HOSTILE_FILES / name).read_bytes


def cmyk(width: int, height: int) -> bytes:
    grey = Image.linear_gradient("L").resize((width, height))
    return encode(grey.convert("CMYK"), "JPEG")


PICTURES: dict[str, Callable[[], bytes]] = {
    "AVIF of 256 megapixels that declares 10,000 pixels": file("av_16k.avif"),
    "HEIF of one tile of 142 megapixels that declares 10,000 pixels": file(
        "h_119.heic"
    ),
    "HEIF with a false size": file("h_lie.heic"),
    "HEIF of overlays of overlays": file("h_dag40.heic"),
    "MPO of 1,554 scans": file("evil64k.jpg"),
    "CMYK JPEG, very wide": partial(cmyk, 65_500, 760),
    "CMYK JPEG, a panorama": partial(cmyk, 35_600, 1399),
    "CMYK JPEG": lambda: encode(sheet(49.9).convert("CMYK"), "JPEG"),
    "PNG, RGBA, large": lambda: encode(rgba(24.9), compress_level=1),
    "PNG, 16 bits": lambda: encode(
        Image.fromarray(np.asarray(sheet(24.9)).astype(np.uint16) * 200),
        compress_level=1,
    ),
    "PNG, 1 bit": lambda: encode(sheet(49.9).convert("1"), compress_level=1),
    "WebP, large": lambda: encode(rgba(12.4), "WEBP", method=0),
    "WebP, too large": lambda: encode(rgba(24.9), "WEBP", method=0),
    "AVIF, large": lambda: encode(rgba(14.9), "AVIF", speed=10),
    "HEIF, large": lambda: heif(rgba(6)),
    "HEIF, too large": lambda: heif(sheet(49.9).convert("RGB")),
    "TIFF, RGBA, large": lambda: encode(rgba(24.9), "TIFF", compression="tiff_deflate"),
    "progressive JPEG, large": lambda: encode(
        sheet(24.9).convert("RGB"), "JPEG", progressive=True, subsampling=0
    ),
    "JPEG of many scans": lambda: many_scans(70_000),
    "GIF of nothing but comments": many_comments,
    "PNG of nothing but chunks": lambda: png_with(png_chunk(b"teSt", b"") * 1_600_000),
    "PNG text that inflates": lambda: png_with(
        png_chunk(b"zTXt", b"k\0\0" + inflating(10**6)) * 1000
    ),
    "small PNG of text that inflates": lambda: png_with(
        png_chunk(b"zTXt", b"k\0\0" + inflating(10**6)) * 7
    ),
    "PNG text that inflates a lot": lambda: png_with(
        png_chunk(b"zTXt", b"k\0\0" + inflating(10**8, level=1))
    ),
    "small PNG of 4-byte text that inflates": lambda: png_with(
        b"".join(map(inflating_text, range(7)))
    ),
    "colour profile that inflates": lambda: png_with(
        png_chunk(b"iCCP", b"p\0\0" + inflating(10**8, level=1))
    ),
    "EXIF that points at itself": exif_bomb,
    "EXIF that points at itself, in a JPEG for the event loop": lambda: exif_bomb(
        60_000
    ),
    "JPEG of noise, for the event loop": speckled,
    "small PNG of EXIF that inflates": inflating_exif,
    "TIFF with huge tiles": tiff_with_huge_tiles,
}


def batch(picture: bytes, path: str = "/predict/batch", count: int = 256) -> Body:
    request = httpx2.Request(
        "POST", "http://x", files=[("files", ("picture", picture))] * count
    )
    return path, {"content-type": request.headers["content-type"]}, request.read()


def in_coarse_grain() -> bytes:
    """Make a small PNG of a stroke on paper that is a JPEG of more than 1 MB."""
    grain = np.tile(np.random.default_rng(0).integers(-40, 41, (16, 16)), (100, 100))
    page = 200 + grain
    page[600:800, 700:720] = 0
    return encode(page.astype(np.uint8))


def gzipped(path: str, body: bytes, **headers: str) -> Body:
    return path, {"content-encoding": "gzip", **headers}, gzip.compress(body)


def frames() -> bytes:
    """Build as many frames as allowed, in numbers that make the body as large."""
    described = (
        '{"inputs": [{"name": "pixels", "shape": [256, 784], "datatype": "FP32", '
        '"data": ['
    )
    return f"{described}{','.join(['0.' + '1' * 95] * 256 * 784)}]}}]}}".encode()


def noise() -> bytes:
    """Make a picture of specks, of which many are candidates."""
    ground = np.random.default_rng(0).random((1500, 1500)) > 0.02
    return encode(255 * ground.astype(np.uint8))


def picture_in_json() -> bytes:
    jpeg = encode(sheet(49.9).convert("CMYK"), "JPEG")
    encoded = base64.b64encode(jpeg + bytes(8_000_000)).decode()
    return json.dumps({"image": encoded}).encode()


def jpeg_of_nothing_but_markers(size: int, megapixels: float) -> bytes:
    jpeg = encode(sheet(megapixels), "JPEG")
    return jpeg[:2] + b"\xff\xed\x00\x02" * ((size - len(jpeg)) // 4) + jpeg[2:]


INFER = "/v2/models/digits/infer"
JSON = {"content-type": "application/json"}
FORM = {"content-type": "multipart/form-data; boundary=X"}
FORM_START = b'--X\r\nContent-Disposition: form-data; name="file"; filename="'
BODIES: dict[str, Callable[[], Body]] = {
    "batch of PNGs of text that inflates": lambda: batch(
        PICTURES["small PNG of text that inflates"]()
    ),
    "batch of PNGs of text that inflates more": lambda: batch(
        PICTURES["small PNG of 4-byte text that inflates"]()
    ),
    "batch of small JPEGs of nothing but markers": lambda: batch(
        jpeg_of_nothing_but_markers(SMALL_BYTES, 0.0001)
    ),
    "batch of JPEGs of nothing but markers": lambda: batch(
        jpeg_of_nothing_but_markers(JPEG_BYTES, 0.3)
    ),
    "batch of texts with large answers": lambda: batch(
        in_coarse_grain(), "/read/batch?picture=true", 8
    ),
    "bomb": lambda: gzipped("/predict", bytes(10**8)),
    "bomb that is as large as allowed": lambda: gzipped("/predict", bytes(19_900_000)),
    "bomb of frames": lambda: gzipped(INFER, frames()),
    "frames": lambda: (INFER, {}, frames()),
    "PDF of pages that take long": lambda: (
        "/read",
        {},
        pdf_of((A4, COSTLY), (A4, ONE)),
    ),
    "TIFF of large pages": lambda: (
        "/read",
        {},
        document([rgba(24.9)] * 5, "TIFF", compression="tiff_deflate"),
    ),
    "TIFF of 40,000 pages": lambda: ("/read", {}, tiff_of_many_pages(40_000)),
    "page of dense writing": lambda: (
        "/read",
        {},
        encode(written(load_sheet()[0], 40, 30)),
    ),
    "page of too much writing": lambda: (
        "/read",
        {},
        encode(written(load_sheet()[0], 60, 12, (34, 120), of=3)),
    ),
    "explanation of noise": lambda: (
        "/explain",
        {"content-type": "image/png"},
        noise(),
    ),
    "form with a long header": lambda: (
        "/predict",
        FORM,
        FORM_START + b"a" * 19_000_000,
    ),
    "JSON": lambda: ("/read", JSON, picture_in_json()),
    "JSON of base64 in many words": lambda: gzipped(
        "/predict", b'{"image": "' + b"AA " * 6_600_000 + b'"}', **JSON
    ),
    "JSON of nothing but lists": lambda: gzipped(INFER, b"[" + b"[]," * 6_000_000),
}


def picture(data: bytes | Iterator[bytes]) -> Body:
    return "/predict", {}, data


@cache
def hostile_picture(name: str) -> Body:
    return picture(PICTURES[name]())


def send(url: str, body: Body) -> int:
    path, headers, content = body
    return httpx2.post(
        url + path, headers=headers, content=content, timeout=60
    ).status_code


def send_for(url: str, body: Body, seconds: float, statuses: set[int]) -> None:
    """Send a body for so long, or once; add the statuses to `statuses`.

    While every answer is that the service is busy, it is sent for a minute more.
    """
    end = time.perf_counter() + seconds
    while True:
        statuses.add(send(url, body))
        over = time.perf_counter() - end
        if over > 60 or (over >= 0 and statuses != {503}):
            return


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[subprocess.Popen, str]]:
    with serving() as running:
        # It has started.
        assert httpx2.get(f"{running[1]}/health", timeout=20).is_success
        yield running


def test_the_service_at_rest_takes_little_memory():
    with serving() as (process, url):
        assert send(url, picture(encode(SEVEN))) == 200
        assert until(lambda: memory(process.pid) < 360)


@contextmanager
def bounded(service: tuple[subprocess.Popen, str]) -> Iterator[None]:
    """Check the memory of the service and the latency of `/health` meanwhile."""
    process, url = service
    over = threading.Event()
    taken = [0.0]
    waited = [0.0]

    def weigh() -> None:
        while not over.wait(0.02):
            with suppress(OSError, TypeError):  # a process has just ended
                taken.append(memory(process.pid))

    def ask() -> None:
        with httpx2.Client() as client:
            while not over.wait(0.05):
                started = time.perf_counter()
                assert client.get(f"{url}/health", timeout=30).status_code == 200
                waited.append(time.perf_counter() - started)

    with ThreadPoolExecutor(2) as pool:
        watching = [pool.submit(weigh), pool.submit(ask)]
        try:
            yield
        finally:
            over.set()
        for each in watching:
            each.result()
    assert max(taken) < PROMISED
    assert max(waited) < 1


@pytest.mark.parametrize("name", [*PICTURES, *BODIES])
def test_an_attack_does_not_affect_others(name, service):
    hostile = BODIES[name]() if name in BODIES else hostile_picture(name)
    good = picture(encode(drawing(SEVEN)))
    url = service[1]
    statuses = set[int]()
    beside = set[int]()
    with bounded(service), ThreadPoolExecutor(AT_ONCE) as pool:
        attacks = []
        for client in range(AT_ONCE):
            seconds = SECONDS if client < 4 and name in PICTURES else 0
            attacks.append(pool.submit(send_for, url, hostile, seconds, statuses))
        while not all(attack.done() for attack in attacks):
            beside.add(send(url, good))
            wait(attacks, timeout=0.5)
        if beside == {503}:
            beside.add(send(url, good))
        assert [attack.result() for attack in attacks] == [None] * AT_ONCE
    assert statuses <= {200, 400, 413, 415, 422, 503}
    assert statuses != {503}
    assert {200} <= beside <= {200, 503}


def writing(digit: np.ndarray) -> bytes:
    """Make noise that looks like writing: copies of a digit over each other."""
    random = np.random.default_rng(0)
    page = np.zeros((900, 900), np.uint8)
    for top, left in random.integers(0, 900 - 28, (900, 2)):
        page[top : top + 28, left : left + 28] |= np.rot90(digit, random.integers(4))
    return encode(255 - page)


def slowly(content: bytes) -> Iterator[bytes]:
    """Yield a body at 2 kB per second."""
    for start in range(0, len(content), 200):
        time.sleep(0.1)
        yield content[start : start + 200]


def test_neither_forty_clients_nor_hostile_pictures_delay_the_health_check_or_the_end():
    large = picture(encode(sheet(24.9), "JPEG"))
    seconds = 3 + SECONDS
    statuses = set[int]()
    hostile = [*map(hostile_picture, PICTURES)]
    bodies = [
        large,
        picture(encode(drawing(SEVEN)).ljust(19_000_000, b"\0")),
        picture(noise()),
        ("/explain", {}, speckled()),
        batch(encode(SEVEN)),
        batch(encode(drawing(SEVEN))),
        ("/read", {}, writing(SEVEN)),
    ]
    with serving() as (process, url), ThreadPoolExecutor(40 + len(hostile)) as pool:
        assert send(url, picture(encode(SEVEN))) == 200
        with bounded((process, url)):
            for body in bodies * 5:
                pool.submit(send_for, url, body, seconds + 2, statuses)
            once = []
            for _ in range(5):
                slow = picture(slowly(large[2]))
                once.append(pool.submit(send, url, slow))
            time.sleep(seconds)
        once += [pool.submit(send, url, each) for each in hostile]
        time.sleep(0.2)
        started = time.perf_counter()
        process.terminate()
        process.wait(timeout=30)
        assert time.perf_counter() - started < 15
        statuses |= {client.result() for client in once if not client.exception()}
        assert statuses <= {200, 408, 415, 422, 503}

"""Helpers for tests: pictures of real digits, hostile pictures, running services."""

import asyncio
import json
import logging
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import zlib
from base64 import b64decode
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from unittest.mock import patch

import httpx2
import numpy as np
import pillow_heif
import pytest
import structlog
from click.testing import Result
from PIL import Image, ImageDraw, ImageFont, ImageOps
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from app.cli.commands import cli
from app.digit.classifier import CLASSES, Classifier
from app.digit.reading import Reading, read_digit
from app.picture import errors
from app.picture.decode import Picture, decode_image, open_image
from app.picture.formats import MAX_PIXELS
from app.text.line_network import LineNetwork
from app.text.pages import PageNetwork
from training.sample import PER_CLASS, digits

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "models" / "digits.onnx"
LINES_MODEL = ROOT / "models" / "lines.onnx"
PAGES_MODEL = ROOT / "models" / "pages.onnx"
MODELS = MODEL, LINES_MODEL, PAGES_MODEL
HOSTILE_FILES = Path(__file__).parent / "data" / "hostile"
DIGITS = str(Path(sys.executable).with_name("digits"))
# A program's line with its output as a comment.
PRINTED = re.compile(r"(?:print|console\.log)\(.*\);?\s+(?:#|//) (.*)")


def encode(image: Image.Image | np.ndarray, format: str = "PNG", **options) -> bytes:
    """Encode a picture, or an array of grey levels, as a file."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    file = BytesIO()
    # The service only reads it, and its plugin must not be registered here.
    if format == "HEIF":
        pillow_heif.from_pillow(image).save(file, **options)
    else:
        image.save(file, format, **options)
    return file.getvalue()


def levels_of(data_uri: str) -> np.ndarray:
    """Decode a PNG in a data URI."""
    kind, data = data_uri.split(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(BytesIO(b64decode(data))))


def load_sheet() -> tuple[np.ndarray, np.ndarray]:
    """Load 500 of MNIST's digits, (500, 28, 28) uint8 with ink = 255, and labels."""
    return digits().copy(), np.repeat(np.arange(CLASSES), PER_CLASS)


@cache
def classifier() -> Classifier:
    return Classifier(MODEL)


@cache
def line_network() -> LineNetwork:
    return LineNetwork(LINES_MODEL)


@cache
def page_network() -> PageNetwork:
    return PageNetwork(PAGES_MODEL)


def write_mnist(root: Path, kind: str, images: np.ndarray, labels: np.ndarray) -> None:
    """Write digits in MNIST's file format, as "train" or "t10k" images."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for name, values in (("images-idx3", images), ("labels-idx1", labels)):
        header = struct.pack(">I", 0x800 + values.ndim)
        header += struct.pack(f">{values.ndim}I", *values.shape)
        data = values.astype(np.uint8).tobytes()
        (raw / f"{kind}-{name}-ubyte").write_bytes(header + data)


def picture_from_bytes(data: bytes, side: int) -> Picture:
    """Open and decode a picture of a given longer side, at least."""
    return decode_image(open_image(data, MAX_PIXELS), side)


def reading_of(
    image: Image.Image | np.ndarray, format: str = "PNG", **options
) -> Reading:
    """Read a picture, encoded in a format."""
    return read_digit(encode(image, format, **options), classifier())


def frame_of(
    image: Image.Image | np.ndarray, format: str = "PNG", **options
) -> np.ndarray:
    return reading_of(image, format, **options).frame


@cache
def reading_of_drawing(digit: bytes) -> Reading:
    """Read the drawing of a digit, (28, 28) uint8."""
    return reading_of(drawing(np.frombuffer(digit, np.uint8).reshape(28, 28)))


def pdf_of(
    *pages: tuple[bytes, bytes],
    more: bytes = b"",
    catalog: bytes = b"",
    objects: Sequence[bytes] = (),
) -> bytes:
    """Write a PDF of pages, each given by its dictionary's entries and its content.

    `more` is added to the trailer, and `catalog` to the catalogue. Further objects have
    the numbers after those of the pages: of one page, from 5 on.
    """
    kids = b" ".join(b"%d 0 R" % (3 + 2 * place) for place in range(len(pages)))
    numbered = [
        b"<</Type/Catalog/Pages 2 0 R%s>>" % catalog,
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(pages)),
    ]
    page = b"<</Type/Page/Parent 2 0 R%s/Contents %d 0 R>>"
    for entries, content in pages:
        numbered.append(page % (entries, len(numbered) + 2))
        numbered.append(stream_of(content))
    numbered += objects
    pdf = b"%PDF-1.7\n"
    places = b"0000000000 65535 f \n"
    for index, each in enumerate(numbered, 1):
        places += b"%010d 00000 n \n" % len(pdf)
        pdf += b"%d 0 obj\n%s\nendobj\n" % (index, each)
    size = len(numbered) + 1
    end = b"xref\n0 %d\n%strailer<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF"
    return pdf + end % (size, places, size, more, len(pdf))


def stream_of(content: bytes, entries: bytes = b"") -> bytes:
    """Write a stream of a PDF."""
    head = b"<<%s/Length %d>>" % (entries, len(content))
    return b"%sstream\n%s\nendstream" % (head, content)


def filled_in(
    field: bytes, form: bytes = b"", catalog: bytes = b"", content: bytes = b""
) -> bytes:
    """Write a PDF with a field of a form, given by its entries.

    Object 7 is an appearance with this content, by default 4075. `form` is added to the
    form, and `catalog` to the catalogue.
    """
    fonts = b"/Font<</F 6 0 R>>"
    appearance = stream_of(
        content or b"BT /F 40 Tf 0 g 4 14 Td (4075) Tj ET",
        b"/Type/XObject/Subtype/Form/BBox[0 0 200 60]/Resources<<%s>>" % fonts,
    )
    return pdf_of(
        (A4 + b"/Annots[5 0 R]", b""),
        catalog=b"/AcroForm<</Fields[5 0 R]/DA(/F 40 Tf 0 g)/DR<<%s>>%s>>%s"
        % (fonts, form, catalog),
        objects=[
            b"<</Type/Annot/Rect[100 500 300 560]/F 4/T(a)%s>>" % field,
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            appearance,
        ],
    )


def shown(picture: Image.Image) -> bytes:
    """Write a grey picture as the content of a PDF's page, 200 points wide."""
    width, height = picture.size
    levels = picture.tobytes().hex().encode()
    image = b"BI/W %d/H %d/CS/G/BPC 8/F/AHx ID %s> EI" % (width, height, levels)
    return b"q 200 0 0 %d 90 500 cm %s Q" % (200 * height // width, image)


def document(pictures: Sequence[Image.Image], kind: str = "PDF", **options) -> bytes:
    """Write a PDF or TIFF with a page for each picture."""
    # Pillow keeps the options of a JPEG in them.
    first, *others = (picture.copy() for picture in pictures)
    return encode(first, kind, save_all=True, append_images=others, **options)


def with_damaged_page(tiff: bytes) -> bytes:
    """Damage the second page of a TIFF: the number of the tag with its width."""
    width = b"\x00\x01\x04\x00"  # this number, and the type
    second = tiff.index(width, tiff.index(width) + 4)
    return tiff[:second] + b"\xff\xfe" + tiff[second + 2 :]


def cropped(ink: np.ndarray) -> np.ndarray:
    """Crop a map of ink, 0 on the ground, to the ink."""
    rows = np.flatnonzero(ink.any(axis=1))
    columns = np.flatnonzero(ink.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def inked(shape: tuple[int, int], *boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Make an ink map with full ink in boxes, each (top, bottom, left, right)."""
    ink = np.zeros(shape, np.float32)
    for top, bottom, left, right in boxes:
        ink[top:bottom, left:right] = 1
    return ink


def drawing(digit: np.ndarray, scale: int = 10) -> Image.Image:
    """Draw a digit as people do: dark on white, enlarged, off-centre on a sheet."""
    size = 28 * scale, 28 * scale
    ink = Image.fromarray(digit).resize(size, Image.Resampling.BICUBIC)
    sheet = Image.new("L", (60 * scale, 40 * scale), 255)
    sheet.paste(ImageOps.invert(ink), (5 * scale, 10 * scale))
    return sheet


POINT = inked((28, 3), (21, 24, 0, 3))
MINUS = inked((28, 9), (13, 16, 0, 9))


def number(*lines: Sequence[np.ndarray], scale: int = 3) -> Image.Image:
    """Draw lines of digits, POINT and MINUS as people do, dark on white and enlarged.

    Lines are 48 pixels high, before they are enlarged. Of a digit, only the columns
    with ink are drawn, and 6 pixels of space between them, which is 0.3 of its height.
    """
    rows = []
    for line in lines:
        signs = []
        for sign in line:
            ink = np.uint8(255 * sign) if sign.dtype == np.float32 else sign
            signs.append(np.pad(ink[:, ink.any(axis=0)], ((10, 10), (3, 3))))
        rows.append(np.hstack(signs))
    wide = max(row.shape[1] for row in rows)
    rows = [np.pad(row, ((0, 0), (10, wide - row.shape[1] + 10))) for row in rows]
    sheet = ImageOps.invert(Image.fromarray(np.vstack(rows)))
    size = scale * sheet.width, scale * sheet.height
    return sheet.resize(size, Image.Resampling.BICUBIC)


def written(
    digits: np.ndarray,
    rows: int,
    columns: int,
    pitch: tuple[int, int] = (40, 28),
    of: int = 1,
) -> Image.Image:
    """Write rows of numbers of so many digits on a page.

    `pitch` is their distance down and across.
    """
    down, across = pitch
    random = np.random.default_rng(0)
    page = np.zeros((rows * down + 60, columns * across + 80), np.uint8)
    for top in range(30, 30 + rows * down, down):
        for left in range(40, 40 + columns * across, across):
            for digit in range(of):
                begin = left + 24 * digit
                chosen = digits[random.integers(len(digits))]
                page[top : top + 28, begin : begin + 28] |= chosen
    return Image.fromarray(255 - page)


def page(
    *lines: Sequence[np.ndarray], size: tuple[int, int], scale: int = 1
) -> Image.Image:
    """Write lines of digits at the upper left of a page of this size."""
    sheet = Image.new("L", size, 255)
    sheet.paste(number(*lines, scale=scale), (20, 20))
    return sheet


def speckled(sheet: Image.Image) -> Image.Image:
    """Add 1,200 black specks, 3 pixels wide, of which about 700 stay apart."""
    levels = np.asarray(sheet).copy()
    rng = np.random.default_rng(0)
    rows, columns = [rng.integers(0, side - 3, 1200) for side in levels.shape]
    for row, column in zip(rows, columns, strict=True):
        levels[row : row + 3, column : column + 3] = 0
    return Image.fromarray(levels)


def labelled_numbers(folder: Path, labels: dict[str, str], digits: np.ndarray) -> Path:
    """Write labelled pictures of numbers, with four digits for each line of a label."""
    (folder / "images").mkdir(parents=True)
    for place, (name, label) in enumerate(labels.items()):
        row = digits[40 * place : 40 * place + 4]
        picture = number(*[row for _ in label.splitlines()])
        (folder / "images" / name).write_bytes(encode(picture))
    rows = "".join(f'{name},"{label}"\n' for name, label in labels.items())
    (folder / "labels.csv").write_text(f"filename,label\n{rows}", encoding="utf-8")
    return folder


def letter(text: str) -> Image.Image:
    """Draw a printed letter, dark on white."""
    sheet = Image.new("L", (400, 400), 255)
    font = ImageFont.load_default(200)
    ImageDraw.Draw(sheet).text((200, 200), text, 0, font, anchor="mm")
    return sheet


def turned_jpeg(image: Image.Image, **options) -> bytes:
    """Encode a picture as a JPEG on its side, which its EXIF orientation turns."""
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = image.transpose(Image.Transpose.ROTATE_90)
    return encode(turned, "JPEG", exif=exif, **options)


def transparent(image: Image.Image, mode: str = "RGBA", colour: int = 0) -> bytes:
    """Encode a picture as ink of one colour on a transparent ground."""
    picture = Image.new("L", image.size, colour).convert(mode)
    picture.putalpha(ImageOps.invert(image))
    return encode(picture)


# Ways to make a file of a picture, dark on white. The last one enlarges it four times.
WAYS: dict[str, Callable[[Image.Image], bytes]] = {
    "dark on light": encode,
    "light on dark": lambda image: encode(ImageOps.invert(image)),
    "on a transparent ground": transparent,
    "a JPEG turned by EXIF": lambda image: turned_jpeg(image, quality=70),
    "large": lambda image: encode(
        image.resize((4 * image.width, 4 * image.height)), compress_level=1
    ),
}


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).mean())


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """Compute the distance of frames, whose centres of mass may round differently."""
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return min(distance(a, np.roll(b, shift, (0, 1))) for shift in shifts)


def claiming(width: int, height: int) -> bytes:
    """Make a small PNG that claims to have this size."""
    png = bytearray(encode(Image.new("L", (8, 8))))
    png[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    return bytes(png)


def flat(value: int, size: tuple[int, int] = (100, 100)) -> bytes:
    return encode(Image.new("L", size, value))


PNG = encode(Image.linear_gradient("L"))


def many_scans(count: int) -> bytes:
    """Make a progressive JPEG with this many additional scans over all its pixels."""
    jpeg = encode(Image.linear_gradient("L"), "JPEG", progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:-2] + jpeg[last:-2] * count + jpeg[-2:]


def png_chunk(name: bytes, data: bytes) -> bytes:
    """Make a chunk of a PNG."""
    checksum = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + checksum


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


def sequential_scans() -> bytes:
    """Make a sequential, arithmetic-coded JPEG of 8 kB with 380 scans of all pixels."""

    def segment(marker: int, data: bytes) -> bytes:
        return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data

    def scan(*components: int) -> bytes:
        listed = b"".join(bytes([component, 0]) for component in components)
        header = bytes([len(components)]) + listed + b"\0\x3f\0"
        return segment(0xDA, header) + b"\xff\0\xff\0"

    # 16,384 pixels.
    size = struct.pack(">BHHB", 8, 16384, 1, 4) + b"\1\x41\0\2\x41\0\3\x11\0\4\x11\0"
    head = b"\xff\xd8" + segment(0xDB, b"\0" + b"\1" * 64) + segment(0xC9, size)
    return head + scan(1) + scan(1, 2, 3, 4) * 380 + b"\xff\xd9"


# A page, and a stroke that is a 1.
A4 = b"/MediaBox[0 0 595 842]"
ONE = b"0 0 0 rg 290 300 14 200 re f"
# Dashed lines that take 7 s to draw.
COSTLY = b"[0.01 0.01] 0 d " + b"0 0 m 595 842 l S " * 20_000
KEY = b"00" * 32
ENCRYPTED = pdf_of(
    (A4, ONE),
    more=b"/Encrypt<</Filter/Standard/V 1/R 2/O<%s>/U<%s>/P -4>>" % (KEY, KEY),
)
HOSTILE = {
    "empty": (b"", errors.EmptyFile, "empty"),
    "text": (
        b"This is no picture.",
        errors.NotAnImage,
        "not a picture in one of these formats: PNG, JPEG",
    ),
    "zeros": (bytes(1000), errors.NotAnImage, "not a picture"),
    "svg": (
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        errors.NotAnImage,
        "not a picture",
    ),
    "ppm": (encode(Image.new("L", (8, 8)), "PPM"), errors.NotAnImage, "not a picture"),
    "eps": (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
        errors.NotAnImage,
        "not a picture",
    ),
    "cut header": (PNG[:20], errors.CorruptImage, "header is damaged"),
    "cut png": (PNG[: len(PNG) // 2], errors.CorruptImage, "cut off or damaged"),
    "cut jpeg": (
        encode(Image.linear_gradient("L"), "JPEG")[:500],
        errors.CorruptImage,
        "cut off or damaged",
    ),
    "damaged png": (
        PNG[:60] + b"\xff" * 50 + PNG[110:],
        errors.CorruptImage,
        "cut off or damaged",
    ),
    "many pixels": (
        claiming(8000, 7500),
        errors.TooManyPixels,
        "60,000,000 pixels, more than 50,000,000",
    ),
    "float tiff": (
        encode(Image.linear_gradient("F"), "TIFF"),
        errors.NotAnImage,
        "floating-point",
    ),
    "lzma tiff": (
        encode(Image.linear_gradient("L"), "TIFF", compression="lzma"),
        errors.NotAnImage,
        "LZMA",
    ),
    "false heif": (
        (HOSTILE_FILES / "h_lie.heic").read_bytes(),
        errors.CorruptImage,
        r"damaged: .+\.$",
    ),
    "heif overlay": (
        (HOSTILE_FILES / "h_dag40.heic").read_bytes(),
        errors.NotAnImage,
        "overlay",
    ),
    "encrypted pdf": (
        ENCRYPTED,
        errors.NotAnImage,
        "The PDF needs a password: remove it and send it again",
    ),
    "pdf of no pages": (
        pdf_of(),
        errors.CorruptImage,
        "The PDF is damaged or has no pages: save it again",
    ),
    "cut pdf": (pdf_of((A4, ONE))[:200], errors.CorruptImage, "The PDF is damaged"),
    "false pdf": (
        b"%PDF-1.7 " + bytes(2000),
        errors.CorruptImage,
        "The PDF is damaged",
    ),
    "dynamic xfa pdf": (
        pdf_of(
            (A4, ONE),
            catalog=b"/NeedsRendering true/AcroForm<</Fields[]/XFA 5 0 R>>",
            objects=[stream_of(b"<xdp/>")],
        ),
        errors.NotAnImage,
        "print it to a PDF and send that",
    ),
    "pdf without area": (
        pdf_of((A4 + b"/CropBox[900 900 999 999]", ONE)),
        errors.CorruptImage,
        "no area",
    ),
    "bomb": (
        claiming(60_000, 60_000),
        errors.TooManyPixels,
        "3,600,000,000 pixels, more than 50,000,000",
    ),
    "white": (flat(255), errors.BlankImage, "no ink"),
    "black": (flat(0), errors.BlankImage, "no ink"),
    "1 pixel": (flat(128, (1, 1)), errors.BlankImage, "no ink"),
    "faint": (
        encode(np.tile(250 + np.arange(100, dtype=np.uint8) // 34, (100, 1))),
        errors.BlankImage,
        "no ink",
    ),
    "see-through": (encode(Image.new("RGBA", (100, 100))), errors.BlankImage, "no ink"),
    "constant 16-bit": (
        encode(Image.new("I;16", (100, 100), 1000)),
        errors.BlankImage,
        "no ink",
    ),
}


# Texts, and what they are in CSV for a spreadsheet, which would run some as formulas.
CELLS = {
    "=1+1": "'=1+1",
    "+cmd|' /C calc'!A0": "'+cmd|' /C calc'!A0",
    "@SUM(1+1)": "'@SUM(1+1)",
    "\t=1": "'\t=1",
    "\r=1": "'\r=1",
    "\n=1": "'\n=1",
    "-7 -7": "'-7 -7",
    "-3\n5": "'-3\n5",
    "-7\n": "'-7\n",
    "2026-05-01": "2026-05-01",
    "-5": "-5",
    "+3.5": "+3.5",
    "-1,250.00": "-1,250.00",
    "-٣": "'-٣",
    "7=1+1": "7=1+1",
    "'24.png": "'24.png",
    "'=1": "''=1",
    "''=1": "'''=1",
    "": "",
}


def blocks(page: Path, language: str) -> list[str]:
    """Find a page's code blocks in a language."""
    return re.findall(
        rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE
    )


def assert_shown(shown: str, printed: str) -> None:
    """Compare output with what a page shows, where … stands for any text on a line."""
    assert re.fullmatch(re.escape(shown.strip()).replace("…", ".*"), printed.strip())


def tool(*command: str) -> list[str]:
    """Find a tool's command; if the tool is missing, skip the test, except in CI."""
    beside = Path(sys.executable).with_name(command[0])
    found = str(beside) if beside.exists() else shutil.which(command[0])
    if not found and not os.environ.get("CI"):
        pytest.skip(f"needs {command[0]}")
    assert found, f"{command[0]} is missing"
    return [found, *command[1:]]


def invoked(*arguments: object, **environment: str) -> Result:
    """Run `digits` in this process, which has already imported everything.

    It leaves environment and logging unchanged.
    """
    root = logging.getLogger()
    environment = {"COLUMNS": "80", "TERMINAL_WIDTH": "80", **environment}
    with patch.dict(os.environ), patch.multiple(root, handlers=[], level=root.level):
        done = CliRunner().invoke(
            cli, [*map(str, arguments)], env=environment, prog_name="digits"
        )
    logging.captureWarnings(False)
    structlog.reset_defaults()
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done


def process_of(*arguments) -> subprocess.Popen:
    """Start `digits` in a process of its own."""
    command = [DIGITS, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@contextmanager
def serving(
    *options: str, program: str = DIGITS, **environment: str
) -> Iterator[tuple[subprocess.Popen, str]]:
    """Run a service on a free port; yields its process and its address.

    At its end, `process.log` is its log.
    """
    process = subprocess.Popen(
        [program, "serve", "--port", "0", *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    process.log = ""
    said = ""

    def keep_log() -> None:
        process.log = process.stderr.read()

    drain = threading.Thread(target=keep_log)
    try:
        while not (found := re.search(r"http://[\d.]+:\d+", said)):
            line = process.stderr.readline()
            assert line, f"The service did not start: {said}"
            said += line
        drain.start()
        yield process, found[0]
    finally:
        process.terminate()
        process.wait(timeout=30)
        if drain.is_alive():
            drain.join()
        process.stderr.close()


def connect(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def received(client: socket.socket) -> bytes:
    """Receive everything until the service closes the connection."""
    answer = b""
    with suppress(ConnectionResetError):
        while data := client.recv(65536):
            answer += data
    return answer


def until(condition, seconds: float = 10) -> bool:
    """Wait for a condition; return whether it became true in time."""
    end = time.perf_counter() + seconds
    while not (true := condition()) and time.perf_counter() < end:
        time.sleep(0.05)
    return bool(true)


async def load(
    url: str, picture: bytes, clients: int, rate: float, seconds: float
) -> dict[int, list[float]]:
    """Send a picture from several clients, at most at a total rate.

    Returns the latencies by status.
    """
    answers: dict[int, list[float]] = defaultdict(list)
    address = httpx2.URL(url)
    end = time.perf_counter() + seconds
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(picture)}"
    request = f"{head}\r\n\r\n".encode() + picture

    async def ask(start: float) -> None:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        await asyncio.sleep(start)
        while (began := time.perf_counter()) < end:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].split()[0])
            await reader.readexactly(length)
            answers[int(head[9:12])].append(time.perf_counter() - began)
            await asyncio.sleep(max(0, began + clients / rate - time.perf_counter()))
        writer.close()

    await asyncio.gather(*(ask(client / rate) for client in range(clients)))
    return answers


def peak_memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def assert_problem(answer, status: int, name: str, path: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    fields = {"type", "title", "status", "detail", "instance", "request_id"}
    if name == "not-sure":
        fields.add("reading")
    elif "/v2" in path:
        fields.add("error")
    assert set(problem) == fields
    assert problem["type"] == f"/problems/{name}"
    assert problem["status"] == status
    assert problem["instance"] == path
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["detail"].endswith(".")


def samples(client) -> dict[tuple, float]:
    """Parse /metrics: name and labels → value."""
    found = {}
    for metric in text_string_to_metric_families(client.get("/metrics").text):
        for sample in metric.samples:
            found[sample.name, *sorted(sample.labels.items())] = sample.value
    return found


DIGIT_READ = {
    "digit": 7,
    "confidence": 0.9,
    "probabilities": [0.0] * 7 + [0.9, 0.1, 0.0],
    "legibility": 0.8,
}
SEVEN = {**DIGIT_READ, "model": "1f0c2a9b7d3e"}
LINE = {
    "text": "-7",
    "confidence": 0.9,
    "box": {"left": 1, "top": 2, "width": 6, "height": 4},
    "digits": [{**DIGIT_READ, "box": {"left": 4, "top": 2, "width": 3, "height": 4}}],
    "marks": [{"mark": "-", "box": {"left": 1, "top": 4, "width": 2, "height": 1}}],
}
NUMBER = {"text": "-7", "confidence": 0.9, "lines": [LINE], "model": "8d41b6e05c72"}
HEALTH = {
    "status": "ok",
    "version": "1.0.0",
    "corrections": False,
    "models": {
        "digits": {"version": "1f0c2a9b7d3e"},
        "lines": {"version": "8d41b6e05c72", "characters": "0123456789.,-/: +%"},
        "pages": {"version": "c2710e95d4ab"},
    },
}

Response = tuple[int, dict[str, str], object]
Respond = Callable[[BaseHTTPRequestHandler], Response]


@contextmanager
def answering(
    respond: Respond, certificate: Path | None = None, port: int = 0
) -> Iterator[str]:
    """Run a service that answers as `respond` does; yields its address.

    `respond` is given a request with its body. With a certificate, which is in one file
    with its key, the service speaks TLS.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # each answer would take 40 ms

        def do_POST(self):
            self.body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, headers, content = respond(self)
            body = (
                content if isinstance(content, bytes) else json.dumps(content).encode()
            )
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, *arguments):
            pass

    ThreadingHTTPServer.request_queue_size = 128  # connections at once
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        thread.start()
        try:
            yield f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def busy(times: int, headers: dict[str, str], status: int = 503) -> Respond:
    refusal = {"detail": "4 large pictures are waiting already: try again in a second."}
    refusals = iter([(status, headers, refusal)] * times)
    return lambda _: next(refusals, (200, {}, SEVEN))


class Clock:
    """A clock that only pauses advance."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return sum(self.pauses)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


class Killable:
    """A service that can be killed, and started again on the same port."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.running = ExitStack()
        self.changing = threading.Lock()
        self.is_running = False
        self.port = 0

    def start(self) -> str:
        """Start it, unless it runs; return its address."""
        with self.changing:
            if not self.is_running:
                service = answering(self.answer, port=self.port)
                self.url = self.running.enter_context(service)
                self.port = int(self.url.rpartition(":")[2])
                self.is_running = True
            return self.url

    def kill(self) -> None:
        """Refuse all connections from now on."""
        with self.changing:
            self.running.close()
            self.is_running = False

    def answer(self, request: BaseHTTPRequestHandler) -> Response:
        """Answer on a connection of its own, since others would outlive the service."""
        status, headers, content = self.respond(request)
        return status, {**headers, "connection": "close"}, content

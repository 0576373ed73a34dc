"""Files that are no good pictures."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from app.picture import errors
from pdfs import A4, ENCRYPTED, ONE, pdf_of, stream_of
from pictures import encode, flat

HOSTILE_FILES = Path(__file__).parent / "data" / "hostile"


def claiming(width: int, height: int) -> bytes:
    """Make a small PNG that claims to have this size."""
    png = bytearray(encode(Image.new("L", (8, 8))))
    png[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    return bytes(png)


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

"""Pictures of real digits, letters and numbers, and files of them."""

import struct
from base64 import b64decode
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageDraw, ImageFont, ImageOps

from app.digit.classifier import CLASSES
from app.picture.decode import Picture, decode_image
from app.picture.file_formats import MAX_PIXELS
from app.picture.opening import open_image
from training.sample import PER_CLASS, digits


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


def flat(value: int, size: tuple[int, int] = (100, 100)) -> bytes:
    return encode(Image.new("L", size, value))

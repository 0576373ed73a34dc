"""The reader: which pictures it reads on the event loop, and which elsewhere."""

import asyncio
import struct

import numpy as np
import pytest
from PIL import Image

from app.digit.classifier import Classes, Classifier
from app.digit.reading import AS_USUAL, Reading, read_digit
from app.picture.maps import Map
from app.serving.networks import Networks
from app.serving.reader import JPEG_BYTES, Reader
from paths import MODEL
from pictures import drawing, encode, letter


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


def enlarged(seven: np.ndarray, side: int, format: str) -> bytes:
    return encode(Image.fromarray(seven).resize((side, side)), format)


def jpeg_of_bytes(seven: np.ndarray, size: int) -> bytes:
    jpeg = encode(drawing(seven), "JPEG")
    return jpeg + bytes(size - len(jpeg))


READ_HERE = {
    "a PNG": lambda seven: enlarged(seven, 128, "PNG"),
    "a BMP": lambda seven: enlarged(seven, 28, "BMP"),
    "a GIF": lambda seven: enlarged(seven, 28, "GIF"),
    "a JPEG": lambda seven: jpeg_of_bytes(seven, JPEG_BYTES),
    "a JPEG of a letter": lambda seven: encode(letter("A"), "JPEG"),
}
READ_ELSEWHERE = {
    "a PNG of more pixels": lambda seven: enlarged(seven, 129, "PNG"),
    "a BMP of more bytes": lambda seven: enlarged(seven, 112, "BMP"),
    "a JPEG of more pixels": lambda seven: encode(drawing(seven, 11), "JPEG"),
    "a JPEG of more bytes": lambda seven: jpeg_of_bytes(seven, JPEG_BYTES + 1),
    "a progressive JPEG": lambda seven: encode(seven, "JPEG", progressive=True),
    # Small, and not declared as progressive.
    "a JPEG of many scans": lambda seven: sequential_scans(),
    "text": lambda seven: b"text",
}
# Their headers may lie about the size.
OTHER_FORMATS = ("WEBP", "AVIF", "HEIF", "TIFF")


def read(reader: Reader, picture: bytes) -> Reading:
    assert reader.open(picture, AS_USUAL).is_small
    return asyncio.run(reader.open(picture, AS_USUAL).read())


@pytest.mark.parametrize("name", READ_HERE)
def test_a_simple_picture_is_read_on_the_event_loop(reader, seven, classifier, name):
    picture = READ_HERE[name](seven)
    reading = read(reader, picture)
    expected = read_digit(picture, classifier)
    assert reading.box == expected.box
    assert reading.digit == expected.digit
    assert reading.legibility == pytest.approx(expected.legibility, abs=1e-6)


@pytest.mark.parametrize("name", READ_ELSEWHERE)
def test_any_other_file_is_left_to_a_decoder_process(reader, seven, name):
    assert not reader.open(READ_ELSEWHERE[name](seven), AS_USUAL).is_small


@pytest.mark.parametrize("format", OTHER_FORMATS)
def test_any_other_format_is_left_to_a_decoder_process(reader, seven, format):
    assert not reader.open(encode(seven, format), AS_USUAL).is_small


def test_a_low_and_wide_jpeg_has_the_box_of_its_digit(reader, seven, classifier):
    """libjpeg decodes it at a fraction of its size."""
    strip = Image.new("L", (400, 40))
    strip.paste(Image.fromarray(seven), (200, 6))
    reading = read(reader, encode(strip, "JPEG"))
    whole = read_digit(encode(strip), classifier)
    assert reading.digit == 7
    assert reading.box == pytest.approx(whole.box, abs=3)


class Counting(Classifier):
    """The dense network, which notes the sizes of its batches, and may fail once."""

    def __init__(self, fails: bool = False) -> None:
        super().__init__(MODEL)
        self.fails = fails
        self.sizes: list[int] = []

    def __call__(self, frames: Map) -> Classes:
        self.sizes.append(len(frames))
        if self.fails:
            self.fails = False
            raise RuntimeError("no network")
        return super().__call__(frames)


def read_together(
    digits: np.ndarray, network: Counting, reader: Reader, left: int = 0
) -> list[Reading | BaseException]:
    """Read digits that arrive together; of the first ones, the clients leave."""
    own = Reader(Networks(network, reader.networks.lines), reader.decoders)

    async def read_all() -> list[Reading | BaseException]:
        tasks = [
            asyncio.ensure_future(own.open(encode(digit), AS_USUAL).read())
            for digit in digits
        ]
        await asyncio.sleep(0)  # all are queued, none is being read
        for task in tasks[:left]:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(read_all())


def test_small_pictures_that_arrive_together_share_batches(reader, digits, labels):
    network = Counting()
    readings = read_together(digits[::25], network, reader)
    assert [each.digit for each in readings] == labels[::25].tolist()
    assert len(network.sizes) < 20


def test_pictures_of_clients_that_left_are_not_read(reader, digits):
    network = Counting()
    outcomes = read_together(digits[::100], network, reader, left=4)
    assert [type(each) for each in outcomes[:4]] == [asyncio.CancelledError] * 4
    assert outcomes[4].digit == 8
    assert set(network.sizes) == {1}


def test_a_failed_batch_fails_for_each_of_its_pictures_and_the_next_one_is_read(
    reader, digits
):
    network = Counting(fails=True)
    outcomes = read_together(digits[::100], network, reader)
    assert {type(each) for each in outcomes[: network.sizes[0]]} == {RuntimeError}
    (again,) = read_together(digits[:1], network, reader)
    assert again.digit == 0

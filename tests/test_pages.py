"""PDFs and TIFFs: their pages are counted, and each is drawn by itself."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from PIL import Image

from app.picture.errors import CorruptImage, NoSuchPage
from app.picture.file_formats import MAX_PIXELS
from app.picture.opening import open_image, page_count
from hostile import HOSTILE, PNG
from pdfs import A4, ONE, filled_in, pdf_of
from pictures import document, encode, with_damaged_page

GREYS = [Image.new("L", (40, 30), 50 * page) for page in range(4)]


def opened(data: bytes, page: int | None = None) -> Image.Image:
    image = open_image(data, MAX_PIXELS, page=page)
    image.load()
    return image


ANIMATION = encode(GREYS[0], "GIF", save_all=True, append_images=GREYS[1:])


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (PNG, 1),
        (b"no picture", 1),
        (ANIMATION, 1),
        (document(GREYS[:1], "PDF"), 1),
        (document(GREYS[:1], "TIFF"), 1),
        (document(GREYS, "PDF"), 4),
        (document(GREYS, "TIFF"), 4),
        (pdf_of(*[(A4, ONE)] * 100), 100),
    ],
)
def test_pages_are_counted(data, count):
    assert page_count(data) == count


BROKEN_PDFS = [name for name in HOSTILE if "pdf" in name]
BROKEN_PDFS.remove("pdf without area")


@pytest.mark.parametrize("name", BROKEN_PDFS)
def test_pages_that_cannot_be_counted_are_the_error_of_their_file(name):
    data, error, message = HOSTILE[name]
    with pytest.raises(error, match=message):
        page_count(data)


def test_a_tiff_cut_anywhere_keeps_the_pages_before():
    whole = document(GREYS, "TIFF", compression="tiff_lzw")
    for length in range(len(whole) // 2, len(whole)):
        cut = whole[:length]
        count = page_count(cut)
        levels = [page_of(cut, page) for page in range(1, count + 1)]
        read = [level for level in levels if level is not None]
        assert 2 <= count <= 4
        assert read == [0, 50, 100, 150][: len(read)]


def page_of(data: bytes, page: int) -> int | None:
    """Return the grey level of a page; None if it is damaged."""
    try:
        image = open_image(data, MAX_PIXELS, page=page)
    except CorruptImage:
        return None
    try:
        return image.getpixel((0, 0))
    except Exception:  # as in `decode_image`
        return None


def test_a_damaged_page_of_a_tiff_does_not_lose_those_after_it():
    damaged = with_damaged_page(document(GREYS, "TIFF"))
    assert page_count(damaged) == 4
    assert [page_of(damaged, page) for page in (1, 2, 3, 4)] == [0, None, 100, 150]


def test_a_page_that_a_pdf_only_claims_to_have_is_damaged():
    claiming = pdf_of((A4, ONE), (A4, ONE)).replace(b"/Count 2", b"/Count 4")
    assert page_count(claiming) == 4
    assert opened(claiming, 2).size == (1448, 2048)
    damaged = r"The page of the PDF is damaged: .*[^.]\.$"
    with pytest.raises(CorruptImage, match=damaged):
        opened(claiming, 3)
    with pytest.raises(NoSuchPage, match="The file has 4 pages: choose one, with "):
        opened(claiming)


@pytest.mark.parametrize(
    ("box", "size"),
    [
        (b"", (1583, 2048)),
        (b"/MediaBox[0 0 0 0]", (1583, 2048)),
        (b"/MediaBox[0 0 1e30 1e30]", (1583, 2048)),
        (b"/MediaBox[100 200 0 0]", (1024, 2048)),
        (b"/MediaBox[0 0 2834645 2834645]", (2048, 2048)),  # a square kilometre
        (b"/MediaBox[0 0 1 20000]", (1, 2048)),
        (b"/MediaBox[0 0 0.001 0.001]", (2048, 2048)),
        (A4 + b"/UserUnit 10000", (1448, 2048)),
        (A4 + b"/Rotate 90", (2048, 1448)),
    ],
)
def test_a_page_is_drawn_at_the_same_size_whatever_it_claims(box, size):
    assert opened(pdf_of((box, ONE))).size == size


def shade(data: bytes) -> float:
    """Return the darkest level of a page in grey."""
    return opened(data).convert("L").getextrema()[0]


@pytest.mark.parametrize("drawing", [b"/MK<</CA(4)>>", b"/AP<</N<</Yes 7 0 R>>>>"])
def test_a_box_that_is_ticked_has_its_mark(drawing):
    box = b"/Subtype/Widget/FT/Btn/V/%s/AS/%s"
    assert shade(filled_in(box % (b"Yes", b"Yes") + drawing)) < 50
    assert shade(filled_in(box % (b"Off", b"Off") + drawing)) > 150  # its frame is grey


@pytest.mark.slow
def test_pages_are_drawn_by_several_threads_at_once():
    data = document([Image.new("L", (300, 300), 60 * page) for page in range(4)])
    with ThreadPoolExecutor(8) as pool:
        drawn = pool.map(partial(opened, data), [1, 2, 3, 4] * 8)
        means = [np.asarray(page).mean() for page in drawn]
    assert means == pytest.approx([0, 60, 120, 180] * 8, abs=2)

"""A picture's layouts: lines of writing, with boxes in the upright picture; a blank picture has none."""

import time

import numpy as np
import pytest
from PIL import Image

from app.inference.search import LAYOUTS, find
from app.preprocess import layouts
from app.preprocess.errors import TooMuchWriting
from app.preprocess.layouts import LEVEL, MAX_FRAMES, Layout, reading_side, ways
from support import MAX_PIXELS, encode, picture_from_bytes


def page(*rows: np.ndarray, gap: int = 12, scale: int = 2) -> Image.Image:
    """Write rows of digits on white paper, in cells of 28 pixels with gaps."""
    lines = [np.concatenate([np.pad(digit, ((gap, gap), (0, gap))) for digit in row], axis=1) for row in rows]
    widest = max(line.shape[1] for line in lines)
    ink = np.concatenate([np.pad(line, ((0, 0), (gap, widest - line.shape[1] + gap))) for line in lines])
    return Image.fromarray(255 - ink).resize((scale * ink.shape[1], scale * ink.shape[0]))


def layouts_on(image: Image.Image | np.ndarray, closely: bool = False, **options) -> list[Layout]:
    return find(encode(image, **options), MAX_PIXELS, LAYOUTS, closely).results


@pytest.mark.parametrize("closely", [False, True])
def test_rows_of_digits_are_lines(digits, closely):
    first, *_ = layouts_on(page(digits[[0, 50, 100]], digits[[150, 200, 250, 300]]), closely)
    assert len(first) == 2
    assert not any(line.shapes.printed.any() for line in first)
    assert [line.spans.max() >= count for line, count in zip(first, (3, 4), strict=True)]


def test_boxes_are_on_the_upright_picture(digits):
    image = page(digits[[0, 50, 100]], scale=2)
    upright = layouts_on(image)[0][0].boxes
    exif = Image.Exif()
    exif[0x0112] = 6  # stored rotated
    turned = layouts_on(image.transpose(Image.Transpose.ROTATE_90), format="PNG", exif=exif)[0][0].boxes
    np.testing.assert_array_equal(turned, upright)
    large = layouts_on(image.resize((8 * image.width, 8 * image.height)))[0][0].boxes
    assert np.abs(large[:, 3].max() / 8 - upright[:, 3].max()) < 4


def test_printed_lines_add_a_layout_without_them(digits):
    image = page(digits[[0, 50, 100]])
    assert len(layouts_on(image)) == 1
    ruled = np.array(image)
    ruled[84:86, 10:-10] = 60
    both, erased = layouts_on(ruled)
    assert (both[0].shapes.printed > 0.1).all()  # the line crosses every digit
    assert not erased[0].shapes.printed.any()


def test_ink_cut_by_an_edge_is_left_out_in_another_layout_unless_it_is_as_large_as_a_digit(digits):
    image = page(digits[[0, 50, 100]])
    (both,) = layouts_on(image.crop((40, 0, *image.size)))
    assert both[0].boxes[:, 2].min() == 0
    margin = Image.new("L", (60, image.height), 255)
    margin.paste(0, (0, 10, 8, image.height - 10))  # the edge of another sheet
    beside = Image.new("L", (60 + image.width, image.height))
    beside.paste(margin, (0, 0))
    beside.paste(image, (60, 0))
    both, whole = layouts_on(beside)
    assert both[0].boxes[:, 2].min() == 0
    assert whole[0].boxes[:, 2].min() > 60


def test_a_close_look_starts_with_the_threshold_of_a_glance(digits):
    picture = picture_from_bytes(encode(page(digits[[0, 50, 100]])), 640)
    glance, close = (next(ways(picture, closely)) for closely in (False, True))
    assert close.level == glance.level


@pytest.fixture
def uneven(digits) -> np.ndarray:
    """A number on paper in uneven light, which has several views."""
    sheet = np.array(page(digits[[0, 50, 100]]))
    return np.uint8(sheet * np.linspace(0.5, 1, sheet.shape[1]))


def test_a_close_look_tries_all_views_at_the_usual_threshold_first(uneven):
    found = list(ways(picture_from_bytes(encode(uneven), 640), closely=True))
    usual = [way for way in found if way.level == LEVEL]
    assert [way.level for way in found[: len(usual)]] == [LEVEL] * len(usual)
    assert len({id(way.view) for way in usual}) == len({id(way.view) for way in found}) >= 4


def test_a_close_look_ends_after_a_while_with_what_it_has_found(uneven, monkeypatch):
    first, *others = layouts_on(uneven, closely=True)
    assert others
    monkeypatch.setattr(layouts, "ENOUGH_SECONDS", 0)
    (only,) = layouts_on(uneven, closely=True)
    np.testing.assert_array_equal(only[0].boxes, first[0].boxes)


def test_one_segmentation_after_the_first_may_not_have_too_many_frames(digits, monkeypatch):
    picture = page(*[digits[row::40] for row in range(4)])
    assert len(layouts_on(picture, closely=True)) > 1
    monkeypatch.setattr(layouts, "ENOUGH_FRAMES", 0)
    assert len(layouts_on(picture, closely=True)) == 1


def test_layouts_differ(uneven):
    found = layouts_on(uneven, closely=True)
    assert len({tuple(map(tuple, layout[0].boxes.tolist())) for layout in found}) == len(found) > 1


@pytest.mark.parametrize(
    ("size", "side"), [((640, 160), 640), ((4000, 3000), 739), ((3000, 4000), 739), ((4000, 40), 2560), ((28, 28), 28)]
)
def test_long_pictures_are_reduced_less(size, side):
    assert reading_side(size, closely=True) == side
    assert reading_side(size, closely=False) <= side


def test_a_blank_picture_has_no_layout():
    assert layouts_on(np.full((100, 300), 255, np.uint8), closely=True) == []


def noise(share: float) -> np.ndarray:
    """Draw a share of black pixels on white."""
    return np.where(np.random.default_rng(0).random((640, 640)) < share, 0, 255).astype(np.uint8)


def full_page(digits: np.ndarray) -> Image.Image:
    """Write 32 lines of 64 digits."""
    return page(*[np.resize(digits[::7], (64, 28, 28)) for _ in range(32)], gap=4, scale=1)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.002, 0.02, 0.1, 0.3, 0])
def test_noise_and_full_pages_stay_within_the_time_limit(digits, share):
    picture = noise(share) if share else full_page(digits)
    started = time.process_time()
    try:
        found = layouts_on(picture, closely=True)
    except TooMuchWriting:
        found = []
    assert time.process_time() - started < 1  # the limit of a decoder process
    assert sum(len(line.frames) for layout in found for line in layout) <= MAX_FRAMES

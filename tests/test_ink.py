"""Image → ink: for each kind of picture, one of the views finds the intended ink."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageOps

from app.preprocess import ink
from app.preprocess.ink import View, views
from support import cropped, drawing, encode

LIGHT = np.linspace(0.95, 0.45, 240)  # from a window on the left


def sheet(digit: np.ndarray) -> Image.Image:
    """Draw on 240×160 pixels."""
    return drawing(digit, 4)


def photo(digit: np.ndarray) -> Image.Image:
    levels = np.asarray(sheet(digit)) * LIGHT + np.random.default_rng(0).normal(0, 2, (160, 240))
    data = encode(levels.clip(0, 255).astype(np.uint8), "JPEG", quality=85)
    return Image.open(BytesIO(data))


def overlap(view: View, true: np.ndarray) -> float:
    """Compute the intersection over union of the found and the drawn ink; pixels count from half strength on."""
    found = np.zeros(true.shape, bool)
    height, width = view.ink.shape
    found[view.top : view.top + height, view.left : view.left + width] = view.ink >= 0.5
    drawn = true >= 0.5
    return (found & drawn).sum() / (found | drawn).sum()


def best(image: Image.Image, true: np.ndarray) -> View:
    """Return the view with the best overlap."""
    return max(views(image), key=lambda view: overlap(view, true))


def assert_all_in_range(image: Image.Image) -> None:
    for view in views(image):
        assert view.ink.dtype == np.float32
        assert view.ink.min() >= 0
        assert view.ink.max() == 1


@pytest.mark.parametrize("change", ["dark", "light", "yellow on green"])
def test_on_an_even_ground_ink_is_what_differs_from_the_ground(seven, change):
    image = {
        "dark": sheet(seven),
        "light": ImageOps.invert(sheet(seven)),
        "yellow on green": ImageOps.colorize(sheet(seven), black=(250, 240, 60), white=(15, 80, 50)),
    }[change]
    first, true = next(views(image)), 1 - np.asarray(sheet(seven)) / 255
    np.testing.assert_allclose(first.ink, true, atol=0.01)
    assert first.levels
    assert first.prior == 0
    assert_all_in_range(image)


@pytest.mark.parametrize("side", [16, 28, 100])
def test_on_a_tight_crop_a_threshold_finds_the_ink_in_both_polarities(digits, side):
    for digit in digits[::25]:
        crop = Image.fromarray(cropped(digit)).resize((side * 3 // 4, side), Image.Resampling.BICUBIC)
        light = np.asarray(crop)
        for image, nth in [(ImageOps.invert(crop), 0), (crop, 1)]:
            view = [view for view in views(image) if not view.levels][nth]
            assert view.prior == ink.THRESHOLD_PRIOR
            assert overlap(view, light / light.max()) > 0.75


def test_strokes_are_found_on_an_uneven_ground(digits):
    for digit in digits[::50]:
        first, true = next(views(photo(digit))), 1 - np.asarray(sheet(digit)) / 255
        assert overlap(first, true) > 0.75
        assert_all_in_range(photo(digit))


def test_light_strokes_are_found_last(seven):
    chalk, true = ImageOps.invert(photo(seven)), 1 - np.asarray(sheet(seven)) / 255
    view = best(chalk, true)
    assert overlap(view, true) > 0.75
    assert view.prior == ink.LIGHT_PRIOR
    assert [view.prior for view in views(chalk)][-2:] == [ink.LIGHT_PRIOR] * 2


@pytest.mark.parametrize(
    "image",
    [
        Image.new("L", (100, 100), 255),
        Image.new("L", (1, 1)),
        Image.new("RGB", (30, 40), (200, 30, 40)),
        Image.new("RGBA", (100, 100)),
        Image.new("F", (100, 100), 1000),
        Image.fromarray(np.full((100, 100), 250, np.uint8) + np.arange(100, dtype=np.uint8) // 34),
    ],
    ids=["white", "one pixel", "red", "see-through", "numbers", "a faint gradient"],
)
def test_a_blank_picture_has_no_view(image):
    assert list(views(image)) == []


def test_lines_along_the_edges_are_left_out(seven):
    levels = np.asarray(photo(seven)).copy()
    levels[:3] = levels[:, :2] = levels[:, -4:] = 30
    rows, columns = ink.without_edge_lines(levels / np.float32(255))
    assert 3 <= rows.start <= 5
    assert 2 <= columns.start <= 4
    assert 234 <= columns.stop <= 236
    assert rows.stop == 160
    first = next(views(Image.fromarray(levels)))
    assert (first.top, first.left) == (rows.start, columns.start)
    assert overlap(first, 1 - np.asarray(sheet(seven)) / 255) > 0.75


def test_nothing_is_left_out_if_there_is_no_line(seven):
    rows, columns = ink.without_edge_lines(np.asarray(photo(seven)) / np.float32(255))
    assert (rows, columns) == (slice(0, 160), slice(0, 240))


def test_otsus_threshold_matches_a_calculation_by_hand():
    levels = np.array([0.1] * 6 + [0.2] * 2 + [0.8] * 2, np.float32)
    threshold, separability = ink.otsu(levels)
    assert 0.2 < threshold < 0.8
    assert separability == pytest.approx(0.98, abs=0.01)  # 0.8 · 0.2 · 0.675² of 0.0744


@pytest.mark.parametrize("opacity", [254, 60])
def test_the_ink_of_a_transparent_picture_is_its_colour_or_its_alpha(seven, opacity):
    mask, true = ImageOps.invert(sheet(seven)), 1 - np.asarray(sheet(seven)) / 255
    on_sheet, alone = sheet(seven).convert("LA"), Image.new("LA", mask.size)
    on_sheet.putalpha(Image.new("L", mask.size, opacity))
    alone.putalpha(mask)
    for image in (on_sheet, alone):
        first = next(views(image))
        np.testing.assert_allclose(first.ink, true, atol=0.01)


def test_the_ink_of_a_filled_shape_of_one_colour_is_its_alpha():
    blue = Image.new("RGBA", (80, 100), (0, 0, 200, 255))
    blue.paste((0, 0, 200, 0), (30, 40, 50, 100))  # a hole in a shape that fills most of the picture
    shape = np.asarray(blue.getchannel("A")) > 0
    assert any(np.array_equal(view.ink > 0.5, shape) for view in views(blue))

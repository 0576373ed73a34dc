"""Properties of the pictures in the benchmark scenes."""

from collections import Counter
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from app.preprocess.decode import open_image
from crops import CROPS
from scenes import SCENES, render
from support import MAX_PIXELS

pytestmark = pytest.mark.slow


def rendered(scene: str, digits: np.ndarray) -> list[Image.Image]:
    """Render digits in a scene."""
    return [Image.open(BytesIO(render(scene, digit, seed=0, index=index))) for index, digit in enumerate(digits)]


def borders(image: Image.Image) -> list[set[int]]:
    """Return the grey levels along each of the four edges."""
    levels = np.asarray(image)
    return [set(edge.tolist()) for edge in (levels[0], levels[-1], levels[:, 0], levels[:, -1])]


@pytest.mark.parametrize("scene", [scene for scene in SCENES if scene != "12-megapixels"])
def test_the_service_opens_every_scene(seven, scene):
    open_image(render(scene, seven, seed=0, index=3), MAX_PIXELS).load()


@pytest.mark.parametrize("scene", ["clean", "white-on-black", "printed-grid", "one-bit-scan", *CROPS])
def test_a_picture_depends_only_on_scene_seed_and_index(seven, scene):
    assert render(scene, seven, seed=0, index=3) == render(scene, seven, seed=0, index=3)


@pytest.mark.parametrize("scene", CROPS)
def test_a_crop_has_the_size_in_its_name(digits, scene):
    side, room = int(scene.split("px")[0].split("-")[-1]), 4 if scene.endswith("margin") else 0
    sizes = [max(image.size) for image in rendered(scene, digits[::25])]
    assert 0.85 * side <= min(sizes) <= max(sizes) <= side + room


@pytest.mark.parametrize("side", [8, 16, 28, 100, 300])
def test_a_crop_has_ink_on_all_edges_or_an_even_margin(digits, side):
    threes = digits[150:200:5]
    assert all(len(edge) > 1 for image in rendered(f"tight-{side}px", threes) for edge in borders(image))
    for image in rendered(f"tight-{side}px-margin", threes):
        assert {len(edge) for edge in borders(image)} == {1}


def test_about_half_of_the_crops_are_binary_and_half_dark_on_light(digits):
    images = rendered("tight-28px-margin", digits[::2])
    binary = sum(len(image.getcolors()) == 2 for image in images)
    light = sum(image.getpixel((0, 0)) == 255 for image in images)
    assert all(100 < count < 150 for count in (binary, light))


def test_a_one_bit_scan_has_one_bit_and_half_of_them_specks(digits):
    images = rendered("one-bit-scan", digits[::25])
    assert Counter(image.mode for image in images) == {"1": 20}
    black_corners = [(~np.asarray(image)[:15]).mean() for image in images]
    assert 4 < sum(share > 0 for share in black_corners) < 20


def test_a_cut_digit_has_ink_on_one_edge(digits):
    for image in rendered("slightly-cut", digits[::25]):
        grey = np.asarray(image.convert("L")).astype(int)
        edges = [grey[0], grey[-1], grey[:, 0], grey[:, -1]]
        assert sum(edge.min() < edge.max() - 60 for edge in edges) == 1


def test_a_printed_grid_has_black_lines_along_its_four_edges(digits):
    for image in rendered("printed-grid", digits[::25]):
        dark = np.asarray(image.convert("L")) < 110
        height, width = (np.array(dark.shape) * 0.25).astype(int)
        for band, axis in ((dark[:height], 0), (dark[-height:], 0), (dark[:, :width], 1), (dark[:, -width:], 1)):
            assert band.any(axis=axis).mean() > 0.9

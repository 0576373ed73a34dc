"""Parts of pictures on the page: marked by mouse, finger or keyboard, read alone."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from browsing import (
    PHONE,
    answered,
    button,
    choose,
    click,
    draw,
    draw_by_touch,
    expect_count,
    expect_hidden,
    expect_picture,
    expect_text,
    expect_words,
    opened,
    press,
)
from handwriting import Stroke
from pictures import document, turned_jpeg

pytestmark = pytest.mark.slow

# Left, top, right and bottom of 725 in the picture, with some paper around it.
PART = (100, 60, 500, 250)


@pytest.fixture(scope="module")
def picture(typeset) -> Image.Image:
    """A picture of another shape than the sheet: 725, and below it 10."""
    picture = Image.new("L", (1000, 520), 255)
    picture.paste(typeset("725", scale=2), (120, 90))
    picture.paste(typeset("10", scale=2), (200, 330))
    return picture


def on_sheet(page: Page, picture: Image.Image, part: tuple[float, ...]) -> Stroke:
    """Return two opposite corners of a part of the picture, in heights of the sheet."""
    shown = page.locator("#picture").bounding_box()
    width = shown["width"]
    height = shown["height"]
    padding = 12
    scale = min(
        (width - 2 * padding) / picture.width, (height - 2 * padding) / picture.height
    )
    left = (width - scale * picture.width) / 2
    top = (height - scale * picture.height) / 2
    corners = np.reshape(part, (2, 2))
    return ((left, top) + scale * corners) / height


def images_sent(page: Page) -> list[Image.Image]:
    """Return a list to which each picture is added that is sent from now on."""
    pictures: list[Image.Image] = []

    def keep(route: Route) -> None:
        pictures.append(Image.open(BytesIO(route.request.post_data_buffer)))
        route.continue_()

    page.route("**/read?*", keep)
    return pictures


def expect_both_lines(page: Page) -> None:
    """Wait until 725 and 10 are read."""
    expect_count(page, "#lines label", 2)
    expect_words(page, "#lines label", ["725", "10"])
    answered(page)


def expect_part(page: Page, name: str = "photo.png") -> None:
    """Wait until the part is read alone."""
    expect_picture(page, f"{name}, part")
    expect_text(page, "#text", "725")
    assert answered(page) == "725"
    expect_hidden(page, "#page")
    expect_count(page, "#boxes rect", 3)
    expect_hidden(page, "#part")


def test_a_drag_of_the_mouse_over_a_picture_reads_a_part_and_undo_brings_all_of_it_back(
    page, picture
):
    choose(page, "photo.png", picture)
    expect_both_lines(page)
    images = images_sent(page)
    draw(page, on_sheet(page, picture, PART))
    expect_part(page)
    # Of the picture, under one pixel of the screen.
    pixels = 1 / page.evaluate("() => boxes.getScreenCTM().a") + 1
    assert images[0].size == pytest.approx((400, 190), abs=2 * pixels)
    press(page, "Control+z")
    expect_count(page, "#lines label", 2)
    expect_picture(page, "photo.png")
    press(page, "Control+y")
    expect_part(page)
    page.reload()
    expect_part(page)


def test_a_finger_marks_a_part_once_crop_was_tapped(browser, url, picture):
    with opened(browser, url, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        choose(page, "photo.png", picture)
        expect_both_lines(page)
        draw_by_touch(page, on_sheet(page, picture, PART))  # scrolls
        expect_count(page, "#lines label", 2)
        crop = button(page, "Crop")
        crop.tap()
        expect(crop).to_have_attribute("aria-pressed", "true")
        expect_words(page, "#part-note", "Drag over what to read")
        draw_by_touch(page, on_sheet(page, picture, PART))
        expect_part(page)
        expect(crop).to_have_attribute("aria-pressed", "false")
        expect(page.locator("#part-note")).to_be_empty()


def test_a_part_is_marked_by_keyboard_alone(page, picture):
    choose(page, "photo.png", picture)
    expect_both_lines(page)
    crop = button(page, "Crop")
    crop.focus()
    press(page, "Enter")
    part = page.get_by_role("application", name="Part to read")
    expect(part).to_be_focused()
    keys = {
        "ArrowLeft": 20,
        "ArrowUp": 22,
        "ArrowDown": 2,
        "Shift+ArrowLeft": 5,
        "Shift+ArrowDown": 3,
    }
    for key, times in keys.items():
        press(page, *[key] * times)
    expect_text(page, "#part-note", "From 5 to 50 % across, 5 to 58 % down")
    press(page, "Enter")
    expect_part(page)
    expect(crop).to_be_focused()
    press(page, "Control+z")
    expect_count(page, "#lines label", 2)
    press(page, "Enter", "Escape")
    expect(part).to_be_hidden()
    expect(crop).to_be_focused()
    expect_count(page, "#lines label", 2)  # the picture is still there


def test_a_part_is_cut_out_of_the_picture_as_it_is_shown(page, picture):
    """Of a photo that its EXIF turns, of one that the service turned, and of a page of
    a document.
    """
    other = Image.new("L", picture.size, 255)
    lower_left = picture.crop((200, 330, 500, 520))
    other.paste(lower_left, (300, 200))
    pages = [other, picture]
    files = {
        "exif.jpg": turned_jpeg(picture),
        "sideways.png": picture.rotate(90, expand=True),
        "scan.tiff": document(pages, "TIFF", compression="tiff_deflate"),
    }
    for name, data in files.items():
        choose(page, name, data)
        if name.startswith("scan"):
            click(page, "Next page")
        expect_both_lines(page)
        draw(page, on_sheet(page, picture, PART))
        expect_part(page, name)
        press(page, "Control+z")
        expect_count(page, "#lines label", 2)  # the same page is open

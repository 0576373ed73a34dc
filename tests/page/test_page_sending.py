"""Photos on the page: they are reduced before they are sent, as the service would, and
it is shown how much of a file has been sent.
"""

import re
from io import BytesIO

import httpx2
import numpy as np
import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Page, Route, expect

from app.text import strips
from browsing import (
    answered,
    choose,
    choose_all,
    devtools_of,
    expect_picture,
    expect_text,
    expect_words,
    from_module,
    natural_size,
    saved,
)
from pictures import encode, turned_jpeg
from stand_ins import answering

pytestmark = pytest.mark.slow

SIDES = ("left", "top", "width", "height")


@pytest.fixture(scope="module")
def photo(typeset) -> Image.Image:
    """A photo of 12 megapixels, with two numbers."""
    photo = Image.new("L", (4000, 3000), 250)
    photo.paste(typeset("725", scale=12), (500, 300))
    photo.paste(typeset("42.50", scale=12), (700, 1800))
    return photo


@pytest.fixture(scope="module")
def noise() -> bytes:
    """A photo whose file is large also after it was reduced."""
    pixels = np.random.default_rng(0).integers(0, 255, (3000, 4000, 3), np.uint8)
    return encode(Image.fromarray(pixels), "JPEG", quality=75)


def bodies_of(page: Page) -> list[bytes]:
    """Return a list to which what is sent from now on is added."""
    bodies: list[bytes] = []

    def keep(route: Route) -> None:
        bodies.append(route.request.post_data_buffer)
        route.continue_()

    page.route("**/read?*", keep)
    return bodies


def test_pictures_are_reduced_to_the_size_at_which_the_service_reads_them(page):
    for size in ((4000, 3000), (3024, 4032), (1500, 1400), (9000, 1200), (50, 20_000)):
        side = strips.side_of(size, strips.PAGE_PIXELS)
        reduction = "module.reduction(argument)"
        factor = from_module(page, "images", reduction, list(size))
        assert factor == max(1, round(max(size) / side)), size


def test_a_large_photo_is_sent_reduced_and_its_boxes_fit_the_photo(page, url, photo):
    """Also if its EXIF turns it, and then the service does."""
    scene = photo.rotate(90, expand=True)
    data = turned_jpeg(scene)
    bodies = bodies_of(page)
    choose(page, "photo.jpg", data)
    assert answered(page) == "725"
    expect_picture(page, "photo.jpg")
    [sent] = map(Image.open, map(BytesIO, bodies))
    assert sent.format == "JPEG"
    assert sent.size == (scene.width / 2, scene.height / 2)
    assert len(bodies[0]) < len(data)
    parameters = {"rotate": "auto", "frame": "true"}
    answer = httpx2.post(f"{url}/read", params=parameters, content=data, timeout=60)
    lines = answer.json()["lines"]
    rows = saved(page)
    assert [row["text"] for row in rows] == ["725", "42.50"]
    for row, line in zip(rows, lines, strict=True):
        for side in SIDES:
            assert int(row[side]) == pytest.approx(line["box"][side], abs=12), side
    assert int(rows[0]["size"]) == len(data)
    assert natural_size(page)[0] == 1600  # as the service turned it


def test_what_cannot_be_reduced_or_would_be_no_smaller_is_sent_as_it_is(page, typeset):
    large = Image.new("L", (3000, 2000), 255)
    large.paste(typeset("725", scale=8), (500, 300))
    transparent = Image.new("LA", large.size, (0, 0))
    transparent.putalpha(ImageOps.invert(large))
    pictures = {
        "small.jpg": encode(large.resize((1500, 1000)), "JPEG"),
        "transparent.png": encode(transparent),
        "flat.png": encode(large.point(lambda level: 255 * (level > 128)).convert("1")),
        "scan.pdf": encode(large, "PDF"),
    }
    bodies = bodies_of(page)
    choose_all(page, pictures)
    expect_words(page, "#counts", "4 in all: 4 sure")
    assert set(bodies) == set(pictures.values())


def test_it_is_shown_how_much_of_a_slow_upload_has_been_sent(page, noise):
    words = []
    page.expose_function("note", lambda text: words.append(text))
    page.evaluate(
        """() => new MutationObserver(() => note(message.textContent))
            .observe(message, {childList: true})"""
    )
    devtools = devtools_of(page)
    devtools.send("Network.enable")
    throttle = {"offline": False, "latency": 0, "downloadThroughput": -1}
    throttle["uploadThroughput"] = 600_000  # bytes per second
    devtools.send("Network.emulateNetworkConditions", throttle)
    progress = page.locator("#list progress").first
    with answering(lambda _: (422, {}, {"detail": "Received."})) as elsewhere:
        page.route("**/read?*", lambda route: route.continue_(url=f"{elsewhere}/read"))
        choose(page, "noise.jpg", noise)
        expect_words(page, "#message", re.compile(r"^Sending \d+ %$"))
        expect_words(page, "#list li", re.compile(r"Sending \d+ %"))
        expect(progress).to_be_visible()
        expect_text(page, "#message", "Received.")
    expect(progress).to_be_hidden()
    shares = [int(each.split()[1]) for each in words if each.startswith("Sending")]
    assert len(shares) > 2
    assert shares == sorted(shares)

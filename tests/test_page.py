"""The page in a real browser."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from conftest import encode
from test_cli import serving
from test_preprocess import drawing

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SEVEN = [(0.3, 0.25), (0.7, 0.25), (0.6, 0.5), (0.45, 0.85)]  # in widths of the sheet


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if not CHROMIUM and not os.environ.get("CI"):
        pytest.skip("needs Chromium: apt-get install chromium")
    with serving() as (_, url), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.on("request", lambda request: requested.append(request.url))
        requested: list[str] = []
        page.goto(url)
        yield page
        browser.close()
        assert all(address.startswith((url, "data:", "blob:")) for address in requested)


def draw(page: Page, points: list[tuple[float, float]]) -> None:
    box = page.locator("#sheet").bounding_box()
    for i, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=8)
        if i == 0:
            page.mouse.down()
    page.mouse.up()


def test_a_drawn_seven_is_read(page):
    draw(page, SEVEN)
    expect(page.locator("#digit")).to_have_text("7")
    expect(page.locator("#bars li")).to_have_count(10)
    expect(page.locator("#frame")).to_be_visible()
    assert page.locator("#bars li:nth-child(8) progress").evaluate("bar => bar.value") > 0.5


def test_clear_takes_the_answer_away(page):
    draw(page, SEVEN)
    expect(page.locator("#digit")).to_have_text("7")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#digit")).to_have_text("?")
    expect(page.locator("#frame")).to_be_hidden()


def test_a_chosen_picture_is_read(page, digits):
    page.locator("#file").set_input_files(
        {"name": "three.png", "mimeType": "image/png", "buffer": encode(drawing(digits[150]))}
    )
    expect(page.locator("#digit")).to_have_text("3")


def test_a_file_that_is_no_picture_is_said(page):
    page.locator("#file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"})
    expect(page.locator("#message")).to_contain_text("not a picture")
    expect(page.locator("#digit")).to_have_text("?")

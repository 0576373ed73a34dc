"""Take screenshots of the page for the README, with digits drawn on it: desktop, light
and dark, and phone.

    make screenshot

Writes docs/page*.png. Needs Chromium.
"""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from servers import URL, running

DOCS = Path(__file__).parent.parent / "docs"
# The strokes of two digits: points (x, y) in shares of the sheet's height from the
# digit's upper left corner.
ANGLES = np.linspace(-2.7, 0.8, 20)
BOW = 0.17 + 0.16 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
TWO = [[*BOW, (0.03, 0.6), (0.38, 0.59)]]
FOUR = [[(0.1, 0), (0.06, 0.16), (0, 0.36), (0.36, 0.34)], [(0.28, 0.14), (0.26, 0.6)]]
COLOURS = 256  # per file; the page has few, and this leaves a third of the bytes
DESKTOP = {"width": 1280, "height": 720}
PHONE = {"width": 390, "height": 664}
VIEWS = {  # the digits to draw, and the screen
    "page.png": ([FOUR], {"viewport": DESKTOP, "color_scheme": "light"}),
    "page-dark.png": ([FOUR], {"viewport": DESKTOP, "color_scheme": "dark"}),
    "page-phone.png": ([FOUR, TWO], {"viewport": PHONE, "has_touch": True}),
}


def draw(page: Page, number: list[list[list[tuple[float, float]]]]) -> None:
    """Draw digits side by side; wait for the answer, the bars and the explanation."""
    box = page.locator("#sheet").bounding_box()
    height = box["height"]
    for place, digit in enumerate(number):
        start = (place + 1 - len(number) / 2) * box["width"] / 2
        corner = np.array([box["x"] + start, box["y"]]) + 0.2 * height
        for stroke in digit:
            points = (corner + height * np.array(stroke)).tolist()
            page.mouse.move(*points[0])
            page.mouse.down()
            for point in points:
                page.mouse.move(*point, steps=5)
            page.mouse.up()
    page.locator("#answer[aria-busy=false] .best").wait_for()
    page.locator("#reading:not([open]), #reading[aria-busy=false]").wait_for()
    page.wait_for_timeout(500)


def main() -> None:
    """Take the screenshots."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        raise SystemExit("Chromium is needed: on Debian, apt-get install chromium")
    with running(), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        for name, (number, view) in VIEWS.items():
            page = browser.new_page(device_scale_factor=2, **view)
            page.goto(URL)
            for _ in range(2):  # a service's first answer takes longer
                page.keyboard.press("Escape")
                draw(page, number)
            page.screenshot(path=DOCS / name)
            image = Image.open(DOCS / name).convert("RGB")
            small = image.quantize(COLOURS, kmeans=1, dither=Image.Dither.NONE)
            small.save(DOCS / name, optimize=True)


if __name__ == "__main__":
    main()

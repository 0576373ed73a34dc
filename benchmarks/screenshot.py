"""Draw the page for the README: the strokes of two MNIST digits on a desktop, light and dark, and on a phone.

    make screenshot

Writes docs/page*.png. Needs Chromium.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from app.preprocess.frame import FRAME_SIDE
from serving import PORT, ROOT, SERVERS, digits, start, stop
from training.strokes import traced

DOCS = ROOT / "docs"
NUMBER = 215, 110  # a 4 and a 2
SIDE = 0.8  # of a digit's picture, in heights of the sheet
COLOURS = 64  # in a file: the page has few
VIEWS = {
    "page.png": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "page-dark.png": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "page-phone.png": {"viewport": {"width": 390, "height": 664}, "color_scheme": "light", "has_touch": True},
}


def draw(page: Page, number: Sequence[np.ndarray]) -> None:
    """Draw digits' centre lines side by side with the mouse, and wait for the answer, the bars and the explanation."""
    box = page.locator("#sheet").bounding_box()
    scale = SIDE * box["height"] / FRAME_SIDE
    for place, digit in enumerate(number):
        left, top = box["x"] + place * box["width"] / 2, box["y"] + 0.1 * box["height"]
        for stroke in traced(digit):
            points = [(left + x * scale, top + y * scale) for x, y in stroke]
            page.mouse.move(*points[0])
            page.mouse.down()
            for point in points[4::4] + points[-1:]:
                page.mouse.move(*point)
            page.mouse.up()
    page.locator("#answer[aria-busy=false] .best").wait_for()
    page.locator("#reading:not([open]), #reading[aria-busy=false]").wait_for()
    page.wait_for_timeout(500)


def shrink(path: Path) -> None:
    """Fewer colours, a third of the bytes."""
    Image.open(path).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    """Draw the page."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        raise SystemExit("Chromium is needed: on Debian, apt-get install chromium")
    server, _ = start(SERVERS["digits"], "file")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            for name, view in VIEWS.items():
                page = browser.new_page(device_scale_factor=2, **view)
                page.goto(f"http://127.0.0.1:{PORT}")
                draw(page, [digits()[index] for index in NUMBER])
                page.screenshot(path=DOCS / name)
                shrink(DOCS / name)
            browser.close()
    finally:
        stop(server)


if __name__ == "__main__":
    main()

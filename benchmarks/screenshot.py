"""Draw the page for the README: an MNIST digit's strokes on a desktop, light and dark, and on a phone.

    make screenshot

Writes docs/page*.png. Needs Chromium.
"""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from app.preprocess.frame import FRAME_SIDE
from serving import PORT, ROOT, SERVERS, digits, start, stop
from training.strokes import traced

DOCS = ROOT / "docs"
DIGIT = 185  # a 3
COLOURS = 64  # in a file: the page has few
VIEWS = {
    "page.png": {"viewport": {"width": 960, "height": 640}, "color_scheme": "light"},
    "page-dark.png": {"viewport": {"width": 960, "height": 640}, "color_scheme": "dark"},
    "page-phone.png": {"viewport": {"width": 360, "height": 740}, "color_scheme": "light", "has_touch": True},
}


def draw(page: Page, digit: np.ndarray) -> None:
    """Draw a digit's centre lines with the mouse, and wait for the answer and the bars."""
    box = page.locator("#sheet").bounding_box()
    for stroke in traced(digit):
        points = [
            (box["x"] + x / FRAME_SIDE * box["width"], box["y"] + y / FRAME_SIDE * box["height"]) for x, y in stroke
        ]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[4::4] + points[-1:]:
            page.mouse.move(*point)
        page.mouse.up()
    page.locator("#answer[aria-busy=false] .best").wait_for()
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
                draw(page, digits()[DIGIT])
                page.screenshot(path=DOCS / name)
                shrink(DOCS / name)
            browser.close()
    finally:
        stop(server)


if __name__ == "__main__":
    main()

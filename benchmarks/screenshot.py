"""Take screenshots of the page for the README, with MNIST digits drawn on it: desktop, light and dark, and phone.

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
from drawing import traced
from serving import PORT, ROOT, SERVERS, start, stop
from sheet import digits

DOCS = ROOT / "docs"
FOUR, TWO = 207, 102  # indices of the digits
SIDE = 0.8  # side of a digit's image, relative to the sheet's height
COLOURS = 256  # per file; the page has few
DESKTOP = {"width": 1280, "height": 720}
VIEWS = {  # the digits to draw, and the screen
    "page.png": ([FOUR], {"viewport": DESKTOP, "color_scheme": "light"}),
    "page-dark.png": ([FOUR], {"viewport": DESKTOP, "color_scheme": "dark"}),
    "page-phone.png": ([FOUR, TWO], {"viewport": {"width": 390, "height": 664}, "has_touch": True}),
}


def draw(page: Page, number: Sequence[np.ndarray]) -> None:
    """Draw digits' centre lines side by side with the mouse; wait for the answer, the bars and the explanation."""
    box = page.locator("#sheet").bounding_box()
    scale = SIDE * box["height"] / FRAME_SIDE
    for place, digit in enumerate(number):
        left, top = box["x"] + (place + 1 - len(number) / 2) * box["width"] / 2, box["y"] + 0.1 * box["height"]
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
    """Reduce the palette, which leaves a third of the bytes."""
    image = Image.open(path).convert("RGB")
    image.quantize(COLOURS, kmeans=1, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    """Take the screenshots."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        raise SystemExit("Chromium is needed: on Debian, apt-get install chromium")
    sheet = digits()
    server, _ = start(SERVERS["digits"], "file")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            for name, (number, view) in VIEWS.items():
                page = browser.new_page(device_scale_factor=2, **view)
                page.goto(f"http://127.0.0.1:{PORT}")
                for _ in range(2):  # a service's first answer takes longer
                    page.keyboard.press("Escape")
                    draw(page, sheet[number])
                page.screenshot(path=DOCS / name)
                shrink(DOCS / name)
            browser.close()
    finally:
        stop(server)


if __name__ == "__main__":
    main()

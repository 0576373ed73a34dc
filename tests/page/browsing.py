"""Helpers for tests of the page: open it in a browser, draw on it, choose files, and wait for the answer."""

from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from io import BytesIO

import numpy as np
from drawing import traced
from PIL import Image
from playwright.sync_api import Browser, CDPSession, Page, expect

SEVEN = [
    (0.3, 0.25),
    (0.5, 0.24),
    (0.7, 0.25),
    (0.66, 0.37),
    (0.6, 0.5),
    (0.52, 0.68),
    (0.45, 0.85),
]  # in heights of the sheet
LETTERS = {
    "A": [[(0.4, 0.8), (0.65, 0.2), (0.9, 0.8)], [(0.47, 0.6), (0.83, 0.6)]],
    "E": [[(0.85, 0.2), (0.45, 0.2), (0.45, 0.8), (0.85, 0.8)], [(0.45, 0.5), (0.8, 0.5)]],
    "X": [[(0.4, 0.2), (0.9, 0.8)], [(0.9, 0.2), (0.4, 0.8)]],
}
KEY = "a-key-for-tests"
MAX_BYTES = 400_000
SURE = r">?\d+\.\d %"
Stroke = Sequence[tuple[float, float]]


@contextmanager
def opened(browser: Browser, url: str, **context) -> Iterator[Page]:
    """Open the page, which must contact no host but its service, violate no policy and raise no error."""
    context = browser.new_context(**context)
    page = context.new_page()
    requested, faults = [], []
    page.on("request", lambda request: requested.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if "Failed to load" not in line.text else None)
    page.goto(url)
    yield page
    context.close()
    assert faults == []
    assert all(address.startswith((url, "data:", "blob:")) for address in requested)


def on_sheet(page: Page, stroke: Stroke) -> list[tuple[float, float]]:
    """Convert a stroke's points from sheet heights to page coordinates."""
    page.locator("#sheet").scroll_into_view_if_needed()
    box = page.locator("#sheet").bounding_box()
    return [(box["x"] + x * box["height"], box["y"] + y * box["height"]) for x, y in stroke]


def draw(page: Page, stroke: Stroke) -> None:
    """Draw strokes with the mouse."""
    first, *rest = on_sheet(page, stroke)
    page.mouse.move(*first)
    page.mouse.down()
    for point in rest:
        page.mouse.move(*point)
    page.mouse.up()


@cache
def devtools_of(page: Page) -> CDPSession:
    return page.context.new_cdp_session(page)


def draw_by_touch(page: Page, stroke: Stroke) -> None:
    """Draw strokes with a finger. Each touch waits for the last one to end, since touches sent ahead are dropped."""
    for i, point in enumerate(on_sheet(page, stroke)):
        touch(page, "touchMove" if i else "touchStart", point)
    touch(page, "touchEnd")


def touch(page: Page, kind: str, *fingers: tuple[float, float], first: int = 0) -> None:
    """Send a touch event with the positions of the fingers that start, move or end, numbered from `first`."""
    points = [{"id": i, "x": x, "y": y} for i, (x, y) in enumerate(fingers, first)]
    devtools_of(page).send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def record_pictures(page: Page) -> None:
    """Make the page record each picture that it sends, which Playwright does not show."""
    page.evaluate(
        """() => {
            const send = fetch;
            window.fetch = async (route, options) => {
                if (options) window.sent = [...new Uint8Array(await options.body.arrayBuffer())];
                return send(route, options);
            };
        }"""
    )


def sent(page: Page) -> Image.Image:
    """Return the last picture that the page has sent."""
    return Image.open(BytesIO(bytes(page.evaluate("sent"))))


def answered(page: Page) -> str:
    """Return the digit that is shown once no request is in flight."""
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")
    return page.locator("#text").text_content()


def choose(page: Page, *files: tuple[str, bytes]) -> None:
    page.locator("#files").set_input_files(
        [{"name": name, "mimeType": "application/octet-stream", "buffer": data} for name, data in files]
    )


def trace(digit: np.ndarray) -> list[Stroke]:
    """Trace a digit's centre lines, in units of its picture's side."""
    return [[(x / 28, y / 28) for x, y in [*stroke[::6], stroke[-1]]] for stroke in traced(digit)]


def number(*digits: np.ndarray) -> list[list[Stroke]]:
    """Place digits' centre lines side by side over the sheet; returns the strokes of each digit."""
    side = 1.9 / (len(digits) + 1)
    return [
        [[(k * 0.74 * side + 0.05 + x * side, 0.5 + (y - 0.5) * side) for x, y in stroke] for stroke in trace(digit)]
        for k, digit in enumerate(digits)
    ]


def draw_number(page: Page, strokes: list[list[Stroke]]) -> None:
    for digit in strokes:
        for stroke in digit:
            draw(page, stroke)


def ink_of(page: Page) -> int:
    """Count the inked pixels on the sheet."""
    drawn = page.locator("#sheet").evaluate("sheet => sheet.toDataURL()")
    return int((np.asarray(Image.open(BytesIO(b64decode(drawn.split(",")[1]))))[..., 3] > 127).sum())


def requests_of(page: Page, *routes: str) -> list[list[float]]:
    """Return start and end of each request to these routes so far, in ms."""
    return page.evaluate(
        """routes => performance.getEntriesByType("resource")
            .filter(({name}) => routes.includes(new URL(name).pathname.slice(1)))
            .map(({startTime, responseEnd}) => [startTime, responseEnd])""",
        list(routes),
    )


def explained(page: Page) -> None:
    """Wait for the explanation of the shown answer."""
    expect(page.locator("#reading")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#evidence rect")).to_have_count(49)


def shown_bar(page: Page) -> int:
    """Return the digit with the longest bar."""
    return int(page.locator("#bars .best b").text_content())

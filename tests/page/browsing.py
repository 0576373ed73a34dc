"""Helpers for tests of the page: open it in a browser, draw on it, choose files, and
wait for the answer.
"""

import csv
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO, StringIO

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, CDPSession, Page, expect

from handwriting import Stroke, handwritten

SEVEN = [
    (0.3, 0.25),
    (0.5, 0.24),
    (0.7, 0.25),
    (0.66, 0.37),
    (0.6, 0.5),
    (0.52, 0.68),
    (0.45, 0.85),
]
LETTERS = {
    "A": [[(0.4, 0.8), (0.65, 0.2), (0.9, 0.8)], [(0.47, 0.6), (0.83, 0.6)]],
    "E": [
        [(0.85, 0.2), (0.45, 0.2), (0.45, 0.8), (0.85, 0.8)],
        [(0.45, 0.5), (0.8, 0.5)],
    ],
    "X": [[(0.4, 0.2), (0.9, 0.8)], [(0.9, 0.2), (0.4, 0.8)]],
}
KEY = "a-key-for-tests"
MAX_BYTES = 400_000
SURE = r">?\d+\.\d %"
PHONE = {"width": 390, "height": 664}


@contextmanager
def opened(browser: Browser, url: str, **context) -> Iterator[Page]:
    """Open the page, which must contact no host but its service, violate no policy and
    raise no error.

    Unless the context says otherwise, the section with the explanation is closed, and
    nothing is animated.
    """
    context = browser.new_context(
        **{
            "viewport": {"width": 1024, "height": 768},
            "reduced_motion": "reduce",
            **context,
        }
    )
    page = context.new_page()
    requested, faults = [], []
    page.on("request", lambda request: requested.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        lambda line: (
            faults.append(line.text) if "Failed to load" not in line.text else None
        ),
    )
    page.goto(url)
    yield page
    context.close()
    assert faults == []
    assert all(address.startswith((url, "data:", "blob:")) for address in requested)


def on_page(page: Page, *strokes: Stroke) -> list[list[tuple[float, float]]]:
    """Convert strokes from sheet heights to page coordinates."""
    page.locator("#sheet").scroll_into_view_if_needed()
    box = page.locator("#sheet").bounding_box()
    return [
        [
            (box["x"] + x * box["height"], box["y"] + y * box["height"])
            for x, y in stroke
        ]
        for stroke in strokes
    ]


def draw(page: Page, *strokes: Stroke) -> None:
    """Draw strokes with the mouse."""
    for first, *rest in on_page(page, *strokes):
        page.mouse.move(*first)
        page.mouse.down()
        for point in rest:
            page.mouse.move(*point)
        page.mouse.up()


def draw_by_touch(page: Page, *strokes: Stroke) -> None:
    """Draw strokes with a finger. Each touch waits for the last one to end, since
    touches sent ahead are dropped.
    """
    for points in on_page(page, *strokes):
        for i, point in enumerate(points):
            touch(page, "touchMove" if i else "touchStart", point)
        touch(page, "touchEnd")


@cache
def devtools_of(page: Page) -> CDPSession:
    return page.context.new_cdp_session(page)


def touch(page: Page, kind: str, *fingers: tuple[float, float], first: int = 0) -> None:
    """Send a touch event with the positions of the fingers that start, move or end,
    numbered from `first`.
    """
    points = [{"id": i, "x": x, "y": y} for i, (x, y) in enumerate(fingers, first)]
    devtools_of(page).send(
        "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
    )


def answered(page: Page) -> str:
    """Return the digit or number that is shown once no request is in flight."""
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")
    return page.locator("#text").text_content()


def drawn(page: Page, *strokes: Stroke) -> str:
    """Draw strokes with the mouse; return what is read."""
    draw(page, *strokes)
    return answered(page)


def written(page: Page, text: str, *how, draw=draw) -> str:
    """Write a number on the sheet, `how` as in `handwritten`; return what is read."""
    draw(page, *handwritten(text, *how))
    return answered(page)


def choose(page: Page, *files: tuple[str, bytes], by: str = "Choose pictures") -> None:
    page.get_by_label(by).set_input_files(
        [{"name": name, "mimeType": "", "buffer": data} for name, data in files]
    )


def saved(page: Page) -> list[dict[str, str]]:
    """Save the list as CSV; return its rows."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    return list(csv.DictReader(StringIO(download.value.path().read_text())))


def picture_of(source: str) -> np.ndarray:
    """Decode a picture in a data URI."""
    return np.asarray(Image.open(BytesIO(b64decode(source.split(",")[1]))))


def ink_of(page: Page) -> int:
    """Count the inked pixels on the sheet."""
    return int(
        (
            picture_of(page.locator("#sheet").evaluate("sheet => sheet.toDataURL()"))[
                ..., 3
            ]
            > 127
        ).sum()
    )


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

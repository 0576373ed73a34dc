"""Helpers for tests of the page: open it in a browser, draw on it, choose files, and
wait for the answer.
"""

import csv
import json
import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO, StringIO

import numpy as np
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import (
    Browser,
    CDPSession,
    ConsoleMessage,
    Locator,
    Page,
    expect,
)

from handwriting import Stroke, handwritten, stroke
from pictures import encode

SEVEN = stroke("0.3,0.25 0.5,0.24 0.7,0.25 0.66,0.37 0.6,0.5 0.52,0.68 0.45,0.85")
LETTER_X = [stroke("0.4,0.2 0.9,0.8"), stroke("0.9,0.2 0.4,0.8")]
KEY = "a-key-for-tests"
MAX_BYTES = 400_000
SURE = r">?\d+\.\d %"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 664}
SMALL_PHONE = {"width": 320, "height": 568}
FILES = "Choose pictures"
Content = bytes | Image.Image | np.ndarray
CLIPBOARD = ["clipboard-read", "clipboard-write"]
RULES = "wcag2a wcag2aa wcag21aa wcag22aa best-practice".split()
SCROLLING = "pre, .name, canvas, input, img, #hint, #list b, #records, li > span"
MAY_NOT_SCROLL = f"main *:not({SCROLLING})"


@contextmanager
def opened(browser: Browser, url: str, **options) -> Iterator[Page]:
    """Open the page, which must contact no host but its service, violate no policy and
    raise no error.

    Unless the options say otherwise, nothing is animated. The section with the
    explanation is closed.
    """
    options.setdefault("viewport", {"width": 1024, "height": 768})
    options.setdefault("reduced_motion", "reduce")
    context = browser.new_context(**options)
    page = context.new_page()
    requested = []
    faults = []

    def note(message: ConsoleMessage) -> None:
        if "Failed to load" not in message.text:
            faults.append(message.text)

    page.on("request", lambda request: requested.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", note)
    page.goto(url)
    yield page
    context.close()
    assert faults == []
    for address in requested:
        assert address.startswith((url, "data:", "blob:"))


def button(page: Page, name: str) -> Locator:
    """Return the button with this name."""
    return page.get_by_role("button", name=name, exact=True)


def click(page: Page, name: str) -> None:
    """Click on the button with this name."""
    button(page, name).click()


def show(page: Page, name: str) -> None:
    """Click on a picture of the list."""
    page.get_by_role("button", name=name).first.click()


def press(page: Page, *keys: str) -> None:
    """Press keys, one after the other."""
    for key in keys:
        page.keyboard.press(key)


def expect_text(page: Page, selector: str, text) -> None:
    """Wait until an element has this text, or elements have these."""
    expect(page.locator(selector)).to_have_text(text)


def expect_words(page: Page, selector: str, words) -> None:
    """Wait until the text of an element contains these words."""
    expect(page.locator(selector)).to_contain_text(words)


def expect_count(page: Page, selector: str, count: int) -> None:
    """Wait until there are so many elements."""
    expect(page.locator(selector)).to_have_count(count)


def expect_hidden(page: Page, selector: str) -> None:
    """Wait until an element is hidden."""
    expect(page.locator(selector)).to_be_hidden()


def expect_picture(page: Page, name: str) -> None:
    """Wait until the picture of this name is shown."""
    picture = page.get_by_role("img", name=name, exact=True)
    expect(picture).to_be_visible()


def respond(page: Page, address: str | re.Pattern[str], **response) -> None:
    """Give this response to all requests to an address."""
    page.route(address, lambda route: route.fulfill(**response))


def lines_of(document: dict) -> str:
    """Return the answer for a document as lines of JSON, as it is sent to the page."""
    pages = document["pages"]
    lines = [json.dumps({"pages": len(pages), **page}) for page in pages]
    return "".join(f"{line}\n" for line in lines)


def answer_with(page: Page, answer: dict) -> None:
    """Let the service answer every picture with this, or the lines of a document."""
    body = lines_of(answer) if "pages" in answer else json.dumps(answer)
    respond(page, "**/read?*", body=body)


def from_module(page: Page, name: str, expression: str, argument: object = None):
    """Return the value of an expression, where `module` is a script of the page,
    and `argument` what is given.
    """
    return page.evaluate(
        f"""async argument => {{
            const module = await import(new URL("static/{name}.js", location));
            return {expression};
        }}""",
        argument,
    )


def from_lists(page: Page, result: str):
    """Return the result of a request to the stored `lists`."""
    return from_module(page, "keeping", f"module.inLists(lists => {result})")


def stored_answers(page: Page) -> str:
    """Return the stored answers of the list, as JSON."""
    stored = "module.inLists(lists => lists.get(`${sessionStorage.list} answers`))"
    return from_module(page, "keeping", f"JSON.stringify([...await {stored}])")


def fits(page: Page) -> bool:
    """Return whether the page is no wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def check(page: Page, state: str) -> None:
    """Check the page with axe at three widths, light or dark; nothing is cut off."""
    page.evaluate(Axe().axe_script)
    for width, scheme in ((320, "light"), (768, "dark"), (1280, "light")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        options = {"runOnly": RULES, "resultTypes": ["violations"]}
        found = page.evaluate("options => axe.run(options)", options)
        assert found["violations"] == [], (state, width, scheme)
        assert fits(page), (state, width, scheme)
        cut_off = page.locator(MAY_NOT_SCROLL).evaluate_all(
            """all => all.filter((e) => e.offsetParent && e.clientWidth)
                .filter((e) => e.scrollWidth > e.clientWidth + 1)
                .map((e) => e.outerHTML.slice(0, 80))"""
        )
        assert cut_off == [], (state, width, scheme)


def natural_size(page: Page, selector: str = "#picture") -> list[int]:
    """Return the width and the height of an image, in its own pixels."""
    return page.locator(selector).evaluate(
        """image => image.decode()
            .then(() => [image.naturalWidth, image.naturalHeight])"""
    )


def on_page(page: Page, *strokes: Stroke) -> list[list[tuple[float, float]]]:
    """Convert strokes from sheet heights to page coordinates."""
    page.locator("#sheet").scroll_into_view_if_needed()
    box = page.locator("#sheet").bounding_box()
    corner = np.array([box["x"], box["y"]])
    height = box["height"]
    return [(corner + height * np.array(each)).tolist() for each in strokes]


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
    """Send a touch event; its fingers are numbered from `first`."""
    points = []
    for number, (x, y) in enumerate(fingers, first):
        points.append({"id": number, "x": x, "y": y})
    event = {"type": kind, "touchPoints": points}
    devtools_of(page).send("Input.dispatchTouchEvent", event)


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


def choose(page: Page, name: str, data: Content, by: str = FILES) -> None:
    """Choose a file, by the name of the control; a picture is chosen as a PNG."""
    choose_all(page, {name: data}, by)


def choose_all(page: Page, contents: dict[str, Content], by: str = FILES) -> None:
    """Choose several files."""
    files = []
    for name, content in contents.items():
        data = content if isinstance(content, bytes) else encode(content)
        files.append({"name": name, "mimeType": "", "buffer": data})
    page.get_by_label(by).set_input_files(files)


def bring(page: Page, event: str, name: str = "", data: bytes = b"", **texts) -> None:
    """Drop or paste a file, or what a picture that is dragged from another page brings
    instead, such as its address.
    """
    page.evaluate(
        """([event, name, bytes, texts]) => {
            const data = new DataTransfer();
            if (name) data.items.add(new File([new Uint8Array(bytes)], name));
            for (const [type, text] of Object.entries(texts))
                data.setData(`text/${type.replace("_", "-")}`, text);
            const kind = {drop: DragEvent, paste: ClipboardEvent}[event];
            const options = {bubbles: true, cancelable: true};
            document.body.dispatchEvent(
                new kind(event, {dataTransfer: data, clipboardData: data, ...options})
            );
        }""",
        [event, name, list(data), texts],
    )


def saved(page: Page) -> list[dict[str, str]]:
    """Save the list as CSV; return its rows."""
    with page.expect_download() as download:
        button(page, "Save as CSV").click()
    text = download.value.path().read_text()
    return list(csv.DictReader(StringIO(text)))


def columns_of(rows: list[dict[str, str]], *names: str) -> list[str]:
    """Return some columns of a saved list, joined by commas."""
    return [",".join(row[name] for name in names) for row in rows]


def boxes_of(page: Page, selector: str = "#boxes rect") -> list[dict]:
    """Return where elements are in the window."""
    return page.locator(selector).evaluate_all(
        "parts => parts.map(part => part.getBoundingClientRect().toJSON())"
    )


def middle_of(box: dict) -> tuple[float, float]:
    """Return the middle of a box in the window."""
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def read_as(page: Page, form: str) -> None:
    """Choose the form in which numbers are read."""
    page.get_by_label("Read as").select_option(label=form)


def picture_of(source: str) -> np.ndarray:
    """Decode a picture in a data URI."""
    data = b64decode(source.split(",")[1])
    return np.asarray(Image.open(BytesIO(data)))


def ink_of(page: Page) -> int:
    """Count the inked pixels on the sheet."""
    sheet = page.locator("#sheet").evaluate("sheet => sheet.toDataURL()")
    opacity = picture_of(sheet)[..., 3]
    return int((opacity > 127).sum())


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
    expect_count(page, "#evidence rect", 49)


def open_explanation(page: Page) -> None:
    """Open the section with the explanation."""
    page.get_by_text("How it was read").click()


def shown_bar(page: Page) -> int:
    """Return the digit with the longest bar."""
    return int(page.locator("#bars .best b").text_content())

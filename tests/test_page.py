"""The page in a real browser, with a real service."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from io import BytesIO, StringIO
from itertools import pairwise

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageDraw, ImageOps
from playwright.sync_api import Browser, CDPSession, Page, expect, sync_playwright

from app.inference.reading import read_bytes
from support import DIGITS, MAX_PIXELS, ROOT, drawing, encode, letter, serving
from training import data, train
from training.strokes import CELLS, distance, enlarged, traced

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
STATIC = ROOT / "app" / "page"
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
SEVENTY_SEVEN = [[SEVEN], [[(x + 0.6, y) for x, y in SEVEN]]]
MIRRORED_THREE = [
    (0.9, 0.25),
    (0.75, 0.18),
    (0.6, 0.25),
    (0.6, 0.4),
    (0.75, 0.48),
    (0.58, 0.56),
    (0.55, 0.72),
    (0.7, 0.82),
    (0.9, 0.76),
]  # as children write
KEY = "a-key-for-tests"
MAX_BYTES = 400_000
SURE = r">?\d+\.\d %"
PHONES = [(390, 664), (375, 667), (320, 568)]
ZOOMED = [(640, 360), (683, 384), (720, 450), (960, 540)]  # desktop sizes at 200 % zoom
SHEETS = [*PHONES, *((height, width) for width, height in PHONES), *ZOOMED]
SVG_SEVEN = '<path d="M30 25h40L45 85" fill="none" stroke="black" stroke-width="7"/></svg>'

Stroke = Sequence[tuple[float, float]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM and not os.environ.get("CI"):
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(DIGITS_MAX_UPLOAD_BYTES=str(MAX_BYTES)) as (_, url):
        yield url


@pytest.fixture(scope="module")
def locked_url(tmp_path_factory) -> Iterator[str]:
    with serving(DIGITS_API_KEYS=KEY, DIGITS_CORRECTIONS_DIR=str(tmp_path_factory.mktemp("locked"))) as (_, url):
        yield url


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


@pytest.fixture
def page(browser, url) -> Iterator[Page]:
    with opened(browser, url) as page:
        yield page


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
    devtools = devtools_of(page)
    for i, (x, y) in enumerate(on_sheet(page, stroke)):
        kind = "touchMove" if i else "touchStart"
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


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


def is_traced_whole(digit: np.ndarray) -> bool:
    """Whether all ink is near the centre lines. Thinning removes strokes of thick digits, such as the bar of a 3."""
    ink = enlarged(digit) > 0
    drawn = Image.new("1", ink.shape)
    for stroke in traced(digit):
        ImageDraw.Draw(drawn).line([(CELLS * x, CELLS * y) for x, y in stroke], fill=1)
    line = np.asarray(drawn)
    half_a_stroke = np.percentile(distance(~ink)[line], 90)
    return distance(line)[ink].max() <= half_a_stroke + 1.5 * CELLS


def whole_from(digits: np.ndarray, start: int) -> int:
    """Return the first digit from an index on that is traced completely."""
    return next(index for index in range(start, len(digits)) if is_traced_whole(digits[index]))


def number(*digits: np.ndarray) -> list[list[Stroke]]:
    """Place digits' centre lines side by side over the sheet; returns the strokes of each digit."""
    side = 1.9 / (len(digits) + 1)
    return [
        [[(k * 0.74 * side + 0.05 + x * side, 0.5 + (y - 0.5) * side) for x, y in stroke] for stroke in trace(digit)]
        for k, digit in enumerate(digits)
    ]


@pytest.fixture(scope="module")
def forty_two(digits) -> list[list[Stroke]]:
    return number(digits[215], digits[110])


def draw_number(page: Page, strokes: list[list[Stroke]]) -> None:
    for digit in strokes:
        for stroke in digit:
            draw(page, stroke)


@pytest.fixture
def three(digits) -> bytes:
    return encode(drawing(digits[150]))


@pytest.fixture(scope="module")
def traces(digits) -> list[list[Stroke]]:
    """The centre lines of 50 digits, each in a square."""
    return [trace(digits[whole_from(digits, start)]) for start in range(0, len(digits), 10)]


@pytest.mark.parametrize("way", [draw, draw_by_touch])
def test_50_digits_drawn_along_their_centre_lines_are_read(browser, url, traces, labels, way):
    read = []
    with opened(browser, url, has_touch=way is draw_by_touch, viewport={"width": 320, "height": 640}) as page:
        for strokes in traces:
            for stroke in strokes:
                way(page, stroke)
            read.append(answered(page))
            page.get_by_role("button", name="Clear").click()
    wrong = [
        (i, right, answer)
        for i, (right, answer) in enumerate(zip(labels[::10], read, strict=True))
        if answer != str(right)
    ]
    assert len(wrong) <= 2, wrong


def test_40_numbers_drawn_along_their_centre_lines_are_read(page, digits, labels):
    rng = np.random.default_rng(0)
    wrong = []
    for i in range(40):
        chosen = [whole_from(digits, start) for start in rng.integers(len(digits), size=2 + i % 2)]
        draw_number(page, number(*digits[chosen]))
        right = "".join(map(str, labels[chosen]))
        if (answer := answered(page)) != right:
            wrong.append((right, answer))
        page.get_by_role("button", name="Clear").click()
    assert len(wrong) <= 3, wrong


def test_the_answer_is_shown_100_ms_after_the_pen_lifts(page):
    page.evaluate(
        """() => {
            window.took = [];
            const answer = document.getElementById("answer");
            addEventListener("pointerup", () => {
                const lifted = performance.now();
                const watch = new MutationObserver(() => {
                    if (answer.ariaBusy === "true") return;
                    window.took.push(performance.now() - lifted);
                    watch.disconnect();
                });
                watch.observe(answer, {attributes: true});
            });
        }"""
    )
    for _ in range(5):
        draw(page, SEVEN)
        assert answered(page) == "7"
        page.keyboard.press("Escape")
    took = page.evaluate("took")
    assert len(took) == 5
    assert min(took) < 100


def test_ten_bars_the_frame_the_time_and_the_model_are_shown(page):
    draw(page, SEVEN)
    assert answered(page) == "7"
    expect(page.locator("#bars li")).to_have_count(10)
    expect(page.locator("#bars li").nth(7)).to_have_text(re.compile(rf"^7{SURE}$"))
    expect(page.locator("#bars .best")).to_have_count(1)
    assert page.locator("#frame").evaluate("image => [image.naturalWidth, image.naturalHeight]") == [28, 28]
    expect(page.locator("#facts")).to_have_text(re.compile(r"^Answered in \d+ ms by model [0-9a-f]{12}$"))
    page.wait_for_timeout(200)  # the bars have grown
    widths = page.locator("#bars i").evaluate_all("bars => bars.map(bar => bar.getBoundingClientRect().width)")
    assert widths[7] == max(widths) > 0.5 * page.locator("#bars li").first.bounding_box()["width"]


def shown_bar(page: Page) -> int:
    """Return the digit with the longest bar."""
    return int(page.locator("#bars .best b").text_content())


def boxes_of(page: Page) -> list[dict[str, float]]:
    return [box.bounding_box() for box in page.locator("#boxes rect").all()]


def covers(box: dict[str, float], points: Sequence[tuple[float, float]]) -> bool:
    return all(0 <= x - box["x"] <= box["width"] and 0 <= y - box["y"] <= box["height"] for x, y in points)


def test_a_number_has_a_box_around_each_digit(page, forty_two):
    draw_number(page, forty_two)
    assert answered(page) == "42"
    expect(page.locator("#verdict").get_by_role("status")).to_have_text(re.compile(rf"^42 {SURE} sure$"))
    boxes, sheet = boxes_of(page), page.locator("#sheet").bounding_box()
    assert len(boxes) == 2
    for box, strokes in zip(boxes, forty_two, strict=True):
        points = [point for stroke in strokes for point in on_sheet(page, stroke)]
        assert covers(box, points)
        assert box["width"] < np.ptp(points, axis=0)[0] + 0.25 * sheet["height"]
    page.get_by_role("button", name="Clear").click()
    assert boxes_of(page) == []
    draw(page, SEVEN)
    assert answered(page) == "7"
    assert boxes_of(page) == []  # a single digit needs no box
    expect(page.get_by_role("radiogroup")).to_be_hidden()


def test_a_click_on_a_box_or_an_arrow_key_selects_the_shown_digit(page, forty_two):
    draw_number(page, forty_two)
    assert answered(page) == "42"
    assert shown_bar(page) == 2  # the last digit drawn
    frame = page.locator("#frame").get_attribute("src")
    first = boxes_of(page)[0]
    middle = first["x"] + first["width"] / 2, first["y"] + first["height"] / 2
    page.mouse.click(*middle)
    assert shown_bar(page) == 4
    assert page.locator("#frame").get_attribute("src") != frame
    expect(page.locator("#boxes .chosen")).to_have_count(1)
    page.keyboard.press("ArrowLeft")  # wraps around
    assert shown_bar(page) == 2
    expect(page.get_by_role("radio", name=re.compile(rf"^Digit 2 of 2: 2, {SURE}$"))).to_be_focused()
    page.keyboard.press("ArrowLeft")  # now handled by the browser
    assert shown_bar(page) == 4
    expect(page.get_by_role("radio", name=re.compile(rf"^Digit 1 of 2: 4, {SURE}$"))).to_be_checked()
    page.keyboard.press("ArrowRight")
    assert shown_bar(page) == 2
    page.locator("#digits label").nth(0).click()
    assert shown_bar(page) == 4
    assert answered(page) == "42"  # this drew nothing
    draw(page, [(1.4, 0.2), (1.4, 0.8)])
    assert answered(page) == "421"


def test_a_stroke_may_start_in_a_box(page, digits):
    draw_number(page, number(digits[215], digits[50]))
    assert answered(page) == "41"
    first = boxes_of(page)[0]
    page.mouse.move(first["x"] + 5, first["y"] + first["height"] / 2)
    page.mouse.down()
    page.mouse.move(first["x"] + first["width"], first["y"] + first["height"] / 2, steps=5)
    with page.expect_response("**/read*"):
        page.mouse.up()


PAPERS = {"wide": (900, 200), "tall": (600, 1200), "large": (2400, 1500)}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("name", PAPERS)
def test_boxes_match_the_picture_as_displayed(page, digits, name, turned):
    (width, height), side = PAPERS[name], 160
    paper, places = Image.new("L", (width, height), 255), [(60, 20), (260, 30), (400, 20)]
    for i, place in zip((110, 360, 60), places, strict=True):
        paper.paste(ImageOps.invert(Image.fromarray(digits[i]).resize((side, side))), place)
    exif = Image.Exif()
    if turned:
        paper = paper.transpose(Image.Transpose.ROTATE_90)
        exif[0x0112] = 6  # to be turned by 90° clockwise
    choose(page, ("number.jpg", encode(paper, "JPEG", exif=exif)))
    assert answered(page) == "271"
    shown = page.locator("#picture").bounding_box()
    inner_width, inner_height = shown["width"] - 24, shown["height"] - 24  # its padding
    scale = min(inner_width / width, inner_height / height)
    corner = shown["x"] + 12 + (inner_width - scale * width) / 2, shown["y"] + 12 + (inner_height - scale * height) / 2
    for box, (left, top) in zip(boxes_of(page), places, strict=True):
        middle = corner[0] + scale * (left + side / 2), corner[1] + scale * (top + side / 2)
        assert covers(box, [middle])
        assert box["width"] < scale * side
    page.mouse.click(*middle)
    assert shown_bar(page) == 1
    page.mouse.click(shown["x"] + 4, shown["y"] + 4)  # a tap beside the boxes does nothing
    assert shown_bar(page) == 1
    expect(page.get_by_role("img", name="number.jpg")).to_be_visible()


def test_a_number_in_an_unsupported_format_is_read_without_boxes(page, digits):
    paper = Image.fromarray(255 - np.hstack([digits[215], digits[110]])).resize((560, 280))
    choose(page, ("photo.heic", encode(paper, "HEIF")))
    assert answered(page) == "42"
    expect(page.locator("#hint")).to_have_text("photo.heic")
    expect(page.locator("#boxes")).to_be_hidden()
    page.keyboard.press("ArrowRight")
    assert shown_bar(page) == 2


def test_undo_removes_one_stroke_and_clear_removes_all(page):
    draw(page, SEVEN)
    assert answered(page) == "7"
    draw(page, [(0.3, 0.6), (0.75, 0.6)])
    answered(page)
    page.get_by_role("button", name="Undo").click()
    assert answered(page) == "7"
    page.keyboard.press("Control+z")
    expect(page.locator("#text")).to_have_text("?")
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    draw(page, SEVEN)
    assert answered(page) == "7"
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#text")).to_have_text("?")
    expect(page.locator("#frame")).to_be_hidden()


def test_strokes_are_smooth_at_any_pixel_ratio(browser, url):
    with opened(browser, url, device_scale_factor=3) as page:
        sheet = page.locator("#sheet")
        assert sheet.evaluate("sheet => sheet.width") == 3 * sheet.evaluate("sheet => sheet.clientWidth")
        draw(page, SEVEN)
        assert answered(page) == "7"
        page.set_viewport_size({"width": 320, "height": 640})  # and they stay when the sheet changes its size
        page.wait_for_timeout(100)
        ink = sheet.evaluate("s => s.getContext('2d').getImageData(0, 0, s.width, s.height).data.filter(v => v).length")
        assert ink > 0


def test_the_last_of_two_requests_wins(page, three):
    held = []
    page.route("**/read*", lambda route: route.continue_() if held else held.append(route))
    with page.expect_request("**/read*"):
        draw(page, SEVEN)
    expect(page.locator("#message")).to_have_text("Reading …")
    with page.expect_event("requestfailed"):  # aborted by the page
        choose(page, ("three.png", three))
    assert answered(page) == "3"


def test_a_chosen_picture_is_read_and_shown(page, three):
    choose(page, ("three.png", three))
    assert answered(page) == "3"
    expect(page.get_by_role("img", name="three.png")).to_be_visible()
    draw(page, SEVEN)  # takes the picture's place
    assert answered(page) == "7"
    expect(page.locator("#picture")).to_be_hidden()


def test_a_phone_offers_its_camera(browser, url, three):
    with opened(browser, url, has_touch=True, is_mobile=True) as page:
        expect(page.get_by_label("Take a photo")).to_be_visible()
        photo = page.locator("input[capture=environment]")
        photo.set_input_files({"name": "photo.png", "mimeType": "image/png", "buffer": three})
        assert answered(page) == "3"


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(page, three, event):
    page.evaluate(
        """([event, bytes]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "three.png", {type: "image/png"}));
            const made = event === "drop"
                ? new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true})
                : new ClipboardEvent("paste", {clipboardData: data, bubbles: true});
            document.body.dispatchEvent(made);
        }""",
        [event, list(three)],
    )
    assert answered(page) == "3"


def test_several_pictures_form_a_list_to_choose_from(page, digits, labels):
    chosen = range(0, 500, 45)
    heif = ("photo.heic", encode(drawing(digits[50]), "HEIF"))  # Chromium cannot show it
    pictures = [(f"{i}.png", encode(drawing(digits[i]))) for i in chosen]
    choose(page, *pictures, heif, ("letter.txt", b"no picture"))
    rows = page.locator("#list li")
    expect(rows).to_have_count(len(chosen) + 2)
    expect(page.locator("#list button:disabled")).to_have_count(0)
    assert rows.locator("b").all_text_contents() == [*(str(labels[i]) for i in chosen), "1", "?"]
    expect(rows.last).to_contain_text("not a picture")
    expect(page.locator("#text")).to_have_text("0")  # the first one is on the sheet
    assert rows.nth(-2).locator("img").evaluate("image => image.naturalWidth") == 28  # its frame is shown instead
    rows.nth(3).get_by_role("button").first.click()
    assert answered(page) == str(labels[chosen[3]])
    rows.last.get_by_role("button").first.click()
    expect(page.locator("#message")).to_contain_text("not a picture")
    choose(page, ("one.png", encode(drawing(digits[50]))))
    assert answered(page) == "1"
    expect(page.locator("#batch")).to_be_hidden()


def test_an_unsure_answer_names_the_runner_up(page, digits, classifier):
    mixed = np.maximum(digits[200], digits[450])  # a 4 on a 9
    for candidate in [mixed, *(np.maximum(digits[200 + i], digits[450 + i]) for i in range(50))]:
        reading = read_bytes(encode(candidate), classifier, MAX_PIXELS)
        probabilities = reading.probabilities
        if 0.4 < probabilities.max() < 0.7 and reading.legibility > 0.5:
            break
    choose(page, ("both.png", encode(candidate)))
    digit = answered(page)
    second = np.argsort(probabilities)[-2]
    assert digit == str(probabilities.argmax())
    expect(page.locator("#message")).to_have_text(
        re.compile(rf"^Not sure, \d+\.\d %: it could be a {second}, \d+\.\d %")
    )


@pytest.mark.parametrize("name", LETTERS)
def test_a_drawn_letter_is_probably_no_digit(page, name):
    for stroke in LETTERS[name]:
        draw(page, stroke)
    answered(page)
    expect(page.locator("#message")).to_have_text("Probably not a digit")


def test_a_probable_non_digit_is_announced(page, three):
    choose(page, ("A.png", encode(letter("A"))))
    answered(page)
    expect(page.locator("#verdict").get_by_role("status")).to_have_text(re.compile(r"^\d Probably not a digit$"))
    choose(page, ("three.png", three), ("A.png", encode(letter("A"))))
    expect(page.locator("#list li").first).to_contain_text("% sure")
    expect(page.locator("#list li").last).to_contain_text("Probably not a digit")
    assert answered(page) == "3"
    expect(page.locator("#verdict").get_by_role("status")).to_have_text(re.compile(r"% sure$"))


REFUSED = {
    "blank": (encode(Image.new("L", (300, 200), 255)), "no ink on the picture: write the digit darker or larger"),
    "large": (os.urandom(MAX_BYTES + 1), "larger than 400,000 bytes: send a smaller picture"),
    "other": (b"no picture", "not a picture in one of these formats"),
    "empty": (b"", "empty|no bytes|no body"),
    "cut": (encode(Image.linear_gradient("L"))[:200], "damaged|cut off"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_explained(page, name):
    data, words = REFUSED[name]
    choose(page, (name, data))
    assert answered(page) == "?"
    expect(page.locator("#message")).to_have_text(re.compile(words))
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()  # it would not help
    draw(page, SEVEN)
    assert answered(page) == "7"


def test_an_unreachable_service_is_reported_and_can_be_retried(browser):
    with serving() as (process, url), opened(browser, url) as page:
        process.terminate()
        process.wait()
        draw(page, SEVEN)
        assert answered(page) == "?"
        expect(page.locator("#message")).to_contain_text("does not answer. Is it running?")
        with serving("--port", url.rsplit(":", 1)[1]):
            page.get_by_role("button", name="Try again").click()
            expect(page.locator("#text")).to_have_text("7")


def test_an_overloaded_service_is_retried(page, three):
    refusals = [{"status": 503, "headers": {"Retry-After": "1"}, "body": ""}] * 2
    page.route("**/read*", lambda route: route.fulfill(**refusals.pop()) if refusals else route.continue_())
    started = time.monotonic()
    choose(page, ("a.png", three))
    expect(page.locator("#message")).to_have_text("The service is busy. Trying again …")
    expect(page.locator("#text")).to_have_text("3")
    assert 1.9 < time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("status", "words", "again"), [(502, "502 Bad Gateway: try again later", True), (200, "sign in", False)]
)
def test_an_html_answer_of_a_proxy_is_reported(page, status, words, again):
    page.route("**/read*", lambda route: route.fulfill(status=status, body="<h1>Hello</h1>"))
    draw(page, SEVEN)
    assert answered(page) == "?"
    expect(page.locator("#message")).to_contain_text(words)
    expect(page.get_by_role("button", name="Try again")).to_be_visible(visible=again)


def test_a_key_is_requested_and_kept_for_the_tab(browser, locked_url, three):
    with opened(browser, locked_url) as page:
        choose(page, ("a.png", three), ("b.png", three))
        expect(page.locator("#message")).to_contain_text("needs an API key")
        page.get_by_label("API key").fill("wrong")
        page.get_by_role("button", name="Use key").click()
        expect(page.locator("#message")).to_have_text("This API key is wrong.")
        page.get_by_label("API key").fill(KEY)
        page.keyboard.press("Enter")
        expect(page.locator("#list b")).to_have_text(["3", "3"])
        expect(page.locator("#text")).to_have_text("3")
        expect(page.get_by_label("API key")).to_be_hidden()
        page.reload()
        draw(page, SEVEN)
        assert answered(page) == "7"
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
        assert KEY not in page.locator("#code").text_content()
        assert 'X-API-Key: $DIGITS_API_KEY"' in page.locator("#curl").text_content()


@pytest.mark.parametrize("name", [None, "three.png", 'it\'s; "3", two.png'])
def test_the_snippets_run_as_shown(page, tmp_path, three, name):
    if name:
        (tmp_path / name).write_bytes(three)
        choose(page, (name, three))
    else:
        draw(page, SEVEN)
    assert_snippets_say(page, tmp_path, "digit", answered(page))


def test_the_snippets_read_a_number_if_there_is_one(page, tmp_path, forty_two):
    draw_number(page, forty_two)
    assert_snippets_say(page, tmp_path, "text", f'"{answered(page)}"')


def assert_snippets_say(page, tmp_path, name, value):
    page.get_by_text("Use the API").click()
    curl, python = page.locator("#curl").text_content(), page.locator("#python").text_content()
    said = subprocess.run(curl, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said.startswith(f'{{"{name}":{value},')
    said = subprocess.run(
        [sys.executable, "-c", python], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert said.startswith(value.strip('"') + " ")


@pytest.mark.parametrize("allowed", [True, False])
def test_a_snippet_is_copied(browser, url, allowed):
    with opened(browser, url, permissions=["clipboard-read", "clipboard-write"]) as page:
        if not allowed:  # as if the page was loaded over plain HTTP from another machine
            page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true})")
        page.get_by_text("Use the API").click()
        page.get_by_role("button", name="Copy as Python").click()
        expect(page.locator("[data-copies=python]")).to_have_text("Copied")
        if not allowed:
            page.evaluate("delete navigator.clipboard")
        assert page.evaluate("navigator.clipboard.readText()") == page.locator("#python").text_content()


# ---- The answer beside the sheet, on each screen size.


def is_in_view(page: Page, selector: str) -> bool:
    """Whether all of an element is visible without scrolling."""
    return page.locator(selector).evaluate(
        """e => {
            const {left, right, top, bottom} = e.getBoundingClientRect();
            return 0 <= left && left < right && right <= innerWidth
                && 0 <= top && top < bottom && bottom <= innerHeight;
        }"""
    )


@pytest.mark.parametrize("number", [False, True])
def test_sheet_and_answer_fit_on_phones_and_at_200_percent_zoom(browser, url, forty_two, number):
    with opened(browser, url, has_touch=True, is_mobile=True, viewport={"width": 320, "height": 568}) as page:
        for strokes in forty_two if number else [[SEVEN]]:
            for stroke in strokes:
                draw_by_touch(page, stroke)
        assert answered(page) == ("42" if number else "7")
        for width, height in SHEETS:
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(50)
            hidden = [
                name for name in ("#desk", "#digits" if number else "#text", "#message") if not is_in_view(page, name)
            ]
            assert hidden == [], (width, height)
            assert page.evaluate("scrollY") == 0
            assert page.locator("#sheet").bounding_box()["height"] > 150, (width, height)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (width, height)


def test_a_wide_screen_is_filled(browser, url):
    with opened(browser, url, viewport={"width": 1440, "height": 900}) as page:
        draw(page, SEVEN)
        explained(page)
        edges = page.evaluate(
            """() => ["paper", "answer", "reading"].map(id => document.getElementById(id).getBoundingClientRect())
                .map(({left, right}) => [left, right])"""
        )
        assert all(left < right for left, right in edges)
        assert all(before[1] < after[0] < before[1] + 60 for before, after in pairwise(edges))  # side by side
        assert edges[-1][1] - edges[0][0] > 0.9 * 1440
        assert is_in_view(page, "#evidence")


# ---- Live.


def requests_of(page: Page, *routes: str) -> list[list[float]]:
    """Return start and end of each request to these routes so far, in ms."""
    return page.evaluate(
        """routes => performance.getEntriesByType("resource")
            .filter(({name}) => routes.includes(new URL(name).pathname.slice(1)))
            .map(({startTime, responseEnd}) => [startTime, responseEnd])""",
        list(routes),
    )


def test_the_answer_is_updated_while_the_pen_is_down(page):
    draw(page, SEVEN)
    answered(page)  # a service's first answer takes longer
    page.reload()
    page.keyboard.press("Escape")
    path = [*SEVEN, (0.45, 0.85)]
    first, *rest = on_sheet(page, path)
    page.mouse.move(*first)
    page.mouse.down()
    for point in rest:
        page.mouse.move(*point, steps=6)
        page.wait_for_timeout(80)
    expect(page.locator("#text")).to_have_text("7")
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "true")
    assert shown_bar(page) == 7
    reads, together = requests_of(page, "read"), requests_of(page, "read", "predict")
    page.mouse.up()
    assert answered(page) == "7"
    assert len(reads) >= 3
    assert all(after[0] - before[0] > 95 for before, after in pairwise(reads)), reads
    assert all(after[0] >= before[1] for before, after in pairwise(sorted(together))), together  # one at a time


def test_the_last_answer_stays_until_the_next_one_arrives(page):
    draw(page, SEVEN)
    assert answered(page) == "7"
    page.evaluate(
        """() => {
            window.said = [];
            new MutationObserver(() => window.said.push(document.getElementById("text").textContent))
                .observe(document.getElementById("text"), {childList: true, characterData: true, subtree: true});
        }"""
    )
    for x in (0.9, 1.1, 1.3):
        draw(page, [(x, 0.2), (x, 0.5), (x, 0.8)])
    assert answered(page).startswith("7")
    said = page.evaluate("said")
    assert said
    assert all(text.startswith("7") for text in said), said


def ink_of(page: Page) -> int:
    """Count the inked pixels on the sheet."""
    drawn = page.locator("#sheet").evaluate("sheet => sheet.toDataURL()")
    return int((np.asarray(Image.open(BytesIO(b64decode(drawn.split(",")[1]))))[..., 3] > 127).sum())


@pytest.mark.parametrize("way", ["mouse", "touch"])
def test_a_tap_draws_a_dot(browser, url, way):
    with opened(browser, url, has_touch=True) as page:
        middle = on_sheet(page, [(0.75, 0.5)])[0]
        with page.expect_response("**/read*"):
            page.mouse.click(*middle) if way == "mouse" else page.touchscreen.tap(*middle)
        width = page.locator("#sheet").evaluate("sheet => sheet.height * 0.065")
        assert ink_of(page) == pytest.approx(np.pi * width**2 / 4, rel=0.1)
        answered(page)
        page.get_by_role("button", name="Undo").click()
        assert ink_of(page) == 0


def test_redo_restores_what_undo_and_clear_removed(page):
    draw(page, SEVEN)
    draw(page, [(0.3, 0.6), (0.75, 0.6)])
    answered(page)
    redo = page.get_by_role("button", name="Redo")
    whole = ink_of(page)
    expect(redo).to_be_disabled()
    for again in ("Control+y", "Control+Shift+Z"):
        page.keyboard.press("Control+z")
        assert ink_of(page) < whole
        page.keyboard.press(again)
        assert ink_of(page) == whole
    page.keyboard.press("Escape")
    assert (ink_of(page), answered(page)) == (0, "?")
    redo.click()
    assert answered(page) == "7"
    redo.click()
    assert ink_of(page) == whole
    page.keyboard.press("Control+z")
    draw(page, [(1.2, 0.3), (1.2, 0.8)])  # a new stroke discards what could be redone
    expect(redo).to_be_disabled()


# ---- How it was read, and why.


def explained(page: Page) -> None:
    """Wait for the explanation of the shown answer."""
    expect(page.locator("#reading")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#evidence rect")).to_have_count(49)


def pixels(page: Page, selector: str) -> np.ndarray:
    """Return the grey levels of an image on the page."""
    source = page.locator(selector).evaluate("image => image.src ?? image.getAttribute('href')")
    return np.asarray(Image.open(BytesIO(b64decode(source.split(",")[1]))).convert("L"))


@pytest.fixture
def narrow(browser, url) -> Iterator[Page]:
    with opened(browser, url, viewport={"width": 390, "height": 664}) as page:
        yield page


def test_how_shows_picture_ink_box_and_frame(narrow):
    page = narrow
    draw(page, SEVEN)
    assert answered(page) == "7"
    page.wait_for_timeout(500)
    assert requests_of(page, "explain") == []
    page.get_by_text("How it was read").click()
    explained(page)
    expect(page.locator("#strip li:visible")).to_have_count(4)
    picture, ink, frame = (pixels(page, f"#strip-{name}") for name in ("picture", "ink", "frame"))
    assert picture.shape == (192, 288)
    assert picture[0, 0] > 200 > 100 > ink[0, 0]  # black on white; white on black
    assert frame.shape == (28, 28)
    assert (frame[0, 0], frame.max()) == (0, 255)
    assert (pixels(page, "#frame") == frame).all()
    drawn = np.argwhere(picture < 128)
    left, top, width, height = map(float, page.locator("#strip-crop").get_attribute("viewBox").split())
    assert abs(np.array([top, left, top + height, left + width]) - [*drawn.min(0), *drawn.max(0)]).max() <= 3
    expect(page.locator("#strip-box rect")).to_have_count(1)


def test_why_shows_evidence_for_the_digit_and_its_runner_up(narrow):
    page = narrow
    page.get_by_text("How it was read").click()
    draw(page, SEVEN)
    with page.expect_response("**/explain") as response:
        answered(page)
    explained(page)
    explanation = response.value.json()
    evidence = np.array(explanation["evidence"]).ravel()
    expect(
        page.get_by_role("heading", name=f"Why 7, and not {explanation['runner_up']}, the runner-up?")
    ).to_be_visible()
    expect(page.locator("#for")).to_have_text(re.compile(rf"^for 7, {SURE}$"))
    expect(page.locator("#against")).to_have_text(re.compile(rf"^for {explanation['runner_up']}, {SURE}$"))
    squares = page.locator("#evidence rect").evaluate_all(
        "squares => squares.map(s => [s.classList[0], Number(s.getAttribute('fill-opacity'))])"
    )
    assert [name for name, _ in squares] == ["for" if weight > 0 else "against" for weight in evidence]
    assert np.argmax([shade for _, shade in squares]) == np.abs(evidence).argmax()
    page.keyboard.press("Escape")
    expect(page.locator("#evidence rect")).to_have_count(0)  # never beside another picture


def test_the_page_links_to_the_course(narrow):
    page = narrow
    page.get_by_text("How it was read").click()
    page.get_by_role("link", name="The course").click()
    expect(page.get_by_text("From first neural network to Digits")).to_be_visible()


def test_a_digit_of_a_number_is_explained_by_its_frame(narrow, forty_two):
    page = narrow
    page.get_by_text("How it was read").click()
    draw_number(page, forty_two)
    assert answered(page) == "42"
    explained(page)
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("heading", name=re.compile("^Why 4, and not"))).to_be_visible()
    expect(page.locator("#strip li:visible b")).to_have_text(["Picture", "Frame"])
    assert (pixels(page, "#strip-frame") == pixels(page, "#frame")).all()


# ---- Corrections.


@pytest.fixture(scope="module")
def correcting_url(tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("corrections")
    with serving(DIGITS_CORRECTIONS_DIR=str(folder), DIGITS_MAX_CORRECTIONS="2") as (_, url):
        yield url


def test_a_wrong_answer_is_corrected(browser, correcting_url, forty_two):
    with opened(browser, correcting_url, viewport={"width": 390, "height": 664}) as page:
        record_pictures(page)
        thanks = page.locator("#thanks")
        expect(page.get_by_text("Wrong? It is a …")).to_be_visible()
        expect(page.locator("#labels button:disabled")).to_have_count(11)
        draw(page, SEVEN)
        assert answered(page) == "7"
        with page.expect_request("**/corrections?label=1"):
            page.get_by_role("button", name="1", exact=True).click()
        assert sent(page).size == (288, 192)
        expect(thanks).to_have_text("Thank you: stored for training.")
        page.get_by_role("button", name="1", exact=True).click()
        expect(thanks).to_have_text("Thank you: it was already stored.")
        with page.expect_request("**/corrections?label=none"):
            page.get_by_role("button", name="no digit", exact=True).click()
        expect(thanks).to_have_text("Thank you: stored for training.")
        page.keyboard.press("Escape")
        draw_number(page, forty_two)
        assert answered(page) == "42"
        expect(page.get_by_text("Wrong? Digit 2 is a …")).to_be_visible()
        with page.expect_request("**/corrections?label=3"):
            page.get_by_role("button", name="3", exact=True).click()
        assert (np.asarray(sent(page)) == pixels(page, "#frame")).all()
        page.keyboard.press("Escape")
        for stroke in LETTERS["X"]:
            draw(page, stroke)
        answered(page)
        page.get_by_role("button", name="no digit", exact=True).click()
        expect(thanks).to_contain_text("full")


def test_a_corrected_digit_is_read_correctly_by_the_next_network(browser, sample_mnist, tmp_path, monkeypatch):
    stored, corrected, model = (tmp_path / name for name in ("stored", "corrected", "digits.onnx"))
    stored.mkdir()
    with serving(DIGITS_CORRECTIONS_DIR=str(stored)) as (_, url), opened(browser, url) as page:
        draw(page, MIRRORED_THREE)
        assert answered(page) != "3"
        page.get_by_role("button", name="3", exact=True).click()
        expect(page.locator("#thanks")).to_have_text("Thank you: stored for training.")
    subprocess.run([DIGITS, "corrections", "export", corrected, "--from", stored], check=True)
    monkeypatch.setattr(data, "VALIDATION_IMAGES", 100)
    recipe = "--hidden 256 --epochs 10 --batch-size 50 --learning-rate 0.01 --threads 1 --precision fp32".split()
    places = ["--data", str(sample_mnist), "--runs", str(tmp_path / "runs"), "--output", str(model)]
    assert train.main([*recipe, *places, "--pictures", str(corrected)]) == 0
    with serving("--model", str(model)) as (_, url), opened(browser, url) as page:
        draw(page, MIRRORED_THREE)
        assert answered(page) == "3"


def test_corrections_are_offered_only_if_they_are_stored(page):
    draw(page, SEVEN)
    answered(page)
    expect(page.get_by_text("Wrong?")).to_be_hidden()


# ---- Pictures.


def test_a_slow_upload_hides_the_old_answer(page, three):
    draw(page, SEVEN)
    assert answered(page) == "7"
    held = []
    page.route("**/read*", lambda route: held.append(route))
    choose(page, ("three.png", three))
    page.get_by_role("img", name="three.png").wait_for()
    assert page.locator("#text").text_content() == "…"  # from the moment that the picture is shown
    expect(page.locator("#message")).to_have_text("Reading …")
    expect(page.locator("#frame")).to_be_hidden()
    expect(page.locator("#bars .best")).to_have_count(0)
    held[0].continue_()
    assert answered(page) == "3"


def test_an_svg_is_drawn_by_the_browser_and_sent_as_a_png(page):
    record_pictures(page)
    for size in ("", 'width="200" height="200" '):
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size}viewBox="0 0 100 100">{SVG_SEVEN}'
        with page.expect_response("**/read*"):
            choose(page, ("seven.svg", svg.encode()))
        assert answered(page) == "7"
        assert (sent(page).format, sent(page).size) == ("PNG", (600, 600))
        expect(page.get_by_role("img", name="seven.svg")).to_be_visible()
    choose(page, ("broken.svg", b"<svg"))
    assert answered(page) == "?"
    expect(page.locator("#message")).to_contain_text("not a picture")


def drop_address(page: Page, **data: str) -> None:
    """Drop what was dragged from another page: no file, only its address."""
    page.evaluate(
        """entries => {
            const data = new DataTransfer();
            for (const [type, value] of entries) data.setData(type, value);
            document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
        }""",
        [[f"text/{name.replace('_', '-')}", value] for name, value in data.items()],
    )


def test_a_picture_dragged_from_another_page_is_read_or_explained(page, three):
    draw(page, SEVEN)
    assert answered(page) == "7"
    drop_address(page, uri_list="https://example.com/3.png", html='<img src="https://example.com/3.png">')
    assert answered(page) == "?"
    expect(page.locator("#message")).to_contain_text("Save the picture and choose it")
    embedded = f"data:image/png;base64,{b64encode(three).decode()}"
    drop_address(page, uri_list="https://example.com", html=f'<a href="https://example.com"><img src="{embedded}"></a>')
    assert answered(page) == "3"
    drop_address(page, plain="3")
    assert answered(page) == "?"
    expect(page.locator("#message")).to_contain_text("not a picture")


def test_three_examples_can_be_clicked(page):
    read = []
    for example in page.locator("#examples button").all():
        with page.expect_response("**/read*"):
            example.click()
        read.append((answered(page), page.locator("#message").text_content()))
    (seven, sure), (number, _), (_, doubt) = read
    assert (seven, number) == ("7", "2047")
    assert sure.endswith("sure")
    assert doubt == "Probably not a digit"


def test_no_answer_shows_100_percent(page):
    draw(page, SEVEN)
    assert answered(page) == "7"
    assert json.loads(page.evaluate("sessionStorage.sheet"))["answer"]["confidence"] > 0.9995
    expect(page.locator("#message")).to_have_text(">99.9 % sure")
    assert "100.0 %" not in page.locator("body").inner_text()


def test_the_list_can_be_saved_and_its_pictures_removed(page, digits):
    pictures = [(f'{i}, "{i}".png', encode(drawing(digits[i]))) for i in (0, 50, 100)]
    choose(page, *pictures, ("letter.png", encode(letter("A"))), ("text.txt", b"no picture"))
    expect(page.locator("#counts")).to_have_text("5 in all: 3 sure, 1 in doubt, 1 not read")
    expect(page.locator("#list [aria-current=true]")).to_contain_text("0, ")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    rows = list(csv.DictReader(StringIO(download.value.path().read_text())))
    assert [row["file"] for row in rows] == [*(name for name, _ in pictures), "letter.png", "text.txt"]
    assert [row["text"] for row in rows[:3]] == ["0", "1", "2"]
    assert float(rows[0]["confidence"]) > 0.9
    assert "not a picture" in rows[-1]["error"]
    page.get_by_role("button", name="Remove 0, ").click()
    expect(page.locator("#list li")).to_have_count(4)
    assert answered(page) == "1"  # the next one takes its place on the sheet
    expect(page.locator("#list [aria-current=true]")).to_contain_text("50, ")
    expect(page.locator("#counts")).to_have_text("4 in all: 2 sure, 1 in doubt, 1 not read")
    page.get_by_role("button", name="Remove text.txt").click()
    assert answered(page) == "1"
    page.get_by_role("button", name="Remove all").click()
    expect(page.locator("#batch")).to_be_hidden()
    assert answered(page) == "?"


# ---- A reload.


def test_drawing_and_answer_survive_a_reload(page, forty_two):
    draw_number(page, forty_two)
    assert answered(page) == "42"
    ink, facts = ink_of(page), page.locator("#facts").text_content()
    page.reload()
    assert answered(page) == "42"
    assert ink_of(page) == ink
    assert page.locator("#facts").text_content() == facts  # not asked again
    assert requests_of(page, "read") == []
    expect(page.locator("#boxes rect")).to_have_count(2)
    draw(page, [(1.4, 0.2), (1.4, 0.8)])
    assert answered(page) == "421"
    page.keyboard.press("Escape")
    page.reload()
    assert (answered(page), ink_of(page)) == ("?", 0)


def test_a_picture_survives_a_reload_unless_it_is_large(page, three):
    choose(page, ("three.png", three))
    assert answered(page) == "3"
    page.wait_for_function("sessionStorage.sheet")
    page.reload()
    assert answered(page) == "3"
    expect(page.get_by_role("img", name="three.png")).to_be_visible()
    assert requests_of(page, "read") == []
    choose(page, ("large.png", three + bytes(1_000_001)))
    answered(page)
    page.reload()
    assert answered(page) == "?"
    expect(page.locator("#picture")).to_be_hidden()


STATES = {
    "empty": lambda page, three: None,
    "answered": lambda page, three: draw(page, SEVEN),
    "number": lambda page, three: draw_number(page, SEVENTY_SEVEN),
    "listed": lambda page, three: choose(page, ("a.png", three), ("b.png", three), ("c", b"no picture")),
    "refused": lambda page, three: choose(page, ("c", b"no picture")),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 768, 1280])
def test_the_page_is_accessible(browser, locked_url, width, scheme, three):
    with opened(browser, locked_url, viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        draw(page, SEVEN)
        expect(page.get_by_label("API key")).to_be_visible()
        check(page)
        page.get_by_label("API key").fill(KEY)
        page.keyboard.press("Enter")
        page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
        for act in STATES.values():
            act(page, three)
            answered(page)
            expect(page.locator("#reading[aria-busy=true]")).to_have_count(0)
            check(page)


def check(page: Page) -> None:
    """Check with axe, and that nothing is cut off; return what is wrong."""
    page.wait_for_timeout(200)  # transitions of colours and bars have ended
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]})
    assert found.response["violations"] == [], found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    cut = page.evaluate(
        """() => [...document.querySelectorAll("main *:not(pre, .name, canvas, input, img, #hint, li > span)")]
            .filter((e) => e.offsetParent && e.scrollWidth > e.clientWidth + 1 && e.clientWidth)
            .map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert cut == []


def test_an_answer_does_not_shift_the_layout(page):
    page.evaluate(
        """() => {
            window.shifts = 0;
            new PerformanceObserver((list) => {
                for (const entry of list.getEntries()) window.shifts += entry.value;
            }).observe({type: "layout-shift", buffered: true});
        }"""
    )
    places = "[...document.querySelectorAll('main > *, #bars li')].map(e => e.getBoundingClientRect().top)"
    before = page.evaluate(places)
    draw(page, SEVEN)
    assert answered(page) == "7"
    page.wait_for_timeout(300)
    assert page.evaluate(places) == before
    assert page.evaluate("shifts") == 0


def test_dark_mode_and_reduced_motion_are_respected(browser, url):
    with opened(browser, url, color_scheme="dark", reduced_motion="reduce") as page:
        draw(page, SEVEN)
        assert answered(page) == "7"
        shot = np.asarray(Image.open(BytesIO(page.screenshot())).convert("L"))
        assert np.median(shot) < 60
        ink = page.locator("#sheet").evaluate("sheet => getComputedStyle(sheet).color")
        assert min(map(int, re.findall(r"\d+", ink))) > 200
        assert page.locator("#bars i").first.evaluate("bar => getComputedStyle(bar).transitionDuration") == "0s"


def test_the_keyboard_reaches_everything(page):
    draw(page, SEVEN)
    answered(page)
    reached = []
    page.locator("#examples button").last.focus()
    for _ in range(4):
        page.keyboard.press("Tab")
        focused = page.evaluate_handle("document.activeElement")
        reached.append(focused.evaluate("element => element.id || element.localName"))
        ring = focused.evaluate("e => getComputedStyle(e.id === 'files' ? e.parentElement : e).outlineWidth")
        assert ring == "3px"
    assert reached == ["undo", "clear", "files", "summary"]


def test_the_page_is_small():
    assert sum(path.stat().st_size for path in STATIC.iterdir()) < 80_000

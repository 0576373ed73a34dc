"""Drawing on the page: digits are read, also while the pen is down; undo and redo."""

from itertools import pairwise

import numpy as np
import pytest
from drawing import traced
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from browsing import (
    SEVEN,
    Stroke,
    answered,
    choose,
    draw,
    draw_by_touch,
    draw_number,
    ink_of,
    number,
    on_sheet,
    opened,
    requests_of,
    shown_bar,
    touch,
    trace,
)
from training.strokes import CELLS, distance, enlarged

pytestmark = pytest.mark.slow


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


@pytest.mark.alone
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


def test_the_answer_is_updated_while_the_pen_is_down(page):
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
    assert "…" not in said


def test_the_last_of_two_requests_wins(page, three):
    held = []
    page.route("**/read*", lambda route: route.continue_() if held else held.append(route))
    with page.expect_request("**/read*"):
        draw(page, SEVEN)
    expect(page.locator("#message")).to_have_text("Reading …")
    with page.expect_event("requestfailed"):  # aborted by the page
        choose(page, ("three.png", three))
    assert answered(page) == "3"


@pytest.mark.parametrize("way", ["mouse", "touch"])
def test_a_tap_draws_a_dot(browser, url, way):
    with opened(browser, url, has_touch=True) as page:
        middle = on_sheet(page, [(0.75, 0.5)])[0]
        with page.expect_response("**/read*"):
            page.mouse.click(*middle) if way == "mouse" else page.touchscreen.tap(*middle)
        width = page.locator("#sheet").evaluate("sheet => sheet.height * 0.05")
        assert ink_of(page) == pytest.approx(np.pi * width**2 / 4, rel=0.1)
        answered(page)
        page.get_by_role("button", name="Undo").click()
        assert ink_of(page) == 0


def test_a_finger_scrolls_over_a_picture_and_the_mouse_replaces_it(browser, url):
    with opened(browser, url, has_touch=True, viewport={"width": 390, "height": 664}) as page:
        page.locator("#examples button").first.click()
        expect(page.locator("#picture")).to_be_visible()
        draw_by_touch(page, [(0.7, 0.2 + 0.05 * step) for step in range(12)][::-1])
        page.wait_for_function("scrollY > 0")
        expect(page.locator("#picture")).to_be_visible()
        draw(page, SEVEN)
        expect(page.locator("#picture")).to_be_hidden()
        assert answered(page) == "7"


def test_a_second_finger_and_the_mouse_leave_a_stroke_alone(browser, url):
    with opened(browser, url, has_touch=True) as page:
        path, (other, further) = on_sheet(page, SEVEN), on_sheet(page, [(1.2, 0.8), (1.3, 0.8)])
        touch(page, "touchStart", path[0])
        for point in path[1:3]:
            touch(page, "touchMove", point)
        touch(page, "touchStart", path[2], other)
        touch(page, "touchMove", path[3], further)
        touch(page, "touchEnd", further, first=1)
        page.mouse.move(*other)
        for point in path[4:]:
            touch(page, "touchMove", point)
        touch(page, "touchEnd")
        assert answered(page) == "7"


def test_undo_removes_one_stroke_and_restores_what_clear_removed(page):
    undo = page.get_by_role("button", name="Undo")
    draw(page, SEVEN)
    assert answered(page) == "7"
    draw(page, [(0.3, 0.6), (0.75, 0.6)])
    answered(page)
    whole = ink_of(page)
    page.get_by_role("button", name="Clear").click()
    assert (ink_of(page), answered(page)) == (0, "?")
    expect(page.locator("#frame")).to_be_hidden()
    undo.click()
    assert ink_of(page) == whole
    undo.click()
    assert answered(page) == "7"
    page.keyboard.press("Control+z")
    expect(page.locator("#text")).to_have_text("?")
    expect(undo).to_be_disabled()


def test_redo_restores_what_undo_removed(page):
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
    page.keyboard.press("Control+z")
    redo.click()
    assert (ink_of(page), answered(page)) == (0, "?")
    page.keyboard.press("Control+z")
    draw(page, [(1.2, 0.3), (1.2, 0.8)])  # a new stroke discards what could be redone
    expect(redo).to_be_disabled()


@pytest.mark.parametrize("replace", ["example", "file"])
def test_undo_restores_a_drawing_that_a_picture_replaced_and_draw_starts_a_sheet(browser, url, three, replace):
    with opened(browser, url, has_touch=True, viewport={"width": 390, "height": 664}) as page:
        draw_by_touch(page, SEVEN)
        assert answered(page) == "7"
        page.locator("#examples button").nth(1).click() if replace == "example" else choose(page, ("3.png", three))
        expect(page.locator("#picture")).to_be_visible()
        picture = answered(page)
        assert picture != "7"
        page.get_by_role("button", name="Undo").click()
        expect(page.locator("#picture")).to_be_hidden()
        assert answered(page) == "7"
        page.get_by_role("button", name="Redo").click()
        expect(page.locator("#picture")).to_be_visible()
        assert answered(page) == picture
        page.get_by_role("button", name="Draw").click()
        expect(page.get_by_role("button", name="Clear")).to_be_disabled()
        draw_by_touch(page, SEVEN)
        assert answered(page) == "7"


def test_ten_small_digits_fit_side_by_side(page, digits):
    strokes = number(*digits[[60, 110, 160, 210, 260, 310, 360, 410, 460, 20]])
    draw_number(page, strokes)
    assert answered(page) == "1234567890"


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

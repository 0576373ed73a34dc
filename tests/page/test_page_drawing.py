"""Drawing on the page: the answer follows the pen; taps and fingers; undo and redo."""

from itertools import pairwise

import numpy as np
import pytest
from playwright.sync_api import expect

from browsing import (
    PHONE,
    SEVEN,
    answered,
    choose,
    draw,
    draw_by_touch,
    ink_of,
    on_page,
    opened,
    requests_of,
    shown_bar,
    touch,
)

pytestmark = pytest.mark.slow


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
    [[first, *rest]] = on_page(page, SEVEN)
    page.mouse.move(*first)
    page.mouse.down()
    for point in rest:
        with page.expect_response("**/read*"):
            page.mouse.move(*point, steps=6)
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
    draw(page, *([(x, 0.2), (x, 0.5), (x, 0.8)] for x in (0.9, 1.1, 1.3)))
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


def test_a_tap_draws_a_dot(browser, url):
    with opened(browser, url, has_touch=True) as page:
        [[middle]] = on_page(page, [(0.75, 0.5)])
        width = page.locator("#sheet").evaluate("sheet => sheet.height * 0.05")
        for tap in (page.mouse.click, page.touchscreen.tap):
            with page.expect_response("**/read*"):
                tap(*middle)
            assert ink_of(page) == pytest.approx(np.pi * width**2 / 4, rel=0.1)
            answered(page)
            page.get_by_role("button", name="Undo").click()
            assert ink_of(page) == 0


def test_a_finger_scrolls_over_a_picture_and_the_mouse_replaces_it(browser, url):
    with opened(browser, url, has_touch=True, viewport=PHONE) as page:
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
        path, (other, further) = on_page(page, SEVEN, [(1.2, 0.8), (1.3, 0.8)])
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


def test_undo_and_redo_remove_and_restore_strokes_and_what_clear_removed(page):
    undo, redo = (page.get_by_role("button", name=name) for name in ("Undo", "Redo"))
    draw(page, SEVEN)
    assert answered(page) == "7"
    draw(page, [(0.3, 0.6), (0.75, 0.6)])
    answered(page)
    whole = ink_of(page)
    expect(redo).to_be_disabled()
    for again in ("Control+y", "Control+Shift+Z"):
        page.keyboard.press("Control+z")
        assert ink_of(page) < whole
        page.keyboard.press(again)
        assert ink_of(page) == whole
    page.get_by_role("button", name="Clear").click()
    assert (ink_of(page), answered(page)) == (0, "?")
    expect(page.locator("#frame")).to_be_hidden()
    undo.click()
    assert ink_of(page) == whole
    redo.click()
    assert (ink_of(page), answered(page)) == (0, "?")
    undo.click()
    undo.click()
    assert answered(page) == "7"
    draw(page, [(1.2, 0.3), (1.2, 0.8)])  # a new stroke discards what could be redone
    expect(redo).to_be_disabled()
    for _ in range(2):
        page.keyboard.press("Control+z")
    expect(page.locator("#text")).to_have_text("?")
    expect(undo).to_be_disabled()


def test_undo_restores_a_drawing_that_a_picture_replaced_and_draw_starts_a_sheet(browser, url):
    with opened(browser, url, has_touch=True, viewport=PHONE) as page:
        draw_by_touch(page, SEVEN)
        assert answered(page) == "7"
        page.locator("#examples button").nth(1).click()
        expect(page.locator("#picture")).to_be_visible()
        assert answered(page) == "2047"
        page.get_by_role("button", name="Undo").click()
        expect(page.locator("#picture")).to_be_hidden()
        assert answered(page) == "7"
        page.get_by_role("button", name="Redo").click()
        expect(page.locator("#picture")).to_be_visible()
        assert answered(page) == "2047"
        page.get_by_role("button", name="Draw").click()
        expect(page.get_by_role("button", name="Clear")).to_be_disabled()
        draw_by_touch(page, SEVEN)
        assert answered(page) == "7"


def test_strokes_are_smooth_at_any_pixel_ratio(browser, url):
    with opened(browser, url, device_scale_factor=3) as page:
        sheet, size = page.locator("#sheet"), "sheet => sheet.width / sheet.clientWidth"
        assert sheet.evaluate(size) == 3
        draw(page, SEVEN)
        assert answered(page) == "7"
        width = sheet.evaluate("sheet => sheet.width")
        page.set_viewport_size({"width": 320, "height": 640})  # and they stay when the sheet changes its size
        page.wait_for_function(f"document.getElementById('sheet').width < {width}")
        assert sheet.evaluate(size) == 3
        assert ink_of(page) > 0

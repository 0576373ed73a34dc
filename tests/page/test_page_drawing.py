"""Drawing on the page: the answer follows the pen, and strokes can be undone."""

from itertools import pairwise

import pytest
from playwright.sync_api import expect

from browsing import (
    SEVEN,
    SMALL_PHONE,
    answered,
    button,
    choose,
    click,
    draw,
    drawn,
    expect_count,
    expect_hidden,
    expect_text,
    ink_of,
    on_page,
    opened,
    press,
    requests_of,
    shown_bar,
)
from handwriting import stroke

pytestmark = pytest.mark.slow


def test_the_picture_is_sent_and_its_answer_shown_as_soon_as_the_pen_lifts(page):
    page.clock.install(time=0)
    page.clock.pause_at(1000)  # no timer ends
    assert drawn(page, SEVEN) == "7"


def test_the_answer_is_updated_while_the_pen_is_down(page):
    [[first, *rest]] = on_page(page, SEVEN)
    page.mouse.move(*first)
    page.mouse.down()
    for point in rest:
        with page.expect_response("**/read?*"):
            page.mouse.move(*point, steps=6)
    expect_text(page, "#text", "7")
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "true")
    assert shown_bar(page) == 7
    reads = requests_of(page, "read")
    all_requests = sorted(requests_of(page, "read", "predict"))
    page.mouse.up()
    assert answered(page) == "7"
    assert len(reads) >= 3
    for before, after in pairwise(all_requests):
        assert after[0] >= before[1]  # one at a time


def test_the_last_answer_stays_until_the_next_one_arrives_unless_a_picture_is_shown(
    page, three
):
    assert drawn(page, SEVEN) == "7"
    held = []
    page.route("**/read?*", lambda route: held.append(route))
    with page.expect_request("**/read?*"):
        draw(page, stroke("0.9,0.2 0.9,0.5 0.9,0.8"))
    expect_text(page, "#text", "7")
    with page.expect_event("requestfailed"):  # aborted by the page
        choose(page, "three.png", three)
    page.get_by_role("img", name="three.png").wait_for()
    assert page.text_content("#text") == "…"
    expect_text(page, "#message", "Reading …")
    expect_hidden(page, "#frame")
    expect_count(page, "#bars .best", 0)
    held[-1].continue_()
    assert answered(page) == "3"


def test_undo_and_redo_remove_and_restore_strokes_pictures_and_what_clear_removed(page):
    undo = button(page, "Undo")
    redo = button(page, "Redo")
    clear = button(page, "Clear")
    assert drawn(page, SEVEN) == "7"
    draw(page, stroke("0.3,0.6 0.75,0.6"))
    answered(page)
    whole = ink_of(page)
    expect(redo).to_be_disabled()
    for again in ("Control+y", "Control+Shift+Z"):
        press(page, "Control+z")
        assert ink_of(page) < whole
        press(page, again)
        assert ink_of(page) == whole
    clear.click()
    assert ink_of(page) == 0
    assert answered(page) == "?"
    expect_hidden(page, "#frame")
    undo.click()
    assert ink_of(page) == whole
    redo.click()
    assert ink_of(page) == 0
    assert answered(page) == "?"
    undo.click()
    undo.click()
    assert answered(page) == "7"
    draw(page, stroke("1.2,0.3 1.2,0.8"))  # a new stroke discards what could be redone
    expect(redo).to_be_disabled()
    undo.click()
    click(page, "A number in printed cells")
    expect_text(page, "#text", "2047")
    click(page, "Draw")  # in place of Clear
    expect(clear).to_be_disabled()
    press(page, "Control+z")
    assert answered(page) == "2047"
    press(page, "Control+z", "Control+z")
    expect_text(page, "#text", "?")
    expect(undo).to_be_disabled()


def test_strokes_are_smooth_at_any_pixel_ratio(browser, url):
    with opened(browser, url, device_scale_factor=3) as page:
        assert drawn(page, SEVEN) == "7"
        # A drawing stays when the sheet changes its size.
        page.set_viewport_size(SMALL_PHONE)
        page.wait_for_function("() => sheet.width < 1000")
        assert page.evaluate("sheet.width / sheet.clientWidth") == 3
        assert ink_of(page) > 0

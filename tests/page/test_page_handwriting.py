"""Digits and numbers drawn on the page by mouse and finger are read as drawn, with
their marks.
"""

import numpy as np
import pytest
from playwright.sync_api import expect

from browsing import (
    PHONE,
    SEVEN,
    answered,
    click,
    draw,
    draw_by_touch,
    expect_picture,
    ink_of,
    on_page,
    opened,
    touch,
    written,
)
from handwriting import stroke

pytestmark = pytest.mark.slow

NUMBERS = (
    "86 3.1 75 -61 120 906 24 -18 384 5.2 17 63 89 60.9 37058 94 -4 6203871954"
).split()


@pytest.mark.parametrize("texts", ["0123456789", NUMBERS], ids=["digits", "numbers"])
def test_digits_and_numbers_drawn_on_a_phone_by_finger_and_mouse_are_read(
    browser, url, texts
):
    wrong = []
    with opened(browser, url, has_touch=True, is_mobile=True, viewport=PHONE) as page:
        for i, text in enumerate(texts):
            height = 0.3 + 0.3 * i / len(texts)
            how = draw_by_touch if i % 2 else draw
            answer = written(page, text, height, i, draw=how)
            # All ten digits in a row are seen.
            assert abs(len(answer) - len(text)) <= 1, (text, answer)
            if answer != text:
                wrong.append((text, answer))
            page.click("#clear")
    assert len(wrong) <= 1, wrong


def test_a_tap_draws_a_dot(browser, url):
    with opened(browser, url, has_touch=True) as page:
        [[middle]] = on_page(page, [(0.75, 0.5)])
        width = page.evaluate("sheet.height * 0.05")
        for tap in (page.mouse.click, page.touchscreen.tap):
            with page.expect_response("**/read?*"):
                tap(*middle)
            assert ink_of(page) == pytest.approx(np.pi * width**2 / 4, rel=0.1)
            answered(page)
            click(page, "Undo")
            assert ink_of(page) == 0


def test_a_finger_scrolls_over_a_picture_and_the_mouse_marks_a_part_of_it(browser, url):
    with opened(browser, url, has_touch=True, viewport=PHONE) as page:
        page.click("#examples button >> nth=0")
        expect(page.locator("#picture")).to_be_visible()
        draw_by_touch(page, [(0.7, 0.75 - 0.05 * step) for step in range(12)])
        page.wait_for_function("() => scrollY > 0")
        expect(page.locator("#picture")).to_be_visible()
        draw(page, SEVEN)
        expect_picture(page, "example.svg, part")


def test_a_second_finger_and_the_mouse_leave_a_stroke_alone(browser, url):
    with opened(browser, url, has_touch=True) as page:
        path, (other, further) = on_page(page, SEVEN, stroke("1.2,0.8 1.3,0.8"))
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

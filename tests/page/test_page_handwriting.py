"""Digits and numbers drawn on the page in several hands are read as drawn, with their marks."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from browsing import PHONE, answered, draw, draw_by_touch, opened, write
from handwriting import HANDS

pytestmark = pytest.mark.slow

NUMBERS = (
    "86 3.1 04 75 92 -61 38 57 120 4.69 853 906 247 -318 571 790 3846 50.21 9172 6035 2498 -7163 1520 8947 "
    "60913 284.75 37058 19426 85240 -43167 70392 56814 19 8.0 27 43 65 -90 14 36"
).split()
ALL_TEN = ["6203871954", "1234567890", "9081726354", "7410963852", "5049382716"]


@pytest.mark.parametrize("texts", [list("0123456789") * 5, NUMBERS], ids=["digits", "numbers"])
def test_digits_and_numbers_drawn_by_mouse_and_finger_are_read(browser, url, texts):
    rng = np.random.default_rng(0)
    wrong = []
    with opened(browser, url, has_touch=True) as page:
        for i, text in enumerate(texts):
            hand = list(HANDS)[i * len(HANDS) // len(texts)]
            write(page, text, hand, rng.uniform(0.3, 0.6), i, draw_by_touch if i % 2 else draw)
            if (answer := answered(page)) != text:
                wrong.append((text, answer))
            page.keyboard.press("Escape")
    assert len(wrong) <= 2, wrong


def test_ten_digits_drawn_in_a_row_on_a_phone_are_all_seen(browser, url):
    with opened(browser, url, has_touch=True, is_mobile=True, viewport=PHONE) as page:
        for hand, text in zip(HANDS, ALL_TEN, strict=True):
            write(page, text, hand, draw=draw_by_touch)
            answer = answered(page)
            assert 9 <= sum(map(str.isdigit, answer)) <= 11, (text, answer)
            assert "111" not in answer
            page.get_by_role("button", name="Clear").click()


def test_a_minus_is_shown_and_a_tap_beside_the_foot_of_a_digit_draws_a_point(browser, url):
    with opened(browser, url) as page:
        write(page, "-5")
        assert answered(page) == "-5"
        expect(page.locator("#digits")).to_have_text("-5")
        expect(page.locator("#boxes rect")).to_have_count(1)
        page.get_by_role("button", name="Clear").click()
        write(page, "17")
        assert answered(page) == "17"
        box = page.locator("#boxes rect").last.bounding_box()
        with page.expect_response("**/read*"):
            page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 0.85 * box["height"])
        assert answered(page) == "17."
        expect(page.locator("#verdict").get_by_role("status")).to_have_text(re.compile(r"^17\. "))

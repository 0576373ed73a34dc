"""Numbers drawn on the page in several hands are read as drawn, with their marks."""

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from browsing import answered, draw, draw_by_touch, opened, shown_bar
from handwriting import HANDS, numbers, on_sheet

pytestmark = pytest.mark.slow


def test_40_numbers_are_read_as_drawn(page):
    rng = np.random.default_rng(0)
    wrong = []
    for i, text in enumerate(numbers(40, rng)):
        for stroke in on_sheet(text, list(HANDS)[i % len(HANDS)], rng, rng.uniform(0.3, 0.6)):
            draw(page, stroke)
        if (answer := answered(page)) != text:
            wrong.append((text, answer))
        page.get_by_role("button", name="Clear").click()
    assert len(wrong) <= 2, wrong


@pytest.mark.parametrize("hand", HANDS)
def test_ten_digits_drawn_in_a_row_on_a_phone_are_all_seen(browser, url, hand):
    rng = np.random.default_rng(list(HANDS).index(hand))
    text = "".join(map(str, rng.permutation(10)))
    with opened(browser, url, has_touch=True, is_mobile=True, viewport={"width": 390, "height": 664}) as page:
        for stroke in on_sheet(text, hand, rng, 0.3):
            draw_by_touch(page, stroke)
        answer = answered(page)
    assert 9 <= sum(map(str.isdigit, answer)) <= 11, (text, answer)
    assert "111" not in answer


def write(page: Page, text: str) -> None:
    for stroke in on_sheet(text, "european", np.random.default_rng(0), 0.4):
        draw(page, stroke)


def test_a_point_is_shown_and_the_digits_around_it_are_selected(page):
    write(page, "12.50")
    assert answered(page) == "12.50"
    expect(page.locator("#digits")).to_have_text("12.50")
    expect(page.locator("#verdict").get_by_role("status")).to_have_text(re.compile(r"^12\.50 "))
    expect(page.get_by_role("radio")).to_have_count(4)
    expect(page.locator("#boxes rect")).to_have_count(4)
    assert shown_bar(page) == 0
    page.keyboard.press("ArrowLeft")
    assert shown_bar(page) == 5
    page.keyboard.press("ArrowLeft")
    assert shown_bar(page) == 2
    expect(page.get_by_role("radio", name=re.compile(r"^Digit 2 of 4: 2, "))).to_be_checked()


def test_a_minus_before_one_digit_is_shown(page):
    write(page, "-5")
    assert answered(page) == "-5"
    expect(page.locator("#digits")).to_have_text("-5")
    assert shown_bar(page) == 5
    expect(page.locator("#boxes rect")).to_have_count(1)


def test_a_tap_beside_the_foot_of_a_digit_draws_a_point(page):
    write(page, "17")
    assert answered(page) == "17"
    box = page.locator("#boxes rect").last.bounding_box()
    with page.expect_response("**/read*"):
        page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 0.85 * box["height"])
    assert answered(page) == "17."

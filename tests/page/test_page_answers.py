"""The answer on the page: bars, frame, doubt, and boxes around digits of a number."""

import json
import re

import httpx2
import numpy as np
import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Page, expect

from browsing import (
    LETTER_X,
    SEVEN,
    SURE,
    answered,
    boxes_of,
    choose,
    click,
    drawn,
    expect_count,
    expect_text,
    middle_of,
    natural_size,
    on_page,
    press,
    shown_bar,
    written,
)
from handwriting import handwritten
from pictures import encode, turned_jpeg

pytestmark = pytest.mark.slow


def expect_status(page: Page, said: str) -> None:
    """Check what screen readers announce."""
    status = page.locator("#verdict").get_by_role("status")
    expect(status).to_have_text(re.compile(said))


def test_ten_bars_the_frame_the_time_and_the_model_are_shown_and_no_100_percent(page):
    assert drawn(page, SEVEN) == "7"
    expect_count(page, "#bars li", 10)
    expect_text(page, "#bars li >> nth=7", re.compile(rf"^7{SURE}$"))
    expect_count(page, "#bars .best", 1)
    widths = [bar["width"] for bar in boxes_of(page, "#bars i")]
    assert widths[7] == max(widths)
    assert natural_size(page, "#frame") == [28, 28]
    answered_by = re.compile(
        r"^Answered in \d+ ms by model [0-9a-f]{12}(\+[0-9a-f]{12}){2}$"
    )
    expect_text(page, "#facts", answered_by)
    kept = json.loads(page.evaluate("sessionStorage.contents"))
    assert kept["answer"]["confidence"] > 0.9995
    expect_text(page, "#message", ">99.9 % sure")
    assert "100.0 %" not in page.locator("body").inner_text()
    # This service stores no corrections.
    expect(page.get_by_text("Wrong?")).to_be_hidden()


def covers(box: dict, *points: tuple[float, float]) -> bool:
    """Return whether all points are in a box."""
    upper_left = (box["left"], box["top"])
    lower_right = (box["right"], box["bottom"])
    is_within = np.less_equal(upper_left, points) & np.less_equal(points, lower_right)
    return bool(is_within.all())


def test_a_number_has_a_box_around_each_digit(page):
    assert written(page, "42") == "42"
    expect_status(page, rf"^42 {SURE} sure$")
    boxes = boxes_of(page)
    for stroke in on_page(page, *handwritten("42")):
        covering = [box for box in boxes if covers(box, *stroke)]
        assert len(covering) == 1
    click(page, "Clear")
    assert boxes_of(page) == []
    assert drawn(page, SEVEN) == "7"
    assert boxes_of(page) == []  # a single digit needs no box
    expect(page.get_by_role("radiogroup")).to_be_hidden()


def test_a_click_on_a_box_or_an_arrow_key_selects_the_shown_digit(page):
    def digit_choice(name: str):
        return page.get_by_role("radio", name=re.compile(rf"^{name}, {SURE}$"))

    assert written(page, "12.50") == "12.50"
    expect_status(page, r"^12\.50 ")
    expect_text(page, "#digits", "12.50")
    # The point is shown, but not selected.
    assert len(boxes_of(page)) == 4
    assert page.get_by_role("radio").count() == 4
    assert shown_bar(page) == 0  # the last digit drawn
    frame = page.get_attribute("#frame", "src")
    first, *_ = boxes_of(page)
    page.mouse.click(*middle_of(first))
    assert shown_bar(page) == 1
    assert page.get_attribute("#frame", "src") != frame
    expect_count(page, "#boxes .chosen", 1)
    press(page, "ArrowLeft")  # wraps around
    assert shown_bar(page) == 0
    expect(digit_choice("Digit 4 of 4: 0")).to_be_focused()
    press(page, "ArrowLeft")  # now handled by the browser
    assert shown_bar(page) == 5
    expect(digit_choice("Digit 3 of 4: 5")).to_be_checked()
    press(page, "ArrowRight")
    assert shown_bar(page) == 0
    page.click("#digits label >> nth=1")
    assert shown_bar(page) == 2
    assert answered(page) == "12.50"  # this drew nothing


@pytest.mark.parametrize("size", [(600, 1200), (2400, 1500)])
def test_boxes_match_the_picture_as_displayed(page, digits, size):
    paper = Image.new("L", size, 255)
    side = 160
    places = {110: (60, 20), 360: (180, 30), 60: (300, 20)}
    for index, place in places.items():
        enlarged = Image.fromarray(digits[index]).resize((side, side))
        paper.paste(ImageOps.invert(enlarged), place)
    for file in (encode(paper, "JPEG"), turned_jpeg(paper)):
        choose(page, "number.jpg", file)
        assert answered(page) == "271"
        shown = page.locator("#picture").bounding_box()
        padding = 12
        width = shown["width"] - 2 * padding
        height = shown["height"] - 2 * padding
        scale = min(width / size[0], height / size[1])
        corner = middle_of(shown) - scale * np.array(size) / 2
        boxes = boxes_of(page)
        for box, place in zip(boxes, places.values(), strict=True):
            middle = corner + scale * (np.array(place) + side / 2)
            assert covers(box, middle)
            assert box["width"] < scale * side


def test_an_unsure_answer_names_the_runner_up(page, url, digits):
    for four, nine in zip(digits[200:250], digits[450:], strict=True):
        mixed = encode(np.maximum(four, nine))
        answer = httpx2.post(f"{url}/predict", content=mixed).json()
        if 0.4 < answer["confidence"] < 0.7 and answer["legibility"] > 0.5:
            break
    choose(page, "both.png", mixed)
    assert answered(page) == str(answer["digit"])
    second = np.argsort(answer["probabilities"])[-2]
    doubt = rf"^Not sure, \d+\.\d %: it could be an? {second}, \d+\.\d %"
    expect_text(page, "#message", re.compile(doubt))


def test_what_is_probably_no_digit_has_no_digit_as_its_headline(page):
    assert drawn(page, *LETTER_X) == "?"
    expect_status(page, r"^\? Probably not a digit \(most like \d\)$")
    expect_count(page, "#bars .best", 1)

"""The answer on the page: bars, frame, boxes around the digits of a number, and doubt."""

import json
import re

import httpx2
import numpy as np
import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Page, expect

from browsing import (
    LETTERS,
    SEVEN,
    SURE,
    answered,
    choose,
    drawn,
    on_page,
    shown_bar,
    written,
)
from handwriting import handwritten
from support import encode, turned_jpeg

pytestmark = pytest.mark.slow


def status(page: Page, said: str) -> None:
    """Check what screen readers announce."""
    expect(page.locator("#verdict").get_by_role("status")).to_have_text(
        re.compile(said)
    )


def test_ten_bars_the_frame_the_time_and_the_model_are_shown_and_no_100_percent(page):
    assert drawn(page, SEVEN) == "7"
    expect(page.locator("#bars li")).to_have_count(10)
    expect(page.locator("#bars li").nth(7)).to_have_text(re.compile(rf"^7{SURE}$"))
    expect(page.locator("#bars .best")).to_have_count(1)
    widths = page.locator("#bars i").evaluate_all(
        "bars => bars.map(bar => bar.getBoundingClientRect().width)"
    )
    assert (
        widths[7]
        == max(widths)
        > 0.5 * page.locator("#bars li").first.bounding_box()["width"]
    )
    assert page.locator("#frame").evaluate(
        "image => [image.naturalWidth, image.naturalHeight]"
    ) == [28, 28]
    expect(page.locator("#facts")).to_have_text(
        re.compile(r"^Answered in \d+ ms by model [0-9a-f]{12}\+[0-9a-f]{12}$")
    )
    assert (
        json.loads(page.evaluate("sessionStorage.contents"))["answer"]["confidence"]
        > 0.9995
    )
    expect(page.locator("#message")).to_have_text(">99.9 % sure")
    assert "100.0 %" not in page.locator("body").inner_text()
    # This service stores no corrections.
    expect(page.get_by_text("Wrong?")).to_be_hidden()


def boxes_of(page: Page) -> list[list[float]]:
    return page.locator("#boxes rect").evaluate_all(
        """boxes => boxes.map(box => box.getBoundingClientRect())
            .map(({left, top, right, bottom}) => [left, top, right, bottom])"""
    )


def covers(box: list[float], *points: tuple[float, float]) -> bool:
    left, top, right, bottom = box
    return all(left <= x <= right and top <= y <= bottom for x, y in points)


def test_a_number_has_a_box_around_each_digit(page):
    assert written(page, "42") == "42"
    status(page, rf"^42 {SURE} sure$")
    boxes = boxes_of(page)
    for stroke in on_page(page, *handwritten("42")):
        assert [covers(box, *stroke) for box in boxes].count(True) == 1
    left, top, right, bottom = boxes[0]
    page.mouse.move(left + 5, (top + bottom) / 2)
    page.mouse.down()
    page.mouse.move(right, (top + bottom) / 2, steps=5)
    with page.expect_response("**/read*"):  # a stroke may start in a box
        page.mouse.up()
    page.get_by_role("button", name="Clear").click()
    assert boxes_of(page) == []
    assert drawn(page, SEVEN) == "7"
    assert boxes_of(page) == []  # a single digit needs no box
    expect(page.get_by_role("radiogroup")).to_be_hidden()


def test_a_click_on_a_box_or_an_arrow_key_selects_the_shown_digit(page):
    assert written(page, "12.50") == "12.50"
    status(page, r"^12\.50 ")
    expect(page.locator("#digits")).to_have_text("12.50")
    # The point is shown, but not selected.
    assert len(boxes_of(page)) == page.get_by_role("radio").count() == 4
    assert shown_bar(page) == 0  # the last digit drawn
    frame = page.locator("#frame").get_attribute("src")
    left, top, right, bottom = boxes_of(page)[0]
    page.mouse.click((left + right) / 2, (top + bottom) / 2)
    assert shown_bar(page) == 1
    assert page.locator("#frame").get_attribute("src") != frame
    expect(page.locator("#boxes .chosen")).to_have_count(1)
    page.keyboard.press("ArrowLeft")  # wraps around
    assert shown_bar(page) == 0
    expect(
        page.get_by_role("radio", name=re.compile(rf"^Digit 4 of 4: 0, {SURE}$"))
    ).to_be_focused()
    page.keyboard.press("ArrowLeft")  # now handled by the browser
    assert shown_bar(page) == 5
    expect(
        page.get_by_role("radio", name=re.compile(rf"^Digit 3 of 4: 5, {SURE}$"))
    ).to_be_checked()
    page.keyboard.press("ArrowRight")
    assert shown_bar(page) == 0
    page.locator("#digits label").nth(1).click()
    assert shown_bar(page) == 2
    assert answered(page) == "12.50"  # this drew nothing


def test_boxes_match_the_picture_as_displayed(page, digits):
    side, places = 160, [(60, 20), (180, 30), (300, 20)]
    for width, height in ((900, 200), (600, 1200), (2400, 1500)):
        paper = Image.new("L", (width, height), 255)
        for i, place in zip((110, 360, 60), places, strict=True):
            paper.paste(
                ImageOps.invert(Image.fromarray(digits[i]).resize((side, side))), place
            )
        for file in (encode(paper, "JPEG"), turned_jpeg(paper)):
            choose(page, ("number.jpg", file))
            assert answered(page) == "271"
            shown = page.locator("#picture").bounding_box()
            # Without its padding.
            inside = np.array([shown["width"], shown["height"]]) - 24
            scale = min(inside / (width, height))
            corner = (
                12
                + (inside - scale * np.array([width, height])) / 2
                + (shown["x"], shown["y"])
            )
            for box, place in zip(boxes_of(page), places, strict=True):
                middle = corner + scale * (np.array(place) + side / 2)
                assert covers(box, middle)
                assert box[2] - box[0] < scale * side
            page.mouse.click(*middle)
            assert shown_bar(page) == 1
            # A tap beside the boxes does nothing.
            page.mouse.click(shown["x"] + 4, shown["y"] + 4)
            assert shown_bar(page) == 1
            expect(page.get_by_role("img", name="number.jpg")).to_be_visible()


def test_an_unsure_answer_names_the_runner_up(page, url, digits):
    for four, nine in zip(digits[200:250], digits[450:], strict=True):
        mixed = encode(np.maximum(four, nine))
        answer = httpx2.post(f"{url}/predict", content=mixed).json()
        if 0.4 < answer["confidence"] < 0.7 and answer["legibility"] > 0.5:
            break
    choose(page, ("both.png", mixed))
    assert answered(page) == str(answer["digit"])
    second = np.argsort(answer["probabilities"])[-2]
    expect(page.locator("#message")).to_have_text(
        re.compile(rf"^Not sure, \d+\.\d %: it could be an? {second}, \d+\.\d %")
    )


def test_what_is_probably_no_digit_has_no_digit_as_its_headline(page):
    for strokes in LETTERS.values():
        assert drawn(page, *strokes) == "?"
        status(page, r"^\? Probably not a digit \(most like \d\)$")
        expect(page.locator("#bars .best")).to_have_count(1)
        page.keyboard.press("Escape")

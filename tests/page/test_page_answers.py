"""The answer on the page: bars, frame, boxes around the digits of a number, and doubt."""

import json
import re
from collections.abc import Sequence

import httpx2
import numpy as np
import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Page, expect

from browsing import LETTERS, SEVEN, SURE, answered, choose, draw, on_page, shown_bar, write
from support import encode, letter, turned_jpeg

pytestmark = pytest.mark.slow


def status(page: Page, said: str) -> None:
    """Check what screen readers announce."""
    expect(page.locator("#verdict").get_by_role("status")).to_have_text(re.compile(said))


def test_ten_bars_the_frame_the_time_and_the_model_are_shown_and_no_100_percent(page):
    draw(page, SEVEN)
    assert answered(page) == "7"
    expect(page.locator("#bars li")).to_have_count(10)
    expect(page.locator("#bars li").nth(7)).to_have_text(re.compile(rf"^7{SURE}$"))
    expect(page.locator("#bars .best")).to_have_count(1)
    widths = page.locator("#bars i").evaluate_all("bars => bars.map(bar => bar.getBoundingClientRect().width)")
    assert widths[7] == max(widths) > 0.5 * page.locator("#bars li").first.bounding_box()["width"]
    assert page.locator("#frame").evaluate("image => [image.naturalWidth, image.naturalHeight]") == [28, 28]
    expect(page.locator("#facts")).to_have_text(re.compile(r"^Answered in \d+ ms by model [0-9a-f]{12}$"))
    assert json.loads(page.evaluate("sessionStorage.contents"))["answer"]["confidence"] > 0.9995
    expect(page.locator("#message")).to_have_text(">99.9 % sure")
    assert "100.0 %" not in page.locator("body").inner_text()


def boxes_of(page: Page) -> list[dict[str, float]]:
    return [box.bounding_box() for box in page.locator("#boxes rect").all()]


def covers(box: dict[str, float], points: Sequence[tuple[float, float]]) -> bool:
    return all(0 <= x - box["x"] <= box["width"] and 0 <= y - box["y"] <= box["height"] for x, y in points)


def test_a_number_has_a_box_around_each_digit(page):
    strokes = on_page(page, *write(page, "42"))
    assert answered(page) == "42"
    status(page, rf"^42 {SURE} sure$")
    boxes, sheet = boxes_of(page), page.locator("#sheet").bounding_box()
    assert len(boxes) == 2
    for box, digit in zip(boxes, (strokes[:2], strokes[2:]), strict=True):  # a 4 has two strokes
        points = [point for stroke in digit for point in stroke]
        assert covers(box, points)
        assert box["width"] < np.ptp(points, axis=0)[0] + 0.25 * sheet["height"]
    page.mouse.move(boxes[0]["x"] + 5, boxes[0]["y"] + boxes[0]["height"] / 2)
    page.mouse.down()
    page.mouse.move(boxes[0]["x"] + boxes[0]["width"], boxes[0]["y"] + boxes[0]["height"] / 2, steps=5)
    with page.expect_response("**/read*"):  # a stroke may start in a box
        page.mouse.up()
    page.get_by_role("button", name="Clear").click()
    assert boxes_of(page) == []
    draw(page, SEVEN)
    assert answered(page) == "7"
    assert boxes_of(page) == []  # a single digit needs no box
    expect(page.get_by_role("radiogroup")).to_be_hidden()


def test_a_click_on_a_box_or_an_arrow_key_selects_the_shown_digit(page):
    write(page, "12.50")
    assert answered(page) == "12.50"
    status(page, r"^12\.50 ")
    expect(page.locator("#digits")).to_have_text("12.50")
    assert len(boxes_of(page)) == page.get_by_role("radio").count() == 4  # the point is shown, but not selected
    assert shown_bar(page) == 0  # the last digit drawn
    frame = page.locator("#frame").get_attribute("src")
    first = boxes_of(page)[0]
    page.mouse.click(first["x"] + first["width"] / 2, first["y"] + first["height"] / 2)
    assert shown_bar(page) == 1
    assert page.locator("#frame").get_attribute("src") != frame
    expect(page.locator("#boxes .chosen")).to_have_count(1)
    page.keyboard.press("ArrowLeft")  # wraps around
    assert shown_bar(page) == 0
    expect(page.get_by_role("radio", name=re.compile(rf"^Digit 4 of 4: 0, {SURE}$"))).to_be_focused()
    page.keyboard.press("ArrowLeft")  # now handled by the browser
    assert shown_bar(page) == 5
    expect(page.get_by_role("radio", name=re.compile(rf"^Digit 3 of 4: 5, {SURE}$"))).to_be_checked()
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
            paper.paste(ImageOps.invert(Image.fromarray(digits[i]).resize((side, side))), place)
        for file in (encode(paper, "JPEG"), turned_jpeg(paper)):
            choose(page, ("number.jpg", file))
            assert answered(page) == "271"
            shown = page.locator("#picture").bounding_box()
            inside = np.array([shown["width"], shown["height"]]) - 24  # without its padding
            scale = min(inside / (width, height))
            corner = 12 + (inside - scale * np.array([width, height])) / 2 + (shown["x"], shown["y"])
            for box, place in zip(boxes_of(page), places, strict=True):
                middle = corner + scale * (np.array(place) + side / 2)
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


def test_what_is_probably_no_digit_has_no_digit_as_its_headline(page, three):
    for strokes in LETTERS.values():
        draw(page, *strokes)
        assert answered(page) == "?"
        status(page, r"^\? Probably not a digit \(most like \d\)$")
        expect(page.locator("#bars .best")).to_have_count(1)
        page.keyboard.press("Escape")
    choose(page, ("three.png", three), ("A.png", encode(letter("A"))))
    expect(page.locator("#list li").first).to_contain_text("% sure")
    expect(page.locator("#list li").last).to_contain_text("Probably not a digit")
    expect(page.locator("#list b").last).to_have_text("?")
    assert answered(page) == "3"
    status(page, "% sure$")

"""The answer on the page: bars, frame, boxes around the digits of a number, and doubt."""

import json
import re
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Page, expect

from app.inference.opinion import SecondOpinion
from app.inference.reading import read_digit
from browsing import LETTERS, SEVEN, SURE, answered, choose, draw, draw_number, on_sheet, shown_bar
from support import MAX_PIXELS, encode, letter

pytestmark = pytest.mark.slow


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
    draw(page, [(1.15, 0.25), (1.15, 0.75)])
    assert answered(page) == "421"


def test_a_stroke_may_start_in_a_box(page, forty_two):
    draw_number(page, forty_two)
    assert answered(page) == "42"
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
    paper, places = Image.new("L", (width, height), 255), [(60, 20), (180, 30), (300, 20)]
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


def test_an_unsure_answer_names_the_runner_up(page, digits, classifier, line_network):
    opinion = SecondOpinion.of(classifier, line_network)
    mixed = np.maximum(digits[200], digits[450])  # a 4 on a 9
    for candidate in [mixed, *(np.maximum(digits[200 + i], digits[450 + i]) for i in range(50))]:
        reading = read_digit(encode(candidate), classifier, MAX_PIXELS, opinion=opinion)
        probabilities = reading.probabilities
        if 0.4 < probabilities.max() < 0.7 and reading.legibility > 0.5:
            break
    choose(page, ("both.png", encode(candidate)))
    digit = answered(page)
    second = np.argsort(probabilities)[-2]
    assert digit == str(probabilities.argmax())
    expect(page.locator("#message")).to_have_text(
        re.compile(rf"^Not sure, \d+\.\d %: it could be an? {second}, \d+\.\d %")
    )


@pytest.mark.parametrize("name", LETTERS)
def test_a_drawn_letter_has_no_digit_as_its_headline(page, name):
    for stroke in LETTERS[name]:
        draw(page, stroke)
    assert answered(page) == "?"
    expect(page.locator("#message")).to_have_text(re.compile(r"^Probably not a digit \(most like \d\)$"))
    expect(page.locator("#bars .best")).to_have_count(1)


def test_a_probable_non_digit_is_announced(page, three):
    choose(page, ("A.png", encode(letter("A"))))
    answered(page)
    expect(page.locator("#verdict").get_by_role("status")).to_have_text(re.compile(r"^\? Probably not a digit"))
    choose(page, ("three.png", three), ("A.png", encode(letter("A"))))
    expect(page.locator("#list li").first).to_contain_text("% sure")
    expect(page.locator("#list li").last).to_contain_text("Probably not a digit")
    expect(page.locator("#list b").last).to_have_text("?")
    assert answered(page) == "3"
    expect(page.locator("#verdict").get_by_role("status")).to_have_text(re.compile(r"% sure$"))


def test_no_answer_shows_100_percent(page):
    draw(page, SEVEN)
    assert answered(page) == "7"
    assert json.loads(page.evaluate("sessionStorage.contents"))["answer"]["confidence"] > 0.9995
    expect(page.locator("#message")).to_have_text(">99.9 % sure")
    assert "100.0 %" not in page.locator("body").inner_text()

"""Explanations and corrections on the page: the steps to the answer, the evidence, and training on corrections."""

import re
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from browsing import (
    LETTERS,
    SEVEN,
    SURE,
    answered,
    draw,
    draw_number,
    explained,
    opened,
    record_pictures,
    requests_of,
    sent,
)
from support import DIGITS, serving
from training import data, train

pytestmark = pytest.mark.slow


def pixels(page: Page, selector: str) -> np.ndarray:
    """Return the grey levels of an image on the page."""
    source = page.locator(selector).evaluate("image => image.src ?? image.getAttribute('href')")
    return np.asarray(Image.open(BytesIO(b64decode(source.split(",")[1]))).convert("L"))


def test_how_shows_picture_ink_box_and_frame(narrow):
    page = narrow
    draw(page, SEVEN)
    assert answered(page) == "7"
    page.wait_for_timeout(500)
    assert requests_of(page, "explain") == []
    page.get_by_text("How it was read").click()
    explained(page)
    expect(page.locator("#strip li:visible")).to_have_count(4)
    picture, ink, frame = (pixels(page, f"#strip-{name}") for name in ("picture", "ink", "frame"))
    assert picture.shape == (288, 432)
    assert picture[0, 0] > 200 > 100 > ink[0, 0]  # black on white; white on black
    assert frame.shape == (28, 28)
    assert (frame[0, 0], frame.max()) == (0, 255)
    assert (pixels(page, "#frame") == frame).all()
    drawn = np.argwhere(picture < 128)
    left, top, width, height = map(float, page.locator("#strip-crop").get_attribute("viewBox").split())
    assert abs(np.array([top, left, top + height, left + width]) - [*drawn.min(0), *drawn.max(0)]).max() <= 3
    expect(page.locator("#strip-box rect")).to_have_count(1)


def test_why_shows_evidence_for_the_digit_and_its_runner_up(narrow):
    page = narrow
    page.get_by_text("How it was read").click()
    draw(page, SEVEN)
    with page.expect_response("**/explain") as response:
        answered(page)
    explained(page)
    explanation = response.value.json()
    evidence = np.array(explanation["evidence"]).ravel()
    expect(
        page.get_by_role("heading", name=f"Why 7, and not {explanation['runner_up']}, the runner-up?")
    ).to_be_visible()
    expect(page.locator("#for")).to_have_text(re.compile(rf"^for 7, {SURE}$"))
    expect(page.locator("#against")).to_have_text(re.compile(rf"^for {explanation['runner_up']}, {SURE}$"))
    squares = page.locator("#evidence rect").evaluate_all(
        "squares => squares.map(s => [s.classList[0], Number(s.getAttribute('fill-opacity'))])"
    )
    assert [name for name, _ in squares] == ["for" if weight > 0 else "against" for weight in evidence]
    assert np.argmax([shade for _, shade in squares]) == np.abs(evidence).argmax()
    page.keyboard.press("Escape")
    expect(page.locator("#evidence rect")).to_have_count(0)  # it must not stay beside another picture


def test_a_digit_of_a_number_is_explained_by_its_frame(narrow, forty_two):
    page = narrow
    page.get_by_text("How it was read").click()
    draw_number(page, forty_two)
    assert answered(page) == "42"
    explained(page)
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("heading", name=re.compile("^Why 4, and not"))).to_be_visible()
    expect(page.locator("#strip li:visible b")).to_have_text(["Picture", "Box", "Frame"])
    assert (pixels(page, "#strip-frame") == pixels(page, "#frame")).all()


def test_the_layers_and_the_weights_of_a_unit_are_shown(narrow):
    draw(narrow, SEVEN)
    assert answered(narrow) == "7"
    narrow.get_by_text("How it was read").click()
    explained(narrow)
    narrow.get_by_text("Inside the network").click()
    expect(narrow.locator("#layers figcaption")).to_have_text(
        ["Layer 1: 20 maps of 8×8", "Layer 2: 20 maps of 8×8", "Layer 3: 96 maps of 3×3", "Layer 4: 256 units"]
    )
    expect(narrow.locator("#weights")).to_have_attribute("src", re.compile("^data:image/png"))
    first = pixels(narrow, "#weights")
    box = narrow.locator("#layers img").first.bounding_box()
    at = {"x": box["width"] * 9.5 / 44, "y": box["height"] * 1.5 / 35}  # the second map, its second row, first column
    with narrow.expect_response("**/explain/units/72"):
        narrow.locator("#layers img").first.click(position=at)
    expect(narrow.get_by_label("Unit")).to_have_value("72")
    narrow.wait_for_timeout(100)
    assert not np.array_equal(pixels(narrow, "#weights"), first)
    narrow.get_by_label("Unit").fill("0")
    narrow.get_by_label("Unit").press("Tab")
    narrow.wait_for_timeout(300)
    assert np.array_equal(pixels(narrow, "#weights"), first)


@pytest.fixture(scope="module")
def correcting_url(tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("corrections")
    with serving(DIGITS_CORRECTIONS_DIR=str(folder), DIGITS_MAX_CORRECTIONS="3") as (_, url):
        yield url


def test_a_wrong_answer_is_corrected(browser, correcting_url, forty_two):
    with opened(browser, correcting_url, viewport={"width": 390, "height": 664}) as page:
        record_pictures(page)
        thanks = page.locator("#thanks")
        expect(page.get_by_text("Wrong? It is a …")).to_be_visible()
        expect(page.locator("#labels button:disabled")).to_have_count(11)
        draw(page, SEVEN)
        assert answered(page) == "7"
        with page.expect_request("**/corrections?label=1"):
            page.get_by_role("button", name="1", exact=True).click()
        assert sent(page).size == (432, 288)
        expect(thanks).to_have_text("Thank you: your correction is stored.")
        page.get_by_role("button", name="1", exact=True).click()
        expect(thanks).to_have_text("Thank you: it was already stored.")
        with page.expect_request("**/corrections?label=none"):
            page.get_by_role("button", name="no digit", exact=True).click()
        expect(thanks).to_have_text("Thank you: your correction is stored.")
        page.keyboard.press("Escape")
        draw_number(page, forty_two)
        assert answered(page) == "42"
        expect(page.get_by_text("Wrong? Digit 2 is a …")).to_be_visible()
        with page.expect_request("**/corrections?label=3"):
            page.get_by_role("button", name="3", exact=True).click()
        assert (np.asarray(sent(page)) == pixels(page, "#frame")).all()
        page.get_by_label("All that is written").fill("4.2")
        with page.expect_request("**/corrections?label=4.2"):
            page.get_by_role("button", name="Store").click()
        assert sent(page).size == (432, 288)
        expect(page.get_by_label("All that is written")).to_have_value("4.2")
        page.get_by_label("All that is written").blur()
        page.keyboard.press("Escape")
        for stroke in LETTERS["X"]:
            draw(page, stroke)
        answered(page)
        page.get_by_role("button", name="no digit", exact=True).click()
        expect(thanks).to_contain_text("full")


MIRRORED_THREE = [
    (0.9, 0.25),
    (0.75, 0.18),
    (0.6, 0.25),
    (0.6, 0.4),
    (0.75, 0.48),
    (0.58, 0.56),
    (0.55, 0.72),
    (0.7, 0.82),
    (0.9, 0.76),
]  # as children write


def test_a_corrected_digit_is_read_correctly_by_the_next_network(browser, sample_mnist, tmp_path, monkeypatch):
    stored, corrected, model = (tmp_path / name for name in ("stored", "corrected", "digits.onnx"))
    stored.mkdir()
    with serving(DIGITS_CORRECTIONS_DIR=str(stored)) as (_, url), opened(browser, url) as page:
        draw(page, MIRRORED_THREE)
        assert answered(page) != "3"
        page.get_by_role("button", name="3", exact=True).click()
        expect(page.locator("#thanks")).to_have_text("Thank you: your correction is stored.")
    subprocess.run([DIGITS, "corrections", "export", corrected, "--from", stored], check=True)
    monkeypatch.setattr(data, "VALIDATION_IMAGES", 100)
    recipe = "--hidden 256 --epochs 10 --batch-size 50 --learning-rate 0.01 --threads 1 --precision fp32".split()
    places = ["--data", str(sample_mnist), "--runs", str(tmp_path / "runs"), "--output", str(model)]
    assert train.main([*recipe, *places, "--pictures", str(corrected)]) == 0
    with serving("--model", str(model)) as (_, url), opened(browser, url) as page:
        draw(page, MIRRORED_THREE)
        assert answered(page) == "3"


def test_corrections_are_offered_only_if_they_are_stored(page):
    draw(page, SEVEN)
    answered(page)
    expect(page.get_by_text("Wrong?")).to_be_hidden()

"""Explanations and corrections on the page: the steps to the answer, the evidence."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from browsing import (
    KEY,
    LETTER_X,
    PHONE,
    SEVEN,
    SURE,
    answered,
    click,
    drawn,
    expect_count,
    expect_text,
    expect_words,
    explained,
    open_explanation,
    opened,
    picture_of,
    press,
    requests_of,
    written,
)
from handwriting import handwritten

pytestmark = pytest.mark.slow


def pixels(page: Page, selector: str) -> np.ndarray:
    """Return an image on the page."""
    image = page.locator(selector)
    return picture_of(
        image.evaluate("image => image.src ?? image.getAttribute('href')")
    )


def expect_heading(page: Page, name: str) -> None:
    """Wait until a heading that contains this is shown."""
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def test_how_and_why_show_the_steps_to_a_digit_and_the_evidence_for_it(page):
    page.clock.install()
    assert drawn(page, SEVEN) == "7"
    page.clock.run_for(1000)
    assert requests_of(page, "explain") == []  # before the section is open
    with page.expect_response("**/explain?opinion=false") as response:
        open_explanation(page)
    explained(page)
    expect_count(page, "#strip li:visible", 4)
    picture = pixels(page, "#strip-picture")
    frame = pixels(page, "#strip-frame")
    assert picture.shape[:2] == (288, 432)
    assert pixels(page, "#strip-ink")[0, 0] < 100  # white on black
    assert (pixels(page, "#frame") == frame).all()
    rows, columns = np.nonzero(picture[..., 0] < 128)
    box = page.get_attribute("#strip-crop", "viewBox")
    left, top, width, height = map(float, box.split())
    corners = [left, top, left + width, top + height]
    ink_corners = [columns.min(), rows.min(), columns.max(), rows.max()]
    assert corners == pytest.approx(ink_corners, abs=3)
    explanation = response.value.json()
    second = explanation["runner_up"]
    evidence = np.ravel(explanation["evidence"])
    expect_heading(page, f"Why 7, and not {second}, the runner-up?")
    expect_text(page, "#for", re.compile(rf"^for 7, {SURE}$"))
    expect_text(page, "#against", re.compile(rf"^for {second}, {SURE}$"))
    sides = page.locator("#evidence rect").evaluate_all(
        "all => all.map(square => square.classList[0])"
    )
    assert sides == np.where(evidence > 0, "for", "against").tolist()
    page.click("#clear")
    assert written(page, "42") == "42"
    explained(page)
    press(page, "ArrowLeft")
    expect_heading(page, "Why 4, and not")
    # Only the frame is explained.
    expect_text(page, "#strip li:visible b", ["Picture", "Box", "Frame"])
    assert (pixels(page, "#strip-frame") == pixels(page, "#frame")).all()


def test_the_layers_and_the_weights_of_a_unit_are_shown(page):
    open_explanation(page)
    drawn(page, SEVEN)
    explained(page)
    page.get_by_text("Inside the network").click()
    layers = [
        "Layer 1: 20 maps of 8×8",
        "Layer 2: 20 maps of 8×8",
        "Layer 3: 96 maps of 3×3",
        "Layer 4: 256 units",
    ]
    expect_text(page, "#layers figcaption", layers)
    weights = page.locator("#weights")
    expect(weights).to_have_attribute("src", re.compile("^data:image/png"))
    first = weights.get_attribute("src")
    page.get_by_label("Unit").fill("72")
    page.get_by_label("Unit").press("Tab")
    expect(weights).not_to_have_attribute("src", first)


def stored(folder: Path) -> dict[str, np.ndarray]:
    """Return the corrected pictures in the folder, by their label."""
    pictures = {}
    for path in folder.glob("*.json"):
        record = json.loads(path.read_text())
        picture = Image.open(folder / record["picture"])
        pictures[record["label"]] = np.asarray(picture)
    return pictures


def correct(page: Page, button: str, thanks: str = "your correction is stored") -> None:
    """Click on a correction, and wait until it is answered."""
    with page.expect_response("**/corrections?label=*"):
        click(page, button)
    expect_words(page, "#thanks", thanks)


def test_a_wrong_answer_is_corrected(browser, locked_url, folder):
    with opened(browser, locked_url, viewport=PHONE) as page:
        page.evaluate("key => { sessionStorage.apiKey = key; }", KEY)
        expect(page.get_by_text("Wrong? It is a …")).to_be_visible()
        expect_count(page, "#labels button:disabled", 11)
        # Mirrored, as children write.
        mirrored = [[1.5, 0] + stroke * [-1, 1] for stroke in handwritten("3")]
        assert drawn(page, *mirrored) != "3"
        correct(page, "3")
        drawing = stored(folder)["3"]
        assert drawing.shape[:2] == (288, 432)
        correct(page, "3", "Thank you: it was already stored.")
        correct(page, "no digit")
        assert set(stored(folder)) == {"none"}
        page.click("#clear")
        assert written(page, "42") == "42"
        expect(page.get_by_text("Wrong? Digit 2 is a …")).to_be_visible()
        correct(page, "1")
        frame = stored(folder)["1"]
        assert (frame == pixels(page, "#frame")).all()
        assert answered(page) == "41"
        click(page, "Edit")
        page.get_by_label("Line 1: 41, Edited").fill("4.2")
        press(page, "Enter")
        correct(page, "Store the text as shown")
        assert "4.2" in stored(folder)
        assert answered(page) == "4.2"
        page.click("#clear")
        drawn(page, *LETTER_X)
        correct(page, "no digit", "full")

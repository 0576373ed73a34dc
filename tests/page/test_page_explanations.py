"""Explanations and corrections on the page: the steps to the answer, the evidence, and
training on corrections.
"""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from browsing import (
    KEY,
    LETTERS,
    PHONE,
    SEVEN,
    SURE,
    answered,
    click,
    drawn,
    expect_count,
    expect_text,
    explained,
    opened,
    picture_of,
    press,
    written,
)
from handwriting import handwritten
from support import DIGITS
from training import train

pytestmark = pytest.mark.slow


def pixels(page: Page, selector: str) -> np.ndarray:
    """Return an image on the page."""
    return picture_of(
        page.locator(selector).evaluate(
            "image => image.src ?? image.getAttribute('href')"
        )
    )


def test_how_and_why_show_the_steps_to_a_digit_and_the_evidence_for_it_and_its_runner_up(
    page,
):
    requested = []
    page.on("request", lambda request: requested.append(request.url.rsplit("/", 1)[1]))
    assert drawn(page, SEVEN) == "7"
    page.wait_for_timeout(400)
    assert "explain" not in requested  # before the section is open
    with page.expect_response("**/explain?opinion=false") as response:
        page.get_by_text("How it was read").click()
    explained(page)
    expect_count(page, "#strip li:visible", 4)
    picture, ink, frame = (
        pixels(page, f"#strip-{name}") for name in ("picture", "ink", "frame")
    )
    assert picture.shape[:2] == (288, 432)
    picture = picture[..., 0]
    assert picture[0, 0] > 200 > 100 > ink[0, 0]  # black on white; white on black
    assert frame.shape == (28, 28)
    assert (frame[0, 0], frame.max()) == (0, 255)
    assert (pixels(page, "#frame") == frame).all()
    ink_at = np.argwhere(picture < 128)
    left, top, width, height = map(
        float, page.get_attribute("#strip-crop", "viewBox").split()
    )
    assert (
        abs(
            np.array([top, left, top + height, left + width])
            - [*ink_at.min(0), *ink_at.max(0)]
        ).max()
        <= 3
    )
    expect_count(page, "#strip-box rect", 1)
    explanation = response.value.json()
    second, evidence = (
        explanation["runner_up"],
        np.array(explanation["evidence"]).ravel(),
    )
    expect(
        page.get_by_role("heading", name=f"Why 7, and not {second}, the runner-up?")
    ).to_be_visible()
    expect_text(page, "#for", re.compile(rf"^for 7, {SURE}$"))
    expect_text(page, "#against", re.compile(rf"^for {second}, {SURE}$"))
    squares = page.locator("#evidence rect").evaluate_all(
        "squares => squares.map(s => [s.classList[0], "
        "Number(s.getAttribute('fill-opacity'))])"
    )
    assert [name for name, _ in squares] == [
        "for" if weight > 0 else "against" for weight in evidence
    ]
    assert np.argmax([shade for _, shade in squares]) == np.abs(evidence).argmax()
    press(page, "Escape")
    # It must not stay beside another picture.
    expect_count(page, "#evidence rect", 0)
    assert written(page, "42") == "42"
    explained(page)
    press(page, "ArrowLeft")
    expect(
        page.get_by_role("heading", name=re.compile("^Why 4, and not"))
    ).to_be_visible()
    # Only the frame is explained.
    expect_text(page, "#strip li:visible b", ["Picture", "Box", "Frame"])
    assert (pixels(page, "#strip-frame") == pixels(page, "#frame")).all()


def test_the_layers_and_the_weights_of_a_unit_are_shown(page):
    page.get_by_text("How it was read").click()
    drawn(page, SEVEN)
    explained(page)
    page.get_by_text("Inside the network").click()
    expect_text(
        page,
        "#layers figcaption",
        [
            "Layer 1: 20 maps of 8×8",
            "Layer 2: 20 maps of 8×8",
            "Layer 3: 96 maps of 3×3",
            "Layer 4: 256 units",
        ],
    )
    weights = page.locator("#weights")
    expect(weights).to_have_attribute("src", re.compile("^data:image/png"))
    first = weights.get_attribute("src")
    with page.expect_response("**/explain/units/72"):
        page.get_by_label("Unit").fill("72")
        page.get_by_label("Unit").press("Tab")
    expect(weights).not_to_have_attribute("src", first)
    page.get_by_label("Unit").fill("0")
    page.get_by_label("Unit").press("Tab")
    expect(weights).to_have_attribute("src", first)


def stored(folder: Path) -> dict[str, np.ndarray]:
    """Return the corrected pictures in the folder, by their label."""
    records = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    return {
        record["label"]: np.asarray(Image.open(folder / record["picture"]))
        for record in records
    }


def correct(
    page: Page, button: str, thanks: str = "Thank you: your correction is stored."
) -> None:
    with page.expect_response("**/corrections?label=*"):
        click(page, button)
    expect_text(page, "#thanks", re.compile(thanks))


def test_a_wrong_answer_is_corrected_and_the_next_network_reads_it_correctly(
    browser, locked_url, folder, sample_mnist, tmp_path
):
    corrected, model = tmp_path / "corrected", tmp_path / "digits.onnx"
    with opened(browser, locked_url, viewport=PHONE) as page:
        page.evaluate("key => { sessionStorage.apiKey = key; }", KEY)
        expect(page.get_by_text("Wrong? It is a …")).to_be_visible()
        expect_count(page, "#labels button:disabled", 11)
        # As children write.
        mirrored = [[(1.5 - x, y) for x, y in stroke] for stroke in handwritten("3")]
        assert drawn(page, *mirrored) != "3"
        correct(page, "3")
        assert stored(folder)["3"].shape[:2] == (288, 432)
        subprocess.run(
            [DIGITS, "corrections", "export", corrected, "--from", folder], check=True
        )
        correct(page, "3", "Thank you: it was already stored.")
        correct(page, "no digit")
        assert set(stored(folder)) == {"none"}
        press(page, "Escape")
        assert written(page, "42") == "42"
        expect(page.get_by_text("Wrong? Digit 2 is a …")).to_be_visible()
        correct(page, "1")
        assert (stored(folder)["1"] == pixels(page, "#frame")).all()
        assert answered(page) == "41"
        click(page, "Edit")
        page.get_by_label("Text 1").fill("4.2")
        press(page, "Enter")
        correct(page, "Store the text as shown")
        assert stored(folder)["4.2"].shape[:2] == (288, 432)
        assert answered(page) == "4.2"
        press(page, "Escape")
        drawn(page, *LETTERS["X"])
        correct(page, "no digit", "full")
    recipe = (
        "--hidden 256 --epochs 10 --batch-size 50 --learning-rate 0.01 --threads 1 "
        "--precision fp32"
    ).split()
    places = [
        "--data",
        str(sample_mnist),
        "--runs",
        str(tmp_path / "runs"),
        "--output",
        str(model),
    ]
    assert train.main([*recipe, *places, "--pictures", str(corrected)]) == 0
    command = [DIGITS, "predict", "--local", "--json", "--model", model, corrected]
    assert (
        json.loads(subprocess.run(command, check=True, capture_output=True).stdout)[
            "digit"
        ]
        == 3
    )

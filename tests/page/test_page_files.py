"""Pictures on the page: chosen, dropped, pasted, listed, saved, and kept over a reload."""

import csv
from base64 import b64encode
from io import StringIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from app.cli.records import COLUMNS
from browsing import PHONE, SEVEN, answered, choose, draw, ink_of, opened, requests_of, write
from support import MINUS, POINT, drawing, encode, letter, number, until

pytestmark = pytest.mark.slow

DROP = """([event, bytes]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], "three.png", {type: "image/png"}));
    const made = event === "drop"
        ? new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true})
        : new ClipboardEvent("paste", {clipboardData: data, bubbles: true});
    document.body.dispatchEvent(made);
}"""


def test_a_picture_is_chosen_photographed_dropped_or_pasted(browser, url, three):
    photo = {"name": "three.png", "mimeType": "image/png", "buffer": three}
    with opened(browser, url, has_touch=True, is_mobile=True, viewport=PHONE) as page:
        expect(page.get_by_label("Take a photo")).to_be_visible()
        for act in (
            lambda: choose(page, ("three.png", three)),
            lambda: page.locator("input[capture=environment]").set_input_files(photo),
            lambda: page.evaluate(DROP, ["drop", list(three)]),
            lambda: page.evaluate(DROP, ["paste", list(three)]),
        ):
            act()
            expect(page.locator("#text")).to_have_text("3")
            expect(page.get_by_role("img", name="three.png")).to_be_visible()
            draw(page, SEVEN)  # takes the picture's place
            assert answered(page) == "7"
            expect(page.locator("#picture")).to_be_hidden()


def test_several_pictures_form_a_list_to_choose_from(page, digits, labels):
    chosen = range(5, 500, 45)
    heif = ("photo.heic", encode(drawing(digits[50]), "HEIF"))  # Chromium cannot show it
    pictures = [(f"{i}.png", encode(drawing(digits[i]))) for i in chosen]
    choose(page, *pictures, heif, ("letter.txt", b"no picture"))
    rows = page.locator("#list li")
    expect(rows).to_have_count(len(chosen) + 2)
    expect(page.locator("#list button:disabled")).to_have_count(0)
    assert rows.locator("b").all_text_contents() == [*(str(labels[i]) for i in chosen), "1", "?"]
    expect(rows.last).to_contain_text("not a picture")
    expect(page.locator("#text")).to_have_text("0")  # the first one is on the sheet
    assert rows.nth(-2).locator("img").evaluate("image => image.naturalWidth") == 28  # its frame is shown instead
    rows.nth(3).get_by_role("button").first.click()
    assert answered(page) == str(labels[chosen[3]])
    rows.last.get_by_role("button").first.click()
    expect(page.locator("#message")).to_contain_text("not a picture")
    choose(page, ("one.png", encode(drawing(digits[50]))))
    expect(page.locator("#text")).to_have_text("1")
    expect(page.locator("#batch")).to_be_hidden()


def saved(page: Page) -> list[dict[str, str]]:
    """Save the list as CSV; return its rows."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    return list(csv.DictReader(StringIO(download.value.path().read_text())))


def test_the_list_can_be_saved_and_its_pictures_removed(page, digits):
    pictures = [(f'{i}, "{i}".png', encode(drawing(digits[i]))) for i in (0, 50, 100)]
    choose(page, *pictures, ("letter.png", encode(letter("A"))), ("text.txt", b"no picture"))
    expect(page.locator("#counts")).to_have_text("5 in all: 3 sure, 1 in doubt, 1 not read")
    expect(page.locator("#list [aria-current=true]")).to_contain_text("0, ")
    rows = saved(page)
    assert [row["file"] for row in rows] == [*(name for name, _ in pictures), "letter.png", "text.txt"]
    assert list(rows[0]) == list(COLUMNS["text"])  # as `digits read --csv`
    assert [row["text"] for row in rows] == ["0", "1", "2", "", ""]
    assert [row["unsure"] for row in rows] == ["", "", "", "yes", ""]
    assert all(float(row["confidence"]) > 0.9 < float(row["legibility"]) for row in rows[:3])
    assert float(rows[3]["legibility"]) < 0.5
    assert all(int(row["height"]) > 50 for row in rows[:3])
    assert "not a picture" in rows[-1]["error"]
    page.get_by_role("button", name="Remove 0, ").click()
    expect(page.locator("#list li")).to_have_count(4)
    assert answered(page) == "1"  # the next one takes its place on the sheet
    expect(page.locator("#list [aria-current=true]")).to_contain_text("50, ")
    expect(page.locator("#counts")).to_have_text("4 in all: 2 sure, 1 in doubt, 1 not read")
    page.get_by_role("button", name="Remove text.txt").click()
    assert answered(page) == "1"
    page.get_by_role("button", name="Remove all").click()
    expect(page.locator("#batch")).to_be_hidden()
    assert answered(page) == "?"


def test_numbers_are_listed_and_saved_as_written(page, digits):
    four, two, three, five, zero = digits[[215, 110, 150, 250, 0]]
    amount, lines = number([four, two, POINT, five, zero]), number([MINUS, three, five], [two, four])
    choose(page, ("amount.png", encode(amount)), ("lines.png", encode(lines)))
    expect(page.locator("#list button:disabled")).to_have_count(0)
    assert page.locator("#list b").all_text_contents() == ["42.50", "-35\n24"]
    assert answered(page) == "42.50"
    assert [(row["line"], row["text"]) for row in saved(page)] == [("1", "42.50"), ("1", "-35"), ("2", "24")]


SVG_SEVEN = '<path d="M30 25h40L45 85" fill="none" stroke="black" stroke-width="7"/></svg>'


def test_an_svg_is_drawn_by_the_browser_and_read(page):
    for size in ("", 'width="200" height="200" '):
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size}viewBox="0 0 100 100">{SVG_SEVEN}'
        choose(page, ("seven.svg", svg.encode()))
        expect(page.locator("#text")).to_have_text("7")
        picture = page.get_by_role("img", name="seven.svg")
        expect(picture).to_be_visible()
        assert picture.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [600, 600]
    choose(page, ("broken.svg", b"<svg"))
    expect(page.locator("#text")).to_have_text("?")
    expect(page.locator("#message")).to_contain_text("not a picture")


def drop_address(page: Page, **data: str) -> None:
    """Drop a picture that was dragged from another page: no file, only its address."""
    page.evaluate(
        """entries => {
            const data = new DataTransfer();
            for (const [type, value] of entries) data.setData(type, value);
            document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
        }""",
        [[f"text/{name.replace('_', '-')}", value] for name, value in data.items()],
    )


def test_a_picture_dragged_from_another_page_is_read_or_explained(page, three):
    draw(page, SEVEN)
    assert answered(page) == "7"
    drop_address(page, uri_list="https://example.com/3.png", html='<img src="https://example.com/3.png">')
    assert answered(page) == "?"
    expect(page.locator("#message")).to_contain_text("Save the picture and choose it")
    embedded = f"data:image/png;base64,{b64encode(three).decode()}"
    drop_address(page, uri_list="https://example.com", html=f'<a href="https://example.com"><img src="{embedded}"></a>')
    expect(page.locator("#text")).to_have_text("3")
    drop_address(page, plain="3")
    assert answered(page) == "?"
    expect(page.locator("#message")).to_contain_text("not a picture")


def test_a_photo_of_a_number_on_its_side_is_turned(page, digits):
    upright = Image.fromarray(255 - np.hstack(digits[[350, 120, 250]])).resize((600, 200))
    for turn in (90, 180, 270):
        with page.expect_response("**/read*"):
            choose(page, ("number.png", encode(upright.rotate(-turn, expand=True))))
        assert answered(page) == "725"
        size = page.locator("#picture").evaluate("image => [image.naturalWidth, image.naturalHeight]")
        assert size == [600, 200]
        expect(page.locator("#boxes rect")).to_have_count(3)


def test_three_examples_can_be_clicked(page):
    read = []
    for example in page.locator("#examples button").all():
        with page.expect_response("**/read*"):
            example.click()
        read.append((answered(page), page.locator("#message").text_content()))
    (seven, sure), (number, _), (none, doubt) = read
    assert (seven, number, none) == ("7", "2047", "?")
    assert sure.endswith("sure")
    assert doubt.startswith("Probably not a digit")


def test_a_drawing_or_a_picture_and_its_answer_survive_a_reload_unless_it_is_large(page, three):
    right = max(x for stroke in write(page, "42") for x, _ in stroke)
    assert answered(page) == "42"
    ink, facts = ink_of(page), page.locator("#facts").text_content()
    page.reload()
    assert answered(page) == "42"
    assert ink_of(page) == ink
    assert page.locator("#facts").text_content() == facts  # not asked again
    assert requests_of(page, "read") == []
    expect(page.locator("#boxes rect")).to_have_count(2)
    draw(page, [(right + 0.15, 0.3), (right + 0.15, 0.7)])
    assert answered(page) == "421"
    page.keyboard.press("Escape")
    page.reload()
    assert (answered(page), ink_of(page)) == ("?", 0)
    choose(page, ("three.png", three))
    expect(page.locator("#text")).to_have_text("3")
    page.wait_for_function("sessionStorage.contents")
    page.reload()
    assert answered(page) == "3"
    expect(page.get_by_role("img", name="three.png")).to_be_visible()
    assert requests_of(page, "read") == []
    choose(page, ("large.png", three + bytes(1_000_001)))
    expect(page.locator("#text")).to_have_text("?")
    page.reload()
    assert answered(page) == "?"
    expect(page.locator("#picture")).to_be_hidden()


def test_without_the_browsers_storage_only_a_reload_forgets(page):
    page.add_init_script("Object.defineProperty(window, 'sessionStorage', {get() { throw new Error('blocked'); }})")
    page.reload()
    draw(page, SEVEN)
    assert answered(page) == "7"
    page.reload()
    assert answered(page) == "?"


def test_a_list_survives_a_reload_until_it_is_removed(page, three, digits):
    def is_stored() -> bool:
        return page.evaluate("inLists(lists => lists.count())") == 1

    choose(page, ("three.png", three), ("seven.png", encode(drawing(digits[350]))), ("c", b"no picture"))
    expect(page.locator("#counts")).to_have_text("3 in all: 2 sure, 0 in doubt, 1 not read")
    assert until(is_stored)
    page.reload()
    expect(page.locator("#counts")).to_have_text("3 in all: 2 sure, 0 in doubt, 1 not read")
    assert page.locator("#list b").all_text_contents() == ["3", "7", "?"]
    assert len(requests_of(page, "read")) == 1  # the one that was not read is tried again
    page.get_by_role("button", name="seven.png").first.click()
    assert answered(page) == "7"
    expect(page.get_by_role("img", name="seven.png")).to_be_visible()
    page.get_by_role("button", name="Remove all").click()
    assert until(lambda: not is_stored())
    page.reload()
    answered(page)
    expect(page.locator("#batch")).to_be_hidden()

"""Pictures on the page: chosen, dropped, pasted, listed, saved, kept over a reload."""

import re
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from answers import CELLS
from browsing import (
    PHONE,
    SEVEN,
    answered,
    bring,
    choose,
    choose_all,
    click,
    columns_of,
    draw,
    drawn,
    expect_count,
    expect_hidden,
    expect_picture,
    expect_text,
    expect_words,
    from_lists,
    from_module,
    ink_of,
    natural_size,
    opened,
    press,
    requests_of,
    saved,
    show,
    shown_bar,
    written,
)
from handwriting import stroke
from pdfs import A4, ONE, pdf_of, shown
from pictures import POINT, document, drawing, encode, letter, number
from services import until

pytestmark = pytest.mark.slow


def test_a_picture_is_chosen_photographed_dropped_or_pasted(browser, url, three):
    with opened(browser, url, has_touch=True, is_mobile=True, viewport=PHONE) as page:
        expect(page.get_by_label("Take a photo")).to_be_visible()
        for act, how in (
            (choose, {}),
            (choose, {"by": "Take a photo"}),
            (bring, {"event": "drop"}),
            (bring, {"event": "paste"}),
        ):
            act(page, name="three.png", data=three, **how)
            expect_text(page, "#text", "3")
            expect_picture(page, "three.png")
            click(page, "Draw")
            expect_hidden(page, "#picture")
            assert drawn(page, SEVEN) == "7"


@pytest.fixture
def rows(page, typeset, digits) -> Locator:
    """A list of pictures, all of which have been read."""
    four, two, five, zero = digits[[215, 110, 250, 0]]
    pictures = {
        '0, "0".png': drawing(digits[0]),
        "1.png": drawing(digits[50]),
        "amount.png": number([four, two, POINT, five, zero]),
        "lines.png": typeset("-35 24"),
        "photo.heic": encode(typeset("42"), "HEIF"),  # Chromium cannot show it
        "letter.png": letter("A"),
        "text.txt": b"no picture",
    }
    choose_all(page, pictures)
    expect_text(page, "#counts", "7 in all: 5 sure, 1 in doubt, 1 not read")
    return page.locator("#list li")


def read_in(rows: Locator) -> list[str]:
    return rows.locator("b").all_text_contents()


def test_several_pictures_form_a_list_to_choose_from(page, rows, digits):
    assert read_in(rows) == ["0", "1", "42.50", "-35\n24", "42", "?", "?"]
    expect(rows.nth(0)).to_contain_text("% sure")
    expect(rows.nth(5)).to_contain_text("Probably not a digit")
    expect(rows.nth(6)).to_contain_text("not a picture")
    expect_text(page, "#text", "0")  # the first one is on the sheet
    expect_words(page, "#list [aria-current=true]", "0, ")
    show(page, "amount.png")
    assert answered(page) == "42.50"
    # As the service drew it.
    assert natural_size(page, "#list img >> nth=4")[0] > 100
    show(page, "photo.heic")
    assert answered(page) == "42"
    expect_picture(page, "photo.heic")
    expect_count(page, "#boxes rect", 2)
    press(page, "ArrowRight")
    assert shown_bar(page) == 2
    show(page, "text.txt")
    expect_words(page, "#message", "not a picture")
    choose(page, "one.png", drawing(digits[50]))
    expect_text(page, "#text", "1")
    expect_text(page, "#counts", "8 in all: 6 sure, 1 in doubt, 1 not read")


@pytest.fixture
def upright(digits) -> Image.Image:
    """A picture of 725 that fills it."""
    joined = np.hstack(digits[[350, 120, 250]])
    return Image.fromarray(255 - joined).resize((600, 200))


def test_a_thumbnail_shows_the_page_as_it_is_read(page, upright):
    # The first page has no area.
    first = (A4 + b"/CropBox[900 900 999 999]", ONE)
    damaged = pdf_of(first, (A4, shown(upright)))
    choose_all(
        page,
        {
            "sideways.png": upright.rotate(90, expand=True),
            "scan.pdf": document([upright, upright.resize((300, 100))]),
            "damaged.pdf": damaged,
        },
    )
    expect_words(page, "#counts", "3 in all")
    for place, ratio in enumerate([3, 3, 595 / 842]):
        expect_words(page, f"#list li >> nth={place}", "725")
        width, height = natural_size(page, f"#list img >> nth={place}")
        assert width / height == pytest.approx(ratio, abs=0.01)


def test_the_list_can_be_saved(page, rows):
    found = saved(page)
    assert columns_of(found, "file", "line", "text", "unsure") == [
        '0, "0".png,1,0,',
        "1.png,1,1,",
        "amount.png,1,42.50,",
        "lines.png,1,-35,",
        "lines.png,2,24,",
        "photo.heic,1,42,",
        "letter.png,,,yes",
        "text.txt,,,",
    ]
    # Below that, they would be unsure.
    for row in found[:3]:
        assert float(row["confidence"]) > 0.8
        assert float(row["legibility"]) > 0.9
        assert int(row["height"]) > 50
    assert float(found[-2]["legibility"]) < 0.5
    assert "not a picture" in found[-1]["error"]
    assert found[-1]["problem"] == "not-an-image"
    assert found[-1]["size"] == "10"
    today = datetime.now(UTC).isoformat()[:10]
    for row in found:
        assert row["modified"].startswith(today)
    page.get_by_label("for a spreadsheet").check()
    assert columns_of(saved(page), "text")[:2] == ['="0"', '="1"']


def test_no_text_of_the_saved_list_is_a_formula(page, typeset):
    pictures = {
        "=1+1.png": typeset("-35"),
        "'=1+1.png": typeset("-3 -5"),
        "7,=1.png": letter("A"),
    }
    choose_all(page, pictures)
    expect_words(page, "#counts", "3 in all")
    assert columns_of(saved(page), "file", "text") == [
        "'=1+1.png,-35",
        "''=1+1.png,-3",
        "''=1+1.png,-5",
        "7,=1.png,",
    ]
    escape = "module.escaped(argument)"
    found = {text: from_module(page, "saving", escape, text) for text in CELLS}
    assert found == CELLS


def test_the_list_survives_a_reload_until_one_starts_over(page, rows):
    def is_stored() -> bool:
        return from_lists(page, "lists.count()") == 2

    def count_stored() -> int:
        return len(from_lists(page, "lists.get(sessionStorage.list)")["pictures"])

    click(page, 'Remove 0, "0".png')
    expect(rows).to_have_count(6)
    assert answered(page) == "1"  # the next one takes its place on the sheet
    expect_words(page, "#list [aria-current=true]", "1.png")
    expect_text(page, "#counts", "6 in all: 4 sure, 1 in doubt, 1 not read")
    click(page, "Remove letter.png")
    assert answered(page) == "1"
    assert until(lambda: count_stored() == 5)
    page.reload()
    expect_text(page, "#counts", "5 in all: 4 sure, 0 in doubt, 1 not read")
    assert read_in(rows) == ["1", "42.50", "-35\n24", "42", "?"]
    assert answered(page) == "1"
    # The one that was not read is tried again.
    assert len(requests_of(page, "read")) == 1
    show(page, "amount.png")
    assert answered(page) == "42.50"
    expect_picture(page, "amount.png")
    click(page, "Start over")
    assert answered(page) == "?"
    expect_words(page, "#message", "Undo")
    assert until(lambda: not is_stored())
    press(page, "Enter")  # on Undo
    assert answered(page) == "42.50"
    expect_text(page, "#list b", ["1", "42.50", "-35\n24", "42", "?"])
    assert until(is_stored)
    click(page, "Redo")
    expect_hidden(page, "#batch")
    assert until(lambda: not is_stored())
    page.reload()
    answered(page)
    expect_hidden(page, "#batch")


SVG = """<svg xmlns="http://www.w3.org/2000/svg" {} viewBox="0 0 100 100">
    <path d="M30 25h40L45 85" fill="none" stroke="black" stroke-width="7"/></svg>"""


def test_an_svg_is_drawn_by_the_browser_and_read(page):
    for size in ("", 'width="200" height="200"'):
        choose(page, "seven.svg", SVG.format(size).encode())
        expect_text(page, "#text", "7")
        expect_picture(page, "seven.svg")
        assert natural_size(page) == [600, 600]
    choose(page, "broken.svg", b"<svg")
    expect_text(page, "#text", "?")
    expect_words(page, "#message", "not a picture")


def test_a_drop_without_a_file_is_explained_and_changes_nothing(page):
    assert drawn(page, SEVEN) == "7"
    link = {"uri_list": "https://example.com/3.png", "html": '<img src="3.png">'}
    for texts in (link, {"plain": "3"}):
        bring(page, "drop", **texts)
        expect_words(page, "#message", "Save the picture and choose it")
        assert answered(page) == "7"


def test_three_examples_can_be_clicked(page):
    for name, text, said in (
        ("A 7 in a photo", "7", r" sure$"),
        ("A number in printed cells", "2047", " sure$"),
        ("A letter, not a digit", "?", "^Probably not a digit"),
    ):
        click(page, name)
        expect_text(page, "#text", text)
        expect_text(page, "#message", re.compile(said))


def test_a_drawing_or_a_picture_and_its_answer_survive_a_reload(page, three):
    assert written(page, "42") == "42"
    ink = ink_of(page)
    facts = page.text_content("#facts")
    page.reload()
    assert answered(page) == "42"
    assert ink_of(page) == ink
    assert page.text_content("#facts") == facts  # not asked again
    assert requests_of(page, "read") == []
    expect_count(page, "#boxes rect", 2)
    draw(page, stroke("1.4,0.3 1.4,0.7"))
    assert ink_of(page) > ink
    page.click("#clear")
    page.reload()
    assert answered(page) == "?"
    assert ink_of(page) == 0
    choose_all(page, {"three.png": three, "large.png": three + bytes(300_000)})
    expect_words(page, "#counts", "2 in all")
    show(page, "large.png")
    page.reload()
    expect_picture(page, "large.png")
    assert answered(page) == "3"
    assert requests_of(page, "read") == []


def test_without_the_browsers_storage_only_a_reload_forgets(page):
    page.add_init_script(
        "Object.defineProperty(window, 'sessionStorage', {get() { throw new "
        "Error('blocked'); }})"
    )
    page.reload()
    assert drawn(page, SEVEN) == "7"
    page.reload()
    assert answered(page) == "?"

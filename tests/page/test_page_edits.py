"""Edits on the page: of a line, a cell or a digit, in their place; by hand, or with a
stored correction.
"""

from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from browsing import (
    DESKTOP,
    PHONE,
    SEVEN,
    answered,
    boxes_of,
    button,
    choose,
    choose_all,
    click,
    columns_of,
    drawn,
    expect_count,
    expect_hidden,
    expect_text,
    expect_words,
    fits,
    middle_of,
    opened,
    press,
    respond,
    saved,
    show,
    shown_bar,
    stored_answers,
)
from pictures import drawing, encode
from services import until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def grid(typeset) -> bytes:
    """A page with a table of three rows and two columns."""
    page = Image.new("L", (900, 700), 255)
    for row, texts in enumerate(["725 10", "42.50 -35", "10 725"]):
        left, right = texts.split()
        top = 60 + 180 * row
        page.paste(typeset(left), (60, top))
        page.paste(typeset(right), (500, top))
    return encode(page)


def texts_of(page: Page) -> list[str]:
    """Return each saved text, and whether it was edited."""
    texts = []
    for row in saved(page):
        texts.append(row["text"])
        if row["edited"]:
            texts[-1] += ", edited"
    return texts


def edit(page: Page, text: str) -> None:
    """Edit the chosen line with the keyboard."""
    button(page, "Edit").press("Enter")
    expect(page.get_by_label("Line 1: ")).to_be_focused()
    enter(page, text)


def enter(page: Page, text: str) -> None:
    """Type a text in place of the one that is edited."""
    page.keyboard.type(text)
    press(page, "Enter")


def test_a_line_of_a_page_is_edited_in_its_place_and_marked_in_the_csv(page, sheet):
    choose(page, "page.png", sheet)
    assert answered(page) == "725"
    before = saved(page)
    assert columns_of(before, "text") == ["725", "10", "42.50", "-35"]
    assert len({row["confidence"] for row in before}) == 4
    page.locator("#lines [type=radio]").first.focus()
    press(page, "ArrowDown", "Enter")
    enter(page, "17")
    expect_text(page, "#lines label >> nth=1", "17Edited")
    # So that the arrow keys go on from here.
    expect(page.locator("#lines [type=radio]").nth(1)).to_be_focused()
    expect_text(page, "#boxes text >> nth=1", "17")
    expect_text(page, "#digits", "17")
    expect_text(page, "#list b", "725\n17\n42.50\n-35")
    after = saved(page)
    edited = {"text": "17", "confidence": "", "legibility": "", "edited": "yes"}
    before[1] |= edited
    assert after == before
    page.dblclick("#lines label >> nth=2")
    page.get_by_label("Line 3: 42.50, ").fill("absent")
    page.click("#lines label >> nth=3")  # a click elsewhere keeps the text
    assert answered(page) == "-35"
    press(page, "Enter")
    page.keyboard.type("9")
    press(page, "Escape")
    edits = ["725", "17, edited", "absent, edited", "-35"]
    assert texts_of(page) == edits
    press(page, "Control+z")
    assert texts_of(page) == ["725", "17, edited", "42.50", "-35"]
    press(page, "Control+y")
    assert texts_of(page) == edits
    assert until(lambda: "absent" in stored_answers(page))
    page.reload()
    expect_words(page, "#lines label >> nth=2", "absent")
    assert texts_of(page) == edits


def test_a_cell_of_a_table_is_edited_in_its_place(page, grid):
    choose(page, "grid.png", grid)
    assert answered(page) == "725 10"
    page.locator("#lines [type=radio]").first.focus()
    press(page, "ArrowDown", "Enter", "Tab")
    expect(page.get_by_label("Row 2, column 2: -35, ")).to_be_focused()
    enter(page, "99")
    expect_words(page, "#lines tr >> nth=1", "Edited")
    assert texts_of(page) == ["725 10", "42.50 99, edited", "10 725"]
    cells = columns_of(saved(page), "cell1", "cell2")
    assert cells == ["725,10", "42.50,99", "10,725"]


def close_up(page: Page) -> list[float]:
    """Return left, top, right and bottom of the part of the picture above the field
    that is edited; it is right above it, and both are in the window.
    """
    expect(page.locator("#close-up")).to_be_visible()
    [shown] = boxes_of(page, "#close-up")
    [field] = boxes_of(page, "input:focus")
    assert 0 < field["top"] - shown["bottom"] < 10
    assert shown["top"] >= 0
    assert shown["left"] >= 0
    assert shown["right"] <= page.viewport_size["width"]
    assert field["bottom"] <= page.viewport_size["height"]
    view = page.get_attribute("#close-up", "viewBox")
    left, top, width, height = map(float, view.split())
    return [left, top, left + width, top + height]


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_what_is_edited_is_shown_enlarged_above_its_field(
    browser, url, grid, sheet, typeset, size
):
    with opened(browser, url, viewport=size) as page:
        choose(page, "grid.png", grid)
        assert answered(page) == "725 10"
        page.dblclick("#lines td >> nth=4")  # the second cell of the second row
        left, top, right, bottom = close_up(page)
        assert 400 < left < right < 800
        assert 200 < top < 290 < bottom < 400
        image = page.locator("#close-up image")
        shown = page.get_attribute("#picture", "src")
        expect(image).to_have_attribute("href", shown)
        press(page, "Shift+Tab")
        left, _, right, _ = close_up(page)
        assert left < right < 500
        press(page, "Escape")
        expect_hidden(page, "#close-up")
        choose(page, "page.png", sheet)
        page.dblclick("#lines label >> nth=2")
        left, top, right, bottom = close_up(page)
        assert right - left > 2 * (bottom - top)
        assert left < 150 < right
        enter(page, "1")
        expect_hidden(page, "#close-up")
        choose(page, "number.png", typeset("42"))
        assert answered(page) == "42"
        click(page, "Edit")
        close_up(page)
        assert fits(page)


def layout_of(page: Page) -> list:
    """Return the width of the page, and the size of each line or cell of its list."""
    sizes = page.locator("#lines :is(label, td)").evaluate_all(
        "parts => parts.map(part => [part.offsetWidth, part.offsetHeight])"
    )
    return [page.evaluate("document.documentElement.scrollWidth"), *sizes]


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_the_layout_stays_while_a_line_or_a_cell_is_edited(
    browser, url, grid, sheet, size
):
    with opened(browser, url, viewport=size) as page:
        choose_all(page, {"page.png": sheet, "grid.png": grid})
        expect_words(page, "#counts", "2 in all")
        for name, part in (("page.png", "label"), ("grid.png", "td:nth-child(2)")):
            show(page, name)
            page.click(f"#lines {part} >> nth=1")
            before = layout_of(page)
            assert before[0] == size["width"]
            page.dblclick(f"#lines {part} >> nth=1")
            field = page.locator("#lines input:focus")
            assert layout_of(page) == before
            field.dblclick()  # which selects a word in it
            field.fill("1" * 40)
            assert layout_of(page) == before
            press(page, "Escape")
        page.dblclick("#lines td >> nth=4")
        [field] = boxes_of(page, "#lines input:focus")
        [share] = boxes_of(page, "#lines td:last-child >> nth=1")
        assert field["right"] <= share["left"]


def test_the_cells_of_a_table_have_outlines_on_the_sheet_to_choose_and_edit(page, grid):
    choose(page, "grid.png", grid)
    assert answered(page) == "725 10"
    expect_count(page, "#boxes rect", 6)
    fills = page.locator("#boxes rect").evaluate_all(
        "all => all.map(part => getComputedStyle(part).fill)"
    )
    assert set(fills) == {"none"}
    first, second, *_, last = map(middle_of, boxes_of(page))
    assert first[0] < second[0] - 50
    assert abs(first[1] - second[1]) < 10
    page.mouse.click(*last)
    assert answered(page) == "10 725"
    chosen = page.locator("#boxes rect").evaluate_all(
        "all => all.map(part => part.classList.contains('chosen'))"
    )
    assert chosen == [False] * 4 + [True] * 2
    page.mouse.dblclick(*last)
    expect(page.locator("#lines tr >> nth=2").locator("input:focus")).to_have_value(
        "725"
    )
    page.keyboard.type("99")
    page.mouse.click(*second)  # which keeps the text
    assert answered(page) == "725 10"
    assert texts_of(page) == ["725 10", "42.50 -35", "10 99, edited"]


def test_outlines_of_cells_are_light_and_in_place(browser, url, grid):
    """On a photo that is reduced before it is sent, and without texts that would cover
    the cells of other rows. The chosen row is in view in the list.
    """
    with Image.open(BytesIO(grid)) as picture:
        cut = picture.crop((0, 0, 800, 700))
    large = cut.resize((3200, 2800))
    with opened(browser, url, viewport=PHONE) as page:
        choose(page, "large.jpg", encode(large, "JPEG"))
        assert answered(page) == "725 10"
        expect_count(page, "#boxes rect", 6)
        lefts = page.locator("#boxes rect").evaluate_all(
            "all => all.map(part => Number(part.getAttribute('x')))"
        )
        assert all(200 < left < 1000 for left in lefts[::2])
        assert all(1800 < left < 3000 for left in lefts[1::2])
        page.locator("#sheet").scroll_into_view_if_needed()
        page.mouse.click(*middle_of(boxes_of(page)[-1]))
        assert answered(page) == "10 725"
        expect(page.locator("#boxes text.chosen")).to_be_hidden()
        page.evaluate("lines.style.maxHeight = '4rem'")
        page.click("#lines td >> nth=1")
        page.locator("#lines [type=radio]").first.focus()
        press(page, "ArrowDown", "ArrowDown")
        [row] = boxes_of(page, "#lines tr:last-child")
        [table] = boxes_of(page, "#lines")
        assert table["top"] <= row["top"] < row["bottom"] <= table["bottom"]


def test_a_phone_shows_the_keyboard_for_what_is_read(page, grid):
    choose(page, "grid.png", grid)
    for name, mode in (("an amount", "decimal"), ("anything", "text")):
        page.select_option("#form", label=name)
        answered(page)
        page.dblclick("#lines td >> nth=0")
        field = page.get_by_label("Row 1, column 1: 725")
        expect(field).to_have_attribute("inputmode", mode)
        press(page, "Escape")


def test_the_answer_for_one_line_or_for_nothing_is_edited_too(page, typeset, digits):
    pictures = {"7": drawing(digits[350]), "725": typeset("725")}
    for text, picture in pictures.items():
        choose(page, "number.png", picture)
        assert answered(page) == text
        edit(page, f"{text}1.5")
        assert answered(page) == f"{text}1.5"
        expect_text(page, "#message", "Edited")
        expect(button(page, "Edit")).to_be_focused()
    blank = Image.new("L", (300, 200), 255)
    choose(page, "paper.png", blank)
    assert answered(page) == "?"
    expect(button(page, "Edit")).to_be_disabled()  # there is no answer to edit
    assert texts_of(page) == ["71.5, edited", "7251.5, edited", ""]


def test_a_stored_correction_changes_the_answer_and_the_csv(page, typeset, digits):
    respond(page, "**/health", json={"corrections": True})
    respond(page, "**/corrections?*", json={"stored": True})
    page.reload()
    expect(page.get_by_text("Wrong? It is a …")).to_be_visible()
    seven = drawing(digits[350])
    choose_all(page, {"number.png": typeset("725"), "digit.png": seven})
    assert answered(page) == "725"
    page.get_by_role("radio", name="Digit 2 of 3").click()
    click(page, "9")
    expect_text(page, "#thanks", "Thank you: your correction is stored.")
    assert answered(page) == "795"
    assert shown_bar(page) == 2  # what the network saw there
    show(page, "digit.png")
    click(page, "1")
    expect_text(page, "#text", "1")
    expect_text(page, "#list b", ["795", "1"])
    assert texts_of(page) == ["795, edited", "1, edited"]
    click(page, "Draw")
    assert drawn(page, SEVEN) == "7"
    click(page, "1")
    expect_text(page, "#text", "1")
    full = {"detail": "The folder is full."}
    respond(page, "**/corrections?*", status=507, json=full)
    click(page, "9")
    expect_text(page, "#thanks", "The folder is full.")
    assert answered(page) == "1"

"""Edits on the page: of a line, a cell or a digit, in their place; by hand, or with a
stored correction.
"""

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from browsing import (
    SEVEN,
    answered,
    button,
    choose,
    choose_all,
    click,
    drawn,
    expect_count,
    expect_text,
    expect_words,
    press,
    respond,
    saved,
    shown_bar,
    written,
)
from support import drawing, encode, number, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def grid(rows) -> bytes:
    """A page with a table of three rows and two columns."""
    page = Image.new("L", (900, 700), 255)
    for top, pair in ((60, (0, 1)), (240, (2, 3)), (420, (1, 0))):
        for left, index in zip((60, 500), pair, strict=True):
            page.paste(number(rows[index]), (left, top))
    return encode(page)


def texts_of(page: Page) -> list[tuple[str, str]]:
    """Return each saved text, and whether it was edited."""
    return [(row["text"], row["edited"]) for row in saved(page)]


def edit(page: Page, text: str) -> None:
    """Edit the chosen line with the keyboard."""
    button(page, "Edit", exact=True).press("Enter")
    expect(page.get_by_label("Text 1")).to_be_focused()
    page.keyboard.type(text)
    press(page, "Enter")


def test_a_line_of_a_page_is_edited_in_its_place_and_marked_in_the_csv(page, sheet):
    choose(page, "page.png", sheet)
    assert answered(page) == "725"
    before = saved(page)
    assert [row["text"] for row in before] == ["725", "10", "42.50", "-35"]
    assert len({row["confidence"] for row in before}) == 4
    page.locator("#lines [type=radio]").first.focus()
    for key in ("ArrowDown", "Enter"):
        press(page, key)
    page.keyboard.type("17")
    press(page, "Enter")
    expect_text(page, "#lines label >> nth=1", "17Edited")
    # The arrow keys go on from here.
    expect(page.locator("#lines [type=radio]").nth(1)).to_be_focused()
    expect_text(page, "#boxes text >> nth=1", "17")
    expect_text(page, "#digits", "17")
    expect_text(page, "#list b", "725\n17\n42.50\n-35")
    after = saved(page)
    assert after[1] == before[1] | {
        "text": "17",
        "confidence": "",
        "legibility": "",
        "edited": "yes",
    }
    assert [after[row] == before[row] for row in (0, 2, 3)] == [True] * 3
    page.dblclick("#lines label >> nth=2")
    page.get_by_label("Text 1").fill("absent")
    page.click("#lines label >> nth=3")  # a click elsewhere keeps the text
    expect_words(page, "#lines .chosen", "-35")
    assert answered(page) == "-35"
    press(page, "Enter")
    page.keyboard.type("9")
    press(page, "Escape")
    edits = [("725", ""), ("17", "yes"), ("absent", "yes"), ("-35", "")]
    assert texts_of(page) == edits
    press(page, "Control+z")
    assert texts_of(page) == [*edits[:2], ("42.50", ""), edits[3]]
    press(page, "Control+y")
    assert texts_of(page) == edits
    assert until(
        lambda: (
            "absent"
            in page.evaluate(
                "inLists(lists => lists.get(tab.list)).then(JSON.stringify)"
            )
        )
    )
    page.reload()
    expect_words(page, "#lines label >> nth=2", "absent")
    assert texts_of(page) == edits


def test_a_cell_of_a_table_is_edited_in_its_place(page, grid):
    choose(page, "grid.png", grid)
    assert answered(page) == "725 10"
    page.locator("#lines [type=radio]").first.focus()
    for key in ("ArrowDown", "Enter", "Tab"):
        press(page, key)
    expect(page.get_by_label("Text 2")).to_be_focused()
    page.keyboard.type("99")
    press(page, "Enter")
    expect_words(page, "#lines tr >> nth=1", "Edited")
    assert [
        (row["text"], row["cell1"], row["cell2"], row["edited"]) for row in saved(page)
    ] == [
        ("725 10", "725", "10", ""),
        ("42.50 99", "42.50", "99", "yes"),
        ("10 725", "10", "725", ""),
    ]


def test_the_answer_for_one_line_or_for_nothing_is_edited_too(page, rows, digits):
    for name, content, read in (
        ("digit.png", encode(drawing(digits[350])), "7"),
        ("number.png", encode(number(rows[0])), "725"),
        ("paper.png", encode(Image.new("L", (300, 200), 255)), "?"),
    ):
        choose(page, name, content)
        assert answered(page) == read
        if read == "?":  # there is no answer to edit
            expect(button(page, "Edit", exact=True)).to_be_disabled()
        else:
            edit(page, f"{read}1.5")
            assert answered(page) == f"{read}1.5"
            expect_text(page, "#message", "Edited")
            expect(button(page, "Edit", exact=True)).to_be_focused()
    assert texts_of(page) == [("71.5", "yes"), ("7251.5", "yes"), ("", "")]


def test_another_form_reads_again_what_was_not_edited(page, rows):
    choose(page, *((f"{name}.png", encode(number(rows[2]))) for name in "ab"))
    expect_words(page, "#counts", "2 in all")
    edit(page, "42.80")
    page.get_by_label("Read as").select_option(label="a phone number")
    expect_text(page, "#list b", ["42.80", "42.50"])
    expect_words(page, "#list li", ["Edited", "→ 4250"])
    button(page, "b.png").first.click()
    edit(page, "4280")
    edit(page, "4285")
    assert [(row["value"], row["format"]) for row in saved(page)] == [
        ("", ""),
        ("4285", ""),
    ]


def test_a_form_in_which_a_page_has_fewer_lines_is_shown_from_its_first_line(
    page, sheet, rows
):
    choose(page, "page.png", sheet)
    assert answered(page) == "725"
    page.click("#lines label >> nth=-1")
    answer = page.evaluate("current.answer")
    respond(page, "**/read*", json={**answer, "lines": answer["lines"][:2]})
    page.get_by_label("Read as").select_option(label="a decimal")
    expect_count(page, "#lines label", 2)
    expect_words(page, "#lines .chosen", "725")


def test_a_stored_correction_changes_the_answer_and_the_csv(page, rows, digits):
    respond(page, "**/health", json={"corrections": True})
    respond(page, "**/corrections*", json={"stored": True})
    page.reload()
    expect(page.get_by_text("Wrong? It is a …")).to_be_visible()
    choose_all(page, {"number.png": number(rows[0]), "digit.png": drawing(digits[350])})
    assert answered(page) == "725"
    page.get_by_role("radio", name="Digit 2 of 3").click()
    click(page, "9", exact=True)
    expect_text(page, "#thanks", "Thank you: your correction is stored.")
    assert answered(page) == "795"
    assert shown_bar(page) == 2  # what the network saw there
    button(page, "digit.png").first.click()
    click(page, "1", exact=True)
    expect_text(page, "#text", "1")
    expect_text(page, "#list b", ["795", "1"])
    assert texts_of(page) == [("795", "yes"), ("1", "yes")]
    click(page, "no digit", exact=True)
    expect_text(page, "#text", "?")
    assert texts_of(page) == [("795", "yes"), ("", "yes")]
    click(page, "Draw")
    assert drawn(page, SEVEN) == "7"
    click(page, "1", exact=True)
    expect_text(page, "#text", "1")
    press(page, "Escape")
    assert written(page, "42") == "42"
    respond(page, "**/corrections*", status=507, json={"detail": "The folder is full."})
    click(page, "9", exact=True)
    expect_text(page, "#thanks", "The folder is full.")
    assert answered(page) == "42"

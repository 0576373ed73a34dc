"""Edits on the page: of a line, a cell or a digit, in their place; by hand, or with a
stored correction.
"""

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from browsing import SEVEN, answered, choose, drawn, saved, shown_bar, written
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
    page.get_by_role("button", name="Edit", exact=True).press("Enter")
    expect(page.get_by_label("Text 1")).to_be_focused()
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def test_a_line_of_a_page_is_edited_in_its_place_and_marked_in_the_csv(page, sheet):
    choose(page, ("page.png", encode(sheet)))
    assert answered(page) == "725"
    before = saved(page)
    assert [row["text"] for row in before] == ["725", "10", "42.50", "-35"]
    assert len({row["confidence"] for row in before}) == 4
    page.locator("#lines [type=radio]").first.focus()
    for key in ("ArrowDown", "Enter"):
        page.keyboard.press(key)
    page.keyboard.type("17")
    page.keyboard.press("Enter")
    expect(page.locator("#lines label").nth(1)).to_have_text("17Edited")
    # The arrow keys go on from here.
    expect(page.locator("#lines [type=radio]").nth(1)).to_be_focused()
    expect(page.locator("#boxes text").nth(1)).to_have_text("17")
    expect(page.locator("#digits")).to_have_text("17")
    expect(page.locator("#list b")).to_have_text("725\n17\n42.50\n-35")
    after = saved(page)
    assert after[1] == before[1] | {
        "text": "17",
        "confidence": "",
        "legibility": "",
        "edited": "yes",
    }
    assert [after[row] == before[row] for row in (0, 2, 3)] == [True] * 3
    page.locator("#lines label").nth(2).dblclick()
    page.get_by_label("Text 1").fill("absent")
    page.locator("#lines label").nth(3).click()  # a click elsewhere keeps the text
    expect(page.locator("#lines .chosen")).to_contain_text("-35")
    assert answered(page) == "-35"
    page.keyboard.press("Enter")
    page.keyboard.type("9")
    page.keyboard.press("Escape")
    edits = [("725", ""), ("17", "yes"), ("absent", "yes"), ("-35", "")]
    assert texts_of(page) == edits
    page.keyboard.press("Control+z")
    assert texts_of(page) == [*edits[:2], ("42.50", ""), edits[3]]
    page.keyboard.press("Control+y")
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
    expect(page.locator("#lines label").nth(2)).to_contain_text("absent")
    assert texts_of(page) == edits


def test_a_cell_of_a_table_is_edited_in_its_place(page, grid):
    choose(page, ("grid.png", grid))
    assert answered(page) == "725 10"
    page.locator("#lines [type=radio]").first.focus()
    for key in ("ArrowDown", "Enter", "Tab"):
        page.keyboard.press(key)
    expect(page.get_by_label("Text 2")).to_be_focused()
    page.keyboard.type("99")
    page.keyboard.press("Enter")
    expect(page.locator("#lines tr").nth(1)).to_contain_text("Edited")
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
        choose(page, (name, content))
        assert answered(page) == read
        if read == "?":  # there is no answer to edit
            expect(page.get_by_role("button", name="Edit", exact=True)).to_be_disabled()
        else:
            edit(page, f"{read}1.5")
            assert answered(page) == f"{read}1.5"
            expect(page.locator("#message")).to_have_text("Edited")
            expect(page.get_by_role("button", name="Edit", exact=True)).to_be_focused()
    assert texts_of(page) == [("71.5", "yes"), ("7251.5", "yes"), ("", "")]


def test_another_form_reads_again_what_was_not_edited(page, rows):
    choose(page, *((f"{name}.png", encode(number(rows[2]))) for name in "ab"))
    expect(page.locator("#counts")).to_contain_text("2 in all")
    edit(page, "42.80")
    page.get_by_label("Read as").select_option(label="a phone number")
    expect(page.locator("#list b")).to_have_text(["42.80", "42.50"])
    expect(page.locator("#list li")).to_contain_text(["Edited", "→ 4250"])
    page.get_by_role("button", name="b.png").first.click()
    edit(page, "4280")
    edit(page, "4285")
    assert [(row["value"], row["format"]) for row in saved(page)] == [
        ("", ""),
        ("4285", ""),
    ]


def test_a_form_in_which_a_page_has_fewer_lines_is_shown_from_its_first_line(
    page, sheet, rows
):
    choose(page, ("page.png", encode(sheet)))
    assert answered(page) == "725"
    page.locator("#lines label").last.click()
    answer = page.evaluate("current.answer")
    page.route(
        "**/read*",
        lambda route: route.fulfill(json={**answer, "lines": answer["lines"][:2]}),
    )
    page.get_by_label("Read as").select_option(label="a decimal")
    expect(page.locator("#lines label")).to_have_count(2)
    expect(page.locator("#lines .chosen")).to_contain_text("725")


def test_a_stored_correction_changes_the_answer_and_the_csv(page, rows, digits):
    page.route("**/health", lambda route: route.fulfill(json={"corrections": True}))
    page.route("**/corrections*", lambda route: route.fulfill(json={"stored": True}))
    page.reload()
    expect(page.get_by_text("Wrong? It is a …")).to_be_visible()
    choose(
        page,
        ("number.png", encode(number(rows[0]))),
        ("digit.png", encode(drawing(digits[350]))),
    )
    assert answered(page) == "725"
    page.get_by_role("radio", name="Digit 2 of 3").click()
    page.get_by_role("button", name="9", exact=True).click()
    expect(page.locator("#thanks")).to_have_text(
        "Thank you: your correction is stored."
    )
    assert answered(page) == "795"
    assert shown_bar(page) == 2  # what the network saw there
    page.get_by_role("button", name="digit.png").first.click()
    page.get_by_role("button", name="1", exact=True).click()
    expect(page.locator("#text")).to_have_text("1")
    expect(page.locator("#list b")).to_have_text(["795", "1"])
    assert texts_of(page) == [("795", "yes"), ("1", "yes")]
    page.get_by_role("button", name="no digit", exact=True).click()
    expect(page.locator("#text")).to_have_text("?")
    assert texts_of(page) == [("795", "yes"), ("", "yes")]
    page.get_by_role("button", name="Draw").click()
    assert drawn(page, SEVEN) == "7"
    page.get_by_role("button", name="1", exact=True).click()
    expect(page.locator("#text")).to_have_text("1")
    page.keyboard.press("Escape")
    assert written(page, "42") == "42"
    page.route(
        "**/corrections*",
        lambda route: route.fulfill(status=507, json={"detail": "The folder is full."}),
    )
    page.get_by_role("button", name="9", exact=True).click()
    expect(page.locator("#thanks")).to_have_text("The folder is full.")
    assert answered(page) == "42"

"""Pages on the page: a box and a text for each line, tables, documents, and what
browsers cannot draw.
"""

import re
from base64 import b64encode
from copy import deepcopy
from io import BytesIO

import httpx2
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from browsing import (
    CLIPBOARD,
    DESKTOP,
    PHONE,
    SMALL_PHONE,
    SURE,
    answer_with,
    answered,
    boxes_of,
    button,
    choose,
    click,
    columns_of,
    expect_count,
    expect_hidden,
    expect_picture,
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
)
from pictures import encode

pytestmark = pytest.mark.slow

LINES = ["725", "10", "42.50", "-35"]
CELLS = [["725", "10"], ["42.50", ""], ["", "-35"]]


@pytest.fixture(scope="module")
def answer(url, sheet) -> dict:
    """The service's answer for the page."""
    address = f"{url}/read?frame=true"
    answer = httpx2.post(address, content=encode(sheet), timeout=60).json()
    assert [line["text"] for line in answer["lines"]] == LINES
    return answer


@pytest.fixture
def table(answer) -> dict:
    """The answer if the first two lines stood beside each other."""
    first, second, *others = answer["lines"]
    row = {**first, "text": "725 10", "digits": first["digits"] + second["digits"]}
    return {**answer, "lines": [row, *others], "table": CELLS}


@pytest.fixture
def document(answer, table, sheet) -> dict:
    """An answer for three pages: with lines, with a table, and damaged."""
    page = {
        "picture": data_uri(encode(sheet, "JPEG"), "jpeg"),
        "size": {"width": sheet.width, "height": sheet.height},
    }
    damaged = {"detail": "The page is damaged.", "status": 422}
    text = answer["text"]
    return {
        "pages": [
            {"page": 1, **answer, **page},
            {"page": 2, **table, **page},
            {"page": 3, "error": damaged},
        ],
        "text": f"{text}\f{text}",
        "confidence": 0,
        "model": answer["model"],
    }


def data_uri(picture: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{b64encode(picture).decode()}"


def copied(page: Page) -> str:
    page.click("#copy-page")
    expect_text(page, "#copy-page", "Copied")
    return page.evaluate("navigator.clipboard.readText()")


def cells_of(page: Page) -> list[list[str]]:
    """Return the texts of the shown table, without how sure each row is."""
    return page.locator("#lines tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].slice(0, -1).map(cell => "
        "cell.innerText))"
    )


def test_each_line_of_a_page_has_a_box_and_what_was_read_beside_it(browser, url, sheet):
    with opened(browser, url, viewport=PHONE) as page:
        choose(page, "page.png", sheet)
        answered(page)
        expect_text(page, "#sum", "4 lines, all sure")
        sure = [re.compile(rf"^{re.escape(text)}{SURE} sure$") for text in LINES]
        expect_text(page, "#lines label", sure)
        expect_text(page, "#boxes text", LINES)
        texts = boxes_of(page, "#boxes text")
        for box, text in zip(boxes_of(page), texts, strict=True):
            assert box["right"] < text["left"] < box["right"] + 20
            _, middle = middle_of(text)
            assert box["top"] < middle < box["bottom"]
        [shown] = boxes_of(page, "#picture")
        # The sheet takes the page's shape.
        assert shown["height"] > 1.2 * shown["width"]
        assert fits(page)


def test_a_line_is_chosen_by_its_box_in_the_list_or_with_the_keyboard(page, sheet):
    choose(page, "page.png", sheet)
    assert answered(page) == "725"
    expect_count(page, "#boxes .chosen", 2)  # its box and its text
    expect_text(page, "#digits", "725")
    box = boxes_of(page)[2]
    page.mouse.click(*middle_of(box))
    assert answered(page) == "42.50"
    expect_words(page, "#lines .chosen", "42.50")
    expect_text(page, "#digits", "42.50")
    assert shown_bar(page) == 4
    press(page, "ArrowRight")
    assert shown_bar(page) == 2
    page.click("#lines label >> nth=-1")
    assert answered(page) == "-35"
    press(page, "ArrowUp", "ArrowUp")
    assert answered(page) == "10"
    second = page.locator("#lines input").nth(1)
    expect(second).to_be_focused()


def test_an_unsure_line_is_marked_with_its_runner_up(page, sheet, answer):
    unsure = deepcopy(answer)
    line = unsure["lines"][1]
    line["confidence"] = 0.6
    first = line["digits"][0]
    first["confidence"] = 0.6
    first["probabilities"] = [0, 0.6, 0, 0, 0, 0, 0, 0.4, 0, 0]
    answer_with(page, unsure)
    choose(page, "page.png", sheet)
    answered(page)
    expect_text(page, "#sum", "1 of 4 lines in doubt")
    said = "Not sure, 60.0 %: digit 1 of 2 could be a 7, 40.0 %"
    expect_text(page, "#lines .unsure", f"10{said}")
    expect_text(page, "#boxes text >> nth=1", "10 ?")
    page.click("#lines label >> nth=1")
    expect_text(page, "#message", said)
    assert columns_of(saved(page), "unsure") == ["", "yes", "", ""]


def test_the_cells_of_a_table_that_are_in_doubt_are_marked(page, sheet, table):
    cells = [[{"text": text} for text in row] for row in CELLS]
    for row, column, share in ((0, 0, 0.95), (0, 1, 0.6), (1, 0, 0.97), (2, 1, 0.98)):
        cells[row][column]["confidence"] = share
    answer_with(page, {**table, "cells": cells})
    choose(page, "table.png", sheet)
    expect_text(page, "#sum", "1 of 3 lines in doubt")
    expect_text(page, "#lines .unsure", "10")
    expect_text(page, "#lines td:last-child", ["60.0 %", "97.0 %", "98.0 %"])
    said = "Column 2: not sure, 60.0 %"
    expect_text(page, "#message", said)
    name = page.locator("#lines [type=radio]").first.get_attribute("aria-label")
    assert name == f"Row 1: 725 10, {said}"
    assert columns_of(saved(page), "unsure") == ["cell2", "", ""]
    page.dblclick("#lines td >> nth=1")
    field = page.get_by_label("Row 1, column 2: 10, not sure, 60.0 %", exact=True)
    expect(field).to_be_focused()
    field.fill("11")
    press(page, "Enter")
    assert columns_of(saved(page), "text", "unsure")[0] == "725 11,"
    cells[0][0]["confidence"] = cells[2][1]["confidence"] = 0.5
    answer_with(page, {**table, "cells": cells})
    choose(page, "again.png", sheet)
    expect_text(page, "#sum", "2 of 3 lines in doubt")
    page.dblclick("#lines td >> nth=0")
    for row, column, text in ((1, 1, "725"), (1, 2, "10"), (3, 2, "-35")):
        name = f"Row {row}, column {column}: {text}, not sure, "
        expect(page.get_by_label(name)).to_be_focused()
        press(page, "8", "Enter")
    texts = columns_of(saved(page), "text")[-3:]
    assert texts == ["8 8", "42.50", "8"]
    page.click("#lines td >> nth=7")  # and then Enter edits it
    press(page, "Enter")
    for name in ("1: empty, edited", "2: 8, edited"):
        field = page.get_by_label(f"Row 3, column {name}", exact=True)
        expect(field).to_be_focused()
        press(page, "Tab")
    page.dblclick("#lines td >> nth=3")
    for name in ("1: 42.50, 97.0 % sure", "2: empty"):
        field = page.get_by_label(f"Row 2, column {name}", exact=True)
        expect(field).to_be_focused()
        press(page, "Tab")


def test_the_text_of_a_row_is_beside_it_but_not_in_an_empty_cell(page, sheet, table):
    cells = [[{"text": text} for text in row] for row in CELLS]
    box = table["lines"][1]["box"]
    right = box["left"] + box["width"]
    cells[1][1]["box"] = {**box, "left": right, "width": 300}
    answer_with(page, {**table, "cells": cells})
    choose(page, "table.png", sheet)
    expect(page.locator("#boxes text").nth(0)).to_be_visible()
    expect(page.locator("#boxes text").nth(1)).to_be_hidden()


def test_a_double_click_edits_the_cell_that_it_hits_in_a_list_that_scrolls(
    page, sheet, table
):
    row = table["lines"][0]
    cells = [[f"{number}", "10"] for number in range(30)]
    answer_with(page, {**table, "lines": [row] * 30, "table": cells})
    choose(page, "long.png", sheet)
    expect_count(page, "#lines tr", 30)
    page.evaluate("lines.style.maxHeight = '20.5rem'")  # which cuts a row off
    for number, share in ((7, 0.1), (0, 0.9)):
        [box] = boxes_of(page, f"#lines tr >> nth={number}")
        page.mouse.dblclick(box["x"] + 30, box["y"] + share * box["height"])
        expect(page.locator("#lines input:focus")).to_have_value(f"{number}")
        press(page, "Escape")


def test_an_empty_cell_without_a_box_is_shown_in_its_row(page, document):
    """Of a page of a document, on the service's picture of it."""
    answer_with(page, document)
    choose(page, "scan.pdf", b"%PDF-")
    click(page, "Next page")
    expect_count(page, "#lines tr", 3)
    page.dblclick("#lines td >> nth=4")
    read = document["pages"][1]
    box = read["lines"][1]["box"]
    margin = box["height"] / 2
    sides = [box["left"] - margin, box["top"] - margin]
    sides += [box["width"] + 2 * margin, box["height"] + 2 * margin]
    view = page.get_attribute("#close-up", "viewBox")
    assert [float(side) for side in view.split()] == sides
    image = page.locator("#close-up image")
    expect(image).to_have_attribute("href", read["picture"])


def test_a_table_keeps_its_shape_on_the_page_in_the_csv_and_when_it_is_copied(
    browser, url, sheet, table
):
    with opened(browser, url, permissions=CLIPBOARD) as page:
        answer_with(page, table)
        choose(page, "=table.png", sheet)
        assert answered(page) == "725 10"
        assert cells_of(page) == CELLS
        sure = re.compile(rf"^{SURE} sure$")
        expect_text(page, "#lines td:last-child", [sure] * 3)
        page.click("#lines td >> nth=7")
        assert answered(page) == "-35"
        expect(page.locator("#boxes rect").nth(2)).to_have_class("chosen")
        rows = saved(page)
        assert columns_of(rows, "file", "line", "text", "cell1", "cell2") == [
            "'=table.png,1,725 10,725,10",
            "'=table.png,2,42.50,42.50,",
            "'=table.png,3,-35,,-35",
        ]
        assert copied(page) == "725\t10\n42.50\t\n\t-35"
        formulas = [["=1+1", "-1,250.00"], ["@a", "-1-2"], ["3", ""]]
        answer_with(page, {**table, "table": formulas})
        choose(page, "formulas.png", sheet)
        expect_words(page, "#lines td >> nth=0", "=1+1")
        assert copied(page) == "'=1+1\t-1,250.00\n'@a\t'-1-2\n3\t"
        cells = columns_of(saved(page), "cell2")
        assert cells[3:] == ["-1,250.00", "'-1-2", ""]


def test_one_pages_through_a_document_and_saves_all_of_it(browser, url, document):
    with opened(browser, url, permissions=CLIPBOARD) as page:
        answer_with(page, document)
        choose(page, "scan.pdf", b"%PDF-")
        assert answered(page) == "725"
        expect_text(page, "#sum", "Page 1 of 3 (1 not read): 4 lines, all sure")
        expect_count(page, "#boxes rect", 4)
        button(page, "Next page").press("Enter")
        expect_text(page, "#sum", "Page 2 of 3 (1 not read): 3 lines, all sure")
        expect_count(page, "#lines tr", 3)
        press(page, "Enter")
        expect_text(page, "#sum", "Page 3 of 3 (1 not read)")
        expect_text(page, "#message", "The page is damaged.")
        expect_hidden(page, "#lines")
        expect_hidden(page, "#picture")
        press(page, "Enter")
        expect_text(page, "#sum", re.compile("^Page 1 of 3"))
        expect_picture(page, "scan.pdf")
        click(page, "Previous page")
        expect_text(page, "#sum", "Page 3 of 3 (1 not read)")
        rows = saved(page)
        assert columns_of(rows, "page", "text", "cell1", "error") == [
            "1,725,,",
            "1,10,,",
            "1,42.50,,",
            "1,-35,,",
            "2,725 10,725,",
            "2,42.50,42.50,",
            "2,-35,,",
            "3,,,The page is damaged.",
        ]
        assert copied(page) == (
            "1\t725\n1\t10\n1\t42.50\n1\t-35\n"
            "2\t725\t10\n2\t42.50\t\n2\t\t-35\n"
            "3\tThe page is damaged."
        )
        page.reload()
        expect_text(page, "#sum", re.compile("^Page 1 of 3"))
        expect_count(page, "#boxes rect", 4)


def test_a_correction_of_a_turned_page_is_stored_as_it_is_shown(page, sheet):
    sent = []

    def store(route: Route) -> None:
        sent.append(Image.open(BytesIO(route.request.post_data_buffer)))
        route.fulfill(json={"stored": True})

    respond(page, "**/health", json={"corrections": True})
    page.route("**/corrections?*", store)
    page.reload()
    choose(page, "page.png", sheet.rotate(180))
    assert answered(page) == "725"
    expect_text(page, "#boxes text", LINES)
    click(page, "Store the text as shown")
    expect_text(page, "#thanks", "Thank you: your correction is stored.")
    assert [picture.size for picture in sent] == [sheet.size]


def test_the_explanation_folds_beside_a_long_table(browser, url, sheet, table):
    """Unless it was opened there; beside other answers, it is as before."""
    row = table["lines"][0]
    long = {**table, "lines": [row] * 9, "table": [["725", "10"]] * 9}
    with opened(browser, url, viewport=DESKTOP) as page:
        explanation = page.locator("#reading")
        expect(explanation).to_have_attribute("open", "")
        for name, answer in {"short.png": table, "long.png": long}.items():
            answer_with(page, answer)
            choose(page, name, sheet)
            assert answered(page) == "725 10"
        expect_count(page, "#lines tr", 9)
        expect(explanation).not_to_have_attribute("open", "")
        [list_] = boxes_of(page, "#lines")
        assert list_["width"] > DESKTOP["width"] / 2
        show(page, "short.png")
        expect(explanation).to_have_attribute("open", "")
        show(page, "long.png")
        expect(explanation).not_to_have_attribute("open", "")
        page.click("#reading > summary")
        show(page, "short.png")
        show(page, "long.png")
        expect(explanation).to_have_attribute("open", "")
        page.click("#reading > summary")
        show(page, "short.png")
        expect(explanation).to_have_attribute("open", "")


def test_a_wide_table_scrolls_in_its_panel_on_a_phone(browser, url, sheet, table):
    with opened(browser, url, viewport=SMALL_PHONE) as page:
        answer_with(page, {**table, "table": [["123456"] * 12] * 3})
        choose(page, "wide.png", sheet)
        answered(page)
        assert fits(page)
        assert page.evaluate("lines.scrollWidth > 2 * lines.clientWidth")


def test_an_empty_row_keeps_its_place_and_a_line_beside_the_table_is_a_row(
    page, sheet, answer
):
    first, second, *_ = answer["lines"]
    box = {"left": 5, "top": 5, "width": 40, "height": 20}
    empty = {"text": "", "confidence": 0.7, "box": box}
    cells = [[empty, {**empty, "confidence": 0.95}], [{"text": "10"}, empty]]
    table = [[cell["text"] for cell in row] for row in cells]
    lines = [first, {**second, "row": 1}]
    answer_with(page, {**answer, "lines": lines, "table": table, "cells": cells})
    choose(page, "ruled.png", sheet)
    expect_count(page, "#lines tr", 3)
    assert cells_of(page) == [["725"], ["", ""], ["10", ""]]
    expect_text(page, "#sum", "2 of 3 lines in doubt")
    rows = saved(page)
    assert columns_of(rows, "text", "cell1", "cell2", "unsure") == [
        "725,,,",
        ",,,cell1",
        "10,10,,cell2",
    ]
    page.dblclick("#lines tr >> nth=1 >> td >> nth=1")
    field = page.get_by_label("Row 2, column 2: empty, 95.0 % sure", exact=True)
    expect(field).to_be_focused()
    field.fill("3")
    press(page, "Enter")
    assert columns_of(saved(page), "text", "cell2")[1] == "3,3"

"""Forms on the page: numbers are read as an amount, a date or another form; their
values, and lines that lack it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from playwright.sync_api import Page, Request, expect

from browsing import (
    CLIPBOARD,
    SEVEN,
    answered,
    bring,
    choose,
    choose_all,
    columns_of,
    drawn,
    expect_picture,
    expect_text,
    expect_words,
    from_lists,
    opened,
    press,
    read_as,
    saved,
    show,
    written,
)
from pictures import document, encode

pytestmark = pytest.mark.slow


@contextmanager
def asked(page: Page) -> Iterator[set[tuple[str | None, str | None]]]:
    """Yield the forms in requests to read something, each with its order of dates."""
    forms = set()

    def note(request: Request) -> None:
        address = httpx2.URL(request.url)
        asked_for = address.params
        if address.path in ("/read", "/predict"):
            forms.add((asked_for.get("format"), asked_for.get("date")))

    page.on("request", note)
    yield forms
    page.remove_listener("request", note)


@pytest.fixture
def amount(typeset) -> bytes:
    return encode(typeset("42.50"))


def test_the_form_is_sent_however_a_number_is_read_and_kept_for_the_tab(
    page, typeset, three, amount
):
    with asked(page) as forms:
        assert drawn(page, SEVEN) == "7"
        assert forms == {(None, None)}
    read_as(page, "an amount")
    assert answered(page) == "7"
    with asked(page) as forms:
        page.click("#clear")
        assert written(page, "42.50") == "42.50"
        bring(page, "paste", "pasted.png", amount)
        expect_picture(page, "pasted.png")
        assert answered(page) == "42.50"
        choose_all(page, {"three.png": three, "amount.png": amount})
        expect_text(page, "#list b", ["42.50", "3", "42.50"])
        pages = [typeset("42.50"), typeset("725")]
        choose(page, "pages.pdf", document(pages))
        expect_text(page, "#sum", "Page 1 of 2")
        assert forms == {("amount", None)}
    page.reload()
    expect(page.get_by_label("Read as")).to_have_value("&format=amount")
    with asked(page) as forms:
        read_as(page, "a date, month first")
        answered(page)
        assert forms == {("date", "mdy")}


def test_a_value_is_shown_beside_its_text_and_what_lacks_the_form_is_marked(page):
    assert written(page, "42.50") == "42.50"
    read_as(page, "a phone number")
    expect_words(page, "#message", "→ 4250 · ")
    assert answered(page) == "42.50"
    read_as(page, "a decimal")
    expect(page.locator("#message")).not_to_contain_text("→")  # the text is the value
    form = page.get_by_label("Read as")
    form.focus()
    press(page, "ArrowUp")  # the keyboard, too, chooses
    expect(form).to_have_value("&format=integer")
    expect_text(page, "#message", "Not a whole number")
    read_as(page, "anything")
    expect_words(page, "#message", " sure")
    page.click("#clear")
    read_as(page, "an amount")
    with asked(page) as forms:
        assert drawn(page, SEVEN) == "7"
    assert forms == {("amount", None)}  # not as a single digit
    expect_text(page, "#digits", "7")


def test_the_lines_of_a_page_have_values_in_the_list_the_csv_and_the_copy(
    browser, url, sheet
):
    with opened(browser, url, permissions=CLIPBOARD) as page:
        choose(page, "page.png", sheet)
        expect_text(page, "#sum", "4 lines, all sure")
        read_as(page, "a phone number")
        expect_text(page, "#sum", "2 of 4 lines in doubt")
        notes = "#lines small"
        for line in (1, 3):
            expect_text(page, f"{notes} >> nth={line}", "Not a phone number")
            expect_words(page, f"#boxes text >> nth={line}", "?")
        expect(page.locator(notes).first).not_to_contain_text("→")
        expect_words(page, f"{notes} >> nth=2", "→ 4250 · ")
        page.click("#lines label >> nth=2")
        expect_words(page, "#message", "→ 4250 · ")
        found = saved(page)
        assert columns_of(found, "text", "format", "value") == [
            "725,yes,725",
            "10,no,",
            "42.50,yes,4250",
            "-35,no,",
        ]
        page.click("#copy-page")
        expect_text(page, "#copy-page", "Copied")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == "725\t725\n10\t\n42.50\t4250\n-35\t"


def test_another_form_reads_a_list_again(page, three, amount):
    choose_all(page, {"three.png": three, "amount.png": amount})
    expect_words(page, "#counts", "2 in all")
    read_as(page, "a date, day first")
    expect_text(page, "#counts", "2 in all: 0 sure, 2 in doubt, 0 not read")
    expect_words(page, "#list li", ["Not a date, day first", "Not a date, day first"])
    expect_text(page, "#message", "Not a date, day first")
    read_as(page, "a phone number")
    expect_words(page, "#list li", ["Not a phone number", "→ 4250"])
    for name in ("amount.png", "three.png"):  # the choice is that of the list
        show(page, name)
        expect(page.get_by_label("Read as")).to_have_value("&format=phone")
    page.route("**/read?*", lambda route: None)
    read_as(page, "a decimal")
    # Waits until the list is stored.
    from_lists(page, "lists.count()")
    page.unroute("**/read?*")
    page.reload()
    # What was left unread is read after the reload.
    expect_words(page, "#counts", "2 in all")
    found = saved(page)
    assert columns_of(found, "format", "value") == ["yes,3", "yes,42.50"]

"""The page on phones and wide screens, by keyboard, for screen readers and in dark
mode; and its snippets.
"""

import re
import subprocess
import sys
from io import BytesIO

import httpx2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from browsing import (
    CLIPBOARD,
    KEY,
    PHONE,
    SEVEN,
    SMALL_PHONE,
    answered,
    boxes_of,
    check,
    choose,
    choose_all,
    click,
    devtools_of,
    draw_by_touch,
    drawn,
    expect_count,
    expect_text,
    expect_words,
    explained,
    fits,
    lines_of,
    natural_size,
    open_explanation,
    opened,
    press,
    show,
    written,
)
from pictures import encode
from services import until

pytestmark = pytest.mark.slow

PHONES = "390x664 320x568 844x390 568x320"
ZOOMED = "640x360 960x540"  # desktop sizes at 200 % zoom
SIZES = f"{PHONES} {ZOOMED} 1440x900".split()
OPEN_ALL = """for (const details of document.querySelectorAll("details"))
    details.open = true;"""


def hidden(page: Page, *selectors: str) -> list[str]:
    """Return the elements that are not visible as a whole without scrolling."""
    return page.evaluate(
        """selectors => selectors.filter((selector) => {
            const element = document.querySelector(selector);
            const {left, right, top, bottom} = element.getBoundingClientRect();
            return left < 0 || left >= right || right > innerWidth
                || top < 0 || top >= bottom || bottom > innerHeight;
        })""",
        selectors,
    )


def test_the_sheet_the_answer_and_all_ten_bars_are_in_view(browser, url):
    bars = [f"#bars li:nth-child({place})" for place in range(1, 11)]
    with opened(browser, url, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        for text, headline in {"7": "#text", "42": "#digits"}.items():
            assert written(page, text, draw=draw_by_touch) == text
            for size in SIZES:
                width, height = map(int, size.split("x"))
                page.set_viewport_size({"width": width, "height": height})
                page.evaluate("new Promise(requestAnimationFrame)")
                assert hidden(page, "#desk", headline, "#message", *bars) == [], size
                assert page.evaluate("scrollY") == 0, size
                assert fits(page), size
                [sheet] = boxes_of(page, "#sheet")
                assert sheet["height"] > 150, size
            page.click("#clear")


def test_the_page_is_accessible(browser, locked_url, three, typeset):
    sheet = typeset("720 14")
    with opened(browser, locked_url) as page:
        page.evaluate(OPEN_ALL)
        drawn(page, SEVEN)
        expect(page.get_by_label("API key")).to_be_visible()
        check(page, "locked")
        page.get_by_label("API key").fill(KEY)
        press(page, "Enter")
        explained(page)
        check(page, "answered")
        choose_all(page, {"a.png": three, "b.png": three, "c": b"no picture"})
        expect_words(page, "#counts", "3 in all")
        explained(page)
        check(page, "listed")
        show(page, "not a picture")
        check(page, "refused")
        choose(page, "page.png", sheet)
        expect_count(page, "#lines label", 2)
        explained(page)
        check(page, "page")
        click(page, "Edit")
        check(page, "line edited")
        page.route("**/read?*", answer_with_a_document)
        choose(page, "scan.pdf", sheet)
        expect_count(page, "#lines td", 6)
        explained(page)
        check(page, "table")
        click(page, "Edit")
        check(page, "cells edited")
        click(page, "Next page")
        expect_text(page, "#message", "The page is damaged.")
        check(page, "damaged")


def answer_with_a_document(route: Route) -> None:
    """Answer with a table that has the two lines of a picture, and a damaged page."""
    page = route.fetch().json()
    text = page["text"]
    first, second = text.split("\n")
    table = [[first, ""], ["", second]]
    damaged = {"status": 422, "detail": "The page is damaged."}
    pages = [{"page": 1, **page, "table": table}, {"page": 2, "error": damaged}]
    route.fulfill(body=lines_of({"pages": pages}))


def test_the_course_opens_from_the_page_and_is_accessible(page):
    page.evaluate(OPEN_ALL)
    page.get_by_role("link", name="A course").click()
    expect_text(page, "h1", "From first neural network to Digits")
    expect_count(page, "article img", 2)
    for place in (0, 1):
        assert natural_size(page, f"article img >> nth={place}")[0] > 100
    check(page, "course")
    page.get_by_role("link", name="← Digits").click()
    expect(page.locator("#sheet")).to_be_visible()


def test_the_documentation_of_the_api_lets_one_try_each_operation(page, url):
    page.emulate_media(color_scheme="dark")
    page.goto(f"{url}/docs")
    for path in httpx2.get(f"{url}/openapi.json").json()["paths"]:
        operation = f".opblock-summary-path[data-path='{path}']"
        expect(page.locator(operation).first).to_be_visible()
    page.locator(".opblock-summary-path[data-path='/predict']").click()
    page.get_by_role("button", name="Try it out").click()
    expect(page.locator("input[type=file]")).to_be_visible()
    assert np.median(grey_levels(page.screenshot())) < 80
    page.get_by_role("link", name="← Digits").click()
    expect(page.locator("#sheet")).to_be_visible()


def test_an_answer_does_not_shift_the_layout(browser, url):
    with opened(browser, url, reduced_motion="no-preference") as page:
        page.evaluate(
            """new PerformanceObserver(shift => window.shift = shift)
                .observe({type: "layout-shift", buffered: true})"""
        )
        drawn(page, SEVEN)
        assert page.evaluate("window.shift === undefined")


def grey_levels(screenshot: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(screenshot)).convert("L"))


def styles_of(page: Page, selector: str, name: str) -> list[str]:
    """Return a computed style of elements."""
    return page.locator(selector).evaluate_all(
        "(all, name) => all.map(e => getComputedStyle(e)[name])", name
    )


def test_dark_mode_and_reduced_motion_are_respected(browser, url):
    with opened(browser, url, color_scheme="dark") as page:
        assert drawn(page, SEVEN) == "7"
        assert np.median(grey_levels(page.screenshot())) < 60
        assert set(styles_of(page, "#bars i", "transitionDuration")) == {"0s"}


def test_long_names_and_numbers_and_large_text_fit_a_phone(browser, url, three, digits):
    name = "a_photo_of_the_number_on_our_front_door_2026-11-28_15-30-59.heic"
    with opened(browser, url, viewport=SMALL_PHONE) as page:
        choose(page, name, b"no picture")
        expect_words(page, "#hint", "front_door")
        assert fits(page)
        joined = np.pad(np.hstack(digits[:500:12]), 20)
        long = 255 - joined
        choose(page, "number.png", long)
        expect_text(page, "#text", re.compile(".{41}"))
        assert fits(page)
        page.set_viewport_size(PHONE)
        large = {"fontSizes": {"standard": 32}}
        devtools_of(page).send("Page.setFontSizes", large)
        choose_all(page, {"three.png": three, "c": b"no picture"})
        expect_text(page, "#text", "3")
        open_explanation(page)
        explained(page)
        assert fits(page)


def test_the_keyboard_reaches_everything_and_shows_where_it_is(page):
    ring = """() => {
        const focused = document.activeElement;
        return getComputedStyle(focused.closest("label") ?? focused).outlineWidth;
    }"""
    drawn(page, SEVEN)
    page.locator("#examples button").last.focus()
    for reached in ("#undo", "#clear", "#files", "#form", "#reading > summary"):
        press(page, "Tab")
        expect(page.locator(reached)).to_be_focused()
        assert page.evaluate(ring) == "3px"


def test_the_snippets_are_copied_and_run_as_shown(
    browser, url, tmp_path, three, typeset
):
    number_32 = encode(typeset("32"))
    with opened(browser, url, permissions=CLIPBOARD) as page:
        page.get_by_text("Use the API").click()
        for name, picture, answer, start in (
            ('it\'s; "3", two.png', three, "3", '{"digit":3,'),
            ("number.png", number_32, "32", '{"text":"32",'),
        ):
            (tmp_path / name).write_bytes(picture)
            choose(page, name, picture)
            expect_text(page, "#text", answer)
            assert answered(page) == answer
            curl = ["sh", "-c", copied(page, "curl")]
            python = [sys.executable, "-c", copied(page, "Python")]
            output = subprocess.check_output(curl, cwd=tmp_path, text=True)
            assert output.startswith(start)
            output = subprocess.check_output(python, cwd=tmp_path, text=True)
            assert output.startswith(f"{answer} ")
            page.click("#clear")
            # As if the page was loaded over plain HTTP from another machine.
            page.evaluate(
                """Object.defineProperty(
                    navigator, "clipboard", {value: undefined, configurable: true}
                )"""
            )


def copied(page: Page, snippet: str) -> str:
    """Click on a button that copies; return what is copied, which is what is shown."""
    shown = page.text_content(f"#{snippet.lower()}")
    click(page, f"Copy as {snippet}")
    expect_text(page, f"[data-copies={snippet.lower()}]", "Copied")
    clipboard = (
        "Navigator.prototype.__lookupGetter__('clipboard').call(navigator).readText()"
    )
    assert until(lambda: page.evaluate(clipboard) == shown)
    return shown

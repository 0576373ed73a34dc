"""The page on phones and wide screens, by keyboard, for screen readers and in dark
mode; and its snippets.
"""

import re
import subprocess
import sys
from io import BytesIO
from itertools import product

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageDraw
from playwright.sync_api import Page, Route, expect

from browsing import (
    CLIPBOARD,
    KEY,
    PHONE,
    SEVEN,
    answered,
    choose,
    choose_all,
    click,
    draw_by_touch,
    drawn,
    expect_count,
    expect_picture,
    expect_text,
    expect_words,
    explained,
    opened,
    press,
    written,
)
from support import ROOT, encode, number, until

pytestmark = pytest.mark.slow

PHONES = [(390, 664), (375, 667), (320, 568), (844, 390)]
ZOOMED = [(640, 360), (683, 384), (720, 450), (960, 540)]  # desktop sizes at 200 % zoom
SIZES = [*PHONES, *((height, width) for width, height in PHONES), *ZOOMED, (1440, 900)]
FITS = "document.documentElement.scrollWidth <= innerWidth"


def hidden(page: Page, *selectors: str) -> list[str]:
    """Return the elements that are not visible as a whole without scrolling."""
    return page.evaluate(
        """selectors => selectors.filter((selector) => {
            const {left, right, top, bottom} = document.querySelector(selector).getBoundingClientRect();
            return left < 0 || left >= right || right > innerWidth || top < 0 || top >= bottom || bottom > innerHeight;
        })""",
        selectors,
    )


@pytest.mark.parametrize(("is_mobile", "scheme"), [(True, "light"), (False, "dark")])
def test_the_sheet_the_answer_and_all_ten_bars_are_in_view(
    browser, url, is_mobile, scheme
):
    bars = [f"#bars li:nth-child({place})" for place in range(1, 11)]
    with opened(
        browser,
        url,
        has_touch=True,
        is_mobile=is_mobile,
        viewport=PHONE,
        color_scheme=scheme,
    ) as page:
        for text, headline in {"7": "#text", "42": "#digits"}.items():
            assert written(page, text, draw=draw_by_touch) == text
            for width, height in SIZES:
                page.set_viewport_size({"width": width, "height": height})
                page.evaluate("new Promise(requestAnimationFrame)")
                assert hidden(page, "#desk", headline, "#message", *bars) == [], (
                    width,
                    height,
                )
                assert page.evaluate(f"scrollY === 0 && {FITS}"), (width, height)
                assert page.locator("#sheet").bounding_box()["height"] > 150, (
                    width,
                    height,
                )
                shares = page.locator("#bars i").evaluate_all(
                    "bars => bars.map(bar => bar.parentElement.clientWidth)"
                )
                assert min(shares) > 12, (width, height)
            press(page, "Escape")


def test_the_page_is_accessible(browser, locked_url, three, digits):
    sheet = encode(number(digits[[350, 120, 0]], digits[[60, 200]]))
    with opened(browser, locked_url) as page:
        page.evaluate(
            "document.querySelectorAll('details').forEach(details => { details.open "
            "= true; })"
        )
        drawn(page, SEVEN)
        expect(page.get_by_label("API key")).to_be_visible()
        check(page, "locked")
        page.get_by_label("API key").fill(KEY)
        press(page, "Enter")
        explained(page)
        check(page, "answered")
        press(page, "Escape")
        check(page, "empty")
        assert written(page, "77") == "77"
        explained(page)
        check(page, "number")
        choose_all(page, {"a.png": three, "b.png": three, "c": b"no picture"})
        expect_words(page, "#counts", "3 in all")
        explained(page)
        check(page, "listed")
        page.locator("#list button").nth(-2).click()
        check(page, "refused")
        choose(page, "page.png", sheet)
        expect_count(page, "#lines label", 2)
        explained(page)
        check(page, "page")
        click(page, "Edit")
        check(page, "line edited")
        page.route("**/read*", answer_with_a_document)
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
    first, second = page["text"].split("\n")
    pages = [{"page": 1, **page, "table": [[first, ""], ["", second]]}]
    pages.append(
        {"page": 2, "error": {"status": 422, "detail": "The page is damaged."}}
    )
    route.fulfill(
        json={
            "pages": pages,
            "text": page["text"],
            "confidence": 0,
            "model": page["model"],
        }
    )


def check(page: Page, state: str) -> None:
    """Check the page at three widths, light and dark, with axe, and that nothing is cut
    off.
    """
    page.evaluate(Axe().axe_script)
    for width, scheme in product((320, 768, 1280), ("light", "dark")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        violations, fits, cut = page.evaluate(
            """async rules => [
                (await axe.run({runOnly: rules, resultTypes: ["violations"]})).violations,
                document.documentElement.scrollWidth <= innerWidth,
                [...document.querySelectorAll("main *:not(pre, .name, canvas, input, img, #hint, li > span)")]
                    .filter((e) => e.offsetParent && e.scrollWidth > e.clientWidth + 1 && e.clientWidth)
                    .map((e) => e.outerHTML.slice(0, 80)),
            ]""",
            ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"],
        )
        assert (violations, fits, cut) == ([], True, []), (state, width, scheme)


def test_the_course_opens_from_the_page_and_is_accessible(page):
    page.evaluate(
        "document.querySelectorAll('details').forEach(details => { details.open = "
        "true; })"
    )
    page.get_by_role("link", name="A course").click()
    expect(
        page.get_by_role("heading", name="From first neural network to Digits")
    ).to_be_visible()
    page.wait_for_load_state("load")
    sizes = page.locator("article img").evaluate_all(
        "images => images.map(image => image.naturalWidth)"
    )
    assert len(sizes) == 2
    assert min(sizes) > 100
    check(page, "course")
    page.get_by_role("link", name="← Digits").click()
    expect(page.locator("#sheet")).to_be_visible()


def test_a_wide_screen_is_filled_and_an_answer_does_not_shift_the_layout(browser, url):
    with opened(
        browser,
        url,
        viewport={"width": 1440, "height": 900},
        reduced_motion="no-preference",
    ) as page:
        page.evaluate(
            "new PerformanceObserver(shift => window.shift = shift).observe({type: "
            "'layout-shift', buffered: true})"
        )
        places = """[...document.querySelectorAll("#paper, #answer, #reading, #bars li")]
            .map((e) => e.getBoundingClientRect()).map(({left, right, top}) => [left, right, top])"""
        before = page.evaluate(places)
        drawn(page, SEVEN)
        explained(page)
        assert page.evaluate(places) == before
        assert page.evaluate("window.shift === undefined")
        paper, answer, *_, reading = before
        # Side by side.
        assert paper[0] < paper[1] < answer[0] < answer[1] < reading[0] < reading[1]
        assert reading[0] - answer[1] < 60 > answer[0] - paper[1]
        assert reading[1] - paper[0] > 0.9 * 1440
        assert hidden(page, "#evidence") == []


def grey_levels(image: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(image)).convert("L"))


def test_dark_mode_and_reduced_motion_are_respected(browser, url):
    with opened(browser, url, color_scheme="dark") as page:
        assert drawn(page, SEVEN) == "7"
        assert np.median(grey_levels(page.screenshot())) < 60
        ink = page.locator("#sheet").evaluate("sheet => getComputedStyle(sheet).color")
        assert min(map(int, re.findall(r"\d+", ink))) > 200
        assert (
            page.locator("#bars i").first.evaluate(
                "bar => getComputedStyle(bar).transitionDuration"
            )
            == "0s"
        )
        transparent = Image.new("LA", (300, 200))
        ImageDraw.Draw(transparent).line(
            [(100, 50), (180, 50), (130, 150)], (0, 255), 9
        )
        choose(page, "seven.png", transparent)
        expect_picture(page, "seven.png")
        assert answered(page) == "7"
        assert (
            grey_levels(page.locator("#sheet").screenshot())[20:-20, 20:-20].max() > 120
        )


def test_forced_colours_show_the_legend_and_what_is_selected(browser, url, three):
    def styles(selector: str, name: str) -> set[str]:
        return set(
            page.locator(selector).evaluate_all(
                "(all, name) => all.map(e => getComputedStyle(e)[name])", name
            )
        )

    with opened(browser, url, forced_colors="active") as page:
        assert written(page, "77") == "77"
        assert len(styles("#digits label", "borderBottomColor")) == 2
        page.get_by_text("How it was read").click()
        assert len(styles(".legend i", "backgroundColor")) == 2
        choose_all(page, {"a.png": three, "b.png": three})
        expect_count(page, "#list [aria-current=true]", 1)
        assert len(styles("#list [aria-current]", "borderWidth")) == 2


def test_long_names_and_numbers_and_large_text_fit_a_phone(browser, url, three, digits):
    with opened(browser, url, viewport={"width": 320, "height": 568}) as page:
        choose(
            page,
            "a_photo_of_the_number_on_our_front_door_2026-11-28_15-30-59.heic",
            b"no picture",
        )
        hint = page.locator("#hint")
        expect(hint).to_contain_text("front_door")
        assert hint.evaluate("hint => hint.scrollWidth <= hint.clientWidth")
        choose(
            page,
            "number.png",
            np.pad(255 - np.hstack(digits[:500:12]), 20, constant_values=255),
        )
        expect_text(page, "#text", re.compile(".{41}"))
        assert page.evaluate(FITS)
        page.set_viewport_size({"width": 390, "height": 844})
        page.context.new_cdp_session(page).send(
            "Page.setFontSizes", {"fontSizes": {"standard": 32}}
        )
        choose_all(page, {"three.png": three, "c": b"no picture"})
        expect_text(page, "#text", "3")
        page.get_by_text("How it was read").click()
        explained(page)
        assert page.evaluate(FITS)
        name, note = page.locator("#list li").nth(2).locator("span").all()
        assert note.bounding_box()["height"] < 60
        assert name.bounding_box()["width"] > 100
        assert page.locator("#strip b").evaluate_all(
            "words => words.every(b => b.scrollWidth <= b.clientWidth)"
        )
        assert page.locator("#strip .plate").evaluate_all(
            "all => all.every(e => e.getBoundingClientRect().width > 90)"
        )


def test_the_keyboard_reaches_everything_and_shows_where_it_is(page):
    ring = (
        "name => getComputedStyle(document.activeElement.closest('label') ?? "
        "document.activeElement)[name]"
    )
    with page.expect_file_chooser():
        page.get_by_text("Choose pictures").click()
    expect(page.locator("#files")).to_be_focused()
    assert page.evaluate(ring, "outlineStyle") == "none"  # after a click
    drawn(page, SEVEN)
    page.locator("#examples button").last.focus()
    for reached in ("#undo", "#clear", "#files", "#form", "#reading > summary"):
        press(page, "Tab")
        expect(page.locator(reached)).to_be_focused()
        assert page.evaluate(ring, "outlineWidth") == "3px"


def test_the_page_is_small():
    files = [
        path
        for path in (ROOT / "app" / "page").iterdir()
        if path.suffix in (".html", ".js", ".css", ".svg")
    ]
    assert sum(path.stat().st_size for path in files) < 80_000


def test_the_snippets_are_copied_and_run_as_shown(
    browser, url, tmp_path, three, digits
):
    with opened(browser, url, permissions=CLIPBOARD) as page:
        page.get_by_text("Use the API").click()
        assert written(page, "42") == "42"
        expect_words(page, "#curl", "file=@picture.png")
        for name, answer in (
            ("three.png", "3"),
            ('it\'s; "3", two.png', "3"),
            ("number.png", "32"),
        ):
            content = three if answer == "3" else encode(number(digits[[150, 120]]))
            (tmp_path / name).write_bytes(content)
            choose(page, name, content)
            expect_text(page, "#text", answer)
            assert answered(page) == answer
            curl, python = (copied(page, snippet) for snippet in ("curl", "Python"))
            said = f'{{"text":"{answer}",' if answer == "32" else f'{{"digit":{answer},'
            for command, start in (
                (["sh", "-c", curl], said),
                ([sys.executable, "-c", python], f"{answer} "),
            ):
                done = subprocess.run(
                    command, cwd=tmp_path, capture_output=True, text=True, check=True
                )
                assert done.stdout.startswith(start)
            press(page, "Escape")
            # From now on as if the page was loaded over plain HTTP from another
            # machine.
            page.evaluate(
                "Object.defineProperty(navigator, 'clipboard', {value: undefined, "
                "configurable: true})"
            )


def copied(page: Page, snippet: str) -> str:
    """Click on a button that copies; return what has been copied, which is what is
    shown.
    """
    shown = page.locator(f"#{snippet.lower()}").text_content()
    click(page, f"Copy as {snippet}")
    expect_text(page, f"[data-copies={snippet.lower()}]", "Copied")
    clipboard = (
        "Navigator.prototype.__lookupGetter__('clipboard').call(navigator).readText()"
    )
    assert until(lambda: page.evaluate(clipboard) == shown)
    return shown

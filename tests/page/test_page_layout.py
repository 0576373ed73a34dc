"""The page on phones and wide screens, by keyboard, for screen readers and in dark mode; and its snippets."""

import re
import subprocess
import sys
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

from browsing import (
    KEY,
    SEVEN,
    answered,
    choose,
    devtools_of,
    draw,
    draw_by_touch,
    draw_number,
    explained,
    opened,
)
from support import ROOT, encode

pytestmark = pytest.mark.slow

PHONES = [(390, 664), (375, 667), (320, 568)]
ZOOMED = [(640, 360), (683, 384), (720, 450), (960, 540)]  # desktop sizes at 200 % zoom
SHEETS = [*PHONES, *((height, width) for width, height in PHONES), *ZOOMED]


def is_in_view(page: Page, selector: str) -> bool:
    """Whether all of an element is visible without scrolling."""
    return page.locator(selector).evaluate(
        """e => {
            const {left, right, top, bottom} = e.getBoundingClientRect();
            return 0 <= left && left < right && right <= innerWidth
                && 0 <= top && top < bottom && bottom <= innerHeight;
        }"""
    )


@pytest.mark.parametrize("number", [False, True])
def test_sheet_and_answer_fit_on_phones_and_at_200_percent_zoom(browser, url, forty_two, number):
    with opened(browser, url, has_touch=True, is_mobile=True, viewport={"width": 320, "height": 568}) as page:
        for strokes in forty_two if number else [[SEVEN]]:
            for stroke in strokes:
                draw_by_touch(page, stroke)
        assert answered(page) == ("42" if number else "7")
        for width, height in SHEETS:
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(50)
            hidden = [
                name for name in ("#desk", "#digits" if number else "#text", "#message") if not is_in_view(page, name)
            ]
            assert hidden == [], (width, height)
            assert page.evaluate("scrollY") == 0
            assert page.locator("#sheet").bounding_box()["height"] > 150, (width, height)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (width, height)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(320, 568), (390, 664), (667, 375), (844, 390), (1440, 900)])
def test_the_sheet_the_answer_and_all_ten_bars_are_in_view(browser, url, size, scheme):
    viewport = {"width": size[0], "height": size[1]}
    with opened(browser, url, has_touch=True, viewport=viewport, color_scheme=scheme) as page:
        draw_by_touch(page, SEVEN)
        assert answered(page) == "7"
        bars = [f"#bars li:nth-child({place})" for place in range(1, 11)]
        assert [name for name in ("#desk", "#text", "#message", *bars) if not is_in_view(page, name)] == []
        shares = page.locator("#bars i").evaluate_all("bars => bars.map(bar => bar.parentElement.clientWidth)")
        assert min(shares) > 12


def test_a_wide_screen_is_filled(browser, url):
    with opened(browser, url, viewport={"width": 1440, "height": 900}) as page:
        draw(page, SEVEN)
        explained(page)
        edges = page.evaluate(
            """() => ["paper", "answer", "reading"].map(id => document.getElementById(id).getBoundingClientRect())
                .map(({left, right}) => [left, right])"""
        )
        assert all(left < right for left, right in edges)
        assert all(before[1] < after[0] < before[1] + 60 for before, after in pairwise(edges))  # side by side
        assert edges[-1][1] - edges[0][0] > 0.9 * 1440
        assert is_in_view(page, "#evidence")


SEVENTY_SEVEN = [[SEVEN], [[(x + 0.6, y) for x, y in SEVEN]]]
STATES = {
    "empty": lambda page, three: None,
    "answered": lambda page, three: draw(page, SEVEN),
    "number": lambda page, three: draw_number(page, SEVENTY_SEVEN),
    "listed": lambda page, three: choose(page, ("a.png", three), ("b.png", three), ("c", b"no picture")),
    "refused": lambda page, three: choose(page, ("c", b"no picture")),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 768, 1280])
def test_the_page_is_accessible(browser, locked_url, width, scheme, three):
    with opened(browser, locked_url, viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        draw(page, SEVEN)
        expect(page.get_by_label("API key")).to_be_visible()
        check(page)
        page.get_by_label("API key").fill(KEY)
        page.keyboard.press("Enter")
        page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
        for act in STATES.values():
            act(page, three)
            answered(page)
            expect(page.locator("#reading[aria-busy=true]")).to_have_count(0)
            check(page)


def check(page: Page) -> None:
    """Check with axe, and that nothing is cut off; return what is wrong."""
    page.wait_for_timeout(200)  # transitions of colours and bars have ended
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]})
    assert found.response["violations"] == [], found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    cut = page.evaluate(
        """() => [...document.querySelectorAll("main *:not(pre, .name, canvas, input, img, #hint, li > span)")]
            .filter((e) => e.offsetParent && e.scrollWidth > e.clientWidth + 1 && e.clientWidth)
            .map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert cut == []


def test_an_answer_does_not_shift_the_layout(page):
    page.evaluate(
        """() => {
            window.shifts = 0;
            new PerformanceObserver((list) => {
                for (const entry of list.getEntries()) window.shifts += entry.value;
            }).observe({type: "layout-shift", buffered: true});
        }"""
    )
    places = "[...document.querySelectorAll('main > *, #bars li')].map(e => e.getBoundingClientRect().top)"
    before = page.evaluate(places)
    draw(page, SEVEN)
    assert answered(page) == "7"
    page.wait_for_timeout(300)
    assert page.evaluate(places) == before
    assert page.evaluate("shifts") == 0


def test_dark_mode_and_reduced_motion_are_respected(browser, url):
    with opened(browser, url, color_scheme="dark", reduced_motion="reduce") as page:
        draw(page, SEVEN)
        assert answered(page) == "7"
        shot = np.asarray(Image.open(BytesIO(page.screenshot())).convert("L"))
        assert np.median(shot) < 60
        ink = page.locator("#sheet").evaluate("sheet => getComputedStyle(sheet).color")
        assert min(map(int, re.findall(r"\d+", ink))) > 200
        assert page.locator("#bars i").first.evaluate("bar => getComputedStyle(bar).transitionDuration") == "0s"


def test_dark_ink_on_a_transparent_ground_is_visible_in_dark_mode(browser, url):
    seven = Image.new("LA", (300, 200))
    ImageDraw.Draw(seven).line([(100, 50), (180, 50), (130, 150)], (0, 255), 9)
    with opened(browser, url, color_scheme="dark") as page:
        choose(page, ("seven.png", encode(seven)))
        assert answered(page) == "7"
        shown = np.asarray(Image.open(BytesIO(page.locator("#sheet").screenshot())).convert("L"))
        assert shown[20:-20, 20:-20].max() > 120


def test_forced_colours_show_the_legend_and_what_is_selected(browser, url, three):
    def styles(selector: str, name: str) -> list[str]:
        return page.locator(selector).evaluate_all("(all, name) => all.map(e => getComputedStyle(e)[name])", name)

    with opened(browser, url, forced_colors="active") as page:
        draw_number(page, SEVENTY_SEVEN)
        assert answered(page) == "77"
        assert len(set(styles("#digits label", "borderBottomColor"))) == 2
        assert len(set(styles(".legend i", "backgroundColor"))) == 2
        choose(page, ("a.png", three), ("b.png", three))
        expect(page.locator("#list [aria-current=true]")).to_have_count(1)
        assert len(set(styles("#list [aria-current]", "borderWidth"))) == 2


def test_a_long_name_in_place_of_a_picture_is_not_cut_off(narrow):
    choose(narrow, ("a_photo_of_the_number_on_our_front_door_2026-11-28_15-30-59.heic", b"no picture"))
    assert answered(narrow) == "?"
    hint = narrow.locator("#hint")
    expect(hint).to_contain_text("front_door")
    assert hint.evaluate("hint => hint.scrollWidth <= hint.clientWidth")


def test_a_long_number_does_not_widen_the_page(browser, url, digits):
    with opened(browser, url, viewport={"width": 320, "height": 568}) as page:
        choose(page, ("number.png", encode(np.pad(255 - np.hstack(digits[:500:12]), 20, constant_values=255))))
        assert len(answered(page)) > 40
        assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_large_text_fits_a_phone(browser, url, three):
    with opened(browser, url, viewport={"width": 390, "height": 844}) as page:
        devtools_of(page).send("Page.setFontSizes", {"fontSizes": {"standard": 32}})
        choose(page, ("three.png", three), ("c", b"no picture"))
        expect(page.locator("#text")).to_have_text("3")
        page.get_by_text("How it was read").click()
        explained(page)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        name, note = page.locator("#list li").first.locator("span").all()
        assert note.bounding_box()["height"] < 60
        assert name.bounding_box()["width"] > 100
        words, plates = page.locator("#strip b").all(), page.locator("#strip .plate").all()
        for word, plate in zip(words, plates, strict=True):
            assert word.evaluate("b => b.scrollWidth <= b.clientWidth")
            assert plate.bounding_box()["width"] > 90


def test_a_click_on_choose_leaves_no_focus_ring(page):
    with page.expect_file_chooser():
        page.get_by_text("Choose pictures").click()
    expect(page.locator("#files")).to_be_focused()
    assert (
        page.locator(".button", has=page.locator("#files")).evaluate("e => getComputedStyle(e).outlineStyle") == "none"
    )


def test_the_keyboard_reaches_everything(page):
    draw(page, SEVEN)
    answered(page)
    reached = []
    page.locator("#examples button").last.focus()
    for _ in range(4):
        page.keyboard.press("Tab")
        focused = page.evaluate_handle("document.activeElement")
        reached.append(focused.evaluate("element => element.id || element.localName"))
        ring = focused.evaluate("e => getComputedStyle(e.id === 'files' ? e.parentElement : e).outlineWidth")
        assert ring == "3px"
    assert reached == ["undo", "clear", "files", "summary"]


STATIC = ROOT / "app" / "page"


def test_the_page_is_small():
    assert (
        sum(path.stat().st_size for path in STATIC.iterdir() if path.suffix in (".html", ".js", ".css", ".svg"))
        < 80_000
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_the_course_opens_from_the_page_and_is_accessible(browser, url, width, scheme):
    with opened(browser, url, viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
        page.get_by_role("link", name="A course").click()
        expect(page.get_by_role("heading", name="From first neural network to Digits")).to_be_visible()
        expect(page.get_by_role("heading", name="The same with Digits")).to_be_visible()
        page.wait_for_load_state("load")
        sizes = page.locator("article img").evaluate_all("images => images.map(image => image.naturalWidth)")
        assert len(sizes) == 2
        assert min(sizes) > 100
        assert page.locator("table").count() > 0
        check(page)
        page.get_by_role("link", name="← Digits").click()
        expect(page.locator("#sheet")).to_be_visible()


@pytest.mark.parametrize("name", [None, "three.png", 'it\'s; "3", two.png'])
def test_the_snippets_run_as_shown(page, tmp_path, three, name):
    if name:
        (tmp_path / name).write_bytes(three)
        choose(page, (name, three))
    else:
        draw(page, SEVEN)
    assert_snippets_say(page, tmp_path, "digit", answered(page))


def test_the_snippets_read_a_number_if_there_is_one(page, tmp_path, forty_two):
    draw_number(page, forty_two)
    assert_snippets_say(page, tmp_path, "text", f'"{answered(page)}"')


def assert_snippets_say(page, tmp_path, name, value):
    page.get_by_text("Use the API").click()
    curl, python = page.locator("#curl").text_content(), page.locator("#python").text_content()
    said = subprocess.run(curl, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said.startswith(f'{{"{name}":{value},')
    said = subprocess.run(
        [sys.executable, "-c", python], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert said.startswith(value.strip('"') + " ")


@pytest.mark.parametrize("allowed", [True, False])
def test_a_snippet_is_copied(browser, url, allowed):
    with opened(browser, url, permissions=["clipboard-read", "clipboard-write"]) as page:
        if not allowed:  # as if the page was loaded over plain HTTP from another machine
            page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true})")
        page.get_by_text("Use the API").click()
        page.get_by_role("button", name="Copy as Python").click()
        expect(page.locator("[data-copies=python]")).to_have_text("Copied")
        if not allowed:
            page.evaluate("delete navigator.clipboard")
        assert page.evaluate("navigator.clipboard.readText()") == page.locator("#python").text_content()

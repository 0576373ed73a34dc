"""Errors on the page: each is explained, and a request that may succeed later is retried."""

import os
import re
import time

import pytest
from PIL import Image
from playwright.sync_api import expect

from browsing import KEY, MAX_BYTES, SEVEN, answered, choose, draw, opened
from support import encode, serving

pytestmark = pytest.mark.slow

REFUSED = {
    "blank": (encode(Image.new("L", (300, 200), 255)), "no ink in the picture: write the digit darker or larger"),
    "large": (os.urandom(MAX_BYTES + 1), "larger than 400,000 bytes: send a smaller picture"),
    "other": (b"no picture", "not a picture in one of these formats"),
    "empty": (b"", "^The file is empty: choose another one.$"),
    "cut": (encode(Image.linear_gradient("L"))[:200], "damaged|cut off"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_explained(page, name):
    data, words = REFUSED[name]
    choose(page, (name, data))
    assert answered(page) == "?"
    expect(page.locator("#message")).to_have_text(re.compile(words))
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()  # it would not help
    draw(page, SEVEN)
    assert answered(page) == "7"


def test_an_unreachable_service_is_reported_and_can_be_retried(browser):
    with serving() as (process, url), opened(browser, url) as page:
        process.terminate()
        process.wait()
        draw(page, SEVEN)
        assert answered(page) == "?"
        expect(page.locator("#message")).to_contain_text("does not answer. Is it running?")
        with serving("--port", url.rsplit(":", 1)[1]):
            page.get_by_role("button", name="Try again").click()
            expect(page.locator("#text")).to_have_text("7")


def test_a_connection_that_breaks_during_the_answer_is_reported_and_can_be_retried(page, three):
    page.evaluate(
        """() => {
            const send = fetch;
            window.fetch = () => {
                window.fetch = send;
                const broken = {start: (body) => body.error(new TypeError("network error"))};
                return new Response(new ReadableStream(broken));
            };
        }"""
    )
    choose(page, ("three.png", three))
    assert answered(page) == "?"
    expect(page.locator("#message")).to_contain_text("does not answer. Is it running?")
    page.get_by_role("button", name="Try again").click()
    assert answered(page) == "3"


def test_an_overloaded_service_is_retried(page, three):
    refusals = [{"status": 503, "headers": {"Retry-After": "1"}, "body": ""}] * 2
    page.route("**/read*", lambda route: route.fulfill(**refusals.pop()) if refusals else route.continue_())
    started = time.monotonic()
    choose(page, ("a.png", three))
    expect(page.locator("#message")).to_have_text("The service is busy. Trying again …")
    expect(page.locator("#text")).to_have_text("3")
    assert 1.9 < time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("status", "words", "again"),
    [
        (502, "The server answered 502: try again later.", True),
        (429, "The server answered 429: try again later.", True),
        (200, "sign in", False),
    ],
)
def test_an_html_answer_of_a_proxy_is_reported(page, status, words, again):
    page.route("**/read*", lambda route: route.fulfill(status=status, body="<h1>Hello</h1>"))
    draw(page, SEVEN)
    assert answered(page) == "?"
    expect(page.locator("#message")).to_contain_text(words)
    expect(page.get_by_role("button", name="Try again")).to_be_visible(visible=again)


@pytest.mark.parametrize("body", ['{"detail": "cut', "{}"])
def test_a_problem_without_a_detail_is_reported(page, body):
    problem = {"status": 500, "content_type": "application/problem+json", "body": body}
    page.route("**/read*", lambda route: route.fulfill(**problem))
    draw(page, SEVEN)
    assert answered(page) == "?"
    expect(page.locator("#message")).to_have_text("The server answered 500: try again later.")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_trying_again_also_reads_the_pictures_that_were_still_being_read(page, three):
    held = []

    def answer(route):
        held.append(route)
        if len(held) == 1:
            route.fulfill(status=502)

    page.route("**/read*", answer)
    choose(page, *((f"{name}.png", three) for name in "abc"))
    page.locator("#again").wait_for()
    page.unroute("**/read*")
    page.locator("#again").click()
    expect(page.locator("#list b")).to_have_text(["3", "3", "3"])
    expect(page.locator("#counts")).to_have_text("3 in all: 3 sure, 0 in doubt, 0 not read")


def test_trying_a_list_again_shows_that_it_is_being_read(page, three):
    page.route("**/read*", lambda route: route.fulfill(status=502))
    choose(page, *((f"{name}.png", three) for name in "ab"))
    expect(page.locator("#counts")).to_contain_text("2 not read")
    page.unroute("**/read*")
    held = []
    page.route("**/read*", lambda route: held.append(route))
    page.locator("#again").click()
    expect(page.locator("#message")).to_have_text("Reading …")
    expect(page.locator("#list b")).to_have_text(["…", "…"])
    expect(page.locator("#list")).not_to_contain_text("502")
    expect(page.locator("#counts")).to_have_text("0 of 2 read")


def test_a_key_is_requested_and_kept_for_the_tab(browser, locked_url, three):
    with opened(browser, locked_url) as page:
        choose(page, ("a.png", three), ("b.png", three))
        expect(page.locator("#message")).to_contain_text("needs an API key")
        page.get_by_label("API key").fill("wrong…")  # not allowed in a header
        page.get_by_role("button", name="Use key").click()
        assert page.get_by_label("API key").evaluate("key => key.validity.patternMismatch")
        expect(page.get_by_label("API key")).to_be_visible()
        page.get_by_label("API key").fill("wrong")
        page.get_by_role("button", name="Use key").click()
        expect(page.locator("#message")).to_have_text("This API key is wrong.")
        page.get_by_label("API key").fill(KEY)
        page.keyboard.press("Enter")
        expect(page.locator("#list b")).to_have_text(["3", "3"])
        expect(page.locator("#text")).to_have_text("3")
        expect(page.get_by_label("API key")).to_be_hidden()
        page.reload()
        draw(page, SEVEN)
        assert answered(page) == "7"
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
        assert KEY not in page.locator("#code").text_content()
        assert 'X-API-Key: $DIGITS_API_KEY"' in page.locator("#curl").text_content()


def test_the_focus_stays_where_the_next_try_starts(browser, locked_url, three):
    with opened(browser, locked_url) as page:
        key, again = page.get_by_label("API key"), page.get_by_role("button", name="Try again")
        choose(page, ("a.png", three))
        key.fill("wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#message")).to_have_text("This API key is wrong.")
        expect(key).to_be_focused()
        page.route("**/read*", lambda route: route.fulfill(status=502))
        page.keyboard.press("Enter")
        again.focus()
        with page.expect_response("**/read*"):
            page.keyboard.press("Enter")
        assert answered(page) == "?"
        expect(again).to_be_focused()


def test_a_slow_upload_hides_the_old_answer(page, three):
    draw(page, SEVEN)
    assert answered(page) == "7"
    held = []
    page.route("**/read*", lambda route: held.append(route))
    choose(page, ("three.png", three))
    page.get_by_role("img", name="three.png").wait_for()
    assert page.locator("#text").text_content() == "…"  # from the moment that the picture is shown
    expect(page.locator("#message")).to_have_text("Reading …")
    expect(page.locator("#frame")).to_be_hidden()
    expect(page.locator("#bars .best")).to_have_count(0)
    held[0].continue_()
    assert answered(page) == "3"

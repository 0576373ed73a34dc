"""Errors on the page: each is explained, and a request that may succeed later is retried."""

import os
import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from browsing import KEY, MAX_BYTES, SEVEN, answered, choose, draw, opened
from support import encode

pytestmark = pytest.mark.slow

REFUSED = {
    "blank": (encode(Image.new("L", (300, 200), 255)), "no ink in the picture: write the digit darker or larger"),
    "large": (os.urandom(MAX_BYTES + 1), "larger than 400,000 bytes: send a smaller picture"),
    "other": (b"no picture", "not a picture in one of these formats"),
    "empty": (b"", "^The file is empty: choose another one.$"),
    "cut": (encode(Image.linear_gradient("L"))[:200], "damaged|cut off"),
}


def test_a_refusal_is_explained(page):
    for name, (data, words) in REFUSED.items():
        choose(page, (name, data))
        expect(page.locator("#message")).to_have_text(re.compile(words))
        assert answered(page) == "?"
        expect(page.get_by_role("button", name="Try again")).to_be_hidden()  # it would not help
    draw(page, SEVEN)
    assert answered(page) == "7"


HTML = {"body": "<h1>Hello</h1>"}
PROBLEM = {"status": 500, "content_type": "application/problem+json"}


@pytest.mark.parametrize(
    ("response", "words", "is_temporary"),
    [
        (None, "does not answer. Is it running?", True),
        ({"status": 502, **HTML}, "The server answered 502: try again later.", True),
        ({"status": 429, **HTML}, "The server answered 429: try again later.", True),
        ({"status": 200, **HTML}, "sign in", False),
        ({**PROBLEM, "body": '{"detail": "cut'}, "The server answered 500: try again later.", True),
        ({**PROBLEM, "body": "{}"}, "The server answered 500: try again later.", True),
    ],
)
def test_a_response_that_is_not_the_services_is_reported_and_can_be_retried(page, response, words, is_temporary):
    page.route("**/read*", lambda route: route.fulfill(**response) if response else route.abort())
    again = page.get_by_role("button", name="Try again")
    draw(page, SEVEN)
    assert answered(page) == "?"
    expect(page.locator("#message")).to_contain_text(words)
    expect(again).to_be_visible(visible=is_temporary)
    if is_temporary:
        again.focus()
        with page.expect_request("**/read*"):
            page.keyboard.press("Enter")
        assert answered(page) == "?"
        expect(again).to_be_focused()
        page.unroute("**/read*")
        page.keyboard.press("Enter")
        expect(page.locator("#text")).to_have_text("7")


def test_a_connection_that_breaks_during_the_answer_is_reported_and_can_be_retried(page, three):
    page.evaluate(
        """() => {
            const send = fetch;
            window.fetch = () => {
                window.fetch = send;
                return new Response(new ReadableStream({start: (body) => body.error(new TypeError("network error"))}));
            };
        }"""
    )
    choose(page, ("three.png", three))
    expect(page.locator("#message")).to_contain_text("does not answer. Is it running?")
    page.get_by_role("button", name="Try again").click()
    assert answered(page) == "3"


def test_an_overloaded_service_is_retried(page, three):
    refusals = [{"status": 503, "headers": {"Retry-After": "60"}, "body": ""}] * 2
    page.route("**/read*", lambda route: route.fulfill(**refusals.pop()) if refusals else route.continue_())
    page.clock.install()
    with page.expect_response("**/read*"):
        choose(page, ("a.png", three))
    for _ in range(2):
        expect(page.locator("#message")).to_have_text("The service is busy. Trying again …")
        page.clock.run_for(59_000)
        expect(page.locator("#message")).to_have_text("The service is busy. Trying again …")
        with page.expect_response("**/read*"):
            page.clock.run_for(1_000)
    expect(page.locator("#text")).to_have_text("3")


def test_trying_a_list_again_reads_all_that_was_not_read_and_shows_so(page, three):
    held = []

    def answer(route):
        held.append(route)
        if len(held) == 1:
            route.fulfill(status=502)

    page.route("**/read*", answer)
    choose(page, *((f"{name}.png", three) for name in "abc"))
    expect(page.locator("#list")).to_contain_text("502")
    page.locator("#again").click()  # two are still being read
    expect(page.locator("#message")).to_have_text("Reading …")
    expect(page.locator("#list b")).to_have_text(["…", "…", "…"])
    expect(page.locator("#list")).not_to_contain_text("502")
    expect(page.locator("#counts")).to_have_text("0 of 3 read")
    page.unroute("**/read*")
    expect(page.locator("#list b")).to_have_text(["3", "3", "3"])
    expect(page.locator("#counts")).to_have_text("3 in all: 3 sure, 0 in doubt, 0 not read")


def test_a_key_is_requested_and_kept_for_the_tab(browser, locked_url, three):
    with opened(browser, locked_url) as page:
        key = page.get_by_label("API key")
        choose(page, ("a.png", three), ("b.png", three))
        expect(page.locator("#message")).to_contain_text("needs an API key")
        key.fill("wrong…")  # not allowed in a header
        page.get_by_role("button", name="Use key").click()
        assert key.evaluate("key => key.validity.patternMismatch")
        expect(key).to_be_visible()
        key.fill("wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#message")).to_have_text("This API key is wrong.")
        expect(key).to_be_focused()
        key.fill(KEY)
        page.get_by_role("button", name="Use key").click()
        expect(page.locator("#list b")).to_have_text(["3", "3"])
        expect(page.locator("#text")).to_have_text("3")
        expect(key).to_be_hidden()
        page.reload()
        draw(page, SEVEN)
        assert answered(page) == "7"
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
        assert KEY not in page.locator("#code").text_content()
        assert 'X-API-Key: $DIGITS_API_KEY"' in page.locator("#curl").text_content()


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

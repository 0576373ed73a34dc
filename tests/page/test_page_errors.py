"""Errors on the page: each is explained, and a request that may succeed later is
retried.
"""

import os
import re

import pytest
from playwright.sync_api import expect

from browsing import KEY, MAX_BYTES, SEVEN, answered, choose, drawn, opened

pytestmark = pytest.mark.slow

REFUSED = {
    "large": (
        os.urandom(MAX_BYTES + 1),
        "larger than 400,000 bytes: send a smaller picture",
    ),
    "other": (b"no picture", "not a picture in one of these formats"),
    "empty": (b"", "^The file is empty: choose another one.$"),
}


def test_a_refusal_is_explained(page):
    for name, (data, words) in REFUSED.items():
        choose(page, (name, data))
        expect(page.locator("#message")).to_have_text(re.compile(words))
        assert answered(page) == "?"
        # It would not help.
        expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    assert drawn(page, SEVEN) == "7"


TEMPORARY = "The server answered {}: try again later."
PROBLEM = "status: 500, headers: {'Content-Type': 'application/problem+json'}"


@pytest.mark.parametrize(
    ("response", "words", "is_temporary"),
    [
        (
            "Promise.reject(new TypeError('Failed to fetch'))",
            "does not answer. Is it running?",
            True,
        ),
        (
            "new Response(new ReadableStream({start: (body) => body.error(new "
            "TypeError())}))",
            "does not answer",
            True,
        ),
        (
            "new Response('<h1>Bad gateway</h1>', {status: 502})",
            TEMPORARY.format(502),
            True,
        ),
        (
            "new Response('<h1>Slow down</h1>', {status: 429})",
            TEMPORARY.format(429),
            True,
        ),
        ("new Response('<h1>Sign in</h1>')", "sign in", False),
        (
            f"""new Response('{{"detail": "cut', {{{PROBLEM}}})""",
            TEMPORARY.format(500),
            True,
        ),
        (f"new Response('{{}}', {{{PROBLEM}}})", TEMPORARY.format(500), True),
    ],
)
def test_a_response_that_is_not_the_services_is_reported_and_can_be_retried(
    page, response, words, is_temporary
):
    page.evaluate(
        f"() => {{ window.real = fetch; tries = 0; fetch = () => {{ tries++; return "
        f"{response}; }}; }}"
    )
    again = page.get_by_role("button", name="Try again")
    assert drawn(page, SEVEN) == "?"
    expect(page.locator("#message")).to_contain_text(words)
    expect(again).to_be_visible(visible=is_temporary)
    if is_temporary:
        again.focus()
        page.keyboard.press("Enter")
        page.wait_for_function("() => tries > 1")
        assert answered(page) == "?"
        expect(again).to_be_focused()
        page.evaluate("() => { window.fetch = real; }")
        page.keyboard.press("Enter")
        expect(page.locator("#text")).to_have_text("7")


def test_an_overloaded_service_is_retried(page, three):
    refusals = [{"status": 503, "headers": {"Retry-After": "60"}, "body": ""}] * 2
    page.route(
        "**/read*",
        lambda route: (
            route.fulfill(**refusals.pop()) if refusals else route.continue_()
        ),
    )
    page.clock.install()
    with page.expect_response("**/read*"):
        choose(page, ("a.png", three))
    for _ in range(2):
        expect(page.locator("#message")).to_have_text(
            "The service is busy. Trying again …"
        )
        page.clock.run_for(59_000)
        expect(page.locator("#message")).to_have_text(
            "The service is busy. Trying again …"
        )
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
    expect(page.locator("#counts")).to_have_text(
        "3 in all: 3 sure, 0 in doubt, 0 not read"
    )


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
        page.get_by_role("button", name="Draw").click()
        assert drawn(page, SEVEN) == "7"
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
        assert KEY not in page.locator("#code").text_content()
        assert 'X-API-Key: $DIGITS_API_KEY"' in page.locator("#curl").text_content()

"""Errors on the page: each is explained, and a request that may succeed later is
retried.
"""

import os
import re
import threading
import time

import httpx2
import pytest
from playwright.sync_api import Route, expect

from browsing import (
    KEY,
    MAX_BYTES,
    SEVEN,
    answered,
    button,
    choose,
    choose_all,
    click,
    columns_of,
    drawn,
    expect_text,
    expect_words,
    opened,
    press,
    saved,
)
from services import until
from stand_ins import answering

pytestmark = pytest.mark.slow

REFUSED = {
    "large": (os.urandom(MAX_BYTES + 1), "than 400,000 bytes: send a smaller picture"),
    "other": (b"no picture", "not a picture in one of these formats"),
    "empty": (b"", "^The file is empty: choose another one.$"),
}


def test_a_refusal_is_explained(page):
    for name, (data, words) in REFUSED.items():
        choose(page, name, data)
        expect_text(page, "#message", re.compile(words))
        assert answered(page) == "?"
        expect(button(page, "Try again")).to_be_hidden()
    assert drawn(page, SEVEN) == "7"


TEMPORARY = "The server answered {}: try again later."
PROBLEM = {"status": 500, "content_type": "application/problem+json"}
RESPONSES = [
    (None, "does not answer. Is it running?"),
    ({"status": 502, "body": "<h1>Bad gateway</h1>"}, TEMPORARY.format(502)),
    ({"body": "<h1>Sign in</h1>\n<p>"}, "sign in"),
    ({**PROBLEM, "body": '{"detail": "cut'}, TEMPORARY.format(500)),
    ({**PROBLEM, "body": "{}"}, TEMPORARY.format(500)),
]


@pytest.mark.parametrize(("response", "words"), RESPONSES)
def test_a_response_that_is_not_the_services_is_reported_and_can_be_retried(
    page, response, words
):
    asked = []

    def answer(route: Route) -> None:
        asked.append(route)
        if response:
            route.fulfill(**response)
        else:
            route.abort()

    page.route("**/read?*", answer)
    is_temporary = words != "sign in"
    again = button(page, "Try again")
    assert drawn(page, SEVEN) == "?"
    expect_words(page, "#message", words)
    expect(again).to_be_visible(visible=is_temporary)
    if is_temporary:
        before = len(asked)
        again.focus()
        with page.expect_request("**/read?*"):
            press(page, "Enter")
        assert answered(page) == "?"
        assert len(asked) == before + 1
        expect(again).to_be_focused()
        page.unroute("**/read?*")
        press(page, "Enter")
        expect_text(page, "#text", "7")


@pytest.mark.parametrize("status", [503, 429])
def test_an_overloaded_service_is_retried(page, three, status):
    busy = {"status": status, "headers": {"Retry-After": "60"}, "body": ""}
    page.route("**/read?*", lambda route: route.fulfill(**busy), times=2)
    page.clock.install()
    with page.expect_response("**/read?*"):
        choose(page, "a.png", three)
    for _ in range(2):
        expect_text(page, "#message", "The service is busy. Trying again …")
        page.clock.run_for(59_000)
        expect_text(page, "#message", "The service is busy. Trying again …")
        with page.expect_response("**/read?*"):
            page.clock.run_for(1_000)
    expect_text(page, "#text", "3")


OVERLOADED = {
    "type": "/problems/overloaded",
    "status": 503,
    "detail": "Earlier pictures take too long to read: try again in 1 s.",
}


def test_a_stack_of_pictures_on_a_service_that_reads_one_at_a_time_is_read_whole(
    page, url, three
):
    answer = httpx2.post(f"{url}/read?frame=true", content=three, timeout=60).json()
    answer["lines"][0]["text"] = answer["text"] = "33"
    one = threading.Lock()
    refused = []

    def respond(_):
        if not one.acquire(blocking=False):
            refused.append(1)
            return 503, {}, OVERLOADED
        time.sleep(0.1)
        one.release()
        return 200, {}, answer

    with answering(respond) as busy:
        page.route("**/read?*", lambda route: route.continue_(url=f"{busy}/read"))
        choose_all(page, {f"{number}.png": three for number in range(30)})
        expect_text(page, "#counts", "30 in all: 30 sure, 0 in doubt, 0 not read")
    assert refused


def test_what_is_refused_for_long_is_shown_as_busy_and_all_of_it_can_be_retried(
    page, three
):
    asked = []

    def refuse(route: Route) -> None:
        asked.append(route)
        route.fulfill(status=503, json=OVERLOADED)

    page.route("**/read?*", refuse)
    page.clock.install()
    names = [f"{number}.png" for number in range(20)]
    choose_all(page, dict.fromkeys(names, three))
    assert until(lambda: page.clock.run_for(8_000) or len(asked) == 12)
    expect_text(page, "#counts", "20 in all: 0 sure, 0 in doubt, 20 not read")
    said = "The service is busy: try again later."
    expect_text(page, "#message", said)
    expect_text(page, "#list li > button > span:last-of-type", [said] * 20)
    assert columns_of(saved(page), "error", "problem") == [f"{said},overloaded"] * 20
    page.unroute("**/read?*")
    click(page, "Try again")
    expect_text(page, "#counts", "20 in all: 20 sure, 0 in doubt, 0 not read")


def test_a_list_that_cannot_be_saved_stays_and_can_be_saved_later(page, three):
    choose(page, "three.png", three)
    expect_words(page, "#counts", "1 in all")
    refused = {"status": 413, "body": '{"detail": "Too many rows."}'}
    for route, words in (
        (lambda route: route.abort(), "The service does not answer."),
        (lambda route: route.fulfill(**refused), "Too many rows."),
        (lambda route: route.fulfill(body="<h1>Sign in</h1>"), "sign in"),
    ):
        page.route("**/csv?*", route)
        click(page, "Save as CSV")
        expect_words(page, "#save-note", "The CSV was not saved.")
        expect_words(page, "#save-note", words)
        page.unroute("**/csv?*")
    assert columns_of(saved(page), "file", "text") == ["three.png,3"]
    expect_text(page, "#save-note", "")


def test_a_key_is_requested_and_kept_for_the_tab(browser, locked_url, three):
    with opened(browser, locked_url) as page:
        key = page.get_by_label("API key")
        choose_all(page, {"a.png": three, "b.png": three})
        expect_words(page, "#message", "needs an API key")
        key.fill("wrong…")  # not allowed in a header
        click(page, "Use key")
        assert key.evaluate("key => key.validity.patternMismatch")
        expect(key).to_be_visible()
        key.fill("wrong")
        press(page, "Enter")
        expect_text(page, "#message", "This API key is wrong.")
        expect(key).to_be_focused()
        key.fill(KEY)
        click(page, "Use key")
        expect_text(page, "#list b", ["3", "3"])
        expect_text(page, "#text", "3")
        expect(key).to_be_hidden()
        page.reload()
        click(page, "Draw")
        assert drawn(page, SEVEN) == "7"
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
        assert KEY not in page.text_content("#code")
        assert 'X-API-Key: $DIGITS_API_KEY"' in page.text_content("#curl")

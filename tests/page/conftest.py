"""Fixtures for tests of the page: a browser, services, and what is drawn."""

import os
import shutil
from collections.abc import Iterator

import httpx2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from browsing import KEY, MAX_BYTES, Stroke, number, opened
from support import drawing, encode, serving

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM and not os.environ.get("CI"):
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def start_decoders(url: str, digits: np.ndarray, **headers: str) -> None:
    """Read a picture: the first one starts the decoder processes, which may take seconds beside other tests."""
    httpx2.post(f"{url}/predict", content=encode(drawing(digits[0])), headers=headers, timeout=60).raise_for_status()


@pytest.fixture(scope="module")
def url(digits) -> Iterator[str]:
    with serving(DIGITS_MAX_UPLOAD_BYTES=str(MAX_BYTES)) as (_, url):
        start_decoders(url, digits)
        yield url


@pytest.fixture(scope="module")
def locked_url(digits, tmp_path_factory) -> Iterator[str]:
    with serving(DIGITS_API_KEYS=KEY, DIGITS_CORRECTIONS_DIR=str(tmp_path_factory.mktemp("locked"))) as (_, url):
        start_decoders(url, digits, authorization=f"Bearer {KEY}")
        yield url


@pytest.fixture
def page(browser, url) -> Iterator[Page]:
    with opened(browser, url) as page:
        yield page


@pytest.fixture
def narrow(browser, url) -> Iterator[Page]:
    with opened(browser, url, viewport={"width": 390, "height": 664}) as page:
        yield page


@pytest.fixture(scope="module")
def forty_two(digits) -> list[list[Stroke]]:
    return number(digits[215], digits[110])


@pytest.fixture
def three(digits) -> bytes:
    return encode(drawing(digits[150]))

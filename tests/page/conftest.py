"""Fixtures for tests of the page: a browser, and services."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from browsing import KEY, MAX_BYTES, opened
from support import drawing, encode, serving

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
expect.set_options(timeout=20_000)  # a busy machine may need more than the default of 5 s
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM and not os.environ.get("CI"):
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def ready(digit: np.ndarray, **settings: str) -> Iterator[str]:
    """Run a service that has read a picture: until its decoders have started, that may take seconds."""
    with serving(**settings) as (_, url):
        headers, picture = {"x-api-key": KEY}, encode(drawing(digit))
        httpx2.post(f"{url}/predict", content=picture, headers=headers, timeout=60).raise_for_status()
        yield url


@pytest.fixture(scope="session")
def url(digits) -> Iterator[str]:
    with ready(digits[0], DIGITS_MAX_UPLOAD_BYTES=str(MAX_BYTES)) as url:
        yield url


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """The folder of corrections."""
    return tmp_path_factory.mktemp("corrections")


@pytest.fixture(scope="session")
def locked_url(digits, folder) -> Iterator[str]:
    """The address of a service that needs an API key, and stores up to three corrections."""
    settings = {"DIGITS_API_KEYS": KEY, "DIGITS_CORRECTIONS_DIR": str(folder), "DIGITS_MAX_CORRECTIONS": "3"}
    with ready(digits[0], **settings) as url:
        yield url


@pytest.fixture
def page(browser, url) -> Iterator[Page]:
    with opened(browser, url) as page:
        yield page


@pytest.fixture(scope="session")
def three(digits) -> bytes:
    return encode(drawing(digits[150]))

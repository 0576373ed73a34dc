"""The interactive documentation, which must work without internet and under its own
content security policy.
"""

import hashlib
import os
import re
import shutil
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from app.web.docs import SWAGGER

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
NO_OTHER_HOST = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    NO_OTHER_HOST,
]


def test_swagger_ui_has_the_checksums_in_its_readme():
    sums = re.findall(
        r"^ +([0-9a-f]{64})  (\S+)$", (SWAGGER / "README.md").read_text(), re.MULTILINE
    )
    assert {name for _, name in sums} == {
        path.name for path in SWAGGER.iterdir() if path.suffix in {".js", ".css"}
    }
    for digest, name in sums:
        assert hashlib.sha256((SWAGGER / name).read_bytes()).hexdigest() == digest


@pytest.mark.slow
def test_a_browser_shows_the_operations_without_internet(url):
    if not CHROMIUM and not os.environ.get("CI"):
        pytest.skip("needs Chromium: apt-get install chromium")
    requested, faults = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(color_scheme="dark")
        page.on("request", lambda request: requested.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        # Policy violations appear there too.
        page.on("console", lambda line: faults.append(line.text))
        page.goto(f"{url}/docs")
        for path in (
            "/predict",
            "/predict/batch",
            "/explain",
            "/read",
            "/read/batch",
            "/health",
            "/metrics",
        ):
            expect(
                page.locator(f".opblock-summary-path[data-path='{path}']")
            ).to_be_visible()
        page.locator(".opblock-summary-path[data-path='/predict']").click()
        page.get_by_role("button", name="Try it out").click()
        expect(page.locator("input[type=file]")).to_be_visible()
        assert (
            np.median(np.asarray(Image.open(BytesIO(page.screenshot())).convert("L")))
            < 80
        )
        page.get_by_role("link", name="← Digits").click()
        expect(page.locator("#sheet")).to_be_visible()
        browser.close()
    assert faults == []
    assert all(address.startswith((url, "data:")) for address in requested)

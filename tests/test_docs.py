"""The interactive documentation works without internet and under its own policy."""

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
FLAGS = "--no-sandbox --disable-gpu --disable-background-networking".split()
PATHS = "/predict /predict/batch /explain /read /read/batch /health /metrics".split()


def test_swagger_ui_has_the_checksums_in_its_readme():
    readme = (SWAGGER / "README.md").read_text()
    sums = re.findall(r"(?m)^ +([0-9a-f]{64})  (\S+)$", readme)
    files = [*SWAGGER.glob("*.js"), *SWAGGER.glob("*.css")]
    assert {name for _, name in sums} == {path.name for path in files}
    for digest, name in sums:
        assert hashlib.sha256((SWAGGER / name).read_bytes()).hexdigest() == digest


@pytest.mark.slow
def test_a_browser_shows_the_operations_without_internet(url):
    if not CHROMIUM and not os.environ.get("CI"):
        pytest.skip("needs Chromium: apt-get install chromium")
    requested = []
    faults = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, NO_OTHER_HOST]
        )
        page = browser.new_page(color_scheme="dark")
        page.on("request", lambda request: requested.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        # Policy violations appear there too.
        page.on("console", lambda line: faults.append(line.text))
        page.goto(f"{url}/docs")
        for path in PATHS:
            operation = f".opblock-summary-path[data-path='{path}']"
            expect(page.locator(operation)).to_be_visible()
        page.locator(".opblock-summary-path[data-path='/predict']").click()
        page.get_by_role("button", name="Try it out").click()
        expect(page.locator("input[type=file]")).to_be_visible()
        screen = Image.open(BytesIO(page.screenshot())).convert("L")
        assert np.median(np.asarray(screen)) < 80
        page.get_by_role("link", name="← Digits").click()
        expect(page.locator("#sheet")).to_be_visible()
        browser.close()
    assert faults == []
    assert all(address.startswith((url, "data:")) for address in requested)

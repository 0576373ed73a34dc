"""The interactive documentation, which must work without internet and under its own content security policy."""

import base64
import hashlib
import os
import re
import shutil
from io import BytesIO
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from app.web.docs import SWAGGER
from support import serving

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
NO_OTHER_HOST = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", NO_OTHER_HOST]


def policy_of(answer) -> dict[str, list[str]]:
    """Parse an answer's content security policy into sources by directive."""
    directives = answer.headers["content-security-policy"].split("; ")
    return {name: sources for name, *sources in map(str.split, directives)}


def test_the_page_loads_everything_from_the_service(client):
    page = client.get("/docs")
    policy = policy_of(page)
    named = re.findall(r'<(script|link|img)\b[^>]*\b(?:src|href)="([^"]*)"', page.text)
    assert {tag for tag, _ in named} == {"script", "link"}
    for tag, address in named:
        if address.startswith("data:"):
            assert "data:" in policy["img-src"]
            continue
        assert not urlsplit(address).netloc
        assert client.get(f"/{address}").status_code == 200
        assert "'self'" in policy["script-src" if tag == "script" else "style-src"]
    (document,) = re.findall(r"url: '([^']*)'", page.text)
    assert client.get(f"/{document}").json()["openapi"].startswith("3.")
    assert policy["connect-src"] == ["'self'"]


def test_the_policy_allows_the_one_inline_script_by_its_hash(client):
    page = client.get("/docs")
    (script,) = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy_of(page)["script-src"] == ["'self'", f"'sha256-{digest}'"]


def test_swagger_ui_has_the_checksums_in_its_readme():
    sums = re.findall(r"^ +([0-9a-f]{64})  (\S+)$", (SWAGGER / "README.md").read_text(), re.MULTILINE)
    assert {name for _, name in sums} == {path.name for path in SWAGGER.iterdir() if path.suffix in {".js", ".css"}}
    for digest, name in sums:
        assert hashlib.sha256((SWAGGER / name).read_bytes()).hexdigest() == digest


@pytest.mark.slow
def test_a_browser_shows_the_operations_without_internet():
    if not CHROMIUM and not os.environ.get("CI"):
        pytest.skip("needs Chromium: apt-get install chromium")
    requested, faults = [], []
    with serving() as (_, url), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.on("request", lambda request: requested.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text))  # policy violations appear there too
        page.goto(f"{url}/docs")
        for path in ("/predict", "/predict/batch", "/explain", "/read", "/health", "/metrics"):
            expect(page.locator(f".opblock-summary-path[data-path='{path}']")).to_be_visible()
        page.locator(".opblock-summary-path[data-path='/predict']").click()
        page.get_by_role("button", name="Try it out").click()
        expect(page.locator("input[type=file]")).to_be_visible()
        page.emulate_media(color_scheme="dark")
        shot = np.asarray(Image.open(BytesIO(page.screenshot())).convert("L"))
        assert np.median(shot) < 80
        page.get_by_role("link", name="← Digits").click()
        expect(page.locator("#sheet")).to_be_visible()
        browser.close()
    assert faults == []
    assert all(address.startswith((url, "data:")) for address in requested)

"""THIRD_PARTY_NOTICES.md names the software in the image, and is in it."""

import hashlib
import re

from packaging.requirements import Requirement

from app.web.docs import SWAGGER
from paths import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
NOTICES = (ROOT / "THIRD_PARTY_NOTICES.md").read_text()


def test_the_distributions_are_those_locked_for_the_image():
    python = re.search(r"(?m)^ARG PYTHON_VERSION=(\S+)$", DOCKERFILE)[1]
    image = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
    }
    lock = (ROOT / "requirements.lock").read_text()
    locked = map(Requirement, re.findall(r"(?m)^(\S+==.*?) \\$", lock))
    expected = set()
    for each in locked:
        if not each.marker or each.marker.evaluate(image):
            expected.add(each.name)
    _, after = NOTICES.split("\n## Python distributions\n")
    rows = re.findall(r"(?m)^\| [A-Z].* \| (.*) \|$", after.split("\n## ")[0])
    listed = {name for names in rows for name in names.split("; ")}
    assert listed == expected, "make notices"


def test_the_image_contains_the_notices_and_the_licence_of_each_network():
    final = DOCKERFILE.split("\nFROM ")[-1]
    copied = re.findall(r"(?m)^COPY (.*)$", final)
    for files in (
        "LICENSE THIRD_PARTY_NOTICES.md /usr/share/doc/digits/",
        "models/*.onnx models/*-PaddleOCR /models/",
    ):
        assert any(each.endswith(files) for each in copied)
    in_image = (ROOT / ".dockerignore").read_text().splitlines()
    for file in ("LICENSE-PaddleOCR", "NOTICE-PaddleOCR"):
        assert f"!models/{file}" in in_image


def test_swagger_ui_has_the_checksums_in_its_readme():
    readme = (SWAGGER / "README.md").read_text()
    sums = re.findall(r"(?m)^ +([0-9a-f]{64})  (\S+)$", readme)
    files = [*SWAGGER.glob("*.js"), *SWAGGER.glob("*.css")]
    assert {name for _, name in sums} == {path.name for path in files}
    for digest, name in sums:
        assert hashlib.sha256((SWAGGER / name).read_bytes()).hexdigest() == digest

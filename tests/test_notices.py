"""THIRD_PARTY_NOTICES.md names the software in the image, and is in it."""

import re

import pytest
from packaging.licenses import canonicalize_license_expression
from packaging.requirements import Requirement

from paths import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
NOTICES = (ROOT / "THIRD_PARTY_NOTICES.md").read_text()


def licences(section: str) -> dict[str, str]:
    """Map the software in a section's table to its licence."""
    _, after = NOTICES.split(f"\n## {section}\n")
    _, table = after.split("\n## ")[0].split("|---|---|\n")
    rows = re.findall(r"(?m)^\| (.*) \| (.*) \|$", table)
    return {name: licence for licence, names in rows for name in names.split("; ")}


DISTRIBUTIONS = licences("Python distributions")
LIBRARIES = licences("Libraries in their wheels")


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
    assert set(DISTRIBUTIONS) == expected, "make notices"


def test_each_licence_is_an_spdx_expression():
    named = [*DISTRIBUTIONS.values(), *LIBRARIES.values()]
    assert len(named) > 60
    assert [canonicalize_license_expression(each) for each in named] == named


@pytest.mark.parametrize(
    "name", ["connected-components-3d", "pebble", "libheif", "libde265"]
)
def test_lgpl_software_is_marked_as_such(name):
    assert (DISTRIBUTIONS | LIBRARIES)[name] == "LGPL-3.0-or-later"


def test_the_image_contains_the_notices_and_the_licence_of_each_network():
    final = DOCKERFILE.split("\nFROM ")[-1]
    copied = re.findall(r"(?m)^COPY (.*)$", final)
    for files in (
        "LICENSE THIRD_PARTY_NOTICES.md /usr/share/doc/digits/",
        "models/*.onnx models/*-PaddleOCR /models/",
    ):
        assert any(each.endswith(files) for each in copied)
    in_image = set((ROOT / ".dockerignore").read_text().splitlines())
    assert {f"!models/{name}.onnx" for name in ("digits", "lines", "pages")} <= in_image
    for file in ("LICENSE-PaddleOCR", "NOTICE-PaddleOCR"):
        assert f"!models/{file}" in in_image
        assert f"`/models/{file}`" in NOTICES

"""THIRD_PARTY_NOTICES.md names the software that the lock puts into the image, which contains the notices."""

import re

import pytest
from packaging.licenses import canonicalize_license_expression
from packaging.requirements import Requirement

from support import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
DISTRIBUTIONS, LIBRARIES = re.split(r"^## ", (ROOT / "THIRD_PARTY_NOTICES.md").read_text(), flags=re.MULTILINE)[1:3]


def rows(section: str) -> list[list[str]]:
    """Parse the cells of a section's table, without its header."""
    return [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")][2:]


def test_the_distributions_are_those_locked_for_the_image():
    python = re.search(r"^ARG PYTHON_VERSION=(\S+)$", DOCKERFILE, re.MULTILINE)[1]
    image = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    lock = (ROOT / "requirements.lock").read_text()
    locked = map(Requirement, re.findall(r"^(\S+==.*?) \\$", lock, re.MULTILINE))
    expected = {(each.name, str(each.specifier)) for each in locked if not each.marker or each.marker.evaluate(image)}
    named = {(re.match(r"\[(\S+)\]", name)[1], f"=={version}") for name, version, _ in rows(DISTRIBUTIONS)}
    assert named == expected, "make notices"


def test_each_licence_is_an_spdx_expression():
    licences = [row[2] for row in rows(DISTRIBUTIONS)] + [row[3] for row in rows(LIBRARIES)]
    assert len(licences) > 60
    assert [canonicalize_license_expression(each) for each in licences] == licences


@pytest.mark.parametrize("name", ["connected-components-3d", "pebble", "libheif", "libde265"])
def test_lgpl_software_is_marked_as_such(name):
    licences = {re.sub(r"^\[(\S+)\].*", r"\1", row[-3]): row[-1] for row in rows(DISTRIBUTIONS)}
    licences |= {row[2]: row[3] for row in rows(LIBRARIES)}
    assert licences[name] == "LGPL-3.0-or-later"


def test_the_image_contains_the_notices():
    final = DOCKERFILE.split("\nFROM ")[-1]
    assert re.search(r"^COPY .*\bLICENSE THIRD_PARTY_NOTICES.md /usr/share/doc/digits/$", final, re.MULTILINE)

"""Write THIRD_PARTY_NOTICES.md: the third-party software in the image and its licences.

Installs the lock for the image's Python in a temporary folder, runs pip-licenses on
every distribution, and compares the shared libraries inside the wheels with LIBRARIES.
Run it with `make notices`.
"""

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.licenses import canonicalize_license_expression
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
UV = os.environ.get("UV", "uv")  # set by `uv run`
PLATFORMS = ("x86_64-manylinux_2_40", "aarch64-manylinux_2_40")

# SPDX expressions of licences that the metadata names otherwise. If the name is
# ambiguous, the key is the distribution.
SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "pebble": "LGPL-3.0-or-later",  # as in its source files
    # The binding, and the libraries in its wheel.
    "pi-heif": "BSD-3-Clause AND LGPL-3.0-or-later",
    "pypdfium2": "Apache-2.0 AND BSD-3-Clause",  # the binding, and PDFium
}

# In these, pip-licenses finds no licence text; TEMPLATE says where it is.
WITHOUT_TEXT = {"flatbuffers", "pypdfium2"}

# Shared library in a wheel: name, licence.
LIBRARIES = {
    "libXau": ("libXau", "MIT-open-group"),
    "libavif": (
        "libavif, with libaom, dav1d and libyuv",
        "BSD-2-Clause AND BSD-3-Clause",
    ),
    "libbrotlicommon": ("Brotli", "MIT"),
    "libbrotlidec": ("Brotli", "MIT"),
    "libde265": ("libde265", "LGPL-3.0-or-later"),
    "libfreetype": ("FreeType", "FTL"),
    "libharfbuzz": ("HarfBuzz", "MIT-Modern-Variant"),
    "libheif": ("libheif", "LGPL-3.0-or-later"),
    "libjpeg": ("libjpeg-turbo", "IJG AND BSD-3-Clause AND Zlib"),
    "liblcms2": ("Little CMS", "MIT"),
    "liblzma": ("XZ Utils", "0BSD"),
    "libopenjp2": ("OpenJPEG", "BSD-2-Clause"),
    "libpng16": ("libpng", "libpng-2.0"),
    "libscipy_openblas64_": (
        "OpenBLAS, with LAPACK and GCC's libgfortran",
        "BSD-3-Clause AND BSD-3-Clause-Open-MPI AND GPL-3.0-or-later WITH "
        "GCC-exception-3.1",
    ),
    "libsharpyuv": ("libwebp", "BSD-3-Clause"),
    "libtiff": ("LibTIFF", "libtiff"),
    "libwebp": ("libwebp", "BSD-3-Clause"),
    "libwebpdemux": ("libwebp", "BSD-3-Clause"),
    "libwebpmux": ("libwebp", "BSD-3-Clause"),
    "libxcb": ("libxcb", "X11"),
    "libzstd": ("Zstandard", "BSD-3-Clause"),
}
RAQM = ("Raqm", "MIT")  # in pillow's text module

TEMPLATE = """\
# Third-party notices

<!-- Written by `make notices`. Do not edit. -->

Digits is under the MIT License, except for its networks for numbers and for pages, \
`lines.onnx` and `pages.onnx`. They
are under the Apache License 2.0, because they are [modified](models/NOTICE-PaddleOCR) \
versions of networks by
PaddleOCR's authors.

The container image also contains this software, unmodified except that the image \
leaves out tests and developer tools
and strips debug symbols.

Licence texts in the image, relative to `/usr/local/lib/python{python}/site-packages`:

| software | licence text |
|---|---|
| Python distributions and the libraries in their wheels | `*.dist-info/` |
| onnxruntime, and what is compiled into it (Eigen, MPL-2.0, among others) | \
`onnxruntime/LICENSE`, \
`onnxruntime/ThirdPartyNotices.txt` |
| pypdfium2, and what is compiled into it (PDFium, FreeType, ICU, among others) | \
`pypdfium2-*.dist-info/licenses/` |
| flatbuffers | the Apache License 2.0, in `app/web/swagger/LICENSE` |
| Rust crates compiled into pydantic-core | `pydantic_core-*.dist-info/sboms/` |
| `lines.onnx`, `pages.onnx` (Apache-2.0) | `/models/LICENSE-PaddleOCR`, \
`/models/NOTICE-PaddleOCR` |
| Swagger UI (Apache-2.0), and what is bundled with it | `LICENSE`, `NOTICE` and \
`*.LICENSE.txt` in \
`app/web/swagger/` |
| Python (PSF-2.0) | `/usr/local/lib/python{python}/LICENSE.txt` |
| Debian packages | `/usr/share/doc/*/copyright` |

This software is based in part on the work of the Independent JPEG Group. Portions of \
this software are copyright © The
FreeType Project (https://freetype.org). All rights reserved.

## Python distributions

Their versions are in requirements.lock, and their sources at \
`https://pypi.org/project/NAME/`.

| licence | distributions |
|---|---|
{distributions}

## Libraries in their wheels

| licence | libraries |
|---|---|
{libraries}

## LGPL

connected-components-3d, pebble, libheif and libde265, under the GNU Lesser General \
Public License, are separate files.
You may replace them with your own versions, and reverse engineer Digits to debug such \
a change. pebble is Python
source, connected-components-3d an extension module, and libheif and libde265 are \
shared libraries in `pi_heif.libs/`.
The texts of the LGPL and the GPL are in \
`connected_components_3d-*.dist-info/licenses/`. The source of libheif and
libde265 is at the addresses in
[pi-heif's build \
script](https://github.com/bigcat88/pillow_heif/blob/v{pi_heif}/libheif/build_libs.py).
"""


def install(lock: Path, python: str, platform: str, folder: Path) -> None:
    """Unpack the wheels that the image gets on a platform."""
    command = [UV, "pip", "install", "--quiet"]
    command += ["--only-binary=:all:", "--require-hashes", "--requirement", str(lock)]
    command += ["--python", sys.executable, "--python-version", python]
    command += ["--python-platform", platform, "--target", str(folder)]
    subprocess.run(command, check=True)  # noqa: S603


def licences(folder: Path) -> list[dict[str, str]]:
    """Run pip-licenses on each distribution in a folder."""
    names = [path.name.split("-")[0] for path in folder.glob("*.dist-info")]
    command = [UV, "tool", "run", "--quiet", "--python", sys.executable]
    command += ["pip-licenses", "--format=json", "--with-system"]
    command += ["--with-license-file", "--no-license-path", "--packages", *names]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    output = subprocess.check_output(command, env=environment)  # noqa: S603
    found: list[dict[str, str]] = json.loads(output)
    unknown = [each["Name"] for each in found if each["LicenseText"] == "UNKNOWN"]
    without_text = set(map(canonicalize_name, unknown))
    if len(found) != len(names) or without_text != WITHOUT_TEXT:
        sys.exit(
            f"{len(found)} of {len(names)} distributions found; without a licence "
            f"text: {sorted(without_text)}"
        )
    return found


def distributions(folder: Path) -> dict[str, tuple[str, str]]:
    """Map each distribution to its version and licence, an SPDX expression."""
    rows = {}
    for each in licences(folder):
        name = canonicalize_name(each["Name"])
        licence = SPDX.get(name) or SPDX.get(each["License"], each["License"])
        rows[name] = each["Version"], canonicalize_license_expression(licence)
    return rows


def libraries(folder: Path) -> set[str]:
    """Return the names of the libraries in the wheels, without version and hash."""
    files = [path.name for path in folder.glob("*.libs/*")]
    return {re.split(r"-[0-9a-f]{8}|\.so", file)[0] for file in files}


def table(software: Iterable[tuple[str, str]]) -> str:
    """Format a row for each licence, from pairs of a name and a licence."""
    by_licence = defaultdict(set)
    for name, licence in software:
        by_licence[licence].add(name)
    rows = []
    for licence, names in sorted(by_licence.items()):
        rows.append(f"| {licence} | {'; '.join(sorted(names, key=str.lower))} |")
    return "\n".join(rows)


def notices(lock: Path) -> str:
    """Format the notices for a lock."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    [python] = re.findall(r"^ARG PYTHON_VERSION=(\S+)$", dockerfile, re.MULTILINE)
    found: set[str] = set()
    for platform in PLATFORMS:
        with TemporaryDirectory() as name:
            install(lock, python, platform, Path(name))
            packages = distributions(Path(name))
            found |= libraries(Path(name))
    if found != LIBRARIES.keys():
        sys.exit(
            f"LIBRARIES differs from the wheels in {sorted(found ^ LIBRARIES.keys())}"
        )
    return TEMPLATE.format(
        python=python,
        pi_heif=packages["pi-heif"][0],
        distributions=table((name, licence) for name, (_, licence) in packages.items()),
        libraries=table([*LIBRARIES.values(), RAQM]),
    )


if __name__ == "__main__":
    lock = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "requirements.lock"
    (ROOT / "THIRD_PARTY_NOTICES.md").write_text(notices(lock))

"""Third-party clients of the Open Inference Protocol, against the service."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from functools import cache
from pathlib import Path

import httpx2
import pytest

from examples import blocks
from paths import ROOT
from pictures import encode

pytestmark = pytest.mark.slow

PIP_OPTIONS = "--quiet --disable-pip-version-check install --no-compile"
TRITON_CLIENT = "tritonclient[http]"
TRITON = """
import json, sys
from pathlib import Path
import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

client = InferenceServerClient(sys.argv[1])
pngs = [path.read_bytes() for path in sorted(Path(sys.argv[2]).glob("*.png"))]
assert client.is_server_live() and client.is_server_ready()
assert client.is_model_ready("digits")
assert client.get_server_metadata()["name"] == "digits"
metadata = client.get_model_metadata("digits")
version = metadata["versions"][0]
assert [each["name"] for each in metadata["inputs"]] == ["picture", "pixels"]
assert client.is_model_ready("digits", version)

found = []
for start in range(0, len(pngs), 20):
    some = np.array(pngs[start : start + 20], object)
    picture = InferInput("picture", some.shape, "BYTES")
    picture.set_data_from_numpy(some)
    compression = [None, "gzip", "deflate"][start // 20 % 3]
    outputs = [
        InferRequestedOutput("probabilities", binary_data=False),
        InferRequestedOutput("digit"),
    ]
    answer = client.infer(
        "digits",
        [picture],
        model_version=["", version][start // 20 % 2],
        outputs=outputs if start else None,
        request_id=str(start),
        request_compression_algorithm=compression,
    )
    assert answer.get_response()["id"] == str(start)
    assert (answer.as_numpy("legibility") is None) == bool(start)
    digits = answer.as_numpy("digit")
    probabilities = answer.as_numpy("probabilities")
    found += [[int(digit), row.tolist()] for digit, row in zip(digits, probabilities)]

pixels = InferInput("pixels", [2, 784], "FP32")
pixels.set_data_from_numpy(np.zeros((2, 784), np.float32), binary_data=False)
assert client.infer("digits", [pixels]).as_numpy("legibility").max() < 0.5
broken = InferInput("picture", [1], "BYTES")
broken.set_data_from_numpy(np.array([b"no picture"], object))
try:
    client.infer("digits", [broken])
except InferenceServerException as error:
    assert error.message().startswith("The file is not a picture"), error
else:
    raise AssertionError("a broken picture was read")
print(json.dumps(found))
"""
KSERVE = """
import asyncio, base64, json, sys
from pathlib import Path
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

async def main():
    url = sys.argv[1]
    found = []
    pngs = [path.read_bytes() for path in sorted(Path(sys.argv[2]).glob("*.png"))]
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        assert await client.is_server_live(url) and await client.is_server_ready(url)
        assert await client.is_model_ready(url, "digits")
        for start in range(0, len(pngs), 20):
            some = pngs[start : start + 20]
            if start % 40:
                picture = InferInput("picture", [len(some)], "BYTES")
                picture.set_data_from_numpy(np.array(some, object))
            else:
                encoded = [base64.b64encode(each).decode() for each in some]
                parameters = {"content_type": "base64"}
                shape = [len(some)]
                picture = InferInput("picture", shape, "BYTES", encoded, parameters)
            request = InferRequest("digits", [picture])
            answer = await client.infer(url, request, model_name="digits")
            digits, probabilities, _ = (output.as_numpy() for output in answer.outputs)
            for digit, row in zip(digits, probabilities):
                found.append([int(digit), row.tolist()])
    print(json.dumps(found))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def pngs(tmp_path_factory, digits) -> Path:
    """A folder with 100 MNIST digits."""
    folder = tmp_path_factory.mktemp("mnist")
    for place, digit in enumerate(digits[::5]):
        (folder / f"{place:03}.png").write_bytes(encode(digit))
    return folder


@pytest.fixture(scope="module")
def python_with(tmp_path_factory) -> Callable[[str], Path]:
    """Make an environment with a package from PyPI, and return its Python."""

    @cache
    def make(package: str) -> Path:
        python = tmp_path_factory.mktemp("environment") / "bin" / "python"
        venv.create(python.parent.parent)
        pip = [sys.executable, "-m", "pip", "--python", python, *PIP_OPTIONS.split()]
        done = subprocess.run([*pip, package], capture_output=True, text=True)
        if done.returncode:
            assert not os.environ.get("CI"), done.stderr
            reason = done.stderr.strip().splitlines()[-1]
            pytest.skip(f"needs {package} from PyPI: {reason}")
        return python

    return make


def printed_by(python: Path, program: str, *arguments: object) -> str:
    command = [python, "-I", "-c", program, *map(str, arguments)]  # without PYTHONPATH
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


NEEDS_KSERVE = pytest.mark.skipif(
    not os.environ.get("KSERVE"), reason="installs 450 MB: make clients"
)


@pytest.mark.parametrize(
    ("package", "program"),
    [(TRITON_CLIENT, TRITON), pytest.param("kserve", KSERVE, marks=NEEDS_KSERVE)],
)
def test_a_client_gets_the_answers_of_predict(url, pngs, python_with, package, program):
    address = url.removeprefix("http://") if package == TRITON_CLIENT else url
    printed = printed_by(python_with(package), program, address, pngs)
    found = json.loads(printed.splitlines()[-1])
    assert len(found) == 100
    with httpx2.Client() as client:
        files = sorted(pngs.iterdir())
        for png, (digit, probabilities) in zip(files, found, strict=True):
            predicted = client.post(f"{url}/predict", content=png.read_bytes()).json()
            assert digit == predicted["digit"]
            assert probabilities == pytest.approx(predicted["probabilities"], abs=1e-6)


def test_the_program_in_the_docs_runs_as_written(url, python_with):
    (program,) = blocks(ROOT / "docs" / "inference-protocol.md", "python")
    program = program.replace("127.0.0.1:8000", url.removeprefix("http://"))
    assert printed_by(python_with(TRITON_CLIENT), program).startswith("[7] [0.99")

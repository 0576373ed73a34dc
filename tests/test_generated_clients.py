"""Clients that other projects' generators make from the OpenAPI document, as generated,
against the running service.
"""

import asyncio
import importlib
import json
import os
import pkgutil
import shutil
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from support import (
    PRINTED,
    ROOT,
    assert_shown,
    blocks,
    drawing,
    encode,
    number,
    tool,
    with_damaged_page,
)
from support import document as document_of

TYPESCRIPT = ROOT / "tests" / "typescript"
RECIPES = ROOT / "docs" / "recipes.md"
ADDRESS = "http://127.0.0.1:8000"
# With ruff, which formats what is generated.
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
pytestmark = pytest.mark.slow


def run(folder: Path, *command: str, **environment: str) -> str:
    """Run a command; return what it prints."""
    environment = {**os.environ, "PATH": PATH, **environment}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def document(client) -> dict[str, Any]:
    return client.get("/openapi.json").json()


@pytest.fixture(scope="module")
def pictures(seven, digits) -> dict[str, bytes]:
    written = number(digits[[350, 120]])
    pages = with_damaged_page(document_of([written] * 3, "TIFF"))
    return {
        "seven": encode(drawing(seven)),
        "number": encode(written),
        "pages": pages,
        "text": b"no picture",
    }


@pytest.fixture(scope="module")
def package(document, tmp_path_factory) -> Iterator[ModuleType]:
    """The package that openapi-python-client generates, as a user would do it."""
    folder = tmp_path_factory.mktemp("python")
    (folder / "openapi.json").write_text(json.dumps(document))
    run(
        folder,
        "openapi-python-client",
        "generate",
        "--path",
        "openapi.json",
        "--fail-on-warning",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder / "digits-client")
        importlib.import_module("digits_client.api")
        yield importlib.import_module("digits_client")


@pytest.fixture(scope="module")
def operations(package) -> dict[str, ModuleType]:
    """Its operations by name: modules, all of which are imported."""
    names = [
        name
        for _, name, _ in pkgutil.walk_packages(
            package.api.__path__, "digits_client.api."
        )
    ]
    modules = {name.rpartition(".")[2]: importlib.import_module(name) for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "sync")}


@pytest.fixture
def call(package, operations, url) -> Iterator[Callable[..., Any]]:
    """Call an operation."""
    with package.Client(url) as client:
        yield lambda operation, **arguments: operations[operation].sync(
            client=client, **arguments
        )


@pytest.fixture(scope="module")
def sent(package, pictures) -> SimpleNamespace:
    """The bodies of requests: functions, since a file is read once."""

    def file(picture: str) -> Any:
        return package.types.File(BytesIO(pictures[picture]), f"{picture}.png")

    def encoded(picture: str) -> Any:
        return package.models.EncodedPicture(b64encode(pictures[picture]).decode())

    def form(picture: str) -> Any:
        return package.models.PictureForm(file(picture))

    def forms(*pictures: str) -> Any:
        return package.models.PicturesForm([file(picture) for picture in pictures])

    def tensor(picture: str) -> Any:
        parameters = {"content_type": "base64"}
        tensor = {
            "name": "picture",
            "shape": [1],
            "datatype": "BYTES",
            "parameters": parameters,
        }
        inputs = [{**tensor, "data": [encoded(picture).image]}]
        return package.models.InferRequest.from_dict(
            {"inputs": inputs, "outputs": [{"name": "digit"}]}
        )

    return SimpleNamespace(
        file=file, encoded=encoded, form=form, forms=forms, tensor=tensor
    )


def test_every_operation_of_the_python_client_runs(
    package, document, operations, call, sent, url
):
    version = call("model_metadata").versions[0]
    calls = {
        "predict": ("Prediction", lambda: {"body": sent.form("seven")}),
        "predict_batch": (
            "Predictions",
            lambda: {"body": sent.forms("seven", "number")},
        ),
        "explain": ("Explanation", lambda: {"body": sent.form("seven")}),
        "unit_weights": ("Unit", lambda: {"unit": 0}),
        "read": ("Text", lambda: {"body": sent.form("number")}),
        "read_batch": ("Texts", lambda: {"body": sent.forms("number", "seven")}),
        "correct": ("Problem", lambda: {"body": sent.form("seven"), "label": "7"}),
        "health": ("Health", dict),
        "live": ("Live", dict),
        "metrics": ("str", dict),
        "server_metadata": ("ServerMetadata", dict),
        "server_live": ("ServerLive", dict),
        "server_ready": ("ServerReady", dict),
        "model_metadata": ("ModelMetadata", dict),
        "model_metadata_of_version": ("ModelMetadata", lambda: {"version": version}),
        "model_ready": ("ModelReady", dict),
        "model_ready_of_version": ("ModelReady", lambda: {"version": version}),
        "infer": ("InferResponse", lambda: {"body": sent.tensor("seven")}),
        "infer_of_version": (
            "InferResponse",
            lambda: {"body": sent.tensor("seven"), "version": version},
        ),
    }

    documented = {
        each["operationId"]
        for methods in document["paths"].values()
        for each in methods.values()
    }
    assert {*calls} == documented == {*operations}

    async def check() -> None:
        async with package.Client(url) as client:
            for name, (answer, arguments) in calls.items():
                assert type(call(name, **arguments())).__name__ == answer
                assert (
                    type(
                        await operations[name].asyncio(client=client, **arguments())
                    ).__name__
                    == answer
                )

    asyncio.run(check())


@pytest.mark.parametrize("kind", ["form", "encoded", "file"])
def test_the_python_client_sends_a_picture_in_each_kind_of_body(call, sent, kind):
    body = getattr(sent, kind)
    prediction = call("predict", body=body("seven"), frame=True)
    assert (prediction.digit, prediction.second_opinion) == (7, False)
    assert prediction.frame.startswith("data:image/png;base64,")
    assert prediction.box.height > prediction.box.width > 0
    text = call("read", body=body("number"), length=2, frame=True)
    assert (text.text, [digit.digit for digit in text.lines[0].digits]) == (
        "72",
        [7, 2],
    )
    assert text.lines[0].box.width > text.lines[0].digits[1].box.width > 0


def test_the_python_client_reads_answers_of_every_kind(call, sent):
    models = call("health").models
    assert (
        call("read", body=sent.form("number")).model
        == f"{models.lines.version}+{models.pages.version}"
    )
    document = call("read", body=sent.file("pages"))
    assert [type(page).__name__ for page in document.pages] == [
        "Page",
        "FailedPage",
        "Page",
    ]
    assert (document.pages[0].text, document.pages[1].error.type_) == (
        "72",
        "/problems/corrupt-image",
    )
    explanation = call("explain", body=sent.file("seven"))
    assert (
        explanation.digit,
        len(explanation.evidence),
        explanation.layers[0].shape[0] > 0,
    ) == (7, 7, True)
    assert call("infer", body=sent.tensor("seven")).outputs[0].data == [7]
    assert "digits_requests_total" in call("metrics")


def test_the_python_client_reads_problems(package, call, sent):
    problem = call("predict", body=sent.file("text"))
    assert (problem.status, problem.type_) == (415, "/problems/not-an-image")
    good, bad = call("predict_batch", body=sent.forms("seven", "text")).results
    assert (good.digit, bad.error.type_) == (7, "/problems/not-an-image")
    assert (
        call("read", body=sent.file("number"), length=64).type_
        == "/problems/impossible-length"
    )
    unsure = call("read", body=sent.file("number"), min_confidence=1)
    assert (unsure.type_, unsure.reading.text) == ("/problems/not-sure", "72")
    off = call("correct", body=sent.form("seven"), label="none")
    assert (off.status, off.type_, off.reading) == (
        404,
        "/problems/corrections-off",
        package.types.UNSET,
    )
    unknown = call("infer_of_version", body=sent.tensor("seven"), version="1")
    assert (unknown.status, unknown.error) == (404, unknown.detail)


def test_the_recipe_for_python_prints_what_its_comment_says(package, url):
    (program,) = blocks(RECIPES, "py")
    path = str(Path(package.__file__).parents[1])
    printed = run(
        ROOT, sys.executable, "-c", program.replace(ADDRESS, url), PYTHONPATH=path
    )
    assert_shown("\n".join(PRINTED.findall(program)), printed)


@pytest.fixture(scope="module")
def typescript(document, url, tmp_path_factory) -> Path:
    """A folder with the test's program and the recipe's, checked with the types of
    openapi-typescript, and built.
    """
    npm = tool("npm")
    folder = shutil.copytree(
        TYPESCRIPT, tmp_path_factory.mktemp("clients") / "typescript"
    )
    (folder / "openapi.json").write_text(json.dumps(document))
    (program,) = blocks(RECIPES, "ts")
    (folder / "recipe.ts").write_text(program.replace(ADDRESS, url))
    run(folder, *npm, "ci", "--no-audit", "--no-fund")
    run(folder, *npm, "run", "types")
    run(folder, *npm, "run", "build")
    return folder / "build"


def test_a_typescript_client_passes_the_type_checker_and_runs(
    typescript, pictures, url, tmp_path
):
    files = [tmp_path / name for name in ("seven", "number", "pages")]
    for file in files:
        file.write_bytes(pictures[file.name])
    run(typescript, *tool("node", "client.js", url, *map(str, files)))


def test_the_recipe_for_typescript_prints_what_its_comment_says(typescript):
    shown = "\n".join(PRINTED.findall("".join(blocks(RECIPES, "ts"))))
    assert_shown(shown, run(ROOT, *tool("node", str(typescript / "recipe.js"))))

"""Clients that other projects generate from the OpenAPI document."""

import asyncio
import importlib
import inspect
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

from commands import tool
from examples import PRINTED, assert_shown, blocks
from paths import ROOT
from pictures import document as document_of
from pictures import drawing, encode, number, with_damaged_page

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
        "sheet": (ROOT / "docs/exam.png").read_bytes(),
        "number": encode(written),
        "pages": pages,
        "text": b"no picture",
    }


@pytest.fixture(scope="module")
def package(document, tmp_path_factory) -> Iterator[ModuleType]:
    """The package that openapi-python-client generates, as a user would do it."""
    folder = tmp_path_factory.mktemp("python")
    (folder / "openapi.json").write_text(json.dumps(document))
    options = "generate --path openapi.json --fail-on-warning"
    run(folder, "openapi-python-client", *options.split())
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder / "digits-client")
        importlib.import_module("digits_client.api")
        yield importlib.import_module("digits_client")


@pytest.fixture(scope="module")
def operations(package) -> dict[str, ModuleType]:
    """Its operations by name: modules, all of which are imported."""
    found = {}
    path = package.api.__path__
    for _, name, _ in pkgutil.walk_packages(path, "digits_client.api."):
        module = importlib.import_module(name)
        if hasattr(module, "sync"):
            found[name.rpartition(".")[2]] = module
    return found


@pytest.fixture
def call(package, operations, url) -> Iterator[Callable[..., Any]]:
    """Call an operation."""
    with package.Client(url) as client:

        def call(operation: str, **arguments: Any) -> Any:
            return operations[operation].sync(client=client, **arguments)

        yield call


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

    def of_text(picture: str, values: bytes = b"72\n7") -> Any:
        listed = package.types.File(BytesIO(values), "ids.txt")
        return package.models.TextForm(file(picture), listed)

    def of_texts(*pictures: str) -> Any:
        return package.models.TextsForm([file(picture) for picture in pictures])

    def tensor(picture: str) -> Any:
        tensor = {
            "name": "picture",
            "shape": [1],
            "datatype": "BYTES",
            "parameters": {"content_type": "base64"},
            "data": [encoded(picture).image],
        }
        request = {"inputs": [tensor], "outputs": [{"name": "digit"}]}
        return package.models.InferRequest.from_dict(request)

    return SimpleNamespace(
        file=file,
        encoded=encoded,
        form=form,
        forms=forms,
        of_text=of_text,
        of_texts=of_texts,
        tensor=tensor,
    )


def test_every_operation_of_the_python_client_runs(
    package, document, operations, call, sent, url
):
    documented = set()
    for methods in document["paths"].values():
        documented |= {each["operationId"] for each in methods.values()}
    assert documented == {*operations}
    row = b'{"text": "007"}'
    bodies = {
        "predict_batch": lambda: sent.forms("seven", "number"),
        "propose_form": lambda: sent.form("sheet"),
        "read": lambda: sent.of_text("seven"),
        "read_batch": lambda: sent.of_texts("seven", "number"),
        "infer": lambda: sent.tensor("seven"),
        "infer_of_version": lambda: sent.tensor("seven"),
        "write_csv": lambda: package.types.File(row, "rows.jsonl"),
    }
    version = call("model_metadata").versions[0]
    values = {"version": version, "unit": 0, "label": "7"}

    def arguments_of(name: str) -> dict[str, Any]:
        names = inspect.signature(operations[name].sync).parameters
        given = {each: values[each] for each in names if each in values}
        if "body" in names:
            given["body"] = bodies.get(name, lambda: sent.form("seven"))()
        return given

    async def check() -> None:
        async with package.Client(url) as client:
            for name, operation in operations.items():
                answer = call(name, **arguments_of(name))
                later = await operation.asyncio(client=client, **arguments_of(name))
                assert type(later) is type(answer)
                # Corrections are off.
                is_problem = isinstance(answer, package.models.Problem)
                assert is_problem is (name == "correct")

    asyncio.run(check())


@pytest.mark.parametrize(
    ("kind", "of_text"), [("form", "of_text"), ("encoded", "encoded"), ("file", "file")]
)
def test_the_python_client_sends_a_picture_in_each_kind_of_body(
    call, sent, kind, of_text
):
    prediction = call("predict", body=getattr(sent, kind)("seven"), frame=True)
    assert prediction.digit == 7
    assert not prediction.second_opinion
    assert prediction.frame.startswith("data:image/png;base64,")
    assert prediction.box.height > prediction.box.width > 0
    body = getattr(sent, of_text)("number")
    text = call("read", body=body, length=2, frame=True)
    assert text.text == "72"
    assert [digit.digit for digit in text.lines[0].digits] == [7, 2]
    assert text.lines[0].box.width > text.lines[0].digits[1].box.width > 0


def test_the_python_client_reads_answers_of_every_kind(call, sent):
    models = call("health").models
    text = call("read", body=sent.of_text("number"), max_=80)
    assert (text.value, text.lines[0].format_) == ("72", True)
    versions = (each.version for each in (models.lines, models.pages, models.digits))
    assert text.model == "+".join(versions)
    document = call("read", body=sent.file("pages"))
    kinds = [type(page).__name__ for page in document.pages]
    assert kinds == ["Page", "FailedPage", "Page"]
    assert document.pages[0].text == "72"
    assert document.pages[1].error.type_ == "/problems/corrupt-image"
    explanation = call("explain", body=sent.file("seven"))
    assert explanation.digit == 7
    assert len(explanation.evidence) == 7
    assert explanation.layers[0].shape[0] > 0
    assert call("infer", body=sent.tensor("seven")).outputs[0].data == [7]
    assert "digits_requests_total" in call("metrics")


def test_the_python_client_reads_problems(package, call, sent):
    problem = call("predict", body=sent.file("text"))
    assert problem.status == 415
    assert problem.type_ == "/problems/not-an-image"
    good, bad = call("predict_batch", body=sent.forms("seven", "text")).results
    assert good.digit == 7
    assert bad.error.type_ == "/problems/not-an-image"
    too_long = call("read", body=sent.file("number"), length=64)
    assert too_long.type_ == "/problems/impossible-length"
    unsure = call("read", body=sent.file("number"), min_confidence=1)
    assert unsure.type_ == "/problems/not-sure"
    assert unsure.reading.text == "72"
    off = call("correct", body=sent.form("seven"), label="none")
    assert off.status == 404
    assert off.type_ == "/problems/corrections-off"
    assert off.reading == package.types.UNSET
    unknown = call("infer_of_version", body=sent.tensor("seven"), version="1")
    assert unknown.status == 404
    assert unknown.error == unknown.detail


def test_the_recipe_for_python_prints_what_its_comment_says(package, url):
    (program,) = blocks(RECIPES, "py")
    path = str(Path(package.__file__).parents[1])
    printed = run(
        ROOT, sys.executable, "-c", program.replace(ADDRESS, url), PYTHONPATH=path
    )
    assert_shown("\n".join(PRINTED.findall(program)), printed)


@pytest.fixture(scope="module")
def typescript(document, url, tmp_path_factory) -> Path:
    """The programs of the test and the recipe, checked by TypeScript and built."""
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

"""The OpenAPI document, and the running service tested against it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from app.answers import responses
from app.answers.responses import Problem
from app.form import form
from app.web import payloads, tensors
from paths import ROOT
from services import serving

TOOLS = Path(sys.executable).parent
OPTIONS = "--checks all --max-examples 15 --seed 1"
MODELS: dict[str, type[BaseModel]] = {}  # by their reference
for module in (responses, payloads, tensors, form):
    for name, each in vars(module).items():
        if isinstance(each, type) and issubclass(each, BaseModel):
            MODELS[f"#/components/schemas/{name}"] = each


@pytest.fixture
def document(client) -> dict:
    return client.get("/openapi.json").json()


@pytest.fixture
def operations(document) -> dict[str, dict]:
    found = {}
    for path, methods in document["paths"].items():
        (found[path],) = methods.values()
    return found


def test_operations_have_names_tags_and_titles_for_generated_clients(operations):
    names = [operation["operationId"] for operation in operations.values()]
    assert len({*names}) == len(names)
    for name, operation in zip(names, operations.values(), strict=True):
        assert re.fullmatch("[a-z]+(_[a-z]+)*", name)
        assert operation["tags"][0] in ("pictures", "forms", "service", "inference")
        assert operation["summary"] != name.replace("_", " ").title()


def json_answers(operations: dict[str, dict]) -> Iterator[tuple[str, str, BaseModel]]:
    """Yield the path, status and answer of each example, which matches its schema."""
    for path, operation in operations.items():
        for status, response in operation["responses"].items():
            for kind, content in response["content"].items():
                if "json" not in kind:
                    continue
                alone = {"": {"value": content.get("example")}}
                for example in content.get("examples", alone).values():
                    (answer,) = parsed(example["value"], content["schema"])
                    is_problem = kind == "application/problem+json"
                    assert isinstance(answer, Problem) == is_problem
                    yield path, status, answer


def test_every_json_answer_has_examples_and_every_error_is_a_problem(
    document, operations
):
    for path, status, answer in json_answers(operations):
        assert isinstance(answer, Problem) == (status[0] != "2")
        if isinstance(answer, Problem):
            assert answer.instance == path.replace("/versions/{version}", "")
            assert (answer.error == answer.detail) == path.startswith("/v2")
    for name in document["components"]["schemas"]:
        assert f"#/components/schemas/{name}" in MODELS


def test_parameters_are_never_null_and_keep_their_limits(operations):
    of_text, of_digit = (
        {each["name"]: each for each in operations[path]["parameters"]}
        for path in ("/read", "/predict")
    )
    pages, length, page = of_text["page"], of_text["length"], of_digit["page"]
    assert pages["schema"]["type"] == "string"
    assert re.search(pages["schema"]["pattern"], "1,3,7-9,13-")
    assert page["schema"]["type"] == "integer"
    assert page["schema"]["minimum"] == 1
    assert length["schema"]["minimum"] == 1
    assert length["schema"]["maximum"] == 64
    for operation in operations.values():
        for parameter in operation.get("parameters", []):
            assert "null" not in str(parameter["schema"])


def parsed(example: dict, schema: dict) -> list[BaseModel]:
    """Return the example as each of the models in a schema that it fits."""
    found = []
    for each in schema.get("anyOf", [schema]):
        with suppress(ValidationError):
            answer = MODELS[each["$ref"]].model_validate(example)
            if answer.model_dump(mode="json", exclude_unset=True) == example:
                found.append(answer)
    return found


@pytest.mark.slow
def test_every_answer_is_as_documented(tmp_path):
    settings = {"DIGITS_API_KEYS": "key", "DIGITS_CORRECTIONS_DIR": str(tmp_path)}
    with serving(**settings) as (_, url):
        config = ROOT / "tests" / "data" / "schemathesis.toml"
        command = [TOOLS / "schemathesis", "--config-file", config, "run"]
        command += [f"{url}/openapi.json", *OPTIONS.split()]
        command += ["--header", "Authorization: Bearer key"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "failed" not in done.stdout

"""The OpenAPI document, and the running service tested against it."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from app.answers import responses
from app.answers.responses import Problem
from app.web import payloads, tensors
from support import ROOT, serving

TOOLS = Path(sys.executable).parent
MODELS: dict[str, type[BaseModel]] = {
    f"#/components/schemas/{name}": each
    for name, each in {**vars(responses), **vars(payloads), **vars(tensors)}.items()
    if isinstance(each, type) and issubclass(each, BaseModel)
}


@pytest.fixture
def document(client) -> dict:
    return client.get("/openapi.json").json()


@pytest.fixture
def operations(document) -> dict[str, dict]:
    return {
        path: operation
        for path, methods in document["paths"].items()
        for operation in methods.values()
    }


def test_operations_have_names_tags_and_titles_for_generated_clients(operations):
    named = {tag: set() for tag in ("pictures", "service", "inference")}
    for operation in operations.values():
        named[operation["tags"][0]].add(operation["operationId"])
        assert (
            operation["summary"] != operation["operationId"].replace("_", " ").title()
        )
    of_model = ["model_metadata", "model_ready", "infer"]
    of_version = [f"{name}_of_version" for name in of_model]
    assert named == {
        "pictures": {
            "predict",
            "predict_batch",
            "explain",
            "unit_weights",
            "read",
            "read_batch",
            "correct",
        },
        "service": {"health", "live", "metrics"},
        "inference": {
            "server_metadata",
            "server_live",
            "server_ready",
            *of_model,
            *of_version,
        },
    }


def test_every_json_answer_has_examples_that_match_its_schema_and_every_error_is_a_problem(
    document, operations
):
    for path, operation in operations.items():
        for status, response in operation["responses"].items():
            for kind, content in response["content"].items():
                if "json" not in kind:
                    continue
                examples = content.get(
                    "examples", {"": {"value": content.get("example")}}
                )
                for example in examples.values():
                    (answer,) = parsed(example["value"], content["schema"])
                    assert (
                        answer.model_dump(mode="json", exclude_unset=True)
                        == example["value"]
                    )
                    assert (
                        isinstance(answer, Problem)
                        == (kind == "application/problem+json")
                        == (status[0] != "2")
                    )
                    if isinstance(answer, Problem):
                        assert answer.instance == path.replace(
                            "/versions/{version}", ""
                        )
                        assert (answer.error == answer.detail) == path.startswith("/v2")
    assert {
        f"#/components/schemas/{name}" for name in document["components"]["schemas"]
    } <= set(MODELS)


def test_parameters_are_never_null_and_keep_their_limits(operations):
    page, length = operations["/read"]["parameters"][:2]
    assert (page["schema"]["type"], page["schema"]["minimum"]) == ("integer", 1)
    assert (length["schema"]["minimum"], length["schema"]["maximum"]) == (1, 64)
    assert not any(
        "null" in str(each["schema"])
        for operation in operations.values()
        for each in operation.get("parameters", [])
    )


def parsed(example: dict, schema: dict) -> list[BaseModel]:
    """Return the example as each of the models in a schema that it fits."""
    found = []
    for each in schema.get("anyOf", [schema]):
        with suppress(ValidationError):
            found.append(MODELS[each["$ref"]].model_validate(example))
    return found


@pytest.mark.slow
def test_every_answer_is_as_documented(tmp_path):
    with serving(DIGITS_API_KEYS="key", DIGITS_CORRECTIONS_DIR=str(tmp_path)) as (
        _,
        url,
    ):
        config = ROOT / "tests" / "data" / "schemathesis.toml"
        command = [
            str(TOOLS / "schemathesis"),
            "--config-file",
            str(config),
            "run",
            f"{url}/openapi.json",
        ]
        options = [
            "--checks",
            "all",
            "--max-examples",
            "15",
            "--seed",
            "1",
            "--header",
            "Authorization: Bearer key",
        ]
        done = subprocess.run(
            [*command, *options], cwd=tmp_path, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stdout
    assert "failed" not in done.stdout

"""The interactive documentation and its OpenAPI document; both work offline."""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, Response
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core.core_schema import WithDefaultSchema

from app.web.middleware import POLICY
from app.web.payloads import (
    EncodedPicture,
    PictureForm,
    PicturesForm,
    RowsForm,
    TextForm,
    TextsForm,
)
from app.web.tensors import InferRequest

STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; }
#back { display: inline-block; margin: 1rem 1.25rem 0; font: 1rem/1.5 system-ui, \
sans-serif; color: #3452c7; }
@media (prefers-color-scheme: dark) {
  body { background: #131418; }
  #back { color: #93a6ff; }
  #swagger-ui { filter: invert(0.9) hue-rotate(180deg); }
}
"""
# The bodies of requests.
BODIES = (
    *(PictureForm, PicturesForm, TextForm, TextsForm, RowsForm),
    *(EncodedPicture, InferRequest),
)
LINE_BREAK = re.compile(r"(?<!\n)\n(?!\n)")  # within a paragraph
HERE = Path(__file__).parent
SWAGGER = HERE / "swagger"  # its files, from npm
# By path, or by several: the bodies of requests, and examples of responses.
ADDITIONS = HERE / "openapi.json"

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Return the page of Swagger UI."""
    swagger = get_swagger_ui_html(
        openapi_url="openapi.json",
        title="Digits",
        swagger_js_url="swagger/swagger-ui-bundle.js",
        swagger_css_url="swagger/swagger-ui.css",
        swagger_favicon_url="data:,",
    )
    html = bytes(swagger.body).decode()
    html = html.replace("</head>", '<link rel="stylesheet" href="docs.css"></head>')
    html = html.replace("<body>", '<body><a href="." id="back">← Digits</a>')
    return HTMLResponse(html, headers={"Content-Security-Policy": docs_policy(html)})


@router.get("/docs.css")
async def docs_style() -> Response:
    """Return the style of the page around Swagger UI, and its dark mode."""
    return Response(STYLE, media_type="text/css")


def docs_policy(html: str) -> str:
    """Return the page's content security policy, which allows its one inline script."""
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return POLICY.format(f" 'sha256-{digest}'")


class WithoutDefaults(GenerateJsonSchema):
    """Schemas without defaults: openapi-typescript would call their fields required."""

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        """Return the schema of a field that has a default value."""
        return self.generate_inner(schema["schema"])


def openapi(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with schemas that no route's signature has."""
    if app.openapi_schema:
        return app.openapi_schema
    _, schemas = models_json_schema(
        [(model, "validation") for model in BODIES],
        ref_template="#/components/schemas/{model}",
        schema_generator=WithoutDefaults,
    )
    document = FastAPI.openapi(app)
    document["components"]["schemas"] |= schemas["$defs"]
    additions = json.loads(ADDITIONS.read_text(encoding="utf-8"))
    for paths, methods in additions.items():
        for path in paths.split():
            merge(document["paths"][path], methods)
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", []):
                parameter["schema"] = without_null(parameter["schema"])
    app.openapi_schema = with_unbroken_lines(document)
    return app.openapi_schema


def merge(document: dict[str, Any], additions: dict[str, Any]) -> None:
    """Add what a document lacks, at any depth."""
    for name, value in additions.items():
        if isinstance(value, dict):
            merge(document.setdefault(name, {}), value)
        else:
            document[name] = value


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter that may be left out, but cannot be null."""
    value, *_ = schema.pop("anyOf", [{}])
    return {**value, **schema}


def with_unbroken_lines(document: Any) -> Any:  # noqa: ANN401 - any JSON
    """Join the lines of each description, which come from docstrings."""
    if isinstance(document, list):
        return list(map(with_unbroken_lines, document))
    if not isinstance(document, dict):
        return document
    joined = {name: with_unbroken_lines(value) for name, value in document.items()}
    if isinstance(text := joined.get("description"), str):
        joined["description"] = LINE_BREAK.sub(" ", text)
    return joined

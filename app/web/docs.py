"""The interactive documentation and its OpenAPI document; both work offline."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from pydantic.json_schema import models_json_schema

from app.web.answers import Problem
from app.web.middleware import POLICY
from app.web.tensors import InferRequest

REFERENCE = "#/components/schemas/{model}"
SWAGGER = Path(__file__).parent / "swagger"  # its files, from npm

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Return the page of Swagger UI."""
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title="Digits",
        swagger_js_url="swagger/swagger-ui-bundle.js",
        swagger_css_url="swagger/swagger-ui.css",
        swagger_favicon_url="data:,",
    )
    page.headers["Content-Security-Policy"] = docs_policy(bytes(page.body).decode())
    return page


def docs_policy(html: str) -> str:
    """Return the content security policy of the documentation, which also allows its one inline script."""
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return POLICY.format(f" 'sha256-{digest}'")


def openapi(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with the schemas that are in no route's signature."""
    if not app.openapi_schema:
        _, schemas = models_json_schema(
            [(Problem, "serialization"), (InferRequest, "validation")], ref_template=REFERENCE
        )
        FastAPI.openapi(app)["components"]["schemas"] |= schemas["$defs"]
    return FastAPI.openapi(app)

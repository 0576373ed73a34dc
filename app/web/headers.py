"""Headers that tell browsers what they may do with an answer. Ignores: who may ask, which is `app.web.auth`'s."""

import base64
import hashlib
import re

Headers = list[tuple[bytes, bytes]]

NO_SNIFFING: Headers = [(b"x-content-type-options", b"nosniff")]  # all that an answer in JSON needs
COMMON: Headers = [
    *NO_SNIFFING,
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
POLICY = "default-src 'none'; {}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
SWAGGER = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/"
ICON = "https://fastapi.tiangolo.com/img/favicon.png"


def page_headers() -> Headers:
    """For the page and everything else: nothing from another host, nothing inline."""
    sources = "script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'"
    return [*COMMON, (b"content-security-policy", POLICY.format(sources).encode())]


def docs_headers(html: str) -> Headers:
    """For the interactive documentation: Swagger UI from its host, and the one inline script that starts it."""
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    sources = (
        f"script-src {SWAGGER} 'sha256-{digest}'; style-src {SWAGGER} 'unsafe-inline'; "
        f"img-src 'self' data: {ICON}; connect-src 'self'"
    )
    return [*COMMON, (b"content-security-policy", POLICY.format(sources).encode())]

"""The documentation's page against the policy that is sent with it."""

import base64
import hashlib
import re


def test_the_documentation_may_load_what_it_names_and_run_its_one_script(client):
    answer = client.get("/docs")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    for kind, pattern in {
        "script-src": r'<script src="([^"]+)"',
        "style-src": r'<link[^>]* rel="stylesheet"[^>]* href="([^"]+)"|<link[^>]* href="([^"]+)"[^>]* rel="stylesheet"',
        "img-src": r'<link rel="shortcut icon" href="([^"]+)"',
    }.items():
        sources = ["".join(found) for found in re.findall(pattern, answer.text)]
        assert sources, kind
        assert all(any(source.startswith(allowed) for allowed in policy[kind].split()) for source in sources)
    (script,) = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
    assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy["script-src"]

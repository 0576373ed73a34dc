"""Deployment: the image and its lock, Compose, Kubernetes, a proxy, a release."""

import os
import re
import subprocess
import threading
import tomllib
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx2
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from app.settings import Settings
from commands import tool
from examples import blocks
from paths import ROOT
from pictures import encode
from services import serving, until

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
KUBERNETES = ROOT / "deploy" / "kubernetes" / "base" / "digits.yaml"
MANIFESTS = {each["kind"]: each for each in yaml.safe_load_all(KUBERNETES.read_text())}
POD = MANIFESTS["Deployment"]["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]
DEFAULTS = {name: field.default for name, field in Settings.model_fields.items()}
SHUTDOWN = DEFAULTS["drain_seconds"] + DEFAULTS["shutdown_timeout_seconds"]


def test_the_lock_satisfies_the_dependencies_of_the_service_and_no_others():
    asked = defaultdict(SpecifierSet)
    for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["otel"]:
        each = Requirement(text)
        asked[each.name] &= each.specifier
    lock = (ROOT / "requirements.lock").read_text()
    locked = re.findall(r"(?m)^([\w-]+)==(\S+).*\n((?:    .*\n)+)", lock)
    versions = {name: version for name, version, _ in locked}
    direct = {name for name, _, below in locked if "(pyproject.toml)" in below}
    assert direct == set(asked), "make lock"
    for name, specifier in asked.items():
        assert versions[name] in specifier, "make lock"


CONFIG = "docker compose --profile monitoring --profile watch config --quiet"
SCHEMA = "check-jsonschema --builtin-schema vendor.github"


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "hadolint Dockerfile",
        "zizmor --offline --quiet .github/workflows",
        f"{SCHEMA}-workflows .github/workflows/ci.yml .github/workflows/release.yml",
        f"{SCHEMA}-issue-forms .github/ISSUE_TEMPLATE/bug.yml",
        f"{SCHEMA}-issue-config .github/ISSUE_TEMPLATE/config.yml",
        CONFIG,
    ],
)
def test_tools_accept_the_files_for_docker_and_github(command):
    if command == CONFIG and not os.environ.get("CI"):
        version = subprocess.run(tool("docker", "compose", "version"))
        if version.returncode:
            pytest.skip("needs docker's compose plugin")
    command = tool(*command.split())
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_mounts_existing_files():
    for service in COMPOSE.values():
        for volume in service.get("volumes", []):
            source, *_ = volume.split(":")
            assert not source.startswith("./") or (ROOT / source).is_file()


def test_the_grace_period_exceeds_the_shutdown_timeout():
    assert int(COMPOSE["digits"]["stop_grace_period"].removesuffix("s")) > SHUTDOWN
    before = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert POD["terminationGracePeriodSeconds"] > before + SHUTDOWN


def test_the_kubernetes_objects_select_the_pods_which_have_the_user_of_the_image():
    labels = MANIFESTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    specs = {kind: each["spec"] for kind, each in MANIFESTS.items() if "spec" in each}
    assert specs["Service"]["selector"] == labels
    assert specs["NetworkPolicy"]["podSelector"]["matchLabels"] == labels
    assert specs["PodDisruptionBudget"]["selector"]["matchLabels"] == labels
    user = re.search(r"(?m)^USER (\d+):", DOCKERFILE)[1]
    assert POD["securityContext"]["runAsUser"] == int(user)


def test_deployments_set_only_known_settings():
    texts = [DOCKERFILE, *COMPOSE["digits"]["environment"]]
    texts += [page.read_text() for page in PAGES]
    texts += [each["name"] for each in CONTAINER["env"]]
    named = set(re.findall(r"DIGITS_(\w+)", "\n".join(texts)))
    of_the_client = {"URL", "API_KEY", "API_KEYS"}
    assert named - of_the_client <= {name.upper() for name in Settings.model_fields}


@pytest.fixture
def nginx(tmp_path) -> str:
    """The documented proxy configuration, with its files in the test's folder."""
    (server,) = blocks(ROOT / "docs" / "deployment.md", "nginx")
    server = server.replace("listen 80", f"listen unix:{tmp_path}/socket")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in kinds)
    return f"""
pid {tmp_path}/pid;
events {{}}
http {{
access_log off;
{folders}
{server}
}}
"""


@pytest.mark.slow
def test_a_rolling_restart_behind_the_proxy_loses_no_request(nginx, tmp_path, seven):
    assert f"client_max_body_size {DEFAULTS['max_upload_bytes']};" in nginx
    assert f"client_body_timeout {DEFAULTS['body_timeout_seconds']}s;" in nginx
    picture = encode(seven)
    answered = Counter()
    over = threading.Event()
    with ExitStack() as stack:
        services = [stack.enter_context(serving()) for _ in range(2)]
        for port, (_, url) in zip((8000, 8001), services, strict=True):
            address = url.removeprefix("http://")
            nginx = nginx.replace(f"127.0.0.1:{port} ", f"{address} ")
        file = tmp_path / "nginx.conf"
        file.write_text(nginx)
        command = tool("nginx", "-e", "stderr", "-c", str(file), "-g", "daemon off;")
        proxy = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        stack.enter_context(proxy)
        stack.callback(proxy.terminate)
        socket = tmp_path / "socket"
        assert until(socket.exists)
        transport = httpx2.HTTPTransport(uds=str(socket))
        client = httpx2.Client(transport=transport, base_url="http://x")
        stack.enter_context(client)

        def ask() -> None:
            while not over.is_set():
                answered[client.post("/predict", content=picture).status_code] += 1

        pool = stack.enter_context(ThreadPoolExecutor(4))
        stack.callback(over.set)
        asked = [pool.submit(ask) for _ in range(4)]
        for process, url in services:
            process.terminate()
            assert process.wait(timeout=10) == 0
            stack.enter_context(serving("--port", url.rsplit(":")[-1]))
        over.set()
        assert [each.result() for each in asked] == [None] * 4
        assert client.get("/metrics").status_code == 404
    assert answered[200] == answered.total() > 100


@pytest.mark.skipif(os.environ.get("GITHUB_REF_TYPE") != "tag", reason="for a release")
def test_tag_version_and_changelog_of_a_release_agree():
    assert os.environ["GITHUB_REF_NAME"] == f"v{PROJECT['version']}"
    changelog = (ROOT / "CHANGELOG.md").read_text()
    heading = r"(?m)^## \[(\S+)\] - \d{4}-\d\d-\d\d$"
    assert re.search(heading, changelog)[1] == PROJECT["version"]

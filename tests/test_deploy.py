"""Deployment: the image and its lock, Compose, Kubernetes, a proxy, a release."""

import os
import re
import subprocess
import threading
import tomllib
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.metadata import requires

import httpx2
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from app.settings import Settings
from support import ROOT, encode, serving, tool, until

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
KUBERNETES = ROOT / "deploy" / "kubernetes" / "base" / "digits.yaml"
MANIFESTS = {each["kind"]: each for each in yaml.safe_load_all(KUBERNETES.read_text())}
POD = MANIFESTS["Deployment"]["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]
SHUTDOWN = sum(
    Settings.model_fields[name].default
    for name in ("drain_seconds", "shutdown_timeout_seconds")
)


def test_the_lock_satisfies_the_dependencies_of_the_service_and_no_others():
    asked = defaultdict(SpecifierSet)
    for each in map(
        Requirement, PROJECT["dependencies"] + PROJECT["optional-dependencies"]["otel"]
    ):
        asked[each.name] &= each.specifier
    lock = (ROOT / "requirements.lock").read_text()
    locked = re.findall(r"^([\w-]+)==(\S+).*\n((?:    .*\n)+)", lock, re.MULTILINE)
    versions = {name: version for name, version, _ in locked}
    assert {name for name, _, below in locked if "(pyproject.toml)" in below} == set(
        asked
    ), "make lock"
    assert all(versions[name] in specifier for name, specifier in asked.items()), (
        "make lock"
    )
    exporter = {
        each.name
        for each in map(Requirement, requires("fastapi"))
        if "opentelemetry" in str(each.marker)
    }
    assert "opentelemetry-sdk" in exporter <= set(versions), "make lock"
    assert not set(versions) & {
        "torch",
        "torchvision",
        "onnx",
        "matplotlib",
        "pytest",
        "hatchling",
    }


CONFIG = "docker compose --profile monitoring config --quiet"
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
    has_compose = (
        command != CONFIG
        or subprocess.run(tool("docker", "compose", "version")).returncode == 0
    )
    if not has_compose and not os.environ.get("CI"):
        pytest.skip("needs docker's compose plugin")
    done = subprocess.run(
        tool(*command.split()), cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_mounts_existing_files():
    for service in COMPOSE.values():
        for source in (volume.split(":")[0] for volume in service.get("volumes", [])):
            assert not source.startswith("./") or (ROOT / source).is_file()


def test_the_kubernetes_objects_name_the_same_pods():
    labels = MANIFESTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    specs = {kind: each["spec"] for kind, each in MANIFESTS.items() if "spec" in each}
    assert (
        specs["Service"]["selector"]
        == specs["NetworkPolicy"]["podSelector"]["matchLabels"]
        == labels
    )
    for each in (
        specs["Deployment"]["selector"],
        specs["PodDisruptionBudget"]["selector"],
    ):
        assert each["matchLabels"] == labels
    assert POD["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"] == labels
    # Or the service named digits would set DIGITS_PORT.
    assert POD["enableServiceLinks"] is False


def test_only_pods_of_the_namespace_or_labelled_as_clients_reach_the_service():
    clients = {
        "namespaceSelector": {},
        "podSelector": {"matchLabels": {"digits-client": "true"}},
    }
    policy = MANIFESTS["NetworkPolicy"]["spec"]
    assert policy["ingress"] == [
        {"from": [{"podSelector": {}}, clients], "ports": [{"port": "http"}]}
    ]
    assert "Ingress" in policy["policyTypes"]


def test_the_grace_period_exceeds_the_shutdown_timeout():
    assert int(COMPOSE["digits"]["stop_grace_period"].removesuffix("s")) > SHUTDOWN
    before = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert POD["terminationGracePeriodSeconds"] > before + SHUTDOWN


def test_all_deployments_use_the_same_user_and_a_read_only_file_system():
    user = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    assert (
        POD["securityContext"]["runAsUser"],
        POD["securityContext"]["runAsGroup"],
    ) == tuple(map(int, user.groups()))
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"]
    assert COMPOSE["digits"]["read_only"]
    assert (
        CONTAINER["securityContext"]["capabilities"]["drop"]
        == COMPOSE["digits"]["cap_drop"]
        == ["ALL"]
    )


def test_deployments_set_only_known_settings():
    names = re.findall(
        r"DIGITS_(\w+)", DOCKERFILE + "".join(page.read_text() for page in PAGES)
    )
    names += [name.removeprefix("DIGITS_") for name in COMPOSE["digits"]["environment"]]
    names += [each["name"].removeprefix("DIGITS_") for each in CONTAINER["env"]]
    of_the_client = {"URL", "API_KEY", "API_KEYS"}
    assert set(names) - of_the_client <= {
        name.upper() for name in Settings.model_fields
    }


@pytest.fixture
def nginx(tmp_path) -> str:
    """The documented proxy configuration, on a socket in the test's folder and without
    other files.
    """
    server = re.search(
        r"```nginx\n(.*?)```", (ROOT / "docs" / "deployment.md").read_text(), re.DOTALL
    )[1]
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in kinds)
    server = server.replace("listen 80", f"listen unix:{tmp_path}/socket")
    return (
        f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\naccess_log "
        f"off;\n{folders}{server}}}\n"
    )


@pytest.mark.slow
def test_a_rolling_restart_behind_the_proxy_loses_no_request(nginx, tmp_path, seven):
    picture, answered, over = encode(seven), Counter(), threading.Event()
    assert (
        f"client_max_body_size {Settings.model_fields['max_upload_bytes'].default};"
        in nginx
    )
    assert (
        f"client_body_timeout {Settings.model_fields['body_timeout_seconds'].default}s;"
        in nginx
    )
    with ExitStack() as stack:
        services = [stack.enter_context(serving()) for _ in range(2)]
        for port, (_, url) in zip((8000, 8001), services, strict=True):
            nginx = nginx.replace(
                f"127.0.0.1:{port} ", url.removeprefix("http://") + " "
            )
        (tmp_path / "nginx.conf").write_text(nginx)
        command = tool(
            "nginx",
            "-e",
            "stderr",
            "-c",
            str(tmp_path / "nginx.conf"),
            "-g",
            "daemon off;",
        )
        proxy = stack.enter_context(
            subprocess.Popen(command, stderr=subprocess.DEVNULL)
        )
        stack.callback(proxy.terminate)
        assert until((tmp_path / "socket").exists)
        transport = httpx2.HTTPTransport(uds=str(tmp_path / "socket"))
        client = stack.enter_context(
            httpx2.Client(transport=transport, base_url="http://x")
        )

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
    assert (
        re.search(r"^## \[(\S+)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)[1]
        == PROJECT["version"]
    )


def test_a_release_waits_for_all_checks():
    release = yaml.safe_load(
        (ROOT / ".github" / "workflows" / "release.yml").read_text()
    )["jobs"]
    assert release.pop("ci")["uses"] == "$/.github/workflows/ci.yml"
    needs = {name: job["needs"] for name, job in release.items()}
    assert needs == {"dist": ["ci"], "pypi": ["dist"], "image": ["dist"]}

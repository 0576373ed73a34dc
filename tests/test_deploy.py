"""Deployment: the image and its lock, Compose, Kubernetes, a proxy, a release."""

import hashlib
import os
import re
import subprocess
import threading
import tomllib
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.metadata import requires
from pathlib import Path
from string import Template

import httpx2
import onnx
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from app.settings import Settings
from support import LINES_MODEL, MODEL, ROOT, encode, serving, tool, until

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
IGNORED = (ROOT / ".dockerignore").read_text().splitlines()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
KUBERNETES = ROOT / "deploy" / "kubernetes" / "base" / "digits.yaml"
MANIFESTS = {each["kind"]: each for each in yaml.safe_load_all(KUBERNETES.read_text())}
WORKFLOWS = ROOT / ".github" / "workflows"
CI = (WORKFLOWS / "ci.yml").read_text()
RELEASE = (WORKFLOWS / "release.yml").read_text()
POD = MANIFESTS["Deployment"]["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]
SHUTDOWN = sum(Settings.model_fields[name].default for name in ("drain_seconds", "shutdown_timeout_seconds"))


def run(*command: str) -> None:
    done = subprocess.run(tool(*command), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def locked(name: str) -> dict[str, str]:
    """Map each package of a lock to the lines that follow it."""
    text = (ROOT / name).read_text()
    return dict(re.findall(r"^([\w-]+==\S+).*\n((?:    .*\n)+)", text, re.MULTILINE))


def test_the_lock_satisfies_the_dependencies_of_the_service_and_no_others():
    asked = defaultdict(SpecifierSet)
    for each in map(Requirement, PROJECT["dependencies"] + PROJECT["optional-dependencies"]["otel"]):
        asked[each.name] &= each.specifier
    versions = dict(pin.split("==") for pin in locked("requirements.lock"))
    direct = {pin.split("==")[0] for pin, below in locked("requirements.lock").items() if "(pyproject.toml)" in below}
    assert direct == set(asked), "make lock"
    assert all(versions[name] in specifier for name, specifier in asked.items()), "make lock"
    exporter = {each.name for each in map(Requirement, requires("fastapi")) if "opentelemetry" in str(each.marker)}
    assert "opentelemetry-sdk" in exporter <= set(versions), "make lock"
    assert not set(versions) & {"torch", "torchvision", "onnx", "matplotlib", "pytest", "hatchling"}


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-build.lock"])
def test_each_locked_package_has_its_hashes(name):
    packages = locked(name)
    assert len(packages) == len(re.findall(r"^\S+==", (ROOT / name).read_text(), re.MULTILINE)) > 0
    assert all("--hash=sha256:" in below for below in packages.values())


def test_hadolint_accepts_the_dockerfile():
    run("hadolint", "Dockerfile")


def test_the_build_context_is_what_the_dockerfile_copies():
    copied = {
        name
        for names in re.findall(r"^COPY (?:--chmod=\d+ )?([^-].*) \S+$", DOCKERFILE, re.MULTILINE)
        for name in names.split()
    }
    allowed = {line.removeprefix("!").removesuffix("/") for line in IGNORED if line.startswith("!")}
    assert IGNORED[1] == "*"
    assert copied == allowed
    assert all((ROOT / name).exists() for name in allowed)


def test_each_base_image_has_a_tag_other_than_latest():
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", DOCKERFILE, re.MULTILINE))
    stages = re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE)
    images = [Template(name).substitute(arguments) for name in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)]
    images += [each["image"] for each in COMPOSE.values() if "build" not in each]
    for image in set(images) - set(stages):
        assert re.fullmatch(r"\S+:(?!latest$)[\w.-]+", image), image


def test_the_image_and_its_release_set_each_label_once():
    labels = dict(re.findall(r"(org\.opencontainers\.image\.\w+)=\"(.*?)\"", DOCKERFILE))
    of_the_release = re.findall(r"(org\.opencontainers\.image\.\w+)=", RELEASE)
    assert labels["org.opencontainers.image.licenses"] == PROJECT["license"]
    names = sorted(name.rsplit(".")[-1] for name in [*labels, *of_the_release])
    assert names == ["description", "licenses", "revision", "source", "title", "version"]


def test_compose_is_valid():
    version = subprocess.run(tool("docker", "compose", "version"), capture_output=True)
    if version.returncode != 0 and not os.environ.get("CI"):
        pytest.skip("needs docker's compose plugin")
    run("docker", "compose", "--profile", "monitoring", "config", "--quiet")


def test_compose_mounts_existing_files():
    for service in COMPOSE.values():
        for source in (volume.split(":")[0] for volume in service.get("volumes", [])):
            assert not source.startswith("./") or (ROOT / source).is_file()


def test_the_kubernetes_objects_name_the_same_pods():
    labels = MANIFESTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    specs = {kind: each["spec"] for kind, each in MANIFESTS.items() if "spec" in each}
    assert specs["Service"]["selector"] == specs["NetworkPolicy"]["podSelector"]["matchLabels"] == labels
    for each in (specs["Deployment"]["selector"], specs["PodDisruptionBudget"]["selector"]):
        assert each["matchLabels"] == labels
    assert POD["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"] == labels


def test_only_pods_of_the_namespace_or_labelled_as_clients_reach_the_service():
    clients = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"digits-client": "true"}}}
    policy = MANIFESTS["NetworkPolicy"]["spec"]
    assert policy["ingress"] == [{"from": [{"podSelector": {}}, clients], "ports": [{"port": "http"}]}]
    assert "Ingress" in policy["policyTypes"]


def test_a_service_named_digits_does_not_set_the_port():
    assert f"{MANIFESTS['Service']['metadata']['name']}_port".upper() == "DIGITS_PORT"
    assert POD["enableServiceLinks"] is False


def test_the_grace_period_exceeds_the_shutdown_timeout():
    assert int(COMPOSE["digits"]["stop_grace_period"].removesuffix("s")) > SHUTDOWN
    before = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert POD["terminationGracePeriodSeconds"] > before + SHUTDOWN


def test_all_deployments_use_the_same_user_and_a_read_only_file_system():
    user = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    assert (POD["securityContext"]["runAsUser"], POD["securityContext"]["runAsGroup"]) == tuple(map(int, user.groups()))
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"]
    assert COMPOSE["digits"]["read_only"]
    assert CONTAINER["securityContext"]["capabilities"]["drop"] == COMPOSE["digits"]["cap_drop"] == ["ALL"]


def test_deployments_set_only_known_settings():
    names = re.findall(r"DIGITS_(\w+)", DOCKERFILE + "".join(page.read_text() for page in PAGES))
    names += [name.removeprefix("DIGITS_") for name in COMPOSE["digits"]["environment"]]
    names += [each["name"].removeprefix("DIGITS_") for each in CONTAINER["env"]]
    of_the_client = {"URL", "API_KEY", "API_KEYS"}
    assert set(names) - of_the_client <= {name.upper() for name in Settings.model_fields}


@pytest.mark.slow
def test_models_of_your_own_are_served(tmp_path, seven):
    settings, versions = {}, {}
    for name, setting, shipped in (("digits", "DIGITS_MODEL", MODEL), ("lines", "DIGITS_LINES_MODEL", LINES_MODEL)):
        model = onnx.load(shipped)
        model.metadata_props.add(key="owner", value="somebody else")
        settings[setting] = str(tmp_path / f"{name}.onnx")
        onnx.save(model, settings[setting])
        versions[name] = hashlib.sha256(Path(settings[setting]).read_bytes()).hexdigest()[:12]
    with serving(**settings) as (_, url), httpx2.Client(base_url=url) as client:
        models = client.get("/health").json()["models"]
        assert {name: model["version"] for name, model in models.items()} == versions
        assert {model["owner"] for model in models.values()} == {"somebody else"}
        answer = client.post("/predict", content=encode(seven)).json()
        assert (answer["digit"], answer["model"]) == (7, versions["digits"])
        assert client.post("/read", content=encode(seven)).json()["model"] == versions["lines"]


@pytest.fixture
def nginx(tmp_path) -> str:
    """The documented proxy configuration, on a socket in the test's folder and without other files."""
    server = re.search(r"```nginx\n(.*?)```", (ROOT / "docs" / "deployment.md").read_text(), re.DOTALL)[1]
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in kinds)
    server = server.replace("listen 80", f"listen unix:{tmp_path}/socket")
    return f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{folders}{server}}}\n"


def test_the_documented_proxy_has_the_limits_of_the_service(nginx):
    assert f"client_max_body_size {Settings.model_fields['max_upload_bytes'].default};" in nginx
    assert f"client_body_timeout {Settings.model_fields['body_timeout_seconds'].default}s;" in nginx


@pytest.mark.slow
def test_a_rolling_restart_behind_the_proxy_loses_no_request(nginx, tmp_path, seven):
    picture, answered, over = encode(seven), Counter(), threading.Event()
    with ExitStack() as stack:
        services = [stack.enter_context(serving()) for _ in range(2)]
        for port, (_, url) in zip((8000, 8001), services, strict=True):
            nginx = nginx.replace(f"127.0.0.1:{port} ", url.removeprefix("http://") + " ")
        (tmp_path / "nginx.conf").write_text(nginx)
        command = tool("nginx", "-e", "stderr", "-c", str(tmp_path / "nginx.conf"), "-g", "daemon off;")
        proxy = stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        stack.callback(proxy.terminate)
        assert until((tmp_path / "socket").exists)
        transport = httpx2.HTTPTransport(uds=str(tmp_path / "socket"))
        client = stack.enter_context(httpx2.Client(transport=transport, base_url="http://x"))

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


def releases() -> list[str]:
    """List the versions of the CHANGELOG, newest first."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    return re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)


def test_no_release_in_the_changelog_is_newer_than_the_version():
    numbers = [tuple(map(int, version.split("."))) for version in releases()]
    assert numbers == sorted(set(numbers), reverse=True)
    assert tuple(map(int, PROJECT["version"].split("."))) >= max(numbers, default=(0,))


@pytest.mark.skipif(os.environ.get("GITHUB_REF_TYPE") != "tag", reason="for a release")
def test_tag_version_and_changelog_of_a_release_agree():
    assert os.environ["GITHUB_REF_NAME"] == f"v{PROJECT['version']}"
    assert releases()[:1] == [PROJECT["version"]]


def test_the_workflow_runs_all_checks_and_a_release_waits_for_them():
    ci, release = (yaml.safe_load(text)["jobs"] for text in (CI, RELEASE))
    assert ".ci/run" in [step.get("run") for step in ci["checks"]["steps"]]
    targets = re.findall(r"^make (.*?)(?: &.*)?$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert targets == [".venv/all", "test", "audit"]
    assert PROJECT["requires-python"].removeprefix(">=") in ci["checks"]["strategy"]["matrix"]["python"]
    assert ci["image"]["needs"] == ["checks"]
    assert release.pop("ci")["uses"] == "$/.github/workflows/ci.yml"
    assert {name: job["needs"] for name, job in release.items()} == {
        "dist": ["ci"],
        "pypi": ["dist"],
        "image": ["dist"],
    }


@pytest.mark.parametrize("path", sorted(WORKFLOWS.iterdir()), ids=lambda path: path.name)
def test_a_workflow_pins_each_action_to_a_commit(path):
    used = re.findall(r"\buses: (?!\$/)(.*)$", path.read_text(), re.MULTILINE)
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", each)] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schema", "pattern"),
    [("workflows", "workflows/*.yml"), ("issue-forms", "*/bug.yml"), ("issue-config", "*/config.yml")],
)
def test_github_can_read_its_files(schema, pattern):
    files = map(str, (ROOT / ".github").glob(pattern))
    run("check-jsonschema", "--builtin-schema", f"vendor.github-{schema}", *files)


def test_zizmor_finds_nothing_in_the_workflows():
    run("zizmor", "--offline", "--quiet", str(WORKFLOWS))

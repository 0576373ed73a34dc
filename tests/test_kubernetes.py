"""The Kubernetes manifests as kustomize renders them, and a bulk job."""

import re
import shlex
import shutil
import subprocess
from functools import cache

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from app.cli.commands import cli
from app.main import create_app
from app.metrics import Metrics
from app.settings import Settings
from commands import tool
from paths import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
CRDS = ROOT / "tests" / "data" / "crds.yaml"
SCHEMAS = yaml.safe_load(CRDS.read_text())
JOB = yaml.safe_load((FOLDER / "bulk" / "rayjob.yaml").read_text())


@cache
def objects(name: str) -> dict[str, dict]:
    """Return what `kubectl apply --kustomize` would apply."""
    build = tool("kustomize", "build", str(FOLDER / name))
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {each["kind"]: each for each in yaml.safe_load_all(done.stdout)}


def keys_among(volumes: list[dict]) -> dict:
    (found,) = [each for each in volumes if each["name"] == "keys"]
    return found


@pytest.mark.slow
def test_all_objects_are_valid(tmp_path):
    """According to Kubernetes' own schemas."""
    made = []
    cluster = JOB["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}}
        made.append(pod | group["template"])
    for name in ("base", "production"):
        made += [each for kind, each in objects(name).items() if kind not in SCHEMAS]
    assert len(made) >= 12
    file = tmp_path / "objects.yaml"
    file.write_text(yaml.safe_dump_all(made))
    validate = tool("kubernetes-validate", "--strict", str(file))
    done = subprocess.run(validate, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SCHEMAS)
def test_custom_resources_fit_their_schemas(name):
    made = {"RayJob": JOB} | objects("production")
    Draft202012Validator(SCHEMAS[name]).validate(made[name])


def test_production_scales_by_queue_instead_of_by_cpu():
    kinds = objects("production")
    assert "HorizontalPodAutoscaler" in objects("base").keys() - kinds.keys()
    scaler = kinds["ScaledObject"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == kinds["Deployment"]["metadata"]["name"]
    known = Metrics({}).exposition().decode()
    for trigger in scaler["triggers"]:
        name = re.search(r'\((\w+)\{.*queue="', trigger["metadata"]["query"])[1]
        assert f"# TYPE {name} gauge" in known


def test_the_service_and_prometheus_have_the_keys_of_the_secret():
    kinds = objects("production")
    monitor = kinds["ServiceMonitor"]["spec"]
    (endpoint,) = monitor["endpoints"]
    selected = monitor["selector"]["matchLabels"]
    assert selected.items() <= kinds["Service"]["metadata"]["labels"].items()
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    secret = keys_among(pod["volumes"])["secret"]
    (item,) = secret["items"]
    of_prometheus = endpoint["authorization"]["credentials"]
    keys = (FOLDER / "keys" / "kustomization.yaml").read_text()
    name, options = re.search(r"create secret generic (\S+) (.*)", keys).groups()
    assert name == secret["secretName"] == of_prometheus["name"]
    files = re.findall(r"--from-\w+=([\w.]+)", options)
    assert files == [item["key"], of_prometheus["key"]]
    mount = keys_among(container["volumeMounts"])
    assert "subPath" not in mount  # or a change of the secret would not be seen
    environment = {each["name"]: each.get("value") for each in container["env"]}
    file = environment["DIGITS_API_KEYS_FILE"]
    assert file == f"{mount['mountPath']}/{item['path']}"


def test_an_image_with_models_of_ones_own_takes_the_place_of_the_image(tmp_path):
    page = (ROOT / "docs" / "deployment.md").read_text()
    own = re.search(r"FROM (\S+)\nCOPY --chmod=644 (.*) (\S+)\n", page)
    original, files, folder = own.groups()
    dockerfile = (ROOT / "Dockerfile").read_text()
    served = re.findall(r"DIGITS_(?:\w+_)?MODEL=(\S+)", dockerfile)
    assert {f"{folder}{name}" for name in files.split()} < set(served)
    overlay = shutil.copytree(FOLDER, tmp_path / "kubernetes") / "production"
    file = overlay / "kustomization.yaml"
    text = re.sub(r"(?m)^# (?=images:|  )", "", file.read_text())
    file.write_text(text)
    deployment = objects(str(overlay))["Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == original


def test_the_ingress_has_the_upload_limit_of_the_service_and_routes_to_it():
    kinds = objects("production")
    annotations = kinds["Ingress"]["metadata"]["annotations"]
    most = annotations["nginx.ingress.kubernetes.io/proxy-body-size"]
    assert int(most) == Settings.model_fields["max_upload_bytes"].default
    name = kinds["Service"]["metadata"]["name"]
    service = {"name": name, "port": {"name": "http"}}
    (rule,) = kinds["Ingress"]["spec"]["rules"]
    patterns = []
    for route in rule["http"]["paths"]:
        assert route["backend"] == {"service": service}
        below = "(/.*)?" if route["pathType"] == "Prefix" else ""
        patterns.append(re.escape(route["path"]) + below)
    routed = re.compile("|".join(patterns))
    pages = "/ /course /docs /docs.css /openapi.json /static/page.js /swagger/x.css"
    paths = [*create_app().openapi()["paths"], *pages.split()]
    assert [path for path in paths if not routed.fullmatch(path)] == ["/metrics"]


def test_the_job_has_a_valid_command_and_one_core_per_worker(tmp_path):
    command = JOB["spec"]["entrypoint"]
    program, *arguments = shlex.split(command.replace("s3://BUCKET", str(tmp_path)))
    assert program == "digits"
    assert arguments[0] == "bulk"
    done = CliRunner().invoke(cli, arguments)
    # Printed only after all options are parsed.
    assert "There is no file or folder" in done.stderr
    (group,) = JOB["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    (container,) = group["template"]["spec"]["containers"]
    cores = int(container["resources"]["limits"]["cpu"])
    workers = int(re.search(r"--workers (\d+)", command)[1])
    assert workers == cores * group["maxReplicas"]

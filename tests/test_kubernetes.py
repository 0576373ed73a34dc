"""The Kubernetes manifests as kustomize renders them: the base, the production overlay,
and a bulk job.
"""

import re
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from app.cli.commands import cli
from app.main import create_app
from app.metrics import Metrics
from app.serving.reader import MAX_BATCH
from app.settings import Settings
from support import ROOT, tool

FOLDER = ROOT / "deploy" / "kubernetes"
SCHEMAS = yaml.safe_load((Path(__file__).parent / "data" / "crds.yaml").read_text())
(JOB,) = yaml.safe_load_all((FOLDER / "bulk" / "rayjob.yaml").read_text())


@cache
def objects(name: str) -> dict[str, dict]:
    """Return what `kubectl apply --kustomize` would apply."""
    done = subprocess.run(
        tool("kustomize", "build", str(FOLDER / name)), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return {each["kind"]: each for each in yaml.safe_load_all(done.stdout)}


@pytest.mark.slow
def test_all_objects_are_valid(tmp_path):
    """According to Kubernetes' own schemas."""
    cluster = JOB["spec"]["rayClusterSpec"]
    pods = [
        group["template"]
        for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
    ]
    made = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}, **pod}
        for pod in pods
    ]
    for name in ("base", "production"):
        made += [each for kind, each in objects(name).items() if kind not in SCHEMAS]
    assert len(made) >= 12
    file = tmp_path / "objects.yaml"
    file.write_text(yaml.safe_dump_all(made))
    done = subprocess.run(
        tool("kubernetes-validate", "--strict", str(file)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SCHEMAS)
def test_custom_resources_fit_their_schemas(name):
    made = {"RayJob": JOB} | objects("production")
    Draft202012Validator(SCHEMAS[name]).validate(made[name])


def test_production_scales_by_queue_before_pictures_wait_long_instead_of_by_cpu():
    kinds, base = objects("production"), objects("base")
    assert "HorizontalPodAutoscaler" in base.keys() - kinds.keys()
    scaler = kinds["ScaledObject"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == kinds["Deployment"]["metadata"]["name"]
    assert "replicas" not in kinds["Deployment"]["spec"]
    known, thresholds = Metrics({}).exposition().decode(), {}
    for trigger in (each["metadata"] for each in scaler["triggers"]):
        name, queue = re.search(
            r"\((\w+)\{.*queue=\"(\w+)\"\}", trigger["query"]
        ).groups()
        assert f"# TYPE {name} gauge" in known
        thresholds[queue] = float(trigger["threshold"])
    assert thresholds["small"] <= MAX_BATCH
    assert thresholds["large"] > 1


def test_prometheus_finds_the_service_and_has_its_key_which_no_manifest_contains():
    kinds = objects("production")
    monitor, service = kinds["ServiceMonitor"]["spec"], kinds["Service"]
    (endpoint,) = monitor["endpoints"]
    assert (
        monitor["selector"]["matchLabels"].items()
        <= service["metadata"]["labels"].items()
    )
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    pod, of_prometheus = (
        kinds["Deployment"]["spec"]["template"]["spec"],
        endpoint["authorization"]["credentials"],
    )
    (secret,) = [
        volume["secret"] for volume in pod["volumes"] if volume["name"] == "keys"
    ]
    made = re.search(
        r"kubectl create secret generic (\S+) (.*)",
        (FOLDER / "keys" / "kustomization.yaml").read_text(),
    )
    assert made[1] == secret["secretName"] == of_prometheus["name"]
    (item,) = secret["items"]
    assert re.findall(r"--from-\w+=([\w.]+)", made[2]) == [
        item["key"],
        of_prometheus["key"],
    ]
    assert "Secret" not in kinds


def test_the_keys_are_a_file_of_a_folder_that_changes_with_the_secret():
    """A mount with subPath would never change."""
    pod = objects("production")["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    environment = {each["name"]: each.get("value") for each in container["env"]}
    (mount,) = [each for each in container["volumeMounts"] if each["name"] == "keys"]
    (volume,) = [each for each in pod["volumes"] if each["name"] == "keys"]
    assert "DIGITS_API_KEYS" not in environment
    assert (
        environment["DIGITS_API_KEYS_FILE"]
        == f"{mount['mountPath']}/{volume['secret']['items'][0]['path']}"
    )
    assert mount.keys() == {"name", "mountPath", "readOnly"}


def test_an_image_with_models_of_ones_own_takes_the_place_of_the_image(tmp_path):
    page = (ROOT / "docs" / "deployment.md").read_text()
    original, files, folder = re.search(
        r"FROM (\S+)\nCOPY --chmod=644 (.*) (\S+)\n", page
    ).groups()
    dockerfile = (ROOT / "Dockerfile").read_text()
    served = re.findall(r"DIGITS_(?:\w+_)?MODEL=(\S+)", dockerfile)
    assert {f"{folder}{name}" for name in files.split()} < set(served)
    overlay = (
        shutil.copytree(FOLDER, tmp_path / "kubernetes")
        / "production"
        / "kustomization.yaml"
    )
    text = re.sub(r"^# (?=images:|  )", "", overlay.read_text(), flags=re.MULTILINE)
    overlay.write_text(text)
    assert (
        objects(str(overlay.parent))["Deployment"]["spec"]["template"]["spec"][
            "containers"
        ][0]["image"]
        == original
    )


def test_the_ingress_has_the_upload_limit_of_the_service_and_routes_to_it():
    kinds = objects("production")
    annotations = kinds["Ingress"]["metadata"]["annotations"]
    most = annotations["nginx.ingress.kubernetes.io/proxy-body-size"]
    assert int(most) == Settings.model_fields["max_upload_bytes"].default
    service = {"name": kinds["Service"]["metadata"]["name"], "port": {"name": "http"}}
    (rule,) = kinds["Ingress"]["spec"]["rules"]
    routes = rule["http"]["paths"]
    assert all(route["backend"] == {"service": service} for route in routes)
    patterns = [
        re.escape(each["path"]) + ("(/.*)?" if each["pathType"] == "Prefix" else "")
        for each in routes
    ]
    pages = [
        "/",
        "/course",
        "/docs",
        "/docs.css",
        "/openapi.json",
        "/static/page.js",
        "/swagger/swagger-ui.css",
    ]
    paths = {*create_app().openapi()["paths"], *pages}
    assert {
        path
        for path in paths
        if not any(re.fullmatch(pattern, path) for pattern in patterns)
    } == {"/metrics"}


def test_the_job_has_a_valid_command_and_one_core_per_worker(tmp_path):
    cluster, command = JOB["spec"]["rayClusterSpec"], JOB["spec"]["entrypoint"]
    program, *arguments = shlex.split(command.replace("s3://BUCKET", str(tmp_path)))
    assert (program, arguments[0]) == ("digits", "bulk")
    done = CliRunner().invoke(cli, arguments)
    # Printed only after all options are parsed.
    assert "There is no file or folder" in done.stderr
    (group,) = cluster["workerGroupSpecs"]
    cores = int(
        group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"]
    )
    assert (
        int(re.search(r"--workers (\d+)", command)[1]) == cores * group["maxReplicas"]
    )
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert cluster["authOptions"]["mode"] == "token"

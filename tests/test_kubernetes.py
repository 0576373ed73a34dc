"""The Kubernetes manifests as kustomize renders them: the base, the production overlay, and a bulk job."""

import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from app.cli.commands import cli
from app.inference.batcher import MAX_BATCH
from app.main import create_app
from app.metrics import Metrics
from app.settings import Settings
from support import ROOT, tool

FOLDER = ROOT / "deploy" / "kubernetes"
SCHEMAS = yaml.safe_load((Path(__file__).parent / "data" / "crds.yaml").read_text())
(JOB,) = yaml.safe_load_all((FOLDER / "bulk" / "rayjob.yaml").read_text())


@cache
def rendered(name: str) -> str:
    """Return what `kubectl apply --kustomize` would apply."""
    done = subprocess.run(tool("kustomize", "build", str(FOLDER / name)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(name: str) -> dict[str, dict]:
    return {each["kind"]: each for each in yaml.safe_load_all(rendered(name))}


def check(manifests: str, folder: Path) -> None:
    """Validate objects against Kubernetes' own schemas."""
    (folder / "objects.yaml").write_text(manifests)
    done = subprocess.run(
        tool("kubernetes-validate", "--strict", str(folder / "objects.yaml")), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["base", "production"])
def test_the_rendered_objects_are_valid(name, tmp_path):
    own = [each for kind, each in objects(name).items() if kind not in SCHEMAS]
    assert len(own) >= 5
    check(yaml.safe_dump_all(own), tmp_path)


@pytest.mark.parametrize("name", SCHEMAS)
def test_custom_resources_fit_their_schemas(name):
    made = {"RayJob": JOB} | {kind: each for kind, each in objects("production").items() if kind in SCHEMAS}
    Draft202012Validator(SCHEMAS[name]).validate(made[name])


@pytest.mark.slow
def test_the_pods_of_a_job_are_valid(tmp_path):
    cluster = JOB["spec"]["rayClusterSpec"]
    pods = [group["template"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    assert len(pods) == 2
    named = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}, **pod} for pod in pods]
    check(yaml.safe_dump_all(named), tmp_path)


def test_the_base_renders_its_file_unchanged():
    plain = {each["kind"]: each for each in yaml.safe_load_all((FOLDER / "base" / "digits.yaml").read_text())}
    assert objects("base") == plain


def test_production_scales_by_queue_instead_of_cpu():
    kinds = objects("production")
    assert "HorizontalPodAutoscaler" in objects("base")
    assert "HorizontalPodAutoscaler" not in kinds
    assert kinds["ScaledObject"]["spec"]["scaleTargetRef"]["name"] == kinds["Deployment"]["metadata"]["name"]
    assert "replicas" not in kinds["Deployment"]["spec"]


def test_the_scaler_uses_existing_metrics_and_scales_before_pictures_wait_long():
    known = Metrics({}).exposition().decode()
    triggers = objects("production")["ScaledObject"]["spec"]["triggers"]
    thresholds = {}
    for trigger in triggers:
        name, queue = re.search(r"\((\w+)\{.*queue=\"(\w+)\"\}", trigger["metadata"]["query"]).groups()
        assert f"# TYPE {name} gauge" in known
        thresholds[queue] = float(trigger["metadata"]["threshold"])
    assert thresholds["small"] <= MAX_BATCH
    assert thresholds["large"] > 1


def test_prometheus_finds_the_service_and_has_a_key():
    kinds = objects("production")
    monitor, service = kinds["ServiceMonitor"]["spec"], kinds["Service"]
    (endpoint,) = monitor["endpoints"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    (keys,) = [
        each for each in kinds["Deployment"]["spec"]["template"]["spec"]["containers"][0]["env"] if "valueFrom" in each
    ]
    assert keys["name"] == "DIGITS_API_KEYS"
    assert keys["valueFrom"]["secretKeyRef"]["name"] == endpoint["authorization"]["credentials"]["name"]
    made = re.search(r"kubectl create secret generic (\S+) (.*)", (FOLDER / "keys" / "kustomization.yaml").read_text())
    assert made[1] == keys["valueFrom"]["secretKeyRef"]["name"]
    named = {keys["valueFrom"]["secretKeyRef"]["key"], endpoint["authorization"]["credentials"]["key"]}
    assert set(re.findall(r"--from-literal=(\w+)=", made[2])) == named


def test_the_manifests_contain_no_key():
    assert "Secret" not in objects("production")


def test_the_ingress_has_the_upload_limit_of_the_service_and_routes_to_it():
    kinds = objects("production")
    annotations = kinds["Ingress"]["metadata"]["annotations"]
    most = annotations["nginx.ingress.kubernetes.io/proxy-body-size"]
    assert int(most) == Settings.model_fields["max_upload_bytes"].default
    service = {"name": kinds["Service"]["metadata"]["name"], "port": {"name": "http"}}
    (rule,) = kinds["Ingress"]["spec"]["rules"]
    assert [path["backend"] for path in rule["http"]["paths"]] == [{"service": service}] * len(rule["http"]["paths"])
    patterns = [
        re.escape(path["path"]) + ("(/.*)?" if path["pathType"] == "Prefix" else "") for path in rule["http"]["paths"]
    ]
    pages = ["/", "/course", "/docs", "/docs.css", "/openapi.json", "/static/page.js", "/swagger/swagger-ui.css"]
    paths = {*create_app().openapi()["paths"], *pages}
    assert {path for path in paths if not any(re.fullmatch(pattern, path) for pattern in patterns)} == {"/metrics"}


def test_the_command_of_the_job_is_valid(tmp_path):
    program, *arguments = shlex.split(JOB["spec"]["entrypoint"])
    assert program == "digits"
    assert arguments[0] == "bulk"
    local = [each.replace("s3://BUCKET", str(tmp_path)) for each in arguments]
    done = CliRunner().invoke(cli, local)
    assert "There is no file or folder" in done.stderr  # printed only after all options are parsed


def test_a_job_has_one_core_per_worker():
    cluster = JOB["spec"]["rayClusterSpec"]
    (group,) = cluster["workerGroupSpecs"]
    cores = int(group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"])
    workers = int(re.search(r"--workers (\d+)", JOB["spec"]["entrypoint"])[1])
    assert workers == cores * group["maxReplicas"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert cluster["authOptions"]["mode"] == "token"

"""The Prometheus metrics, and the dashboard's queries of them."""

import json
import re

import pytest
import yaml
from fastapi.testclient import TestClient
from prometheus_client.metrics_core import Metric
from structlog.testing import capture_logs

from answers import samples
from app.answers import problems
from app.main import create_app
from app.settings import Settings
from hostile import HOSTILE
from paths import ROOT
from pictures import drawing, encode, flat, letter, number

DEPLOY = ROOT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
TARGETS = [target for panel in DASHBOARD["panels"] for target in panel["targets"]]


@pytest.fixture(scope="module")
def service(seven, digits):
    """A client of a service after some requests of each kind."""
    small = encode(seven)
    large = encode(drawing(seven))
    text = encode(number(digits[[350, 350, 120]]))
    cut, *_ = HOSTILE["cut png"]
    frames = {
        "name": "pixels",
        "shape": [2, 784],
        "datatype": "FP32",
        "data": [(seven.ravel() / 255).tolist()] * 2,
    }
    with TestClient(create_app(Settings(min_legibility=0.5))) as client:
        for picture in (small, small, large, b"text", encode(letter("A"))):
            client.post("/predict", content=picture)
        files = [("files", each) for each in (small, large, cut)]
        client.post("/predict/batch", files=files)
        for picture in (text, small, flat(255)):
            client.post("/read", content=picture)
        client.post("/v2/models/digits/infer", json={"inputs": [frames]})
        client.get("/none")
        yield client


@pytest.fixture(scope="module")
def exported(service):
    return samples(service)


def families(service) -> list[Metric]:
    return [*service.app_state["service"].metrics.registry.collect()]


# 6 pictures read by /predict and in a batch, one of them refused; 4 digits in 3 texts;
# and 2 frames.
EXPECTED = {
    'requests_total{route="/predict",status="200"}': 3,
    'requests_total{route="/predict",status="415"}': 1,
    'requests_total{route="/read",status="200"}': 3,
    'requests_total{route="/v2/models/digits/infer",status="200"}': 1,
    'requests_total{route="none",status="404"}': 1,
    'request_seconds_count{route="/predict"}': 5,
    "requests_in_flight": 1,  # the request for /metrics itself
    'rejected_total{reason="not-an-image"}': 1,
    'rejected_total{reason="not-a-digit"}': 1,
    'rejected_total{reason="corrupt-image"}': 1,
    'predictions_total{digit="2"}': 1,
    'predictions_total{digit="7"}': 10,
    "confidence_count": 11,
    "legibility_count": 12,
    'legibility_bucket{le="0.5"}': 1,
    'text_length_bucket{le="0.0"}': 1,
    'text_length_bucket{le="3.0"}': 3,
    "text_length_sum": 4,
    "decode_seconds_count": 9,
    "preprocess_seconds_count": 6,
    "inference_seconds_count": 11,
    "batch_size_count": 11,
    'queue_wait_seconds_count{queue="small"}': 5,
    'queue_wait_seconds_count{queue="large"}': 6,
    'queue_depth{queue="small"}': 0,
    'queue_depth{queue="large"}': 0,
}


def test_requests_pictures_and_digits_are_counted_and_timed(
    exported, classifier, line_network
):
    for sample, expected in EXPECTED.items():
        name, _, labels = sample.partition("{")
        labels = re.findall(r'(\w+)="([^"]*)"', labels)
        assert exported[f"digits_{name}", *labels] == expected, sample
    for stage in ("decode", "preprocess", "inference"):
        assert 0 < exported[f"digits_{stage}_seconds_sum",] < 3
    for name, network in (("digits", classifier), ("lines", line_network)):
        architecture = ("architecture", network.metadata["architecture"])
        labels = [architecture, ("model", name), ("version", network.version)]
        assert exported["digits_model_info", *labels] == 1
    assert exported["process_resident_memory_bytes",] > 50_000_000
    assert exported["process_start_time_seconds",] > 0


def test_each_metric_is_recorded(service, exported):
    idle = {family.name for family in families(service)}
    for (sample, *_), value in exported.items():
        if value and not sample.endswith("_created"):
            idle -= {name for name in idle if sample.startswith(name)}
    # Nothing waits now, no decoder was killed, corrections are off, and there are no
    # keys.
    off = {"digits_corrections", "digits_authenticated_requests"}
    assert idle == {"digits_queue_depth", "digits_decoders_killed", *off}


def test_without_the_folder_of_all_workers_each_shows_its_own_metrics_and_warns_once(
    service, exported, tmp_path, monkeypatch
):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "deleted"))
    count = ("digits_confidence_count",)
    with capture_logs() as lines:
        for _ in range(2):
            assert samples(service)[count] == exported[count]
    (warning,) = [line["event"] for line in lines if line["log_level"] == "warning"]
    assert f"{tmp_path / 'deleted'} or a file in it was deleted" in warning


@pytest.mark.parametrize("query", [target["expr"] for target in TARGETS])
def test_the_dashboard_queries_existing_metrics(query, exported):
    asked = re.findall(r"digits_\w+", query)
    assert asked
    assert set(asked) <= {name for name, *_ in exported}
    known = set()
    for name, *labels in exported:
        if name in asked:
            known.update(labels)
    names = {label for label, _ in known}
    for group in re.findall(r"by \(([^)]*)\)", query):
        assert set(group.split(", ")) <= names
    assert set(re.findall(r'(\w+)="([^"]*)"', query)) <= known


def test_alerts_watch_metrics_and_errors_that_exist(exported):
    alerts = yaml.safe_load((DEPLOY / "alerts.yml").read_text())
    (group,) = alerts["groups"]
    queries = " ".join(rule["expr"] for rule in group["rules"])
    names = {name for name, *_ in exported}
    assert set(re.findall(r"digits_\w+", queries)) <= names
    reasons = {each.name for each in problems.TYPES.values()}
    assert set(re.findall(r'reason="([^"]*)"', queries)) <= reasons
    for rule in group["rules"]:
        assert rule["annotations"]["summary"].endswith(".")
    prometheus = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    assert prometheus["rule_files"] == ["alerts.yml"]


def test_each_metric_is_documented(service):
    page = (ROOT / "docs" / "configuration.md").read_text()
    section, *_ = page.split("## Metrics")[1].split("\n## ")
    rows = re.findall(r"(?m)^\| `(digits_\w+)`[^|]*\| ([^|]*) \|$", section)
    expected = {}
    for family in families(service):
        total = "_total" if family.type == "counter" else ""
        if family.name.startswith("digits_"):
            expected[family.name + total] = family.documentation
    assert dict(rows) == expected

"""The Prometheus metrics, and the dashboard's queries of them."""

import json
import re

import pytest
import yaml
from fastapi.testclient import TestClient
from structlog.testing import capture_logs

from app.answers import problems
from app.main import create_app
from app.settings import Settings
from support import HOSTILE, ROOT, drawing, encode, flat, letter, number, samples

DASHBOARD = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
QUERIES = [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]
]


@pytest.fixture(scope="module")
def service(seven, digits):
    """A client of a service after some requests of each kind."""
    with TestClient(create_app(Settings(min_legibility=0.5))) as client:
        for picture in (
            encode(seven),
            encode(seven),
            encode(drawing(seven)),
            b"text",
            encode(letter("A")),
        ):
            client.post("/predict", content=picture)
        files = [
            ("files", each)
            for each in (encode(seven), encode(drawing(seven)), HOSTILE["cut png"][0])
        ]
        client.post("/predict/batch", files=files)
        for picture in (
            encode(number(digits[[350, 350, 120]])),
            encode(seven),
            flat(255),
        ):
            client.post("/read", content=picture)
        frames = {
            "name": "pixels",
            "shape": [2, 784],
            "datatype": "FP32",
            "data": [(seven.ravel() / 255).tolist()] * 2,
        }
        client.post("/v2/models/digits/infer", json={"inputs": [frames]})
        client.get("/none")
        yield client


@pytest.fixture(scope="module")
def exported(service):
    return samples(service)


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
    for name, expected in EXPECTED.items():
        labels = re.findall(r'(\w+)="([^"]*)"', name)
        assert exported[f"digits_{name.split('{')[0]}", *labels] == expected, name
    for stage in ("decode", "preprocess", "inference"):
        assert 0 < exported[f"digits_{stage}_seconds_sum",] < 3
    for name, model in (("digits", classifier), ("lines", line_network)):
        labels = {
            "architecture": model.metadata["architecture"],
            "model": name,
            "version": model.version,
        }
        assert exported["digits_model_info", *sorted(labels.items())] == 1
    assert exported["process_resident_memory_bytes",] > 50_000_000
    assert exported["process_start_time_seconds",] > 0


def test_each_metric_is_recorded(service, exported):
    names = [
        each.name for each in service.app_state["service"].metrics.registry.collect()
    ]
    recorded = [
        name
        for (name, *_), value in exported.items()
        if value and not name.endswith("_created")
    ]
    idle = {
        name for name in names if not any(each.startswith(name) for each in recorded)
    }
    # Nothing waits now, no decoder was killed, corrections are off, and there are no
    # keys.
    off = {"digits_corrections", "digits_authenticated_requests"}
    assert idle == {"digits_queue_depth", "digits_decoders_killed", *off}


def test_without_the_folder_that_workers_share_each_shows_its_own_metrics_and_says_so_once(
    service, exported, tmp_path, monkeypatch
):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "deleted"))
    with capture_logs() as lines:
        answers = [samples(service) for _ in range(2)]
    assert [answer["digits_confidence_count",] for answer in answers] == [
        exported["digits_confidence_count",]
    ] * 2
    (warning,) = (line["event"] for line in lines if line["log_level"] == "warning")
    assert f"{tmp_path / 'deleted'} or a file in it was deleted" in warning


@pytest.mark.parametrize("query", QUERIES)
def test_the_dashboard_queries_existing_metrics(query, exported):
    names = {name for name, *_ in exported}
    asked = re.findall(r"digits_\w+", query)
    assert asked
    assert set(asked) <= names
    labels = {
        label for name, *labels in exported if name in asked for label, _ in labels
    }
    grouped = {
        label
        for group in re.findall(r"by \(([^)]*)\)", query)
        for label in group.split(", ")
    }
    assert grouped <= labels
    for label, value in re.findall(r'(\w+)="([^"]*)"', query):
        assert any(
            (label, value) in pairs for name, *pairs in exported if name in asked
        )


def test_alerts_watch_metrics_and_errors_that_exist(exported):
    (group,) = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"]
    queries = " ".join(rule["expr"] for rule in group["rules"])
    assert set(re.findall(r"digits_\w+", queries)) <= {name for name, *_ in exported}
    assert set(re.findall(r'reason="([^"]*)"', queries)) <= {
        each.name for each in problems.TYPES.values()
    }
    assert all(rule["annotations"]["summary"].endswith(".") for rule in group["rules"])
    assert yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())[
        "rule_files"
    ] == ["alerts.yml"]


def test_each_metric_is_documented(service):
    table = (
        (ROOT / "docs" / "configuration.md")
        .read_text()
        .split("## Metrics")[1]
        .split("\n## ")[0]
    )
    rows = dict(
        re.findall(r"^\| `(digits_\w+)`[^|]*\| ([^|]*) \|$", table, re.MULTILINE)
    )
    families = [
        f
        for f in service.app_state["service"].metrics.registry.collect()
        if f.name.startswith("digits_")
    ]
    assert rows == {
        f.name + "_total" * (f.type == "counter"): f.documentation for f in families
    }

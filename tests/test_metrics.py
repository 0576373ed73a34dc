"""The Prometheus metrics, and the dashboard's queries of them."""

import json
import re

import pytest
import yaml
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from app.web import problems
from support import ROOT, encode, flat, letter, number, samples

DASHBOARD = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


@pytest.fixture(scope="module")
def exported(client, seven):
    """The samples that a service exports after a few requests of each kind."""
    large = encode(seven.repeat(20, 0).repeat(20, 1))
    for _ in range(3):
        assert client.post("/predict", content=encode(seven)).status_code == 200
    assert client.post("/predict", content=large).status_code == 200
    client.post("/predict", content=b"text")
    client.get("/none")
    return samples(client)


def test_requests_are_counted_by_route_and_status(exported):
    assert exported["digits_requests_total", ("route", "/predict"), ("status", "200")] == 4
    assert exported["digits_requests_total", ("route", "/predict"), ("status", "415")] == 1
    assert exported["digits_requests_total", ("route", "none"), ("status", "404")] == 1
    assert exported["digits_rejected_total", ("reason", "not-an-image")] == 1
    assert exported["digits_request_seconds_count", ("route", "/predict")] == 5
    assert exported["digits_requests_in_flight",] == 1  # the request for /metrics itself


def test_the_stages_of_reading_a_picture_are_timed(exported):
    for stage in ("decode", "preprocess"):
        assert exported[f"digits_{stage}_seconds_count",] == 4
        assert 0 < exported[f"digits_{stage}_seconds_sum",] < 1
    assert exported["digits_inference_seconds_count",] == exported["digits_batch_size_count",] == 4
    assert exported["digits_batch_size_sum",] == 4
    assert exported["digits_queue_wait_seconds_count", ("queue", "small")] == 3
    assert exported["digits_queue_wait_seconds_count", ("queue", "large")] == 1
    assert exported["digits_queue_depth", ("queue", "small")] == exported["digits_queue_depth", ("queue", "large")] == 0


def test_answers_are_counted_by_digit_and_confidence(exported):
    assert [exported["digits_predictions_total", ("digit", str(digit))] for digit in range(10)] == [0] * 7 + [4, 0, 0]
    assert exported["digits_confidence_count",] == 4


def test_each_model_file_has_its_version(exported, classifier, line_network):
    for name, model in (("digits", classifier), ("lines", line_network)):
        labels = {"architecture": model.metadata["architecture"], "model": name, "version": model.version}
        assert exported["digits_model_info", *sorted(labels.items())] == 1


def test_legibility_is_recorded_for_refused_pictures_too(seven):
    with TestClient(create_app(Settings(min_legibility=0.5))) as client:
        for picture in (seven, letter("A")):
            client.post("/predict", content=encode(picture))
        found = samples(client)
    assert found["digits_legibility_count",] == 2
    assert found["digits_legibility_bucket", ("le", "0.5")] == 1
    assert found["digits_confidence_count",] == 1
    assert sum(found["digits_predictions_total", ("digit", str(digit))] for digit in range(10)) == 1
    assert found["digits_rejected_total", ("reason", "not-a-digit")] == 1


def test_digits_and_texts_are_counted(new_client, digits):
    for picture in (encode(number(digits[[350, 350, 120]])), encode(digits[350]), flat(255)):
        assert new_client.post("/read", content=picture).status_code == 200
    found = samples(new_client)
    assert found["digits_requests_total", ("route", "/read"), ("status", "200")] == 3
    assert [found["digits_text_length_bucket", ("le", bound)] for bound in ("0.0", "1.0", "2.0", "3.0")] == [1, 2, 2, 3]
    assert found["digits_text_length_sum",] == 4
    assert [found["digits_predictions_total", ("digit", digit)] for digit in "27"] == [1, 3]
    assert found["digits_legibility_count",] == found["digits_confidence_count",] == 4
    assert found["digits_queue_wait_seconds_count", ("queue", "large")] == 3
    for name in ("decode_seconds", "preprocess_seconds", "inference_seconds", "batch_size"):
        assert found[f"digits_{name}_count",] == 3


def test_an_unknown_path_does_not_become_a_label(client, exported):
    before = len(samples(client))  # the first request for /metrics, by `exported`, did not yet count itself
    for name in range(5):
        client.get(f"/{name}")
    assert len(samples(client)) == before


@pytest.mark.parametrize("query", QUERIES)
def test_the_dashboard_queries_existing_metrics(query, exported):
    names = {name for name, *_ in exported}
    asked = re.findall(r"digits_\w+", query)
    assert asked
    assert set(asked) <= names
    labels = {label for name, *labels in exported if name in asked for label, _ in labels}
    grouped = {label for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(", ")}
    assert grouped <= labels
    for label, value in re.findall(r'(\w+)="([^"]*)"', query):
        assert any((label, value) in pairs for name, *pairs in exported if name in asked)


def test_alerts_watch_metrics_and_errors_that_exist(exported):
    (group,) = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"]
    queries = " ".join(rule["expr"] for rule in group["rules"])
    assert set(re.findall(r"digits_\w+", queries)) <= {name for name, *_ in exported}
    assert set(re.findall(r'reason="([^"]*)"', queries)) <= {each.name for each in problems.TYPES.values()}
    assert all(rule["annotations"]["summary"].endswith(".") for rule in group["rules"])
    assert yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())["rule_files"] == ["alerts.yml"]


def test_the_process_is_measured(exported):
    assert exported["process_resident_memory_bytes",] > 50_000_000
    assert exported["process_start_time_seconds",] > 0


def test_each_metric_is_documented(client):
    table = (ROOT / "docs" / "configuration.md").read_text().split("## Metrics")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `(digits_\w+)`[^|]*\| ([^|]*) \|$", table, re.MULTILINE))
    families = [f for f in client.app_state["service"].metrics.registry.collect() if f.name.startswith("digits_")]
    assert rows == {f.name + "_total" * (f.type == "counter"): f.documentation for f in families}

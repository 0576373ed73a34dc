"""Answers of the service: examples, and what every one keeps."""

import csv
import json
from io import StringIO
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

# Texts, and what they are in CSV for a spreadsheet, which would run some as formulas.
CELLS = {
    "=1+1": "'=1+1",
    "+cmd|' /C calc'!A0": "'+cmd|' /C calc'!A0",
    "@SUM(1+1)": "'@SUM(1+1)",
    "\t=1": "'\t=1",
    "\r=1": "'\r=1",
    "\n=1": "'\n=1",
    "-7 -7": "'-7 -7",
    "-3\n5": "'-3\n5",
    "-7\n": "'-7\n",
    "2026-05-01": "2026-05-01",
    "-5": "-5",
    "+3.5": "+3.5",
    "-1,250.00": "-1,250.00",
    "-٣": "'-٣",
    "7=1+1": "7=1+1",
    "'24.png": "'24.png",
    "'=1": "''=1",
    "''=1": "'''=1",
    "": "",
}


def assert_problem(answer, status: int, name: str, path: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    fields = {"type", "title", "status", "detail", "instance", "request_id"}
    if name == "not-sure":
        fields.add("reading")
    elif "/v2" in path:
        fields.add("error")
    assert set(problem) == fields
    assert problem["type"] == f"/problems/{name}"
    assert problem["status"] == status
    assert problem["instance"] == path
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["detail"].endswith(".")


def samples(client) -> dict[tuple, float]:
    """Parse /metrics: name and labels → value."""
    found = {}
    for metric in text_string_to_metric_families(client.get("/metrics").text):
        for sample in metric.samples:
            found[sample.name, *sorted(sample.labels.items())] = sample.value
    return found


DIGIT_READ = {
    "digit": 7,
    "confidence": 0.9,
    "probabilities": [0.0] * 7 + [0.9, 0.1, 0.0],
    "legibility": 0.8,
}
SEVEN = {**DIGIT_READ, "model": "1f0c2a9b7d3e"}
LINE = {
    "text": "-7",
    "confidence": 0.9,
    "box": {"left": 1, "top": 2, "width": 6, "height": 4},
    "digits": [{**DIGIT_READ, "box": {"left": 4, "top": 2, "width": 3, "height": 4}}],
    "marks": [{"mark": "-", "box": {"left": 1, "top": 4, "width": 2, "height": 1}}],
}
NUMBER = {"text": "-7", "confidence": 0.9, "lines": [LINE], "model": "8d41b6e05c72"}
HEALTH = {
    "status": "ok",
    "version": "1.0.0",
    "corrections": False,
    "models": {
        "digits": {"version": "1f0c2a9b7d3e"},
        "lines": {"version": "8d41b6e05c72", "characters": "0123456789.,-/: +%"},
        "pages": {"version": "c2710e95d4ab"},
    },
}


def rows_in(path: Path) -> list[dict]:
    """Return the rows of a file of results, whose columns are all texts in CSV."""
    text = path.read_bytes().decode(errors="surrogateescape")
    if path.suffix == ".csv":
        return [*csv.DictReader(StringIO(text, newline=""))]
    return [json.loads(line) for line in text.splitlines()]

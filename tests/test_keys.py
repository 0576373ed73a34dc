"""API keys and their names, in a file that is read again when it changes."""

import os
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from structlog.testing import capture_logs

from answers import samples
from app.main import create_app
from app.metrics import Metrics
from app.settings import Settings
from app.web.keys import InvalidKeys, Keys, parse
from pictures import encode
from services import serving

BOTH = "website: 5tRo:nG\nscanner: w3aK\n"
ONE = "scanner: w3aK\n"
METRIC = "digits_authenticated_requests_total"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def file(folder) -> Path:
    """The file of the service's keys; a new one takes its place, as editors do."""
    return replace(folder / "keys.txt", BOTH)


@pytest.fixture(scope="module")
def service(folder):
    file = replace(folder / "keys.txt", BOTH)
    with TestClient(
        create_app(Settings(api_keys=["first", "second"], api_keys_file=file))
    ) as client:
        yield client


def replace(file: Path, content: str) -> Path:
    new = file.with_name("new")
    new.write_text(content)
    return new.replace(file)


def swap(file: Path, content: str) -> None:
    """Point a link to another folder, as Kubernetes does when a Secret changes."""
    version = file.with_name(f"version-{len(list(file.parent.iterdir()))}")
    version.mkdir()
    (version / "keys.txt").write_text(content)
    link = file.with_name("data")
    link.unlink(missing_ok=True)
    link.symlink_to(version.name)
    file.unlink()
    file.symlink_to("data/keys.txt")


def overwrite(file: Path, content: str) -> None:
    with file.open("r+") as opened:
        opened.truncate()
        opened.write(content)


def status(client, key: str) -> int:
    return client.get("/metrics", headers={"X-API-Key": key}).status_code


def statuses(client, keys: str) -> list[int]:
    return [status(client, key) for key in keys.split()]


def used(client) -> dict[str, float]:
    """The number of requests with each key, by its name."""
    client.headers["X-API-Key"] = "first"
    shown = samples(client)
    del client.headers["X-API-Key"]
    counts = {}
    for (name, *labels), count in shown.items():
        if name == METRIC:
            counts[labels[0][1]] = count
    return counts


@pytest.mark.parametrize(
    "content",
    [
        b"website: 5tRo:nG\nscanner: w3aK",
        b"\xef\xbb\xbf# Fachbereich \xc3\x9c\r\n\r\nwebsite: 5tRo:nG\r\n  # f\xfcr "
        b"uns\r\n scanner:w3aK \r\n",
    ],
)
def test_lines_of_name_and_key_may_have_comments_blank_lines_and_any_line_ends(content):
    assert parse(content, ["key-1"]) == {b"5tRo:nG": "website", b"w3aK": "scanner"}


TAKEN = "has the key of another line, or a name that is taken."
INVALID = {
    "": "has no keys.",
    "# none yet\n": "has no keys.",
    f"{BOTH}s3cret": "line 3 is not `name: key`.",
    "# s3cret\nwebsite:\n": "line 2 is not `name: key`.",
    "website: s3cret # since May": "line 1 is not `name: key`.",
    "web site: s3cret": "line 1 is not `name: key`.",
    f"{'w' * 65}: s3cret": "line 1 is not `name: key`.",
    'website"} 1 #: s3cret': "line 1 is not `name: key`.",
    "website: s3crét": "line 1 is not `name: key`.",
    "w\x00e\x00b\x00:\x00s3cret": "line 1 is not `name: key`.",
    "website: s3cret\nwebsite: other": f"line 2 {TAKEN}",
    "website: s3cret\nscanner: s3cret": f"line 2 {TAKEN}",
    "key-1: s3cret": f"line 1 {TAKEN}",
    "website: s3cret" + "\n" * 100_000: "has more than 100,000 bytes.",
}


@pytest.mark.parametrize("content", INVALID, ids=INVALID.values())
def test_an_invalid_file_is_refused_with_its_path_and_line_but_no_key(
    tmp_path, content
):
    file = tmp_path / "keys.txt"
    file.write_text(content)
    with pytest.raises(InvalidKeys) as raised:
        keys_of(file)
    assert str(raised.value).startswith(f"{file}: {INVALID[content]}")
    assert "s3cr" not in str(raised.value)


def keys_of(file: Path) -> Keys:
    return Keys([SecretStr("first")], file, Metrics({}).authenticated)


@pytest.mark.parametrize(
    ("name", "cause"),
    [("keys.txt", "No such file or directory"), (".", "Is a directory")],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path, name, cause):
    with pytest.raises(InvalidKeys, match=rf": cannot be read \({cause}\)\.$"):
        keys_of(tmp_path / name)


def test_the_log_and_the_metric_name_the_key_of_each_request(service, file, seven):
    before = used(service)
    assert before.keys() == {"key-1", "key-2", "website", "scanner"}
    with capture_logs() as lines:
        for headers in ({"X-API-Key": "5tRo:nG"}, {"Authorization": "Bearer second"}):
            answer = service.post("/predict", content=encode(seven), headers=headers)
            assert answer.json()["digit"] == 7
        second = {"X-API-Key": "second"}
        refused = service.post("/predict", content=b"text", headers=second)
        assert refused.status_code == 415
        two = {"Authorization": "Bearer w3aK", "X-API-Key": "second"}
        service.get("/metrics", headers=two)
        assert status(service, "wrong") == 401
        service.get("/health", headers={"X-API-Key": "5tRo:nG"})
    requests = [line for line in lines if line["event"] == "request"]
    assert [line.get("key") for line in requests] == [
        "website",
        "key-2",
        "key-2",
        "key-2, scanner",
        None,
        None,
    ]
    after = used(service)
    assert {name: after[name] - before[name] for name in after} == {
        "key-1": 1,
        "key-2": 3,
        "website": 1,
        "scanner": 1,
    }
    assert not any(key in str(lines) for key in ("5tRo:nG", "w3aK", "wrong"))


def test_an_unused_key_shows_0_and_one_that_is_no_longer_valid_its_last_count(folder):
    file = replace(folder / "other.txt", ONE)
    with TestClient(create_app(Settings(api_keys_file=file))) as client:
        assert status(client, "w3aK") == 200
        replace(file, "new: first\n")
        assert used(client) == {"scanner": 1, "new": 1}
        replace(file, "new: first\nnewer: third\n")
        assert used(client) == {"scanner": 1, "new": 2, "newer": 0}


@pytest.mark.parametrize("change", [replace, swap, overwrite])
def test_the_next_request_after_a_change_needs_a_key_of_the_new_file(
    service, file, change
):
    keys = "5tRo:nG w3aK third first"
    assert statuses(service, keys) == [200, 200, 401, 200]
    with capture_logs() as lines:
        change(file, f"{BOTH}new: third\n")
        assert statuses(service, keys) == [200, 200, 200, 200]
        change(file, f"{ONE}new: third\n")
        assert statuses(service, keys) == [401, 200, 200, 200]
    event = "API keys were read again"
    read = [line["keys"] for line in lines if line["event"] == event]
    given = ["key-1", "key-2"]
    assert read == [[*given, "website", "scanner", "new"], [*given, "scanner", "new"]]


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (lambda file: overwrite(file, ""), "has no keys."),
        (
            lambda file: overwrite(file, "scanner: w3aK\nwebsi"),
            "line 2 is not `name: key`.",
        ),
        (Path.unlink, "cannot be read (No such file or directory)."),
        (
            lambda file: (file.unlink(), file.mkdir()),
            "cannot be read (Is a directory).",
        ),
    ],
)
def test_while_the_file_is_invalid_the_keys_stay_and_the_log_says_so_once(
    service, file, spoil, cause
):
    assert status(service, "5tRo:nG") == 200
    with capture_logs() as lines:
        spoil(file)
        for _ in range(2):
            assert statuses(service, "5tRo:nG w3aK third") == [200, 200, 401]
    (error,) = [line["event"] for line in lines if line["log_level"] == "error"]
    assert error.startswith(f"{file}: {cause}")
    assert error.endswith("Until that is corrected, the API keys stay as they were.")
    assert not any(key in str(lines) for key in ("5tRo:nG", "w3aK", "third"))
    if file.is_dir():
        file.rmdir()
    replace(file, "new: third\n")
    assert statuses(service, "5tRo:nG third") == [401, 200]


def test_a_file_alone_closes_the_service(folder, seven):
    file = replace(folder / "alone.txt", ONE)
    with TestClient(create_app(Settings(api_keys_file=file))) as client:
        for path in ("/predict", "/read", "/explain"):
            assert client.post(path, content=encode(seven)).status_code == 401
        assert client.get("/metrics").status_code == 401
        described = client.get("/openapi.json").json()["components"]["securitySchemes"]
        assert described["HTTPBearer"]["description"] == "An API key of the service."


@pytest.mark.slow
def test_each_worker_reads_a_changed_file_and_their_counts_add_up(folder, seven):
    file = replace(folder / "workers.txt", ONE)
    settings = {"DIGITS_API_KEYS": "first", "DIGITS_API_KEYS_FILE": str(file)}
    with serving("--workers", "2", **settings) as (process, url):

        def ask(key: str) -> set[int]:
            """Send requests over connections of their own, to any of the workers."""
            found = set()
            for _ in range(20):
                found.add(
                    httpx2.post(
                        f"{url}/predict",
                        content=encode(seven),
                        headers={"X-API-Key": key},
                        timeout=120,
                    ).status_code
                )
            return found

        assert ask("w3aK") == {200}
        assert ask("third") == {401}
        replace(file, "new: third\n")
        assert ask("w3aK") == {401}
        assert ask("third") == {200}
        os.truncate(file, 0)
        assert ask("w3aK") == {401}
        assert ask("third") == {200}
        with httpx2.Client(base_url=url, timeout=120) as client:
            assert used(client) == {"key-1": 1, "scanner": 20, "new": 40}
    assert "w3aK" not in process.log

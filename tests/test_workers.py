"""Worker processes: their metrics and replacement, also where they cannot write."""

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import onnx
import pytest

from app.server.process import listen
from app.shared_metrics import forget_killed_workers
from commands import DIGITS
from paths import MODELS
from processes import family
from services import PICTURE, SMALL, is_well, serving, until

pytestmark = pytest.mark.slow
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="needs /proc to find processes"
)


def children(pid: int) -> list[int]:
    """List the worker processes."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
            found.append(int(child))
    return found


def counted(url: str) -> float:
    """Return the number of predictions in the metrics."""
    text = httpx2.get(f"{url}/metrics").raise_for_status().text
    counts = re.findall(r"^digits_predictions_total\{.* (\S+)$", text, re.MULTILINE)
    return sum(map(float, counts))


@needs_proc
def test_workers_share_port_and_metrics_are_replaced_and_end_with_their_parent(
    tmp_path,
):
    versions = {}
    own = [tmp_path / shipped.name for shipped in MODELS]
    for shipped, file in zip(MODELS, own, strict=True):
        model = onnx.load(shipped)
        model.metadata_props.add(key="owner", value="somebody else")
        onnx.save(model, file)
        versions[file.stem] = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    digits, lines, pages = map(str, own)
    settings = {
        "WEB_CONCURRENCY": "2",
        "DIGITS_MODEL": digits,
        "DIGITS_LINES_MODEL": lines,
        "DIGITS_PAGES_MODEL": pages,
    }
    with serving(**settings) as (process, url):

        def is_replaced(pid: int) -> bool:
            workers = children(process.pid)
            return len(workers) == 2 and pid not in workers

        assert until(lambda: is_replaced(0) and is_well(url), seconds=30)
        models = httpx2.get(f"{url}/health").json()["models"]
        assert {name: model["version"] for name, model in models.items()} == versions
        assert {model["owner"] for model in models.values()} == {"somebody else"}
        text = httpx2.post(f"{url}/read", content=SMALL).json()
        used = (versions[name] for name in ("lines", "pages", "digits"))
        assert text["model"] == "+".join(used)
        before = counted(url)
        for _ in range(40):
            assert httpx2.post(f"{url}/predict", content=SMALL).status_code == 200
        assert counted(url) - before == 40

        for file in own:
            file.write_bytes(b"another model")  # in place, as cp writes it
        killed, survivor = children(process.pid)
        os.kill(killed, signal.SIGKILL)
        assert until(lambda: is_well(url))
        assert until(lambda: is_replaced(killed))
        assert survivor in children(process.pid)
        assert until(lambda: counted(url) - before == 41)

        os.kill(survivor, signal.SIGKILL)  # now, only a new one answers
        assert until(lambda: is_well(url) and is_well(url, PICTURE), seconds=30)
        assert httpx2.get(f"{url}/health").json()["models"] == models
        assert until(lambda: is_replaced(survivor))
        members = family(process.pid)
        assert len(members) > 5  # and their decoders
        process.kill()
        running = [Path(f"/proc/{pid}") for pid in members[1:]]
        assert until(lambda: not any(path.exists() for path in running))


@needs_proc
def test_workers_whose_shared_metrics_are_deleted_show_their_own(tmp_path):
    with serving("--workers", "2", TMPDIR=str(tmp_path)) as (process, url):
        assert until(
            lambda: len(children(process.pid)) == 2 and is_well(url), seconds=30
        )
        (folder,) = tmp_path.glob("digits-metrics-*")
        shutil.rmtree(folder)
        assert all(counted(url) >= 0 for _ in range(50))
        killed, _ = children(process.pid)
        os.kill(killed, signal.SIGKILL)
        assert until(
            lambda: (
                len(children(process.pid)) == 2
                and killed not in children(process.pid)
                and is_well(url)
            )
        )
        assert all(counted(url) >= 0 for _ in range(50))
    assert 1 <= process.log.count("/metrics covers only one worker") <= 3
    assert "Traceback" not in process.log


def test_on_windows_workers_are_not_probed_with_signals(tmp_path, monkeypatch):
    (tmp_path / "gauge_livesum_1.db").touch()
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(os, "kill", pytest.fail)
    forget_killed_workers(tmp_path)


FULL_DISK = (
    'mount -t tmpfs -o size=64k x "$TMPDIR" && head -c 60000 /dev/zero >"$TMPDIR/x" '
    '&& exec "$@" --workers=2'
)


@needs_proc
@pytest.mark.parametrize(
    "shell",
    [
        ["bash", "-c", 'exec "$@" 2>/dev/full'],
        ["bash", "-c", 'exec "$@" 2> >(true)'],
        ["bash", "-c", 'exec "$@" 2>&-'],
        ["unshare", "--map-root-user", "--mount", "bash", "-c", FULL_DISK],
    ],
    ids=[
        "full standard error",
        "standard error closed later",
        "closed standard error",
        "full disk for metrics",
    ],
)
def test_the_service_runs_where_it_cannot_write(shell, tmp_path):
    if shell[0] == "unshare":
        done = subprocess.run([*shell[:3], "true"], capture_output=True)
        if done.returncode:
            pytest.skip("needs the right to mount a disk")
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    command = [*shell, "bash", DIGITS, "serve", f"--port={url.rpartition(':')[2]}"]
    process = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(tmp_path)})
    try:
        assert until(lambda: is_well(url), seconds=30)
        workers = children(process.pid)
        for picture in [SMALL] * 20 + [PICTURE]:
            assert httpx2.post(f"{url}/predict", content=picture).json()["digit"] == 7
        assert httpx2.get(f"{url}/metrics").is_success
        assert children(process.pid) == workers
    finally:
        process.terminate()
        assert process.wait(timeout=10) == 0


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
def test_all_interfaces_include_those_of_ipv4():
    with listen("::", 0) as listener:
        port = listener.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), timeout=5).close()

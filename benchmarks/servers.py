"""What the benchmarks of a running service share: starting it on some cores, its
memory, and what it is sent.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import numpy as np
from PIL import Image

from processes import family
from training.sample import digits
from training.writing.drawing import png
from training.writing.scenes import SCENES, Scene
from training.writing.sheets import jpeg, on_canvas, opened

RIVALS = Path(__file__).parent / "rivals"
BIN = Path(sys.executable).parent
PORT = 8731
URL = f"http://127.0.0.1:{PORT}"
DIGITS = str(BIN / "digits")
SERVE = [DIGITS, "serve", "--port", str(PORT)]
SERVER_CORE = "0"
LOAD_CORE = "1"
BOUNDARY = "b0undary"
SEVEN = digits()[350]


def pictures() -> dict[str, bytes]:
    """Draw a digit: MNIST's own PNG, a drawing on a sheet, and a photo."""
    rng = np.random.default_rng(0)
    drawing = opened(Scene(on_canvas, height=(240, 240))(SEVEN, rng))
    photo = opened(SCENES["phone-photo"](SEVEN, rng))
    return {
        "28×28 PNG": png(Image.fromarray(SEVEN)),
        "640×480 JPEG": jpeg(drawing.resize((640, 480))),
        "phone photo": jpeg(photo.resize((1440, 1080))),
    }


def form(pictures: list[bytes], field: str = "file") -> bytes:
    """Build a multipart form."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; '
        'filename="digit"\r\n\r\n'
    ).encode()
    parts = b"".join(head + picture + b"\r\n" for picture in pictures)
    return parts + f"--{BOUNDARY}--\r\n".encode()


def all_cores() -> str:
    """Return the cores that this process may use, for `running`."""
    return ",".join(map(str, os.sched_getaffinity(0)))


def pinned(cores: str) -> list[str]:
    """Return the command prefix that pins a process to some cores."""
    return ["taskset", "-c", cores]


@contextmanager
def running(
    command: list[str] = SERVE, field: str = "file", cores: str = SERVER_CORE
) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """Run a server; yield its process, and the seconds until its first answer."""
    began = time.perf_counter()
    environment = os.environ | {
        "BENTOML_DO_NOT_TRACK": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": f"{RIVALS}:{RIVALS.parents[1]}",
    }
    server = subprocess.Popen(
        pinned(cores) + command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=RIVALS,
    )
    try:
        while not is_answering(field):
            if server.poll() is not None or time.perf_counter() > began + 60:
                raise SystemExit(f"{' '.join(command)} does not answer.")
            time.sleep(0.01)
        yield server, time.perf_counter() - began
    finally:
        for pid in reversed(family(server.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        try:
            server.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        time.sleep(0.5)


def is_answering(field: str) -> bool:
    """Return whether a server reads a picture."""
    files = {field: png(Image.fromarray(SEVEN))}
    try:
        return httpx2.post(f"{URL}/predict", files=files).is_success
    except httpx2.HTTPError:
        return False

"""Running services, and connections to them."""

import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx2

from commands import DIGITS
from pictures import drawing, encode, load_sheet

SEVEN = load_sheet()[0][358]
SMALL = encode(SEVEN)  # is read in the server's own process
PICTURE = encode(drawing(SEVEN))  # is read in a decoder


@contextmanager
def serving(
    *options: str, program: str = DIGITS, **environment: str
) -> Iterator[tuple[subprocess.Popen, str]]:
    """Run a service on a free port; yields its process and its address.

    At its end, `process.log` is its log.
    """
    process = subprocess.Popen(
        [program, "serve", "--port", "0", *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    process.log = ""
    said = ""

    def keep_log() -> None:
        process.log = process.stderr.read()

    drain = threading.Thread(target=keep_log)
    try:
        while not (found := re.search(r"http://[\d.]+:\d+", said)):
            line = process.stderr.readline()
            assert line, f"The service did not start: {said}"
            said += line
        drain.start()
        yield process, found[0]
    finally:
        process.terminate()
        process.wait(timeout=30)
        if drain.is_alive():
            drain.join()
        process.stderr.close()


def connect(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def received(client: socket.socket) -> bytes:
    """Receive everything until the service closes the connection."""
    answer = b""
    with suppress(ConnectionResetError):
        while data := client.recv(65536):
            answer += data
    return answer


def until(condition, seconds: float = 10) -> bool:
    """Wait for a condition; return whether it became true in time."""
    end = time.perf_counter() + seconds
    while not (true := condition()) and time.perf_counter() < end:
        time.sleep(0.05)
    return bool(true)


def is_well(url: str, picture: bytes = SMALL) -> bool:
    """Whether the service answers correctly within a second."""
    try:
        answer = httpx2.post(f"{url}/predict", content=picture, timeout=1)
    except httpx2.TransportError:
        return False
    return answer.status_code == 200 and answer.json()["digit"] == 7

"""Stand-ins for a service and a clock."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Response = tuple[int, dict[str, str], object]
Respond = Callable[[BaseHTTPRequestHandler], Response]


@contextmanager
def answering(
    respond: Respond, certificate: Path | None = None, port: int = 0
) -> Iterator[str]:
    """Run a service that answers as `respond` does; yields its address.

    `respond` is given a request with its body. With a certificate, which is in one file
    with its key, the service speaks TLS.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # each answer would take 40 ms

        def do_POST(self):
            self.body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, headers, content = respond(self)
            body = (
                content if isinstance(content, bytes) else json.dumps(content).encode()
            )
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, *arguments):
            pass

    ThreadingHTTPServer.request_queue_size = 128  # connections at once
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        thread.start()
        try:
            yield f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Clock:
    """A clock that only pauses advance."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return sum(self.pauses)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


class Killable:
    """A service that can be killed, and started again on the same port."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.running = ExitStack()
        self.changing = threading.Lock()
        self.is_running = False
        self.port = 0

    def start(self) -> str:
        """Start it, unless it runs; return its address."""
        with self.changing:
            if not self.is_running:
                service = answering(self.answer, port=self.port)
                self.url = self.running.enter_context(service)
                self.port = int(self.url.rpartition(":")[2])
                self.is_running = True
            return self.url

    def kill(self) -> None:
        """Refuse all connections from now on."""
        with self.changing:
            self.running.close()
            self.is_running = False

    def answer(self, request: BaseHTTPRequestHandler) -> Response:
        """Answer on a connection of its own, since others would outlive the service."""
        status, headers, content = self.respond(request)
        return status, {**headers, "connection": "close"}, content

"""The client's message for each reason why a service cannot be reached, over real sockets."""

import json
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from app.cli.answers import NoService
from app.cli.client import Service
from app.web.answers import HEALTH_EXAMPLE
from support import SEVEN, answering, tool


def why(url: str) -> str:
    """Return the client's message for an address where no service answers."""
    with pytest.raises(NoService) as refusal:
        Service(url, None, 1).about()
    return str(refusal.value)


def test_a_closed_port_is_reported():
    assert why("http://127.0.0.1:9") == (
        "http://127.0.0.1:9 does not answer (Connection refused): start a service with `digits serve`, "
        "or choose another one with --url."
    )


def test_a_host_that_does_not_resolve_is_reported():
    said = why("http://nowhere.invalid")
    assert said.startswith("http://nowhere.invalid has an unknown host (")
    assert said.endswith("): check --url and DIGITS_URL.")


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "localhost:8000", "digits.example"])
def test_an_address_without_a_scheme_is_reported(address):
    assert why(address) == f"{address} has no scheme: use --url http://{address}"


@pytest.mark.parametrize(
    ("url", "message"),
    [("http://127.0.0.1:port", "Invalid port: 'port'"), ("ftp://127.0.0.1", "unsupported protocol")],
)
def test_an_invalid_address_is_reported(url, message):
    said = why(url)
    assert said.startswith(f"{url} cannot be used: ")
    assert message in said
    assert said.endswith(". Use a URL such as http://127.0.0.1:8000")


@pytest.mark.parametrize(
    "url",
    [
        "http://ada:1815@127.0.0.1:9",
        "http://ada:18@15@127.0.0.1:9",
        "http://ada:18/15@127.0.0.1:9",
        "http://ada:18//15@127.0.0.1:9",
        "ada:1815@host",
        "ada:18/15@host",
        "ada:18//15@host",
    ],
)
def test_a_user_name_and_password_in_the_url_are_not_repeated(url):
    said = why(url)
    assert url.rpartition("@")[2] in said
    assert not any(part in said for part in ("ada", "18", "15"))


def test_https_to_an_http_service_is_reported():
    with answering(lambda _: (200, {}, SEVEN)) as url:
        said = why(url.replace("http:", "https:"))
    assert " does not speak TLS (" in said
    assert "_ssl.c" not in said
    assert said.endswith("): try http:// instead of https://.")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """Make an untrusted certificate for 127.0.0.1, with its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = tool("openssl", *request, *names, "-keyout", str(path), "-out", f"{path}.crt")
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@contextmanager
def answering_over_tls(certificate: Path) -> Iterator[str]:
    """Run a service behind TLS; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(HEALTH_EXAMPLE).encode())

        def log_message(self, *arguments):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_certificate_is_trusted_only_if_it_is_given(certificate, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with answering_over_tls(certificate) as url:
        assert why(url) == (
            f"{url} has an untrusted certificate (self-signed certificate): "
            "set SSL_CERT_FILE to the certificate of its authority."
        )
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with closing(Service(url, None, 1)) as service:
            assert service.about() == HEALTH_EXAMPLE


def test_unreadable_certificates_are_reported(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    assert why("https://127.0.0.1:9").startswith("The certificates in SSL_CERT_FILE cannot be read (No such file or")

"""The client's message for each reason why a service cannot be reached, over real
sockets.
"""

import subprocess
from pathlib import Path

import pytest

from answers import HEALTH, SEVEN
from app.many.client import Client
from app.many.errors import NoService
from commands import tool
from examples import assert_shown
from stand_ins import answering


def why(url: str) -> str:
    """Return the client's message for an address where no service answers."""
    with pytest.raises(NoService) as refusal:
        Client(url, None, 1).about()
    return str(refusal.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "http://127.0.0.1:9",
            "does not answer (Connection refused): start a service with `digits "
            "serve`, or …--url.",
        ),
        (
            "http://nowhere.invalid",
            "has an unknown host (…): check --url and DIGITS_URL.",
        ),
        ("127.0.0.1:8000", "has no scheme: use --url http://127.0.0.1:8000"),
        ("digits.example", "has no scheme: use --url http://digits.example"),
        (
            "http://127.0.0.1:port",
            "cannot be used: Invalid port: 'port'. Use a URL such as "
            "http://127.0.0.1:8000",
        ),
        (
            "ftp://127.0.0.1",
            "cannot be used: …unsupported protocol…. Use a URL such as "
            "http://127.0.0.1:8000",
        ),
    ],
)
def test_an_address_where_no_service_answers_is_reported(url, message):
    assert_shown(f"{url} {message}", why(url))


@pytest.mark.parametrize("password", ["1815", "18@15", "18/15", "18//15"])
def test_a_user_name_and_password_in_the_url_are_not_repeated(password):
    for before, host in (("http://", "127.0.0.1:9"), ("", "host")):
        said = why(f"{before}ada:{password}@{host}")
        assert host in said
        assert not any(part in said for part in ("ada", "18", "15"))


def test_https_to_an_http_service_is_reported():
    with answering(lambda _: (200, {}, SEVEN)) as url:
        secure = url.replace("http:", "https:")
        said = why(secure)
    assert_shown(
        f"{secure} does not speak TLS (…): try http:// instead of https://.", said
    )
    assert "_ssl.c" not in said


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """Make an untrusted certificate for 127.0.0.1, with its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    request = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    files = "-keyout", str(path), "-out", f"{path}.crt"
    command = tool("openssl", *request.split(), *files)
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def test_a_certificate_is_trusted_only_if_it_is_given(certificate, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with answering(lambda _: (200, {}, HEALTH), certificate) as url:
        assert why(url) == (
            f"{url} has an untrusted certificate (self-signed certificate): "
            "set SSL_CERT_FILE to the certificate of its authority."
        )
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        service = Client(url, None, 1)
        with service:
            assert service.about() == HEALTH


def test_unreadable_certificates_are_reported(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    assert why("https://127.0.0.1:9").startswith(
        "The certificates in SSL_CERT_FILE cannot be read (No such file or"
    )

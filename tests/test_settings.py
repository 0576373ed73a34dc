"""Settings from the environment."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import Settings, unknown_variables
from support import MODEL, MODELS


def test_settings_are_read_from_the_environment(monkeypatch):
    assert Settings().files == MODELS
    monkeypatch.setenv("DIGITS_MAX_PIXELS", "1234")
    monkeypatch.setenv("DIGITS_LINES_MODEL", "/models/mine.onnx")
    monkeypatch.setenv(
        "DIGITS_CORS_ORIGINS", "https://example.org:8443, null,moz-extension://a1"
    )
    assert Settings().max_pixels == 1234
    assert (Settings().model, Settings().lines_model) == (
        MODEL,
        Path("/models/mine.onnx"),
    )
    assert Settings().cors_origins == (
        "https://example.org:8443",
        "null",
        "moz-extension://a1",
    )


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("none", None),
        ("/models/mine.onnx", Path("/models/mine.onnx")),
        ("./none", Path("none")),
    ],
)
def test_the_network_for_pages_can_be_left_out(monkeypatch, value, path):
    monkeypatch.setenv("DIGITS_PAGES_MODEL", value)
    assert Settings().files == (*MODELS[:2], path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[
            ("PORT", "70000"),
            ("MAX_PIXELS", "0"),
            ("LOG_LEVEL", "loud"),
            ("LOG_FORMAT", "xml"),
        ],
        *[("MIN_LEGIBILITY", value) for value in ("-0.1", "50", "nan")],
        *[("API_KEYS", value) for value in (",", " ", "schlüssel")],
        *[
            ("CORS_ORIGINS", value)
            for value in ("https://example.org/", "*,example.org")
        ],
    ],
)
def test_an_invalid_value_is_refused(monkeypatch, name, value):
    monkeypatch.setenv(f"DIGITS_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_empty_variables_count_as_unset(monkeypatch):
    unset = Settings()
    for name in [
        "WEB_CONCURRENCY",
        *(f"DIGITS_{field.upper()}" for field in Settings.model_fields),
    ]:
        monkeypatch.setenv(name, "")
    assert Settings() == unset


def test_an_invalid_key_is_not_shown(monkeypatch):
    monkeypatch.setenv("DIGITS_API_KEYS", "schlüssel,geheim")
    with pytest.raises(
        ValidationError, match="one or more keys of ASCII characters"
    ) as raised:
        Settings()
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (
            {"digits_prot": "1"},
            ["digits_prot is not a setting of Digits. Did you mean DIGITS_PORT?"],
        ),
        ({"DIGITS_XYZZY": "1"}, ["DIGITS_XYZZY is not a setting of Digits."]),
        (
            {"DIGITS_API_KEY": "1"},
            [
                "DIGITS_API_KEY is not a setting of Digits. Did you mean "
                "DIGITS_API_KEYS?"
            ],
        ),
        (
            {
                "DIGITS_API_KEY": "1",
                "DIGITS_API_KEYS": "1",
                "DIGITS_URL": "http://127.0.0.1:8000",
            },
            [],
        ),
        ({"DIGITS_API_KEY": "1", "DIGITS_API_KEYS_FILE": "keys.txt"}, []),
        ({f"DIGITS_{name.upper()}": "1" for name in Settings.model_fields}, []),
        ({"digits_port": "1", "MY_DIGITS_PORT": "1", "PATH": "/bin"}, []),
    ],
)
def test_an_unknown_variable_gets_a_suggestion(environment, said):
    assert unknown_variables(environment) == said

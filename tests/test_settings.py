"""Settings from the environment."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import Settings, unknown_variables
from paths import MODEL, MODELS


def test_settings_are_read_from_the_environment(monkeypatch):
    assert Settings().files == MODELS
    monkeypatch.setenv("DIGITS_MAX_PIXELS", "1234")
    monkeypatch.setenv("DIGITS_LINES_MODEL", "/models/mine.onnx")
    monkeypatch.setenv(
        "DIGITS_CORS_ORIGINS", "https://example.org:8443, null,moz-extension://a1"
    )
    assert Settings().max_pixels == 1234
    assert Settings().model == MODEL
    assert Settings().lines_model == Path("/models/mine.onnx")
    origins = ("https://example.org:8443", "null", "moz-extension://a1")
    assert Settings().cors_origins == origins


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
        ("PORT", "70000"),
        ("MAX_PIXELS", "0"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("MIN_LEGIBILITY", "-0.1"),
        ("MIN_LEGIBILITY", "50"),
        ("MIN_LEGIBILITY", "nan"),
        ("API_KEYS", ","),
        ("API_KEYS", " "),
        ("API_KEYS", "schlüssel"),
        ("CORS_ORIGINS", "https://example.org/"),
        ("CORS_ORIGINS", "*,example.org"),
    ],
)
def test_an_invalid_value_is_refused(monkeypatch, name, value):
    monkeypatch.setenv(f"DIGITS_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_empty_variables_count_as_unset(monkeypatch):
    unset = Settings()
    monkeypatch.setenv("WEB_CONCURRENCY", "")
    for name in Settings.model_fields:
        monkeypatch.setenv(f"DIGITS_{name.upper()}", "")
    assert Settings() == unset


def test_an_invalid_key_is_not_shown(monkeypatch):
    monkeypatch.setenv("DIGITS_API_KEYS", "schlüssel,geheim")
    with pytest.raises(
        ValidationError, match="one or more keys of ASCII characters"
    ) as raised:
        Settings()
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("digits_prot", " Did you mean DIGITS_PORT?"),
        ("DIGITS_XYZZY", ""),
        ("DIGITS_API_KEY", " Did you mean DIGITS_API_KEYS?"),
    ],
)
def test_an_unknown_variable_gets_a_suggestion(name, hint):
    warning = f"{name} is not a setting of Digits.{hint}"
    assert unknown_variables({name: "1"}) == [warning]


@pytest.mark.parametrize(
    "names",
    [
        ["DIGITS_API_KEY", "DIGITS_API_KEYS", "DIGITS_URL"],
        ["DIGITS_API_KEY", "DIGITS_API_KEYS_FILE"],
        [f"DIGITS_{name.upper()}" for name in Settings.model_fields],
        ["digits_port", "MY_DIGITS_PORT", "PATH"],
    ],
)
def test_known_variables_get_none(names):
    assert unknown_variables(dict.fromkeys(names, "1")) == []

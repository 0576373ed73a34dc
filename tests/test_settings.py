"""Settings from the environment."""

import pytest
from pydantic import ValidationError

from app.settings import Settings


def test_the_environment_sets_them(monkeypatch):
    monkeypatch.setenv("DIGITS_MAX_PIXELS", "1234")
    monkeypatch.setenv("DIGITS_MODEL", "/models/mine.onnx")
    assert Settings().max_pixels == 1234
    assert str(Settings().model) == "/models/mine.onnx"


def test_they_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("MAX_PIXELS", "0"),
        ("MIN_LEGIBILITY", "-0.1"),
        ("MIN_LEGIBILITY", "50"),
        ("MIN_LEGIBILITY", "nan"),
        ("LOG_LEVEL", "loud"),
        ("API_KEYS", ","),
        ("API_KEYS", " "),
        ("API_KEYS", "schlüssel"),
    ],
)
def test_what_makes_no_sense_is_refused(monkeypatch, name, value):
    monkeypatch.setenv(f"DIGITS_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()

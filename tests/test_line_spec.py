"""What a line network's file says of it: refused if it makes no sense."""

import math

import numpy as np
import pytest

from app.text.ctc import BLANK
from app.text.field import Field
from app.text.line_spec import LineSpec

METADATA = {
    "stride": "4",
    "padding": "32",
    "delay": "0.25",
    "least_contrast": "7.5",
    "characters": "9876543210.+ ",
    "marks": ".",
    "space": " ",
    "threshold": "0.3",
    "other_weight": "0.5",
    "confidence_scale": "0.5",
    "confidence_offset": "1.5",
    "seed": "0",  # not part of the spec
}


@pytest.fixture
def spec() -> LineSpec:
    return LineSpec.of(16, METADATA)


def test_metadata_say_what_the_classes_stand_for(spec):
    assert (spec.height, spec.stride, spec.padding, spec.delay) == (16, 4, 32, 0.25)
    assert (spec.least_contrast, spec.threshold) == (7.5, 0.3)
    assert spec.digits == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert [*map(spec.class_of, ".+")] == [11, 12]
    assert (spec.gap, spec.other, spec.classes) == (13, 14, 15)
    assert spec.signs == "9876543210.+"
    assert [*filter(spec.is_sign, range(BLANK, spec.classes))] == [*range(1, 13)]


@pytest.mark.parametrize("name", [*METADATA][:-1])
def test_all_metadata_are_needed(name):
    with pytest.raises(KeyError, match=name):
        LineSpec.of(16, {key: METADATA[key] for key in METADATA if key != name})


WRONG = {
    "stride": ["two", "2.5", "0"],
    "padding": ["-32", ""],
    "delay": ["inf"],
    "least_contrast": ["0", "nan", "inf"],
    "threshold": ["high", "nan", "1", "-0.1"],
    "other_weight": ["0", "-1", "nan"],
    "confidence_scale": ["0", "nan"],
    "confidence_offset": ["inf"],
    "characters": ["", "987654321.+ ", "98765432100.+ "],
    "marks": [",.", "..", ".7"],
    "space": ["", "_", "  ", "7", "."],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in WRONG for value in WRONG[name]]
)
def test_metadata_that_make_no_sense_are_refused(name, value):
    message = (
        r"^(invalid literal|could not convert|characters|sizes|threshold|other|cal)"
    )
    with pytest.raises(ValueError, match=message):
        LineSpec.of(16, METADATA | {name: value})


def test_a_confidence_is_a_line_of_the_log_odds_of_the_probability(spec):
    odds = 3 * math.exp(1.5)  # those of 0.9 are 9 to 1, and so 3 to 1 after the root
    assert spec.calibrated(0.9) == pytest.approx(odds / (1 + odds))
    assert 0 < spec.calibrated(0.0) < spec.calibrated(1.0) < 1


def test_something_else_is_weighed(spec):
    rng = np.random.default_rng(0)
    output = rng.dirichlet(np.ones(spec.classes), 5).astype(np.float32)
    found = spec.weighed(output)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    shares = found / output
    others = shares[:, spec.other] / shares[:, BLANK]
    np.testing.assert_allclose(others, 0.5, rtol=1e-5)
    np.testing.assert_allclose(shares[:, spec.digits[0]], shares[:, BLANK], rtol=1e-5)


@pytest.mark.parametrize(
    ("characters", "kept"), [(None, "9876543210."), ("12+", "12+"), (".", ".")]
)
def test_what_is_not_wanted_counts_as_something_else(characters, kept, spec):
    rng = np.random.default_rng(0)
    output = rng.dirichlet(np.ones(spec.classes), 5).astype(np.float32)
    before = output.copy()
    found = spec.only(output, Field(characters=characters).signs(spec))
    np.testing.assert_array_equal(output, before)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    wanted = [BLANK, spec.gap, *map(spec.class_of, kept)]
    np.testing.assert_array_equal(found[:, wanted], output[:, wanted])
    unwanted = [symbol for symbol in range(spec.other) if symbol not in wanted]
    assert not found[:, unwanted].any()

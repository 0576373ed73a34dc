"""What a line network's file says of it: read once, and refused if it is incomplete or
makes no sense.
"""

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
    assert (
        spec.class_of("."),
        spec.class_of("+"),
        spec.gap,
        spec.other,
        spec.classes,
    ) == (11, 12, 13, 14, 15)
    assert spec.signs == "9876543210.+"
    assert [spec.is_sign(symbol) for symbol in (BLANK, 1, 11, 12, 13, 14)] == [
        False,
        True,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("name", [*METADATA][:-1])
def test_all_metadata_are_needed(name):
    with pytest.raises(KeyError, match=name):
        LineSpec.of(16, {key: value for key, value in METADATA.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stride", "two"),
        ("stride", "2.5"),
        ("stride", "0"),
        ("padding", "-32"),
        ("padding", ""),
        ("delay", "inf"),
        ("least_contrast", "0"),
        ("least_contrast", "nan"),
        ("least_contrast", "inf"),
        ("threshold", "high"),
        ("threshold", "nan"),
        ("threshold", "1"),
        ("threshold", "-0.1"),
        ("confidence_scale", "0"),
        ("confidence_scale", "nan"),
        ("confidence_offset", "inf"),
        ("characters", ""),
        ("characters", "987654321.+ "),
        ("characters", "98765432100.+ "),
        ("marks", ",."),
        ("marks", ".."),
        ("marks", ".7"),
        ("space", ""),
        ("space", "_"),
        ("space", "  "),
        ("space", "7"),
        ("space", "."),
    ],
)
def test_metadata_that_make_no_sense_are_refused(name, value):
    with pytest.raises(
        ValueError,
        match=r"^(invalid literal|could not convert|characters|sizes|threshold|cal)",
    ):
        LineSpec.of(16, METADATA | {name: value})


def test_a_confidence_is_a_line_of_the_log_odds_of_the_probability(spec):
    odds = 9  # of 9 to 1, and so 3 to 1 after the square root
    assert spec.calibrated(odds / (1 + odds)) == pytest.approx(
        3 * math.exp(1.5) / (1 + 3 * math.exp(1.5))
    )
    assert 0 < spec.calibrated(0.0) < spec.calibrated(1.0) < 1


@pytest.mark.parametrize(
    ("characters", "kept"), [(None, "9876543210."), ("12+", "12+"), (".", ".")]
)
def test_what_is_not_wanted_counts_as_something_else(characters, kept, spec):
    output = (
        np.random.default_rng(0).dirichlet(np.ones(spec.classes), 5).astype(np.float32)
    )
    before = output.copy()
    found = spec.only(output, Field(characters=characters).signs(spec))
    np.testing.assert_array_equal(output, before)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    wanted = [BLANK, spec.gap, *map(spec.class_of, kept)]
    np.testing.assert_array_equal(found[:, wanted], output[:, wanted])
    unwanted = [symbol for symbol in range(spec.other) if symbol not in wanted]
    assert not found[:, unwanted].any()

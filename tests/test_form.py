"""What a line network's file says of it: read once, and refused if it is incomplete or
makes no sense.
"""

import math

import numpy as np
import pytest

from app.text.ctc import BLANK
from app.text.field import Field
from app.text.line_spec import Form

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
    "seed": "0",  # not of the form
}


@pytest.fixture
def form() -> Form:
    return Form.of(16, METADATA)


def test_metadata_say_what_the_classes_stand_for(form):
    assert (form.height, form.stride, form.padding, form.delay) == (16, 4, 32, 0.25)
    assert (form.least_contrast, form.threshold) == (7.5, 0.3)
    assert form.digits == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert (
        form.class_of("."),
        form.class_of("+"),
        form.gap,
        form.other,
        form.classes,
    ) == (11, 12, 13, 14, 15)
    assert form.signs == "9876543210.+"
    assert [form.is_sign(symbol) for symbol in (BLANK, 1, 11, 12, 13, 14)] == [
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
        Form.of(16, {key: value for key, value in METADATA.items() if key != name})


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
        Form.of(16, METADATA | {name: value})


def test_a_confidence_is_a_line_of_the_log_odds_of_the_probability(form):
    odds = 9  # of 9 to 1, and so 3 to 1 after the square root
    assert form.calibrated(odds / (1 + odds)) == pytest.approx(
        3 * math.exp(1.5) / (1 + 3 * math.exp(1.5))
    )
    assert 0 < form.calibrated(0.0) < form.calibrated(1.0) < 1


@pytest.mark.parametrize(
    ("characters", "kept"), [(None, "9876543210."), ("12+", "12+"), (".", ".")]
)
def test_what_is_not_wanted_counts_as_something_else(characters, kept, form):
    output = (
        np.random.default_rng(0).dirichlet(np.ones(form.classes), 5).astype(np.float32)
    )
    before = output.copy()
    found = form.only(output, Field(characters=characters).signs(form))
    np.testing.assert_array_equal(output, before)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    wanted = [BLANK, form.gap, *map(form.class_of, kept)]
    np.testing.assert_array_equal(found[:, wanted], output[:, wanted])
    unwanted = [symbol for symbol in range(form.other) if symbol not in wanted]
    assert not found[:, unwanted].any()

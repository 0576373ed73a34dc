"""The fields that are proposed for an empty sheet."""

import numpy as np
import pytest

from app.form.proposal import DIGITS, proposed
from app.picture.opening import open_image
from app.text.reading import decoded
from filled_forms import printed
from networks import page_network
from sheets import PRINTS, box_of


@pytest.mark.parametrize(("name", "characters"), [("table", None), ("combs", DIGITS)])
def test_each_empty_cell_and_each_comb_is_proposed_as_a_field(name, characters):
    empty = PRINTS[name]
    form = proposed(decoded(open_image(printed(empty))), page_network())
    blanks = [[*box_of(blank).values()] for blank in empty.blanks]
    found = [[*field.box.model_dump().values()] for field in form.fields]
    assert np.shape(found) == np.shape(blanks)
    away = abs(np.array(found)[:, None] - blanks).max(axis=2)
    assert sorted(away.argmin(axis=1)) == [*range(len(blanks))]
    assert away.min(axis=1).max() < 0.01
    assert {field.characters for field in form.fields} == {characters}


def test_nothing_is_proposed_for_lines_to_write_on():
    form = proposed(decoded(open_image(printed(PRINTS["lines"]))), page_network())
    assert form.fields == []
    assert form.pages[0].landmarks.rules

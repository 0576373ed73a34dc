"""Fields cut out of a sheet: printed lines are painted over, writing is not."""

import numpy as np
from PIL import Image, ImageDraw

from app.form.crop import without_rules

RULE = 60


def test_a_printed_line_is_painted_over_but_strokes_that_cross_it_stay():
    crop = Image.new("L", (200, 100), 250)
    draw = ImageDraw.Draw(crop)
    draw.line((0, RULE, 199, RULE), 40, 3)
    draw.line((100, 20, 100, 95), 40, 6)
    rules = np.array([[0, RULE, 200, RULE]], float)
    clean = np.asarray(without_rules(crop, rules, 80))
    assert (clean[:, 98:102][20:95] < 60).all()
    assert (clean[:, :85] == 250).all()
    assert (clean[:, 115:] == 250).all()


def test_without_printed_lines_a_field_stays_as_it_is():
    crop = Image.new("L", (200, 100), 250)
    assert without_rules(crop, np.zeros((0, 4)), 80) is crop
